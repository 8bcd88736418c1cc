//! The ROS 2 node: the only folder that names r2r.
//!
//! ```text
//! joint_states, image, .. ──────> input ──> Intake ──[wake]──> Solver (thread `engine`)
//!                                                                   │ Answer, latest wins
//! services, parameters ──> controller, work ──> load, run, tune     v
//! /diagnostics <── health                                 output (thread `publish`) ──> ~/..
//! ```
//!
//! `executor` owns the `r2r::Node` on a thread of its own and drains streams there, after each spin:
//! r2r's streams keep the oldest ten messages and drop what is new.

mod arguments;
pub mod bench;
mod controller;
mod core;
mod executor;
mod ghosts;
mod graph;
mod health;
mod input;
mod log;
mod names;
mod output;
mod parameters;
pub mod peer;
mod pictures;
mod process;
mod recording;
mod reload;
mod run;
mod services;
pub mod survey;
mod tasks;
mod time;
pub mod watch;
mod work;

pub use run::run;
