//! The engine at work: one thread that solves the newest observation, again and again.
//!
//! ```text
//! wake (something new) ─┐
//! load, run, tune, .. ──┴─> thread `engine`: newest observation ─> Engine::solve ─> render ─> Sink
//! ```
//!
//! Commands take effect between two solves, all of one command at once. Nothing queues: any number
//! of wakes before a solve are one.
//!
//! Where people are told apart, a wake is a round: everybody of whom there is something new has a turn, with their newest
//! observation at that moment, and all of a round share the deadline. One engine serves all, for it carries nothing but a
//! memory (`carried.rs`).

mod carried;
mod gate;
mod handle;
mod plan;
mod probe;
mod reload;
mod replay;
mod settings;
mod sides;
mod solve_counts;
mod solve_recorder;
mod worker;

pub use handle::Solver;
pub use plan::{Assignment, SolverError, Tuning};
pub use reload::{FileWatch, Trial};
pub use replay::{Difference, Repetition, ReplayError, Replayer};
pub use solve_counts::{SolveCounts, SolveReport, Stand};
pub use solve_recorder::{Recording, setup};
pub use worker::{Attendance, Sink, Source};
