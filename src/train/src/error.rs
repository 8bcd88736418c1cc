//! Why a training of theta could not go on.

use thalweg_engine::EngineError;
use thalweg_engine::landscape::LandscapeError;
use thalweg_nn::NnError;
use thalweg_task::TaskError;

/// What a training refuses, and how it can fail.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// There is nothing to train on.
    #[error("no {what} observations; expected at least one")]
    NoObservations {
        /// training or held-out.
        what: &'static str,
    },
    /// An option lies outside its range.
    #[error("{option}: got {got}, expected {expected}")]
    Option {
        /// The option, as in [`super::ThetaOptions`].
        option: &'static str,
        /// The value that came.
        got: String,
        /// What is accepted.
        expected: String,
    },
    /// The loss is not finite.
    #[error("the loss became {loss} in buffer {buffer}; lower rate_theta (it was {rate})")]
    NotFinite {
        /// The buffer.
        buffer: u32,
        /// What came.
        loss: f64,
        /// Learning rate at the start.
        rate: f64,
    },
    /// Motions are too short, or have too few frames a second.
    #[error(
        "changes within {times} times could be measured, expected at least {expected}: no motion lasts long enough at 15 frames a second"
    )]
    TooLittleMotion {
        /// Times for which there are pairs of frames.
        times: usize,
        /// How many are needed.
        expected: usize,
    },
    /// There is too little motion to say what is unheard of.
    #[error("{seconds:.0} s of motion, expected at least {expected} s")]
    TooShort {
        /// Seconds of motion.
        seconds: f64,
        /// How many are needed.
        expected: f64,
    },
    /// What one rank has read of recordings did not reach another.
    #[error(
        "what another rank has read of a recording cannot be read here: {reason}; expected the same program on all ranks"
    )]
    Sent {
        /// What CBOR says.
        reason: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Weights(#[from] NnError),
    /// The task refused something.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The engine refused something.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The landscape could not be built.
    #[error(transparent)]
    Landscape(#[from] LandscapeError),
}

impl TrainError {
    pub(super) fn option(option: &'static str, got: &impl ToString, expected: impl Into<String>) -> Self {
        Self::Option { option, got: got.to_string(), expected: expected.into() }
    }
}
