//! What an adoption refuses, each in one sentence.

use std::path::PathBuf;

/// Why recordings cannot be learned from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    /// A file cannot be used.
    #[error("{}: {why}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What it holds, and what was expected.
        why: String,
    },
    /// No recording holds a position of any joint.
    #[error("{}: no joint positions; expected at least one moving joint of the URDF", paths(.0))]
    Empty(Vec<PathBuf>),
    /// Angles look like degrees.
    #[error(
        "angles look like degrees: {share:.0} % of the positions of '{joint}' lie beyond its limits \
         ({lower:.2} to {upper:.2} rad), {least:.1} to {greatest:.1}; say --degrees, or --radians if they are right"
    )]
    Degrees {
        /// The joint that tells.
        joint: String,
        /// Positions beyond its limits, percent.
        share: f64,
        /// Its lower limit.
        lower: f64,
        /// Its upper limit.
        upper: f64,
        /// Least position in the data.
        least: f64,
        /// Greatest position in the data.
        greatest: f64,
    },
    /// Too little is left.
    #[error("{got} frames to learn from after {dropped} were dropped; expected at least {expected}")]
    TooFew {
        /// Frames that are left.
        got: usize,
        /// Frames that were dropped because a joint was missing in them, or was held out.
        dropped: usize,
        /// Fewest that are enough.
        expected: usize,
    },
    /// No clip has the name of what is to be held out.
    #[error("--hold-out {0}: no clip has that in its name; there are {1}")]
    HoldOut(String, String),
    /// The model that is to be kept is for other joints.
    #[error("--keep: the model in {} was made for other joints, or others of them moved in its data", .0.display())]
    Kept(PathBuf),
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl AdoptError {
    /// About a file.
    pub(super) fn data(path: &std::path::Path, why: impl Into<String>) -> Self {
        Self::Data { path: path.to_owned(), why: why.into() }
    }
}
