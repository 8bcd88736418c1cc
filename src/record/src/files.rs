//! Which files in a folder of recordings are ours to remove and to recover.
//!
//! A folder of recordings may be anybody's: whoever may set `record.folder` may name any. So a recording goes into a
//! folder that is made for it, with a mark in it; nothing is touched outside of such folders, nor anything within that
//! does not say itself that it is of thalweg.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, RenameFlags, flock, renameat_with};
use thalweg_nn::files::{NewFile, open_regular};

use super::bag::{NAME as LIST, delist};
use super::error::RecordError;
use super::reader::Reader;
use super::recover::{Recovered, recover_open};
use super::segment::ACTIVE;

/// Ending of files that could not be recovered, or not in full.
const DAMAGED: &str = "damaged";
/// Name of the file by which a folder is known to be made by a recorder.
const MARK: &str = ".thalweg";
/// What it says to whoever looks.
const MARK_TEXT: &[u8] =
    b"Made by a recorder of thalweg, which removes its oldest recordings here (record.total_size).\n";

/// Marks a folder that was just made.
pub(super) fn mark(folder: &Path) -> io::Result<()> {
    File::options().write(true).create_new(true).open(folder.join(MARK))?.write_all(MARK_TEXT)
}

/// Whether a recorder has made a folder.
pub(super) fn is_marked(folder: &Path) -> bool {
    fs::symlink_metadata(folder.join(MARK)).is_ok_and(|mark| mark.is_file())
}

/// Files with an ending and a name of ours, in folders that recorders have made, by the time of their last change.
fn own(root: &Path, ending: &str) -> Vec<(SystemTime, PathBuf)> {
    let mut found = Vec::new();
    for folder in fs::read_dir(root).into_iter().flatten().flatten() {
        // Of the entry itself: a link leads anywhere.
        if !folder.file_type().is_ok_and(|kind| kind.is_dir()) || !is_marked(&folder.path()) {
            continue;
        }
        for entry in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else { continue };
            if metadata.is_file() && is_named(&path, ending) {
                found.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), path));
            }
        }
    }
    found.sort();
    found
}

/// Whether a file is called as the recorder of its folder calls it: after the folder, with a number.
fn is_named(path: &Path, ending: &str) -> bool {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let number = name.strip_prefix(&folder).and_then(|rest| rest.strip_prefix('_'));
    let number = number.and_then(|rest| rest.strip_suffix(ending));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a file says of itself that it is of thalweg.
fn is_ours(path: &Path) -> bool {
    matches!(Reader::open(path), Ok(_) | Err(RecordError::Format { .. }))
}

/// Removes the oldest complete files until all together take no more than `limit` bytes; zero is no limit.
///
/// # Errors
/// [`RecordError`] when a file of ours cannot be removed.
pub(super) fn remove_oldest(root: &Path, limit: u64) -> Result<(), RecordError> {
    if limit == 0 {
        return Ok(());
    }
    let size = |path: &Path| fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
    let files = own(root, ".mcap");
    let mut total: u64 = files.iter().map(|(_, path)| size(path)).sum();
    for (_, path) in files {
        if total <= limit {
            break;
        }
        total -= size(&path).min(total);
        if is_ours(&path) {
            remove(&path, limit)?;
        }
    }
    Ok(())
}

fn remove(path: &Path, limit: u64) -> Result<(), RecordError> {
    match delist(path) {
        // Whoever has put another list there counts on the files that it names.
        Err(error @ RecordError::ForeignList { .. }) => {
            tracing::warn!("keeping {}: {error}", path.display());
            return Ok(());
        }
        delisted => delisted?,
    }
    tracing::info!("removing {}: recordings take more than {limit} bytes", path.display());
    match fs::remove_file(path) {
        // Another node was faster.
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(RecordError::io(path)(error)),
        _ => {}
    }
    remove_when_empty(path);
    Ok(())
}

/// Removes the folder of a removed file when nothing is left in it but what a recorder has put there.
pub(super) fn remove_when_empty(path: &Path) {
    let Some(folder) = path.parent().filter(|folder| is_marked(folder)) else { return };
    let mut names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    // A list of others would have kept the file.
    if names.all(|name| name == LIST || name == MARK) {
        // Not ours to insist on: somebody may be writing there, and there may be no list.
        for name in [LIST, MARK] {
            fs::remove_file(folder.join(name)).unwrap_or_default();
        }
        fs::remove_dir(folder).unwrap_or_default();
    }
}

/// Opens a new file for writing, and holds a lock on it as long as it is open.
///
/// The lock is there before the name is: nobody finds the file without it.
pub(super) fn create_locked(path: &Path) -> io::Result<File> {
    NewFile::create(path)?.place()
}

/// Takes the lock of a file that nobody writes, as long as what is given is open.
///
/// # Errors
/// [`RecordError::Busy`] when somebody has it; [`RecordError::Io`] when there is no such file.
pub(super) fn lock(path: &Path) -> Result<File, RecordError> {
    let file = open_regular(path).map_err(RecordError::io(path))?;
    let busy = || RecordError::Busy { path: path.to_owned() };
    // Where there are no locks, recorders have none either.
    if let Err(rustix::io::Errno::AGAIN) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        return Err(busy());
    }
    // It may have been renamed, and the name given to another, between the two.
    let same =
        |metadata: fs::Metadata, file: fs::Metadata| (metadata.dev(), metadata.ino()) == (file.dev(), file.ino());
    let is_same = fs::metadata(path).and_then(|named| Ok(same(named, file.metadata()?)));
    if is_same.map_err(RecordError::io(path))? { Ok(file) } else { Err(busy()) }
}

/// Recovers what killed recorders have left in a folder; files that somebody is writing are let alone.
pub(super) fn recover_left(root: &Path) {
    for (_, path) in own(root, &format!(".mcap.{ACTIVE}")) {
        let file = match lock(&path) {
            Ok(file) => file,
            Err(RecordError::Busy { .. }) => continue,
            Err(error) => {
                tracing::warn!("{error}");
                continue;
            }
        };
        match recover_open(&path, file, None) {
            Ok(Recovered { path, messages, damage, .. }) => {
                tracing::warn!("recovered {}, {messages} messages; {damage}", path.display());
            }
            Err(error) => tracing::warn!("cannot recover: {error}"),
        }
        // What was not recovered in full is kept, and not tried again.
        if path.exists() {
            put_aside(&path);
        }
    }
}

fn put_aside(path: &Path) {
    let aside = path.with_extension(DAMAGED);
    match rename_new(path, &aside) {
        Ok(()) => tracing::warn!("kept as {}", aside.display()),
        Err(error) => tracing::warn!("{}: {error}", path.display()),
    }
}

/// Gives a file another name, which must be free.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let here = rustix::fs::CWD;
    match renameat_with(here, from, here, to, RenameFlags::NOREPLACE) {
        // File systems without it (NFS) can still link.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}
