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
    #[error("{}: no MCAP file: its beginning is {got}; expected a bag of rosbag2, MCAP or SQLite", path.display())]
    NotMcap {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        got: String,
    },
    /// The file is a bag of ROS 1.
    #[error(
        "{}: a bag of ROS 1; expected one of ROS 2: `rosbags-convert --src {} --dst FOLDER` (pip install rosbags) makes one",
        path.display(), path.display()
    )]
    Ros1 {
        /// The file.
        path: PathBuf,
    },
    /// A database is none of rosbag2's, or damaged.
    #[error("{}: no bag of rosbag2: {why}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file holds far more than its size lets expect.
    #[error("{}: its {what} take more than is ever read of a file of this size", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What there is too much of.
        what: &'static str,
    },
    /// There is no bag in a folder.
    #[error("{}: expected at least one recording (.mcap, .db3), found none", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
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
    /// Somebody is writing the file.
    #[error("{}: is being written by another process; expected a file that nobody writes", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// What is to be made is there already.
    #[error("{}: is there already; expected a free name: move it away, or choose another with --output", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// A list of files is none that thalweg has written.
    #[error("{}: no list of thalweg's recordings, and left as it is", path.display())]
    ForeignList {
        /// The list.
        path: PathBuf,
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

    /// Whether the file is none of ours or cannot be used, so that among others in a folder it may be passed over.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        !matches!(self, Self::NotRecording | Self::Taken { .. } | Self::Empty { .. })
    }
}
