//! The motion that benches play: clips as they were measured, which neither the model nor the landscape has seen.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use thalweg::motion::Motion;
use thalweg_body_pose::dataset::{Dataset, Split};
use thalweg_body_pose::joint_angles;
use thalweg_task::LoadOptions;

/// Where clips come from.
#[derive(Args)]
pub(crate) struct ClipArguments {
    /// Folder with the motion capture: clips of the set --set [default: the bundled motion]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which clips of --data are played
    #[arg(long, value_enum, default_value_t = Set::Test, requires = "data")]
    set: Set,
    /// Folder of the weights of tasks
    #[arg(long, value_name = "DIR", default_value = "models")]
    pub(crate) models: PathBuf,
    /// The bundled motion, used without --data
    #[arg(long, value_name = "FILE", default_value = "assets/motion.safetensors")]
    motion: PathBuf,
}

/// Clips by what they serve for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Set {
    Validation,
    Test,
    OutOfDistribution,
    Unseen,
}

/// One clip.
#[derive(Debug)]
pub(crate) struct Clip {
    pub(crate) name: String,
    pub(crate) motion: Motion,
}

impl ClipArguments {
    /// Reads the motion capture; none where the bundled motion is played.
    pub(crate) fn dataset(&self) -> anyhow::Result<Option<Dataset>> {
        Ok(self.data.as_deref().map(Dataset::load_all).transpose()?)
    }

    /// Cuts the set of the motion capture, or the bundled motion, into clips.
    pub(crate) fn clips(&self, dataset: Option<&Dataset>) -> anyhow::Result<Vec<Clip>> {
        dataset.map_or_else(|| self.bundled(), |dataset| Ok(self.of_dataset(dataset)))
    }

    fn of_dataset(&self, dataset: &Dataset) -> Vec<Clip> {
        let split = match self.set {
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

    fn bundled(&self) -> anyhow::Result<Vec<Clip>> {
        let options = LoadOptions { models: self.models.clone(), ..LoadOptions::default() };
        let task = (thalweg_body_pose::ENTRY.load)(&options)?;
        let motion = Motion::load(&self.motion, task.spec()).map_err(thalweg_cli::failure::InputError::Motion)?;
        let clips = Motion::clips(&self.motion, motion.frames())?;
        let cut = |(name, range): (String, Range<i64>)| Clip {
            name,
            motion: Motion { joints: motion.joints.narrow(0, range.start, range.end - range.start), fps: motion.fps },
        };
        Ok(clips.into_iter().map(cut).collect())
    }
}
