//! The motion that is played: clips as they were measured.

use std::rc::Rc;

use tch::Tensor;
use thalweg::motion::Motion;
use thalweg_body_pose::dataset::{Dataset, Split};
use thalweg_body_pose::prior::{PoseSet, training_poses};
use thalweg_body_pose::skeleton::JOINTS;
use thalweg_body_pose::{joint_angles, rotations_from_angles};
use thalweg_task::LoadOptions;

use super::{Set, StreamArguments};
use crate::eval::rivals::NearestPose;

/// Shorter clips say nothing about silence.
const LEAST_SECONDS: f64 = 1.0;
/// Clips recorded more slowly are interpolated over too long a time to be motion.
const LEAST_FPS: f64 = 20.0;

/// Training poses beyond which the nearest takes too long; of more, every so many-th.
const MOST_POSES: usize = 20_000;

/// One clip.
#[derive(Debug)]
pub(super) struct Clip {
    pub(super) name: String,
    pub(super) motion: Motion,
}

/// What is played, and what may be looked in.
#[derive(Debug)]
pub(super) struct Clips {
    pub(super) played: Vec<Clip>,
    /// Some of the training poses; none with the bundled motion.
    pub(super) training: Option<Rc<NearestPose>>,
}

/// Reads the bundled motion, or a set of the motion capture; `is_searched` says whether training poses are wanted.
pub(super) fn load(arguments: &StreamArguments, is_searched: bool) -> anyhow::Result<Clips> {
    let mut training = None;
    let all = match &arguments.data {
        Some(folder) => {
            let dataset = Dataset::load_all(folder)?;
            training = is_searched.then(|| Rc::new(some_training_poses(&dataset)));
            of_dataset(&dataset, arguments.set)
        }
        None => bundled(arguments)?,
    };
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

fn of_dataset(dataset: &Dataset, set: Set) -> Vec<Clip> {
    let split = match set {
        Set::Validation => Split::Validation,
        Set::Test => Split::Test,
        Set::OutOfDistribution => Split::OutOfDistribution,
        Set::Unseen => Split::Unseen,
    };
    let clip = |clip: &thalweg_body_pose::dataset::Clip| Clip {
        name: clip.name.clone(),
        motion: Motion { joints: joint_angles(clip.poses.as_flattened().as_flattened()), fps: clip.fps },
    };
    dataset.of_split(split).filter(|clip| !clip.poses.is_empty()).map(clip).collect()
}

fn bundled(arguments: &StreamArguments) -> anyhow::Result<Vec<Clip>> {
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = (thalweg_body_pose::ENTRY.load)(&options)?;
    let motion = Motion::load(&arguments.motion, task.spec()).map_err(thalweg_cli::failure::InputError::Motion)?;
    let clips = Motion::clips(&arguments.motion, motion.frames())?;
    let cut = |(name, range): (String, std::ops::Range<i64>)| Clip {
        name,
        motion: Motion { joints: motion.joints.narrow(0, range.start, range.end - range.start), fps: motion.fps },
    };
    Ok(clips.into_iter().map(cut).collect())
}

/// Rotations `[T, 21, 3, 3]` of joint angles `[T, 63]`, in double precision.
pub(super) fn rotations(angles: &Tensor) -> Tensor {
    rotations_from_angles(&angles.to_kind(tch::Kind::Double))
}
