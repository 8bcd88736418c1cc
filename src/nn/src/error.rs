//! Why weights cannot be used.

use std::path::PathBuf;

/// Why weights cannot be read, written or put together.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    /// A tensor has another shape than was expected.
    #[error("{what}: expected shape {expected}, got {got:?}")]
    Shape {
        /// The tensor, in words.
        what: &'static str,
        /// The expected shape, with words where it is free.
        expected: String,
        /// The shape that came.
        got: Vec<i64>,
    },
    /// A weights file is missing or cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A weights file is damaged, or is not what was asked for.
    #[error("{}: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong: expected and got.
        reason: String,
    },
    /// A checkpoint was made by another training.
    #[error(
        "checkpoint {}: belongs to another training, {what} was {got} there, expected {expected}; \
         finish that one with its own options and data, or remove the file",
        path.display()
    )]
    OtherTraining {
        /// The checkpoint.
        path: PathBuf,
        /// What differs: task, model, data, an option.
        what: String,
        /// What this training has.
        expected: String,
        /// What the checkpoint has.
        got: String,
    },
    /// Another process of the training is gone, or does not answer.
    #[error("{who}: {why}; this rank ends, too")]
    LostRank {
        /// Which ranks, in words.
        who: String,
        /// What is known of them.
        why: String,
    },
    /// Processes of one training differ in what has to be the same.
    #[error(
        "{what}: not the same on all ranks, {}; expected the same command, data, program and kind of processor on each",
        told(ranks)
    )]
    UnequalRanks {
        /// What differs.
        what: String,
        /// Those that differ from most.
        ranks: Vec<usize>,
    },
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

/// Names ranks: `rank 1 differs`, `ranks 1, 2 differ`.
fn told(ranks: &[usize]) -> String {
    let names: Vec<String> = ranks.iter().map(ToString::to_string).collect();
    let (word, verb) = if ranks.len() == 1 { ("rank", "differs") } else { ("ranks", "differ") };
    format!("{word} {} {verb}", names.join(", "))
}

impl NnError {
    /// Builds a [`NnError::Shape`] from the tensor that came.
    pub fn shape(what: &'static str, expected: impl Into<String>, got: &tch::Tensor) -> Self {
        Self::Shape { what, expected: expected.into(), got: got.size() }
    }
}
