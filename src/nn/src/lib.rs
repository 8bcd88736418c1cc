//! What thalweg needs of neural networks: perceptrons, an optimiser whose state can be saved, checked weights files,
//! one way to draw first weights, and one training loop that can be stopped and resumed, on one process or on several.
//!
//! Knows nothing of tasks.

mod adamw;
mod augment;
mod checkpoint;
mod error;
pub mod files;
pub mod initial;
mod perceptron;
mod ranks;
mod training;
pub mod weights;

pub use adamw::{AdamW, AdamWConfig};
pub use augment::Augmentation;
pub use checkpoint::{Checkpoint, State};
pub use error::NnError;
pub use perceptron::Perceptron;
pub use ranks::{Collectives, Ranks, SlowRank};
pub use training::{CosineRate, Learner, Training, generator};

/// The result of reading, writing or assembling weights.
pub type Result<T> = std::result::Result<T, NnError>;
