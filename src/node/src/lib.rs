//! What a node is, without ROS.
//!
//! ```text
//! messages ──> intake: judge, merge, count ──[wake]──> solver: thread `engine`, newest observation ──> Sink
//! parameters: one table ──> Settings                   lifecycle, diagnostics: states, levels, counts
//! ```

pub mod description;
pub mod diagnostics;
pub mod display;
pub mod drivers;
pub mod identity;
pub mod intake;
pub mod label;
pub mod lifecycle;
pub mod options;
pub mod parameters;
pub mod solver;
