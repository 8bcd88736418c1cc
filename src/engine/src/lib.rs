//! The anytime inverter: descends `L(F(theta(z)))` in `z` for K hypotheses at once.
//!
//! ```text
//! begin    encode the observation, warm start [K, Z], evaluate; a solution exists from here on
//! refine   propose z (optimizer), evaluate x = theta(z), y_hat = F(x), L [K], dL/dz, keep the best
//! solve    begin, then refine until the budget ends: the only loop over steps
//! ```
//!
//! A step runs on libtorch (`evaluation`, `hypotheses`, `optimizer`), or natively (`native`) when the task says that it
//! is dense layers and the device is a CPU, or on a GPU by compute shaders ([`gpu`]): same steps, same answers up to
//! rounding.
//!
//! No clock, no channel, no file, no global random numbers: budget, clock and observers are handed in, weights are read
//! by [`thalweg_nn::weights`], randomness comes from one seeded generator; no thread but those that share the rows of a
//! native step. Clippy keeps these walls (`clippy.toml` beside this crate), a test the list of crates below it.
//! The same seed and the same stream of observations give the same bits on a CPU: natively with any number
//! of threads, on libtorch as long as their number stays the same.
//!
//! Decomposed after optimistix (Rader, Lyons and Kidger, 2024: pure step, explicit state, one
//! loop); the anytime contract is that of copper-rs' `CuAnytimeTask`.

mod answer;
mod backend;
mod budget;
mod config;
mod descent;
mod engine;
mod error;
mod evaluation;
mod exemplars;
pub mod gpu;
mod hypotheses;
mod jacobian;
mod label;
pub mod landscape;
mod leader;
mod memory;
mod native;
mod observer;
mod optimizer;
mod own_steps;
mod prior;
mod proposal;
mod report;
mod sampler;
mod solution;
pub mod start;
mod threads;
pub mod time;

pub use answer::Answer;
pub use backend::{Backend, BackendChoice};
pub use budget::{Budget, Clock};
pub use config::EngineConfig;
pub use engine::Engine;
pub use error::EngineError;
pub use hypotheses::Status;
pub use label::ranked;
pub use leader::Leader;
pub use memory::{Memory, Spare, WarmStart};
pub use observer::{Cadence, Event, Observer};
pub use optimizer::{AdamConfig, AdamState, LmConfig, LmState, Optimizer};
pub use report::{INTERVALS, ReportConfig};
pub use solution::{Solution, Statistics, StopReason};
pub use threads::pin_threads;

pub use crate::native::vectors;
