//! Motion capture from several sources, brought to the common body.

mod amc;
mod arrays;
mod asap;
mod bvh;
mod cmu;
mod cmu_more;
mod division;
mod error;
mod half;
mod lines;
mod mesh2motion;
pub mod overlap;
mod own;
mod quality;
mod react_idle;
mod retarget;
mod rig;
mod split;
mod texts;

use std::path::{Path, PathBuf};

pub use division::{Assignment, Division, assign, table};
pub use error::DatasetError;
pub use quality::Quality;

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
    /// More of CMU's motion, gathered from public copies.
    CmuMore,
    /// Mesh2Motion, keyframed animations.
    Mesh2Motion,
    /// A user's own motion, BVH or AMC.
    Own,
}

impl Source {
    /// The sources that the shipped weights know, those of [`Division::First`].
    pub const ALL: [Self; 3] = [Self::Cmu, Self::Asap, Self::ReactIdle];

    /// Every source of [`Division::Second`].
    pub const EVERY: [Self; 5] = [Self::Cmu, Self::Asap, Self::ReactIdle, Self::CmuMore, Self::Mesh2Motion];

    /// What its motion may be used for, in a word.
    #[must_use]
    pub fn licence(self) -> &'static str {
        match self {
            Self::Cmu | Self::CmuMore => "CMU",
            Self::Asap | Self::ReactIdle => "MIT",
            Self::Mesh2Motion => "CC0",
            Self::Own => "own",
        }
    }

    /// The file that holds its motions; in words where the user names it.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Cmu => "cmu_expmap.npz",
            Self::Asap => "asap_smpl.npz",
            Self::ReactIdle => "reactidle-bvh.zip",
            Self::CmuMore => "cmu_more.npz",
            Self::Mesh2Motion => "mesh2motion_cc0.npz",
            Self::Own => "own motion",
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
    /// Figures are reported on it; people whom neither F nor theta has seen ([`Division::Second`] only).
    Unseen,
    /// Nothing: it repeats a test clip, or is no motion ([`Division::Second`] only).
    LeftOut,
}

impl Split {
    /// The splits that every division has.
    pub const ALL: [Self; 4] = [Self::Train, Self::Validation, Self::Test, Self::OutOfDistribution];

    /// The splits of [`Division::Second`].
    pub const EVERY: [Self; 6] =
        [Self::Train, Self::Validation, Self::Test, Self::OutOfDistribution, Self::Unseen, Self::LeftOut];

    /// Whether figures are reported on it.
    #[must_use]
    pub fn is_test(self) -> bool {
        matches!(self, Self::Test | Self::OutOfDistribution | Self::Unseen)
    }

    /// Names the split in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::OutOfDistribution => "out-of-distribution",
            Self::Unseen => "unseen",
            Self::LeftOut => "left-out",
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
    /// Who moves, as its source numbers people; `None` where the source does not say.
    pub subject: Option<String>,
    /// How the motion came to be.
    pub quality: Quality,
    /// Whether this trial of [`Source::CmuMore`] is, or holds, a clip of [`Source::Cmu`].
    pub in_cmu_expmap: bool,
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
        Self {
            name,
            source,
            split: Split::Train,
            subject: None,
            quality: Quality::Recorded,
            in_cmu_expmap: false,
            fps,
            poses: Vec::new(),
            calibration: 0,
            not_finite: 0,
        }
    }

    /// How long it lasts.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.poses.len() as f64 / self.fps
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
#[derive(Debug)]
pub struct Dataset {
    /// The clips: CMU, then ASAP, then ReActIdle, each in the order of its file.
    pub clips: Vec<Clip>,
    /// Clips that could not be read, and why: they do no harm to the others.
    pub refused: Vec<DatasetError>,
}

impl Dataset {
    /// Reads `cmu_expmap.npz`, `cmu38_skeleton.npz`, `asap_smpl.npz` and `reactidle-bvh.zip`.
    ///
    /// # Errors
    /// [`DatasetError`], naming the file and, inside it, the array or the line.
    pub fn load(folder: &Path) -> Result<Self, DatasetError> {
        let mut clips = cmu::load(folder)?;
        clips.extend(asap::load(folder)?);
        let (idle, refused) = react_idle::load(folder)?;
        clips.extend(idle);
        Ok(Self { clips, refused })
    }

    /// Reads what a division asks for: [`Division::Second`] reads `cmu_more.npz` and `mesh2motion_cc0.npz` as well.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn load_divided(folder: &Path, division: Division) -> Result<Self, DatasetError> {
        match division {
            Division::First => Self::load(folder),
            Division::Second => {
                let mut all = Self::load_undivided(folder)?;
                division::apply(&mut all.clips);
                Ok(all)
            }
        }
    }

    /// Reads all that a folder holds: by [`Division::Second`] where every source is there, else by [`Division::First`].
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn load_all(folder: &Path) -> Result<Self, DatasetError> {
        let has_all = Source::EVERY.iter().all(|source| folder.join(source.file()).exists());
        Self::load_divided(folder, if has_all { Division::Second } else { Division::First })
    }

    /// Reads a user's own motion: a BVH or AMC file, a folder or a zip archive of such.
    ///
    /// Any skeleton will do whose joints have usual names; only directions count, so that the unit does not matter.
    /// AMC needs its ASF beside it, and is taken as 120 frames a second, which it does not say. A clip that cannot be
    /// read is in [`Dataset::refused`]. A tenth of the clips, by the hash of their names, is for validation.
    ///
    /// # Errors
    /// [`DatasetError::Io`] or [`DatasetError::Archive`] when nothing can be read at all.
    pub fn load_own(path: &Path) -> Result<Self, DatasetError> {
        own::load(path)
    }

    /// Reads motion to train on from several places: folders as [`Dataset::load_all`] reads them, and a user's own motion
    /// as [`Dataset::load_own`] does. Where no clip serves validation, one of the user's own does.
    ///
    /// # Errors
    /// As there, and [`DatasetError::NoMotion`].
    pub fn load_from(paths: &[PathBuf]) -> Result<Self, DatasetError> {
        let mut all = Self { clips: Vec::new(), refused: Vec::new() };
        for path in paths {
            let has_sources = Source::EVERY.iter().any(|source| path.join(source.file()).exists());
            let part = if has_sources { Self::load_all(path)? } else { Self::load_own(path)? };
            if part.clips.is_empty() && part.refused.is_empty() {
                return Err(DatasetError::NoMotion { path: path.clone() });
            }
            all.clips.extend(part.clips);
            all.refused.extend(part.refused);
        }
        let serves = |clip: &Clip| clip.split == Split::Validation && !clip.poses.is_empty();
        if !all.clips.iter().any(serves) {
            let own = all.clips.iter_mut().filter(|clip| clip.source == Source::Own && !clip.poses.is_empty());
            if let Some(clip) = own.min_by_key(|clip| split::percent(&clip.name)) {
                clip.split = Split::Validation;
            }
        }
        Ok(all)
    }

    /// Reads all sources; clips of the first three keep their splits of [`Division::First`]: what [`assign`] begins with.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn load_undivided(folder: &Path) -> Result<Self, DatasetError> {
        let mut all = Self::load(folder)?;
        all.clips.extend(cmu_more::load(folder)?);
        all.clips.extend(mesh2motion::load(folder)?);
        Ok(all)
    }

    /// The clips of one source.
    #[must_use]
    pub fn of_source(&self, source: Source) -> Self {
        let clips = self.clips.iter().filter(|clip| clip.source == source).cloned().collect();
        Self { clips, refused: Vec::new() }
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
