//! Why a data set could not be read.

use std::io;
use std::path::PathBuf;

use super::Split;

/// What is wrong with the motion-capture files.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file is missing or unreadable.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system or the archive reader said.
        source: io::Error,
    },
    /// A place holds no motion that can be read.
    #[error(
        "{path}: expected motion capture (cmu_expmap.npz, ..), BVH or AMC files, or a zip archive of such, found none"
    )]
    NoMotion {
        /// The place.
        path: PathBuf,
    },
    /// An archive lacks an array.
    #[error("{path}: array '{array}' is missing; the file has {have}")]
    MissingArray {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// Arrays that are there.
        have: String,
    },
    /// An array holds another type of element.
    #[error("{path}: array '{array}': expected {expected}, got type {got}")]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// What was expected, in words.
        expected: &'static str,
        /// The type that came, as numpy writes it.
        got: String,
    },
    /// An array has another shape.
    #[error("{path}: array '{array}': expected shape {expected}, got {got:?}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// The expected shape, with letters where it is free.
        expected: String,
        /// The shape that came.
        got: Vec<u64>,
    },
    /// An array holds the poses of another skeleton.
    #[error(
        "{path}: array '{array}': expected {expected} joints of 3 numbers after {lead} others in each row, \
         got rows of {got} numbers, which are {} joints",
        joints_in(*got, *lead)
    )]
    Joints {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// Numbers before the joints in a row.
        lead: usize,
        /// The expected number of joints.
        expected: usize,
        /// The numbers in a row that came.
        got: u64,
    },
    /// There are not enough clips to train on, or to judge by.
    #[error("the data has {got} {} clips with poses; expected at least {needed}", split.name())]
    TooFewClips {
        /// What the clips serve for.
        split: Split,
        /// How many there are.
        got: usize,
        /// How many are needed.
        needed: usize,
    },
    /// An index points outside what it counts.
    #[error("{path}: array '{array}': entry {row} is {got}, expected 0..{limit}")]
    Index {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// Which entry.
        row: usize,
        /// The value that came.
        got: i64,
        /// One more than the largest allowed value.
        limit: usize,
    },
    /// A zip archive is damaged.
    #[error("{path}: {source}")]
    Archive {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: zip::result::ZipError,
    },
    /// A BVH text does not parse.
    #[error("{name}, line {line}: {reason}")]
    Bvh {
        /// The file, or its name inside the archive.
        name: String,
        /// Line, counted from 1.
        line: usize,
        /// What came and what was expected.
        reason: String,
    },
    /// A skeleton is not that of a person at rest.
    #[error("{name}: {reason}")]
    Skeleton {
        /// The file, or its name inside the archive.
        name: String,
        /// What came and what was expected.
        reason: String,
    },
    /// A skeleton lacks a joint that the import needs.
    #[error("{name}: joint '{joint}' is missing; the skeleton has {have}")]
    MissingJoint {
        /// The file, or its name inside the archive.
        name: String,
        /// The joint.
        joint: &'static str,
        /// Joints that are there.
        have: String,
    },
}

/// How many joints a row of `width` numbers holds, as far as it can be told.
fn joints_in(width: u64, lead: usize) -> String {
    match width.checked_sub(lead as u64) {
        Some(rest) if rest % 3 == 0 => (rest / 3).to_string(),
        _ => "no whole number of".to_owned(),
    }
}
