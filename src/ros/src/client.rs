//! Those who talk to a node: a peer for benchmarks and demonstrations, a follower for windows, a survey for the doctor.

pub mod bench;
pub mod follower;
pub mod peer;
pub mod play;
pub mod survey;
