//! Learns a landscape theta for a task: coordinate descent with a replay buffer.
//!
//! Algorithm 1 of Liu et al., "Landscape Learning for Neural Network Inversion" (2023):
//!
//! ```text
//! repeat `buffers` times (B in the paper)
//!   collect   N descents z_0 .. z_T with theta fixed, by the engine itself, into a replay buffer
//!   update    theta, z fixed, to lower L(F(theta(z_t)), y) at every point of the buffer
//! ```
//!
//! One extension, for observations with gaps: the descents may see less than the update does
//! ([`Visible`]), so that theta learns where the hidden parts belong.

mod buffer;
mod observations;
mod start;
mod theta;

pub use observations::{Visible, sampled};
pub use start::{StartData, StartOptions, StartProgress, train_start};
pub use theta::{Load, ThetaOptions, ThetaProgress, TrainError, train};
