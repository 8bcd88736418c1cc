//! The engine at work: one thread that solves the newest observation, again and again.
//!
//! ```text
//! wake (something new) ─┐
//! load, run, tune, .. ──┴─> thread `engine`: newest observation ─> Engine::solve ─> render ─> Sink
//! ```
//!
//! Commands take effect between two solves, all of one command at once. Nothing queues: any number
//! of wakes before a solve are one.

mod gate;
mod handle;
mod plan;
mod probe;
mod reload;
mod replay;
mod settings;
mod solve_counts;
mod solve_recorder;
mod worker;

pub use handle::Solver;
pub use plan::{Assignment, SolverError, Tuning};
pub use reload::{FileWatch, Trial};
pub use replay::{Difference, Repetition, ReplayError, Replayer};
pub use solve_counts::{SolveCounts, SolveReport};
pub use solve_recorder::{Recording, setup};
pub use worker::{Sink, Source};
