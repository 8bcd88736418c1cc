//! Mesh2Motion: keyframed animations of two rigs, 30 frames a second.

use std::path::Path;

use nalgebra::{Quaternion, UnitQuaternion, Vector3};

use super::arrays::Arrays;
use super::half::Half;
use super::rig::{Bone, Feet, Rig};
use super::{Clip, DatasetError, Quality, Source};

/// More joints than any rig of a person has.
const JOINT_LIMIT: usize = 1024;

/// The names of a rig's arrays.
struct Set {
    joints: &'static str,
    parent: &'static str,
    rest_quat: &'static str,
    rest_trans: &'static str,
    quat: &'static str,
    clip: &'static str,
    names: &'static str,
}

const BASE: Set = Set {
    joints: "base_joints",
    parent: "base_parent",
    rest_quat: "base_rest_quat",
    rest_trans: "base_rest_trans",
    quat: "base_quat",
    clip: "base_clip",
    names: "base_names",
};

const ADDON: Set = Set {
    joints: "addon_joints",
    parent: "addon_parent",
    rest_quat: "addon_rest_quat",
    rest_trans: "addon_rest_trans",
    quat: "addon_quat",
    clip: "addon_clip",
    names: "addon_names",
};

/// Reads all clips of `mesh2motion_cc0.npz`: those of the base rig, then those of the other.
pub(super) fn load(folder: &Path) -> Result<Vec<Clip>, DatasetError> {
    let mut arrays = Arrays::open(&folder.join(Source::Mesh2Motion.file()))?;
    let mut clips = of_rig(&mut arrays, &BASE)?;
    clips.extend(of_rig(&mut arrays, &ADDON)?);
    Ok(clips)
}

fn of_rig(arrays: &mut Arrays, set: &Set) -> Result<Vec<Clip>, DatasetError> {
    let (parents, rest, rig) = rest_of(arrays, set)?;
    let joints = parents.len();
    let names = arrays.names(set.names)?;
    let mut clips: Vec<Clip> = names.into_iter().map(|name| Clip::empty(name, Source::Mesh2Motion, 30.0)).collect();
    clips.iter_mut().for_each(|clip| clip.quality = Quality::Keyframed);
    let (frames, values): (_, Vec<Half>) =
        arrays.read(set.quat, &[None, Some(joints as u64), Some(4)], "float16 or float32")?;
    let (_, clip_of): (_, Vec<i16>) = arrays.read(set.clip, &[Some(frames as u64)], "int16")?;
    for (row, values) in values.chunks_exact(4 * joints).enumerate() {
        let index = arrays.check_index(set.clip, row, clip_of[row].into(), clips.len())?;
        let locals = values.chunks_exact(4).map(|part| [part[0].0, part[1].0, part[2].0, part[3].0]);
        let turns: Vec<UnitQuaternion<f64>> =
            globals(&parents, locals).iter().zip(&rest).map(|(now, rest)| now * rest.inverse()).collect();
        clips[index].push(rig.pose(&turns));
    }
    Ok(clips)
}

/// Parents, orientations at rest in the world, and the rig.
#[expect(clippy::type_complexity, reason = "read once, taken apart at once")]
fn rest_of(
    arrays: &mut Arrays,
    set: &Set,
) -> Result<(Vec<Option<usize>>, Vec<UnitQuaternion<f64>>, Rig), DatasetError> {
    let names = arrays.names(set.joints)?;
    arrays.check_index(set.joints, 0, names.len() as i64, JOINT_LIMIT)?;
    let count = Some(names.len() as u64);
    let (_, numbers): (_, Vec<i16>) = arrays.read(set.parent, &[count], "int16")?;
    let parent = |(row, &parent): (usize, &i16)| match parent {
        -1 => Ok(None),
        _ => arrays.check_index(set.parent, row, parent.into(), row).map(Some),
    };
    let parents: Vec<Option<usize>> = numbers.iter().enumerate().map(parent).collect::<Result<_, _>>()?;
    let (_, quaternions): (_, Vec<Half>) = arrays.read(set.rest_quat, &[count, Some(4)], "float32")?;
    let (_, places): (_, Vec<f32>) = arrays.read(set.rest_trans, &[count, Some(3)], "float32")?;
    let rest = globals(&parents, quaternions.chunks_exact(4).map(|part| [part[0].0, part[1].0, part[2].0, part[3].0]));
    let mut bones: Vec<Bone> = Vec::with_capacity(names.len());
    for (row, name) in names.into_iter().enumerate() {
        let local = Vector3::from_column_slice(&places[3 * row..3 * row + 3]).cast::<f64>();
        let place = parents[row].map_or(local, |parent| bones[parent].place + rest[parent] * local);
        bones.push(Bone { name, parent: parents[row], place, end: None, hinge: None });
    }
    let rig = Rig::new(Source::Mesh2Motion.file(), &bones, Feet::Flat)?;
    Ok((parents, rest, rig))
}

/// Orientations in the rig's world from quaternions (x, y, z, w) relative to the parent.
fn globals(parents: &[Option<usize>], locals: impl Iterator<Item = [f32; 4]>) -> Vec<UnitQuaternion<f64>> {
    let mut globals: Vec<UnitQuaternion<f64>> = Vec::with_capacity(parents.len());
    for (parent, [x, y, z, w]) in parents.iter().zip(locals) {
        let local = UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z).cast::<f64>());
        globals.push(parent.map_or(local, |parent| globals[parent] * local));
    }
    globals
}
