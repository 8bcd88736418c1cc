//! ASAP: SMPL poses reconstructed from videos of sport, 30 frames a second.

use std::path::Path;

use super::arrays::Arrays;
use super::retarget::finite_pose;
use super::{Clip, DatasetError, Quality, Source, split};
use crate::kinematics::from_axis_angle;
use crate::skeleton::JOINTS;

/// Joints of SMPL: the root first, the two hands last.
const SMPL_JOINTS: usize = 24;

/// Width of a row.
const WIDTH: usize = 3 * SMPL_JOINTS;

/// Reads all clips of `asap_smpl.npz`; SMPL's joints 1 to 21 are ours, one to one.
///
/// Rotations are kept as they are. SMPL's template stands with its thighs some five degrees
/// apart, our rest pose does not, so feet come out a little closer together than SMPL has them.
pub(super) fn load(folder: &Path) -> Result<Vec<Clip>, DatasetError> {
    let mut arrays = Arrays::open(&folder.join(Source::Asap.file()))?;
    let names = arrays.names("names")?;
    let (frames, rows) = arrays.joints("poses", 0, SMPL_JOINTS)?;
    let (_, clip_of): (_, Vec<i32>) = arrays.read("clip", &[Some(frames as u64)], "int32")?;
    let mut clips: Vec<Clip> = names.iter().map(|name| Clip::empty(short_name(name), Source::Asap, 30.0)).collect();
    for clip in &mut clips {
        clip.split = split::of_asap(&clip.name);
        clip.quality = Quality::Estimated;
    }
    for (row, values) in rows.chunks_exact(WIDTH).enumerate() {
        let index = arrays.check_index("clip", row, clip_of[row].into(), clips.len())?;
        clips[index].push(pose_of(values));
    }
    Ok(clips)
}

/// `video_kick_level1_filter_amass.npz` becomes `kick_level1`.
fn short_name(name: &str) -> String {
    let name = name.strip_prefix("video_").unwrap_or(name);
    let name = name.strip_suffix("_amass.npz").unwrap_or(name);
    name.strip_suffix("_filter").unwrap_or(name).to_owned()
}

/// The body's joints of one row, each vector brought to a length of at most pi.
fn pose_of(row: &[f32]) -> Option<[[f32; 3]; JOINTS]> {
    let mut pose = [[0.0; 3]; JOINTS];
    for (joint, values) in pose.iter_mut().zip(row[3..].chunks_exact(3)) {
        joint.copy_from_slice(values);
    }
    finite_pose(&from_axis_angle(&pose))
}
