//! Recordings of what a node solves: MCAP files that ROS 2 tools read, and that solves can be repeated from.
//!
//! ```text
//! Recorder::put ──[bounded queue]──> thread `recorder`: Session ─> Segment x_0.mcap.active ─[closed]─> x_0.mcap
//!                                                        metadata.yaml lists the closed files of a session
//! x.mcap ─> Reader ─> Solve, Solve, ..      any bag ─> JointStates      x.mcap.active ─> recover ─> x.mcap
//! ```
//!
//! Knows nothing of ROS but its encoding and the definitions of five messages.

mod bag;
pub mod cdr;
mod damage;
mod error;
mod files;
mod message;
mod reader;
mod recorder;
mod recover;
mod scan;
mod schema;
mod segment;
mod session;
mod setup;
mod solve;
mod summary;
#[cfg(test)]
mod tests;

pub use damage::Damage;
pub use error::RecordError;
pub use files::recordings;
pub use message::JointReading;
pub use reader::{JointStates, Reader};
pub use recorder::{FLUSH, RecordReport, Recorder};
pub use recover::{Recovered, recover};
pub use session::RecordOptions;
pub use solve::{Before, Setup, Solve, Trace, Warm};
pub use summary::Summary;
