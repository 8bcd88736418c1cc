//! Tasks in shared libraries: found, compared, opened, never closed.
//!
//! A library runs in this process with all its rights. So one is opened only where whoever starts the program names it,
//! by its path, by its folder, or as PACKAGE/TASK of the ament index.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;

use thalweg_nn::files;
use thalweg_task::library::{Exported, SYMBOL};
use thalweg_task::printable;

use crate::registry::Registry;

mod surroundings;

pub(crate) use surroundings::kept;

/// Resource type in the ament index.
pub const RESOURCE: &str = "thalweg_task";
/// Most libraries that a folder gives.
const MOST_LIBRARIES: usize = 256;
/// Most bytes of a resource of the index.
const MOST_INDEX: u64 = 1 << 16;
/// First bytes of an ELF file for 64-bit, little-endian machines.
const ELF: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
/// Its number for this machine, `e_machine`.
const MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// What was being done when a library was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Looking for files.
    Find,
    /// Opening one.
    Open,
    /// Comparing what both are built of.
    Handshake,
    /// Asking it for its task.
    Entry,
}

impl Phase {
    /// Names the phase: find, open, handshake or entry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Open => "open",
            Self::Handshake => "handshake",
            Self::Entry => "entry",
        }
    }
}

/// Why a library is not used; the others are.
#[derive(Clone, Debug, thiserror::Error)]
#[error("plugin {}: {}: {cause}; {cure}", printable(file), phase.name())]
pub struct PluginError {
    /// The file, or what was named.
    pub file: String,
    /// What was being done.
    pub phase: Phase,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub cure: &'static str,
}

/// A library that could be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Name of its task, as its file or the index has it.
    pub task: String,
    /// The file.
    pub file: PathBuf,
}

impl Registry {
    /// Opens the libraries that are named and adds their tasks; tells which cannot be used, and why.
    ///
    /// A name is a file, a folder, or PACKAGE/TASK of the ament index. To be called at the start, by who starts the
    /// program: see SECURITY.md. What is opened stays open.
    #[must_use]
    pub fn with_plugins(mut self, named: &[String]) -> (Self, Vec<PluginError>) {
        let mut refused = Vec::new();
        for name in named {
            let files = match find(name) {
                Ok(found) => found,
                Err(error) => {
                    refused.push(error);
                    continue;
                }
            };
            for found in files {
                if let Err(error) = self.add_library_aside(&found.file) {
                    refused.push(error);
                }
            }
        }
        (self, refused)
    }

    /// Opens a library on a thread of its own: what its start sets for the thread that opens it, such as how numbers next
    /// to nothing are rounded (`-ffast-math`), is not what threads that are started later begin with.
    fn add_library_aside(&mut self, file: &Path) -> Result<(), PluginError> {
        let opened = thread::scope(|scope| scope.spawn(|| kept(file, || self.add_library(file))).join());
        opened.unwrap_or_else(|_| {
            let (file, cause) = (file.display().to_string(), "it panicked".to_owned());
            Err(PluginError { file, phase: Phase::Open, cause, cure: "see standard error" })
        })
    }

    fn add_library(&mut self, file: &Path) -> Result<(), PluginError> {
        let refuse = |phase, cause: String, cure| PluginError { file: file.display().to_string(), phase, cause, cure };
        // The loader does nothing for a path without a separator but look in its own folders.
        let file = file
            .canonicalize()
            .map_err(|error| refuse(Phase::Find, error.to_string(), "name a library that is there"))?;
        inspect(&file).map_err(|cause| refuse(Phase::Open, cause, "build it as a cdylib, on this kind of machine"))?;
        let exported = symbol(&file)
            .map_err(|(phase, cause)| refuse(phase, cause, "build a cdylib that says thalweg_task::export!(ENTRY)"))?;
        exported.check().map_err(|mismatch| {
            let cure = "build it with the compiler, libtorch and thalweg-task of this program";
            refuse(Phase::Handshake, mismatch.to_string(), cure)
        })?;
        let entry = exported.entry().map_err(|panic| {
            refuse(Phase::Entry, format!("it panicked: {panic}"), "see Entry::parameters of the task")
        })?;
        let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if entry.name.is_empty() || entry.name.len() > 64 || !entry.name.chars().all(snake) {
            let cause = format!("its task is named '{}'", printable(entry.name));
            return Err(refuse(Phase::Entry, cause, "name it in snake_case, of at most 64 letters"));
        }
        match self.find(entry.name) {
            // The same library twice, by two names.
            Ok(_) if self.library_of(entry.name).is_some_and(|known| *known == file) => Ok(()),
            Ok(_) => {
                let cause = format!("there is a task '{}' already", entry.name);
                Err(refuse(Phase::Entry, cause, "give it a name of its own"))
            }
            Err(_) => {
                self.add_of_library(*entry, file);
                Ok(())
            }
        }
    }
}

/// Reads what separates names by colons; a name that is empty is none.
#[must_use]
pub fn listed(text: &str) -> Vec<String> {
    text.split(':').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Finds libraries by a file, a folder, or PACKAGE/TASK of the ament index; opens none.
///
/// # Errors
/// [`PluginError`] in the phase [`Phase::Find`].
pub fn find(name: &str) -> Result<Vec<Found>, PluginError> {
    let refuse = |cause: String| PluginError {
        file: name.to_owned(),
        phase: Phase::Find,
        cause,
        cure: "name a library, a folder of libraries, or PACKAGE/TASK of the ament index",
    };
    let path = Path::new(name);
    if path.is_dir() {
        return in_folder(path).map_err(refuse);
    }
    if path.exists() {
        return Ok(vec![Found { task: task_of(path), file: path.to_owned() }]);
    }
    let indexed = indexed();
    let found = indexed.iter().find(|(package, found)| name == format!("{package}/{}", found.task));
    match found {
        Some((_, found)) => Ok(vec![found.clone()]),
        None => {
            let known = indexed.iter().take(8).map(|(package, found)| format!("{package}/{}", found.task));
            let known = known.collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "nothing".to_owned() } else { known };
            Err(refuse(format!("there is nothing of this name; the ament index has {known}")))
        }
    }
}

