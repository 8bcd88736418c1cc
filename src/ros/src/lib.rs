//! The ROS 2 node, and those who talk to it: the only crate that names r2r.
//!
//! ```text
//! joint_states, image, .. ──────> node/inputs ──> Intake ──[wake]──> Solver (thread `engine`)
//!                                                                       │ Answer, latest wins
//! node/parameters, node/lifecycle ──> load, run, tune                   v
//! /diagnostics <── node/diagnostics                     node/outputs (thread `publish`) ──> ~/..
//!
//! client: the other side of these topics, for benchmarks, demonstrations, windows and the doctor
//! ```
//!
//! `node/executor` owns the `r2r::Node` on a thread of its own and drains streams there, after each spin:
//! r2r's streams keep the oldest ten messages and drop what is new.

pub mod client;
mod node;

pub use node::run;
