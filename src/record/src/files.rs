//! The files in a folder of recordings.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

use super::bag::{NAME as LIST, delist};
use super::error::RecordError;
use super::recover::recover;
use super::segment::ACTIVE;

/// Ending of files of which nothing can be read.
const DAMAGED: &str = "damaged";
/// How deep folders are searched: a folder of recordings has one level, bags in groups have two.
const DEPTH: usize = 3;

/// Lists complete recordings in a folder and the folders below it, oldest first.
///
/// # Errors
/// [`RecordError::Io`] when the folder cannot be read.
pub fn recordings(folder: &Path) -> Result<Vec<PathBuf>, RecordError> {
    Ok(by_age(folder, "mcap")?.into_iter().map(|(_, path)| path).collect())
}

/// Files with an ending, by the time of their last change.
fn by_age(folder: &Path, ending: &str) -> Result<Vec<(SystemTime, PathBuf)>, RecordError> {
    let mut found = Vec::new();
    search(folder, ending, DEPTH, &mut found)?;
    found.sort();
    Ok(found)
}

fn search(
    folder: &Path,
    ending: &str,
    depth: usize,
    found: &mut Vec<(SystemTime, PathBuf)>,
) -> Result<(), RecordError> {
    for entry in fs::read_dir(folder).map_err(RecordError::io(folder))? {
        let Ok(entry) = entry else { continue };
        // Whatever vanishes meanwhile is not there.
        let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else { continue };
        if metadata.is_dir() && depth > 1 {
            search(&path, ending, depth - 1, found).unwrap_or_default();
        } else if metadata.is_file() && path.extension().is_some_and(|found| found == ending) {
            found.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), path));
        }
    }
    Ok(())
}

/// Removes the oldest complete files until all together take no more than `limit` bytes; zero is no limit.
pub(super) fn remove_oldest(folder: &Path, limit: u64) -> Result<(), RecordError> {
    let files = by_age(folder, "mcap")?;
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut total: u64 = files.iter().map(|(_, path)| size(path)).sum();
    for (_, path) in files {
        if limit == 0 || total <= limit {
            return Ok(());
        }
        total -= size(&path);
        tracing::info!("removing {}: recordings take more than {limit} bytes", path.display());
        fs::remove_file(&path).map_err(RecordError::io(&path))?;
        delist(&path)?;
        remove_when_empty(&path);
    }
    Ok(())
}

/// Removes the folder of a removed file when nothing but the list of files is left in it.
pub(super) fn remove_when_empty(path: &Path) {
    let Some(folder) = path.parent() else { return };
    let mut names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    if names.all(|name| name == LIST) {
        // Not ours to insist on: somebody may be writing there, and there may be no list.
        fs::remove_file(folder.join(LIST)).unwrap_or_default();
        fs::remove_dir(folder).unwrap_or_default();
    }
}

/// Opens a new file for writing, and holds a lock on it as long as it is open.
pub(super) fn create_locked(path: &Path) -> std::io::Result<File> {
    let file = File::options().write(true).create_new(true).open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Recovers what killed recorders have left in a folder; files that somebody is writing are let alone.
pub(super) fn recover_left(folder: &Path) {
    for (_, path) in by_age(folder, ACTIVE).unwrap_or_default() {
        if !is_free(&path) {
            continue;
        }
        match recover(&path) {
            Ok(recovered) => {
                let (file, damage) = (recovered.path.display(), &recovered.damage);
                tracing::warn!("recovered {file}, {} messages; {damage}", recovered.messages);
            }
            Err(error) => {
                let aside = path.with_extension(DAMAGED);
                tracing::warn!("cannot recover, kept as {}: {error}", aside.display());
                if let Err(error) = fs::rename(&path, &aside) {
                    tracing::warn!("{}: {error}", path.display());
                }
            }
        }
    }
}

/// Whether nobody holds a lock on the file.
fn is_free(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}
