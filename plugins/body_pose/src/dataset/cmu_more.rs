//! More of CMU's motion capture, gathered from public copies, 30 frames a second.

use std::path::Path;

use super::arrays::Arrays;
use super::cmu::{LEAD, SEGMENTS, Skeleton, WIDTH, counterparts, pose_of};
use super::half::Half;
use super::{Clip, DatasetError, Quality, Source};

/// Joints of the skeleton that move.
const MOVING: usize = 31;

/// Reads all clips of `cmu_more.npz`, with the skeleton of `cmu38_skeleton.npz`.
pub(super) fn load(folder: &Path) -> Result<Vec<Clip>, DatasetError> {
    let skeleton = Skeleton::load(&folder.join("cmu38_skeleton.npz"))?;
    let counterparts = counterparts(&skeleton);
    let mut arrays = Arrays::open(&folder.join(Source::CmuMore.file()))?;
    let mut clips = clips(&mut arrays)?;
    let joint_of = joints(&mut arrays)?;
    let (frames, maps): (_, Vec<Half>) =
        arrays.read("expmap", &[None, Some(MOVING as u64), Some(3)], "float16 or float32")?;
    let (_, clip_of): (_, Vec<i16>) = arrays.read("clip", &[Some(frames as u64)], "int16")?;
    for (row, maps) in maps.chunks_exact(3 * MOVING).enumerate() {
        let index = arrays.check_index("clip", row, clip_of[row].into(), clips.len())?;
        let mut values = [0.0; WIDTH];
        for (joint, map) in joint_of.iter().zip(maps.chunks_exact(3)) {
            (0..3).for_each(|axis| values[LEAD + 3 * joint + axis] = map[axis].0);
        }
        clips[index].push(pose_of(&skeleton.globals(&values), &counterparts));
    }
    Ok(clips)
}

/// Which of the 38 joints each of the moving ones is.
fn joints(arrays: &mut Arrays) -> Result<Vec<usize>, DatasetError> {
    let (_, joints): (_, Vec<i16>) = arrays.read("idx38", &[Some(MOVING as u64)], "int16")?;
    joints.iter().enumerate().map(|(row, &joint)| arrays.check_index("idx38", row, joint.into(), SEGMENTS)).collect()
}

/// The clips without their frames.
fn clips(arrays: &mut Arrays) -> Result<Vec<Clip>, DatasetError> {
    let names = arrays.names("names")?;
    let count = Some(names.len() as u64);
    let (_, subjects): (_, Vec<i16>) = arrays.read("subject", &[count], "int16")?;
    let (_, qualities): (_, Vec<u8>) = arrays.read("quality", &[count], "uint8")?;
    let (_, twins): (_, Vec<bool>) = arrays.read("in_cmu_expmap", &[count], "bool")?;
    let mut clips = Vec::with_capacity(names.len());
    for (row, name) in names.into_iter().enumerate() {
        let quality = arrays.check_index("quality", row, qualities[row].into(), Quality::OF_CMU_MORE.len())?;
        let mut clip = Clip::empty(name, Source::CmuMore, 30.0);
        clip.subject = subject(subjects[row]);
        clip.quality = Quality::OF_CMU_MORE[quality];
        clip.in_cmu_expmap = twins[row];
        clips.push(clip);
    }
    Ok(clips)
}

/// CMU's number of a person; 0 where nobody knows it.
fn subject(number: i16) -> Option<String> {
    (number > 0).then(|| format!("{number:02}"))
}
