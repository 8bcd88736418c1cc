//! Why processes cannot meet.

/// What is wrong with the place where the processes of a training are to meet.
#[derive(Debug, thiserror::Error)]
pub enum RendezvousError {
    /// Only some of the variables are set.
    #[error("{set} set, but {missing} not; expected all of RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, or none")]
    HalfSet {
        /// Those that are, with a verb.
        set: String,
        /// Those that are not.
        missing: String,
    },
    /// A variable has a value that it cannot have.
    #[error("{name}: got '{got}', expected {expected}")]
    Value {
        /// The variable.
        name: &'static str,
        /// The value that came.
        got: String,
        /// What is accepted.
        expected: String,
    },
    /// The other processes cannot be reached.
    #[error("rank {rank} of {size} cannot join the others at {at}: {why}")]
    Join {
        /// This rank.
        rank: usize,
        /// Number of ranks.
        size: usize,
        /// Address and port.
        at: String,
        /// What libtorch says.
        why: String,
    },
    /// Some processes did not come in time.
    #[error("rank {rank} of {size}: {missing} not come to {at} within {seconds} s (--timeout)")]
    Missing {
        /// This rank.
        rank: usize,
        /// Number of ranks.
        size: usize,
        /// Those that are missing, with a verb.
        missing: String,
        /// Address and port.
        at: String,
        /// How long they were waited for.
        seconds: u64,
    },
}
