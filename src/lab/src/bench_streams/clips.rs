//! The motion that is played: clips as they were measured.

use tch::Tensor;
use thalweg::motion::Motion;
use thalweg_body_pose::dataset::{Dataset, Split};
use thalweg_body_pose::{joint_angles, rotations_from_angles};
use thalweg_task::LoadOptions;

use super::{Set, StreamArguments};

/// Shorter clips say nothing about silence.
const LEAST_SECONDS: f64 = 1.0;
/// Clips recorded more slowly are interpolated over too long a time to be motion.
const LEAST_FPS: f64 = 20.0;

/// One clip.
#[derive(Debug)]
pub(super) struct Clip {
    pub(super) name: String,
    pub(super) motion: Motion,
}

/// Reads the bundled motion, or a set of the motion capture.
pub(super) fn load(arguments: &StreamArguments) -> anyhow::Result<Vec<Clip>> {
    let all = match &arguments.data {
        Some(folder) => of_dataset(&Dataset::load_all(folder)?, arguments.set),
        None => bundled(arguments)?,
    };
    let is_motion = |clip: &Clip| {
        clip.motion.fps >= LEAST_FPS && (clip.motion.frames() - 1) as f64 / clip.motion.fps >= LEAST_SECONDS
    };
    Ok(all.into_iter().filter(is_motion).collect())
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
