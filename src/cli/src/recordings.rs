//! What the commands that read recordings share: which files there are, and what is told of those that cannot be read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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

/// As [`each`], of several paths in the order in which they are named; a file that was read is not read again.
///
/// # Errors
/// As there, of the first path that has one.
pub fn each_of(paths: &[PathBuf], mut read: impl FnMut(&Path) -> anyhow::Result<Damage>) -> anyhow::Result<Gathered> {
    let (mut gathered, mut seen) = (Gathered::default(), BTreeSet::new());
    let mut once = |file: &Path| if seen.insert(real(file)) { read(file) } else { Ok(Damage::default()) };
    for path in paths {
        let Gathered { files, damage } = each(path, &mut once)?;
        gathered.files += files;
        gathered.damage += damage;
    }
    Ok(gathered)
}

/// The files that [`each_of`] reads, in its order.
///
/// # Errors
/// As there.
pub fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut seen) = (Vec::new(), BTreeSet::new());
    for path in paths {
        files.extend(Listing::of(path)?.files.into_iter().filter(|file| seen.insert(real(file))));
    }
    Ok(files)
}

/// Links to the same file are the same recording; what is missing is told by whoever opens it.
fn real(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_missing| file.to_owned())
}

/// Resolves names and patterns (`*`, `?`, `[..]`, `**`) to paths, those of a pattern in the order of their names.
///
/// # Errors
/// Where a pattern is none, or matches nothing.
pub fn matching(names: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for name in names {
        let text = name.to_string_lossy();
        if name.exists() || !text.contains(['*', '?', '[']) {
            paths.push(name.clone());
            continue;
        }
        let found = glob::glob(&text).with_context(|| format!("{text}: no pattern of names"))?;
        let found = found.collect::<Result<Vec<_>, _>>().with_context(|| format!("{text}: cannot be searched"))?;
        anyhow::ensure!(!found.is_empty(), "{text}: no file or folder has such a name; expected at least one");
        paths.extend(found);
    }
    Ok(paths)
}

fn is_foreign(error: &anyhow::Error) -> bool {
    error.downcast_ref::<RecordError>().is_some_and(RecordError::is_foreign)
}

/// Whether something of ours is lost: a bag of others, or a file that is no bag, is no loss.
fn is_damaged(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(RecordError::Io { .. } | RecordError::TooLarge { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_resolved_in_the_order_of_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["b.mcap", "a.mcap", "c.db3", "d[1].mcap"] {
            std::fs::write(path(name), b"").expect("a file");
        }
        let found = matching(&[path("c.db3"), path("*.mcap")]).expect("they are there");
        assert_eq!(found, [path("c.db3"), path("a.mcap"), path("b.mcap"), path("d[1].mcap")]);
        assert_eq!(matching(&[path("d[1].mcap")]).expect("a name"), [path("d[1].mcap")], "no pattern where it exists");
        let error = matching(&[path("x*")]).expect_err("nothing").to_string();
        assert!(error.ends_with("no file or folder has such a name; expected at least one"), "{error}");
        let mut reads = Vec::new();
        let read = |file: &Path| {
            reads.push(file.to_owned());
            Ok(Damage::default())
        };
        let twice = [
            path("b.mcap"),
            folder.path().join("../").join(folder.path().file_name().expect("a name")),
            path("b.mcap"),
        ];
        each_of(&twice, read).expect("they are there");
        assert_eq!(reads.len(), 4, "each file once: {reads:?}");
        assert_eq!(matching(&[path("missing")]).expect("whoever opens it tells"), [path("missing")]);
    }
}
