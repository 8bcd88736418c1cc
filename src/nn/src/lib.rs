//! What thalweg needs of neural networks: perceptrons, an optimiser whose state can be saved, checked weights files,
//! one way to draw first weights, and one training loop that can be stopped and resumed.
//!
//! Knows nothing of tasks.

mod adamw;
mod error;
mod perceptron;
pub mod weights;

pub use adamw::{AdamW, AdamWConfig};
pub use error::NnError;
pub use perceptron::Perceptron;

/// The result of reading, writing or assembling weights.
pub type Result<T> = std::result::Result<T, NnError>;
