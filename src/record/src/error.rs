//! Why a recording cannot be written or read.

use std::path::{Path, PathBuf};

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The disk refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is no MCAP.
    #[error("{}: no MCAP file: it begins with {got}", path.display())]
    NotMcap {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        got: String,
    },
    /// The file was not recorded by thalweg.
    #[error("{}: no recording of thalweg: its metadata 'thalweg' {why}", path.display())]
    NoSetup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file was recorded by another version.
    #[error("{}: recorded in format {got}, expected format {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that is read here.
        expected: &'static str,
        /// The format of the file.
        got: String,
    },
    /// Nothing is being recorded.
    #[error("nothing is being recorded")]
    NotRecording,
    /// Code of ours has panicked; the file that was being written is left as it is.
    #[error("the recorder has stumbled: {0}")]
    Panicked(String),
    /// There is no thread any more that could write.
    #[error("the thread of the recording has ended")]
    Ended,
}

impl RecordError {
    /// Gives a closure that adds a path to what the operating system says.
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self::Io { path: path.to_owned(), source }
    }

    /// Adds a path to what the MCAP writer says.
    pub(super) fn mcap(path: &Path) -> impl FnOnce(mcap::McapError) -> Self {
        |error| {
            let source = match error {
                mcap::McapError::Io(source) => source,
                other => std::io::Error::other(other.to_string()),
            };
            Self::Io { path: path.to_owned(), source }
        }
    }
}
