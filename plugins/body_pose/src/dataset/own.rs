//! A user's own motion: BVH and AMC of any skeleton whose joints have usual names.

use std::path::Path;

use nalgebra::UnitQuaternion;

use super::amc::{Amc, Asf};
use super::bvh::{Bvh, Thinning};
use super::rig::{Bone, Feet, Rig};
use super::texts::Texts;
use super::{Clip, Dataset, DatasetError, Source, split};

/// AMC does not say how fast it is; CMU's, which most are, is 120 frames a second: every fourth is taken.
const AMC_STRIDE: usize = 4;

/// Frames with a larger number are left out, in any unit: degrees wrap, and nobody walks a thousand kilometres.
const VALUE_LIMIT: f64 = 1e6;

/// Reads all that can be read; see [`Dataset::load_own`].
pub(super) fn load(path: &Path) -> Result<Dataset, DatasetError> {
    let mut texts = Texts::open(path)?;
    let mut dataset = Dataset { clips: Vec::new(), refused: Vec::new() };
    for name in texts.names("bvh") {
        let bvh = texts.read(&name, |reader| Bvh::read(&name, reader, Thinning::ToOwnFps));
        dataset.take(bvh.and_then(|bvh| clip_of_bvh(&name, &bvh)));
    }
    for name in texts.names("amc") {
        let clip = clip_of_amc(&mut texts, &name);
        dataset.take(clip);
    }
    Ok(dataset)
}

impl Dataset {
    fn take(&mut self, clip: Result<Clip, DatasetError>) {
        match clip {
            Ok(clip) => self.clips.push(clip),
            Err(error) => self.refused.push(error),
        }
    }
}

fn empty(name: &str, fps: f64) -> Clip {
    let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    Clip { split: split::of_own(name), ..Clip::empty(name.to_owned(), Source::Own, fps) }
}

fn clip_of_bvh(name: &str, bvh: &Bvh) -> Result<Clip, DatasetError> {
    let mut bones: Vec<Bone> = Vec::with_capacity(bvh.joints.len());
    for joint in &bvh.joints {
        let place = joint.parent.map_or(joint.offset, |parent| bones[parent].place + joint.offset);
        let end = joint.end.map(|end| place + end);
        bones.push(Bone { name: joint.name.clone(), parent: joint.parent, place, end, hinge: None });
    }
    let rig = Rig::new(name, &bones, Feet::Flat)?;
    let mut clip = empty(name, 1.0 / bvh.frame_time);
    for frame in &bvh.frames {
        clip.push(within(frame).then(|| bvh.globals(frame)).and_then(|turns| rig.pose(&turns)));
    }
    Ok(clip)
}

fn clip_of_amc(texts: &mut Texts, name: &str) -> Result<Clip, DatasetError> {
    let skeleton = skeleton_of(name, &texts.names("asf")).ok_or_else(|| DatasetError::Skeleton {
        name: name.to_owned(),
        reason: "expected its skeleton beside it, one ASF file or one whose name it begins with, got none".to_owned(),
    })?;
    let asf = texts.read(&skeleton, |reader| Asf::read(&skeleton, reader))?;
    let rig = Rig::new(&skeleton, &asf.bones(), Feet::WithShanks)?;
    let amc = texts.read(name, |reader| Amc::read(name, reader, &asf, AMC_STRIDE))?;
    let mut clip = empty(name, 120.0 / AMC_STRIDE as f64);
    for frame in &amc.frames {
        let turns = || -> Vec<UnitQuaternion<f64>> { asf.turns(frame, amc.radians) };
        clip.push(frame.iter().all(|values| within(values)).then(turns).and_then(|turns| rig.pose(&turns)));
    }
    Ok(clip)
}

/// `35_01.amc` has `35.asf`; the longest name that fits counts, or the only one in the folder.
fn skeleton_of(name: &str, skeletons: &[String]) -> Option<String> {
    let stem = |skeleton: &String| skeleton.len() - ".asf".len();
    let begins = |skeleton: &&String| name.starts_with(&skeleton[..stem(skeleton)]);
    let fitting = skeletons.iter().filter(begins).max_by_key(|skeleton| skeleton.len());
    let folder = |name: &str| name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let mut beside = skeletons.iter().filter(|skeleton| folder(skeleton) == folder(name));
    fitting.or_else(|| beside.next().filter(|_| beside.next().is_none())).cloned()
}

fn within(values: &[f64]) -> bool {
    values.iter().all(|value| value.abs() <= VALUE_LIMIT)
}
