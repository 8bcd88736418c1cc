//! Why a landscape is refused.

use std::path::PathBuf;

use thalweg_nn::NnError;

/// Why a landscape was refused.
#[derive(Debug, thiserror::Error)]
pub enum LandscapeError {
    /// The file is missing, damaged, or is no landscape.
    #[error("landscape {0}")]
    File(#[from] NnError),
    /// The file was trained for another task.
    #[error("landscape {}: trained for task {got}, expected task {expected}", path.display())]
    OtherTask {
        /// The file.
        path: PathBuf,
        /// The task at hand.
        expected: String,
        /// The task of the file.
        got: String,
    },
    /// The file was trained for the same task with another forward model.
    #[error("landscape {}: trained for model {got} of task {task}, expected model {expected}; train it again", path.display())]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// The task at hand.
        task: String,
        /// Fingerprint of the task's forward model.
        expected: String,
        /// Fingerprint that the file is bound to.
        got: String,
    },
    /// The file maps to a latent of another dimension.
    #[error("landscape {}: maps to {got} latent dimensions, task {task} has {expected}", path.display())]
    OtherLatent {
        /// The file.
        path: PathBuf,
        /// The task at hand.
        task: String,
        /// Dimension of the task's latent.
        expected: i64,
        /// Dimension that the file maps to.
        got: i64,
    },
    /// A dimension is not positive.
    #[error("landscape: {axis} has dimension {got}, expected at least 1")]
    Dimension {
        /// z, x or hidden.
        axis: &'static str,
        /// The dimension that came.
        got: i64,
    },
    /// The perceptron has not theta's three dense layers.
    #[error("landscape: expected 3 dense layers, got {got}")]
    Layers {
        /// How many layers came.
        got: usize,
    },
    /// Two landscapes do not have the same widths.
    #[error("landscape: expected widths {expected:?}, got {got:?}")]
    OtherShape {
        /// Widths of the first.
        expected: [i64; 4],
        /// Widths of the other.
        got: [i64; 4],
    },
    /// The landscape has no weights.
    #[error("landscape: the identity has no weights")]
    NoWeights,
    /// Steps were asked for.
    #[error("landscape {id} has no steps of its own; expected one trained by `thalweg train theta`")]
    NoSteps {
        /// Identity of the landscape.
        id: String,
    },
    /// The steps of a landscape do not fit its widths.
    #[error("landscape: {what}: expected {expected}, got {got}")]
    Steps {
        /// Which part of the steps.
        what: &'static str,
        /// What is accepted.
        expected: String,
        /// What came.
        got: String,
    },
}
