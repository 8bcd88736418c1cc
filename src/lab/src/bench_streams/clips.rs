//! The clips that are played, and the poses that may be looked in.

use std::rc::Rc;

use tch::Tensor;
use thalweg_body_pose::dataset::Dataset;
use thalweg_body_pose::prior::{PoseSet, training_poses};
use thalweg_body_pose::rotations_from_angles;
use thalweg_body_pose::skeleton::JOINTS;

use super::StreamArguments;
use crate::clips::Clip;
use crate::eval::rivals::NearestPose;

/// Shorter clips say nothing about silence.
const LEAST_SECONDS: f64 = 1.0;
/// Clips recorded more slowly are interpolated over too long a time to be motion.
const LEAST_FPS: f64 = 20.0;

/// Training poses beyond which the nearest takes too long; of more, every so many-th.
const MOST_POSES: usize = 20_000;

/// What is played, and what may be looked in.
#[derive(Debug)]
pub(super) struct Clips {
    pub(super) played: Vec<Clip>,
    /// Some of the training poses; none with the bundled motion.
    pub(super) training: Option<Rc<NearestPose>>,
}

/// Reads the bundled motion, or a set of the motion capture; `is_searched` says whether training poses are wanted.
pub(super) fn load(arguments: &StreamArguments, is_searched: bool) -> anyhow::Result<Clips> {
    let dataset = arguments.source.dataset()?;
    let training = dataset.as_ref().filter(|_| is_searched).map(|dataset| Rc::new(some_training_poses(dataset)));
    let all = arguments.source.clips(dataset.as_ref())?;
    let is_motion = |clip: &Clip| {
        clip.motion.fps >= LEAST_FPS && (clip.motion.frames() - 1) as f64 / clip.motion.fps >= LEAST_SECONDS
    };
    Ok(Clips { played: all.into_iter().filter(is_motion).collect(), training })
}

/// Training poses, no more than can be compared with each frame.
fn some_training_poses(dataset: &Dataset) -> NearestPose {
    let all = training_poses(dataset);
    let poses = all.as_chunks::<{ 3 * JOINTS }>().0;
    let some = poses.iter().step_by(poses.len().div_ceil(MOST_POSES).max(1)).copied().collect::<Vec<_>>().concat();
    NearestPose::new(&PoseSet::from_axis_angle(&some, tch::Device::Cpu).rotations)
}

/// Rotations `[T, 21, 3, 3]` of joint angles `[T, 63]`, in double precision.
pub(super) fn rotations(angles: &Tensor) -> Tensor {
    rotations_from_angles(&angles.to_kind(tch::Kind::Double))
}
