//! What the library refuses.

use thalweg_engine::EngineError;
use thalweg_task::TaskError;

use crate::plan::LoadError;

/// Why there is no engine, no observation or no answer; each in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The task is not known, cannot be loaded, or does not know a name.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// An option does not fit, or the observation cannot be solved.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A landscape, a start or the device cannot be had.
    #[error(transparent)]
    Load(LoadError),
    /// An option of the builder lies outside its range.
    #[error("{option}: got {got}, expected {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// What came.
        got: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// A value that was observed cannot be used.
    #[error("{what}: got {got}, expected {expected}")]
    Value {
        /// Where it belongs: a joint, a point, a pixel.
        what: String,
        /// What came.
        got: String,
        /// What is accepted.
        expected: String,
    },
    /// Something was observed twice at one moment.
    #[error("{what} is observed twice; expected it once")]
    Twice {
        /// A joint, a point, the image.
        what: String,
    },
}

impl From<LoadError> for Error {
    /// Leaves out what only says that it was the task: there is one.
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Task { source, .. } => Self::Task(source),
            LoadError::Engine(error) => Self::Engine(error),
            other => Self::Load(other),
        }
    }
}