fn in_folder(folder: &Path) -> Result<Vec<Found>, String> {
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut found: Vec<Found> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "so"))
        .map(|file| Found { task: task_of(&file), file })
        .collect();
    found.sort_by(|a, b| a.file.cmp(&b.file));
    match found.len() {
        0 => Err("the folder has no file *.so".to_owned()),
        count if count > MOST_LIBRARIES => {
            Err(format!("the folder has {count} files, expected at most {MOST_LIBRARIES}"))
        }
        _ => Ok(found),
    }
}

/// The name of a task after its file: libmy_task.so is of my_task.
fn task_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.strip_prefix("lib").unwrap_or(&stem).to_owned()
}

/// What installed packages say in the ament index: the package, and each of its tasks. Opens none.
///
/// A resource `share/ament_index/resource_index/thalweg_task/PACKAGE` has lines `TASK PATH`, the path from the prefix.
#[must_use]
pub fn indexed() -> Vec<(String, Found)> {
    let prefixes = env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    let mut all: Vec<(String, Found)> = Vec::new();
    for prefix in env::split_paths(&prefixes).filter(|prefix| prefix.is_absolute()) {
        let folder = prefix.join("share/ament_index/resource_index").join(RESOURCE);
        let mut packages: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        packages.sort();
        for resource in packages {
            let package = resource.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = files::read_text(&resource, MOST_INDEX).unwrap_or_default();
            let lines = text.lines().filter_map(|line| line.trim().split_once(' '));
            let found = lines.map(|(task, path)| Found { task: task.to_owned(), file: prefix.join(path.trim()) });
            // What comes first in the path hides what comes later.
            for found in found.take(MOST_LIBRARIES) {
                if !all.iter().any(|(known, other)| *known == package && other.task == found.task) {
                    all.push((package.clone(), found));
                }
            }
        }
    }
    all
}

/// Looks at the file before the loader does: it would wait for a pipe, and says little of what is no library.
fn inspect(file: &Path) -> Result<(), String> {
    let mut head = [0; 64];
    let mut opened = files::open_regular(file).map_err(|error| error.to_string())?;
    let length = opened.metadata().map_err(|error| error.to_string())?.len();
    if length == 0 {
        return Err("the file is empty".to_owned());
    }
    let mut bytes = Vec::new();
    opened.by_ref().take(head.len() as u64).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    head[..bytes.len()].copy_from_slice(&bytes);
    if head[..4] != ELF[..4] {
        return Err("no ELF file".to_owned());
    }
    if head[..6] != ELF {
        return Err("an ELF file, but none for 64-bit, little-endian machines".to_owned());
    }
    let machine = u16::from_le_bytes([head[18], head[19]]);
    if machine != MACHINE {
        return Err(format!("an ELF file for machine {machine}, expected {MACHINE}"));
    }
    let end = end_of_segments(&mut opened, &head).map_err(|error| error.to_string())?;
    // The loader would map what is not there, and the process would end at the first touch.
    if end > length { Err(format!("cut off: it has {length} bytes, and needs {end}")) } else { Ok(()) }
}

/// Where the last segment ends in the file, bytes: from the program headers of an ELF file, whose first bytes are `head`.
fn end_of_segments(file: &mut File, head: &[u8; 64]) -> std::io::Result<u64> {
    const HEADER: usize = 56;
    let number =
        |bytes: &[u8], at: usize| bytes[at..].first_chunk().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes));
    let (size, count) = (u16::from_le_bytes([head[54], head[55]]), u16::from_le_bytes([head[56], head[57]]));
    if usize::from(size) != HEADER {
        return Err(std::io::Error::other(format!("program headers of {size} bytes, expected {HEADER}")));
    }
    file.seek(SeekFrom::Start(number(head, 32)))?;
    let mut headers = vec![0; HEADER * usize::from(count)];
    file.read_exact(&mut headers)?;
    let ends = headers.chunks_exact(HEADER).map(|header| number(header, 8).saturating_add(number(header, 32)));
    Ok(ends.max().unwrap_or(0))
}

/// Opens a library for good and gives what stands at its symbol.
#[expect(unsafe_code, reason = "the loader of the operating system promises nothing")]
fn symbol(file: &Path) -> Result<&'static Exported, (Phase, String)> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: opening runs what the library does at its start; whoever starts the program has named it for that. All its
    // symbols are resolved now, and none of them is seen by other libraries.
    let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|error| (Phase::Open, error.to_string()))?;
    // Never closed: its code and its statics are used to the end.
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: only the address is taken. What stands there is read as `Exported`, a type of plain numbers with the layout
    // of C up to the function, which nobody calls before `Exported::check` has compared the numbers.
    let found = unsafe { library.get::<*const Exported>(SYMBOL.as_bytes()) };
    let found = found.map_err(|error| (Phase::Handshake, format!("it exports no {SYMBOL} ({error})")))?;
    let address: *const Exported = *found;
    if address.is_null() || !address.is_aligned() {
        return Err((Phase::Handshake, format!("what it exports as {SYMBOL} is no static of ours")));
    }
    // SAFETY: as above; the static lives as long as the library, which is for good.
    Ok(unsafe { &*address })
}
