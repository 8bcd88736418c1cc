//! Motion capture from three sources, brought to the common body.

mod arrays;
mod asap;
mod bvh;
mod cmu;
mod error;
mod react_idle;
mod retarget;
mod split;

use std::path::Path;

pub use error::DatasetError;

use crate::skeleton::JOINTS;

/// Where a clip comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// CMU Graphics Lab motion capture.
    Cmu,
    /// LeCAR-Lab ASAP, sport from videos.
    Asap,
    /// Enekoassets ReActIdle, standing and waiting.
    ReactIdle,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 3] = [Self::Cmu, Self::Asap, Self::ReactIdle];

    /// The file that holds its motions.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Cmu => "cmu_expmap.npz",
            Self::Asap => "asap_smpl.npz",
            Self::ReactIdle => "reactidle-bvh.zip",
        }
    }
}

/// What a clip serves for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// F and theta are trained on it.
    Train,
    /// Choices are made on it.
    Validation,
    /// Figures are reported on it; the same kinds of motion as in training.
    Test,
    /// Figures are reported on it; kinds of motion that neither F nor theta has seen.
    OutOfDistribution,
}

impl Split {
    /// All splits.
    pub const ALL: [Self; 4] = [Self::Train, Self::Validation, Self::Test, Self::OutOfDistribution];

    /// Names the split in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::OutOfDistribution => "out-of-distribution",
        }
    }
}

/// One continuous recording.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Name, unique within its source.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
    /// What it serves for.
    pub split: Split,
    /// Frames a second, after thinning.
    pub fps: f64,
    /// Joint rotations relative to the parent, axis-angle of at most pi, radians.
    pub poses: Vec<[[f32; 3]; JOINTS]>,
    /// Frames left out because they show the calibration pose.
    pub calibration: usize,
    /// Frames left out because a value is not finite.
    pub not_finite: usize,
}

impl Clip {
    fn empty(name: String, source: Source, fps: f64) -> Self {
        Self { name, source, split: Split::Train, fps, poses: Vec::new(), calibration: 0, not_finite: 0 }
    }

    /// Adds a pose, or counts a frame whose pose is not finite.
    fn push(&mut self, pose: Option<[[f32; 3]; JOINTS]>) {
        match pose {
            Some(pose) => self.poses.push(pose),
            None => self.not_finite += 1,
        }
    }
}

/// All clips of all sources.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The clips: CMU, then ASAP, then ReActIdle, each in the order of its file.
    pub clips: Vec<Clip>,
}

impl Dataset {
    /// Reads `cmu_expmap.npz`, `cmu38_skeleton.npz`, `asap_smpl.npz` and `reactidle-bvh.zip`.
    ///
    /// # Errors
    /// [`DatasetError`], naming the file and, inside it, the array or the line.
    pub fn load(folder: &Path) -> Result<Self, DatasetError> {
        let mut clips = cmu::load(folder)?;
        clips.extend(asap::load(folder)?);
        clips.extend(react_idle::load(folder)?);
        Ok(Self { clips })
    }

    /// The clips of one source.
    #[must_use]
    pub fn of_source(&self, source: Source) -> Self {
        Self { clips: self.clips.iter().filter(|clip| clip.source == source).cloned().collect() }
    }

    /// The clips of one split.
    pub fn of_split(&self, split: Split) -> impl Iterator<Item = &Clip> {
        self.clips.iter().filter(move |clip| clip.split == split)
    }

    /// Refuses data that has fewer clips of a split, with at least one pose each, than are needed.
    ///
    /// # Errors
    /// [`DatasetError::TooFewClips`].
    pub fn expect_clips(&self, split: Split, needed: usize) -> Result<(), DatasetError> {
        let got = self.of_split(split).filter(|clip| !clip.poses.is_empty()).count();
        if got >= needed { Ok(()) } else { Err(DatasetError::TooFewClips { split, got, needed }) }
    }

    /// Frames of one source that were left out because a value is not finite.
    #[must_use]
    pub fn not_finite(&self, source: Source) -> usize {
        self.clips.iter().filter(|clip| clip.source == source).map(|clip| clip.not_finite).sum()
    }

    /// All poses of a split, one after the other: `[N * 63]`, radians.
    #[must_use]
    pub fn poses(&self, split: Split) -> Vec<f32> {
        self.of_split(split).flat_map(|clip| clip.poses.as_flattened().as_flattened()).copied().collect()
    }

    /// Clips and frames of one source in one split.
    #[must_use]
    pub fn count(&self, source: Source, split: Split) -> (usize, usize) {
        let clips = self.of_split(split).filter(|clip| clip.source == source);
        clips.fold((0, 0), |(clips, frames), clip| (clips + 1, frames + clip.poses.len()))
    }
}
