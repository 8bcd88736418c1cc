//! What the commands that read recordings share: which files there are, and what is told of those that cannot be read.

use std::path::Path;

use anyhow::Context;
use thalweg_record::{Damage, Listing, RecordError};

use crate::console::note;

/// Something that was recorded could not be read: the command has done what it could, and ends with code 3.
#[derive(Debug, thiserror::Error)]
#[error("not all could be read: {}", .0)]
pub struct Lost(pub Damage);

/// What the files of a path come to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gathered {
    /// Files that were read.
    pub files: usize,
    /// What is missing or damaged in them, and how many cannot be read at all.
    pub damage: Damage,
}

impl Gathered {
    /// Says with an error whether something is lost.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn outcome(&self) -> anyhow::Result<()> {
        if self.damage.has_lost() { Err(Lost(self.damage).into()) } else { Ok(()) }
    }
}

/// Lists the files of a recording, or of a folder of them; what is odd about them is told.
///
/// # Errors
/// [`RecordError`] when there is none.
pub fn listing(path: &Path) -> anyhow::Result<Listing> {
    let listing = Listing::of(path)?;
    listing.notes.iter().for_each(|text| note(text));
    Ok(listing)
}

/// Reads one file of a path after the other, and sums up what `read` says of their damage.
///
/// In a folder a file that is none of ours, or cannot be read, is told and passed over.
///
/// # Errors
/// What `read` says, of the file that was named, or of all in a folder.
pub fn each(path: &Path, mut read: impl FnMut(&Path) -> anyhow::Result<Damage>) -> anyhow::Result<Gathered> {
    let listing = listing(path)?;
    let damage = Damage { files: listing.missing, ..Damage::default() };
    let (mut gathered, mut refused) = (Gathered { files: 0, damage }, None);
    for file in &listing.files {
        match read(file) {
            Ok(damage) => {
                gathered.files += 1;
                gathered.damage += damage;
            }
            Err(error) if listing.is_folder && is_foreign(&error) => {
                note(&format!("{error:#}; passed over"));
                gathered.damage.files += u64::from(is_damaged(&error));
                refused.get_or_insert(error);
            }
            // It names the file itself.
            Err(error) if error.is::<RecordError>() => return Err(error),
            Err(error) => return Err(error).with_context(|| file.display().to_string()),
        }
    }
    match refused {
        Some(error) if gathered.files == 0 => {
            Err(error).context(format!("{}: no file of it can be read", path.display()))
        }
        _ => Ok(gathered),
    }
}

fn is_foreign(error: &anyhow::Error) -> bool {
    error.downcast_ref::<RecordError>().is_some_and(RecordError::is_foreign)
}

/// Whether something of ours is lost: a bag of others, or a file that is no bag, is no loss.
fn is_damaged(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(RecordError::Io { .. } | RecordError::TooLarge { .. }))
}
