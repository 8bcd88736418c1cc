//! What the tests of several crates share: tasks that stand in for kinds of data, recordings, folders.

#![allow(clippy::unwrap_used, reason = "for tests only")]

pub mod fetched;
pub mod hostile;
pub mod image;
pub mod numbers;
pub mod options;
pub mod recording;
pub mod robot;
pub mod zed;

use std::path::Path;

/// The root of the repository.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
