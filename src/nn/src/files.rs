//! Files of a user, opened and written with suspicion.
//!
//! A path may name anything: a pipe that nobody writes to, a device, a link. Reading takes regular files only and never
//! waits. Writing goes to a new file beside the target, whose name cannot be foreseen, and takes the target's name when
//! it is whole: a reader, or a crash, sees the old or the new one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileType, Metadata, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use tempfile::{Builder, NamedTempFile};

use crate::{NnError, Result};

/// Between the name of a target and the random end of the name of what is being written.
const PARTIAL: &str = ".partial-";
/// Tries to begin a file while others tidy up: each is lost only when a tidier comes between two system calls.
const TRIES: usize = 8;
/// Rights of a new file before the umask takes some away, as `File::create` has them.
const RIGHTS: u32 = 0o666;

/// Names what is no regular file.
fn kind(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "no file"
    }
}

fn expect_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let text = format!("no regular file, but {}", kind(metadata.file_type()));
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// Opens a regular file for reading, through links; never waits.
///
/// # Errors
/// What the operating system says; [`io::ErrorKind::InvalidInput`] for a pipe, a device, a socket or a folder.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Before it is opened, for opening a device may already do something.
    expect_regular(&fs::metadata(path)?)?;
    let file = open_options(OFlags::NONBLOCK).read(true).open(path)?;
    // Of the open file, so that nothing can be put in its place meanwhile.
    expect_regular(&file.metadata()?)?;
    Ok(file)
}

fn open_options(flags: OFlags) -> fs::OpenOptions {
    let mut options = File::options();
    options.custom_flags(flags.bits().cast_signed());
    options
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open_regular`]; [`io::ErrorKind::FileTooLarge`] for a longer one, which is not read.
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let refuse = |size: u64| {
        let text = format!("{size} bytes; expected at most {limit}");
        io::Error::new(io::ErrorKind::FileTooLarge, text)
    };
    let size = file.metadata()?.len();
    if size > limit {
        return Err(refuse(size));
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes)? as u64;
    if read > limit { Err(refuse(read)) } else { Ok(bytes) }
}

/// As [`read_limited`], for text.
///
/// # Errors
/// As there; [`io::ErrorKind::InvalidData`] for what is no UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read_limited(path, limit)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Opens a regular file to write behind its end; makes it where it is missing. Follows no link in its name.
///
/// # Errors
/// What the operating system says; [`io::ErrorKind::InvalidInput`] for what is no regular file.
pub fn open_append(path: &Path) -> io::Result<File> {
    expect_writable(path)?;
    let file = open_options(OFlags::NONBLOCK | OFlags::NOFOLLOW).append(true).create(true).open(path)?;
    expect_regular(&file.metadata()?)?;
    Ok(file)
}

/// Checks that a name is free, or is that of a regular file.
fn expect_writable(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => expect_regular(&metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The folder of a file; the present one where the path names none.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that is being written, under another name until it is whole; dropped before that, it is gone.
///
/// Its name cannot be foreseen, nothing is opened that was there, and no link is followed.
#[derive(Debug)]
pub struct NewFile {
    partial: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file that is to be at `path`; makes its folder.
    ///
    /// # Errors
    /// What the operating system says; [`io::ErrorKind::InvalidInput`] where there is something at `path` that is no
    /// regular file: a device, a pipe, a link, a folder.
    pub fn create(path: &Path) -> io::Result<Self> {
        expect_writable(path)?;
        let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no name of a file"))?;
        let folder = folder_of(path);
        fs::create_dir_all(folder)?;
        let prefix = partial_prefix(name);
        remove_stale(folder, &prefix);
        for _ in 0..TRIES {
            let rights = Permissions::from_mode(RIGHTS);
            let partial = Builder::new().prefix(&prefix).permissions(rights).tempfile_in(folder)?;
            if hold(partial.as_file())? {
                return Ok(Self { partial, path: path.to_owned() });
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "others remove what is being written"))
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        self.partial.as_file()
    }

    /// Brings the file to the disk and gives it its name, in place of a regular file that has it.
    ///
    /// # Errors
    /// What the operating system says; what was there before is then still there.
    pub fn replace(self) -> io::Result<()> {
        self.partial.as_file().sync_all()?;
        expect_writable(&self.path)?;
        self.partial.persist(&self.path).map_err(|error| error.error)?;
        sync_folder_of(&self.path)
    }

    /// Brings the file to the disk and gives it its name, which must be free; gives the open file.
    ///
    /// # Errors
    /// What the operating system says; [`io::ErrorKind::AlreadyExists`] where the name is taken.
    pub fn place(self) -> io::Result<File> {
        self.partial.as_file().sync_all()?;
        let file = self.partial.persist_noclobber(&self.path).map_err(|error| error.error)?;
        sync_folder_of(&self.path)?;
        Ok(file)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.partial.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.partial.as_file_mut().flush()
    }
}

impl Seek for NewFile {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.partial.as_file_mut().seek(place)
    }
}

/// Waits until a new name is on the disk.
///
/// # Errors
/// What the operating system says.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path)).and_then(|folder| folder.sync_all())
}

fn partial_prefix(name: &OsStr) -> OsString {
    [OsStr::new("."), name, OsStr::new(PARTIAL)].iter().copied().collect()
}

/// Locks what is being written, so that nobody takes it for left; tells whether it is still there.
fn hold(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file.metadata()?.nlink() > 0),
        Err(rustix::io::Errno::AGAIN) => Ok(false),
        // Where there are no locks nobody gets one, and nothing is removed.
        Err(_) => Ok(true),
    }
}

/// Removes what killed writers of the same file have left: nobody holds a lock on it.
fn remove_stale(folder: &Path, prefix: &OsStr) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_left = entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        let path = entry.path();
        let open = || open_options(OFlags::NONBLOCK | OFlags::NOFOLLOW).read(true).open(&path);
        let Some(file) = is_left.then(open).and_then(io::Result::ok) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // What cannot be removed is left for the next one.
            fs::remove_file(&path).unwrap_or_default();
        }
    }
}

/// Replaces a file so that a reader, or a crash, sees the old or the new one whole; makes its folder.
///
/// # Errors
/// [`NnError::Io`]; also where the path names something that is no regular file.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = NewFile::create(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.replace()));
    written.map_err(|source| NnError::Io { path: path.to_owned(), source })
}
