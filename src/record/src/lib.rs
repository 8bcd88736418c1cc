//! Recordings of what a node solves: MCAP files that ROS 2 tools read, and that solves can be repeated from.
//!
//! ```text
//! Recorder::put ──[bounded queue]──> thread `recorder`: Session ─> Segment x_0.mcap.active ─[closed]─> x_0.mcap
//!                                                        metadata.yaml lists the closed files of a session
//!
//! FILE, FOLDER ─> Listing ─> Storage (MCAP, SQLite, compressed or not) ─┬─> Reader ─> Solve, Solve, ..
//!                                                                       └─> Bag ─> JointStates
//! x.mcap.active ─> Scan (every record) ─> recover ─> x.mcap
//! ```
//!
//! Knows nothing of ROS but its encoding and the definitions of five messages.

mod attachment;
mod bag;
pub mod cdr;
mod chunk;
mod damage;
mod error;
mod files;
mod input;
mod joint_states;
mod limits;
mod listing;
mod message;
mod packing;
mod reader;
mod recorder;
mod recover;
mod scan;
mod schema;
mod segment;
mod session;
mod setup;
mod solve;
mod sqlite;
mod storage;
mod summary;
#[cfg(test)]
mod tests;
mod topics;

pub use damage::Damage;
pub use error::RecordError;
pub use joint_states::{Bag, BagTopic, JointStates};
pub use listing::{Listing, recordings};
pub use message::JointReading;
pub use reader::Reader;
pub use recorder::{FLUSH, RecordReport, Recorder};
pub use recover::{Recovered, recover};
pub use session::RecordOptions;
pub use solve::{Before, Person, Setup, Solve, Trace, Warm};
pub use summary::Summary;
