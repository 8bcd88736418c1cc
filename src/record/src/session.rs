//! One recording: a folder as rosbag2 has it, its files one after the other.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::macros::format_description;

use super::bag::BagFile;
use super::error::RecordError;
use super::files::{mark, remove_oldest, remove_when_empty};
use super::segment::{ACTIVE, Open, Segment};
use super::solve::{Person, Setup, Solve};

/// Most people in one recording: each has topics of their own, all of which its list names.
pub(super) const MOST_PEOPLE: usize = 256;

/// How a recording is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordOptions {
    /// Folder of recordings; made where it is missing.
    pub folder: PathBuf,
    /// Bytes at which a recording goes on in a new file.
    pub max_segment_bytes: u64,
    /// Time after which a recording goes on in a new file.
    pub max_segment_duration: Duration,
    /// Bytes of all recordings in the folder beyond which the oldest files are removed; zero for no limit.
    pub max_total_bytes: u64,
    /// Solves that may wait for the disk.
    pub queue: usize,
}

/// A recording that is under way.
pub(super) struct Session {
    options: RecordOptions,
    setup: Setup,
    folder: PathBuf,
    name: String,
    next: u32,
    segment: Segment,
    /// Files that were closed.
    closed: u32,
    /// Identities of all who are in it.
    people: BTreeSet<String>,
}

impl Session {
    /// Makes a folder of its own and the first file in it.
    pub(super) fn begin(options: &RecordOptions, setup: Setup, open: &Open) -> Result<Self, RecordError> {
        let (folder, name) = own_folder(&options.folder, &setup.task)?;
        // A folder without a file would be left at each try.
        let segment = Segment::create(&file(&folder, &name, 0), open, &setup)
            .inspect_err(|_| fs::remove_dir_all(&folder).unwrap_or_default())?;
        Ok(Self { options: options.clone(), setup, folder, name, next: 1, segment, closed: 0, people: BTreeSet::new() })
    }

    /// Whether somebody's solve has no place in it, for there are too many others: it belongs into the next recording.
    pub(super) fn is_crowded(&self, solve: &Solve) -> bool {
        let is_new = |person: &Person| !self.people.contains(&person.id);
        self.people.len() >= MOST_PEOPLE && solve.person.as_ref().is_some_and(is_new)
    }

    /// Writes a solve; begins a new file when the present one is full.
    pub(super) fn write(&mut self, solve: &Solve, open: &Open) -> Result<(), RecordError> {
        let is_full = self.segment.bytes() >= self.options.max_segment_bytes
            || self.segment.begun().elapsed() >= self.options.max_segment_duration;
        if is_full {
            self.rotate(open)?;
        }
        if let Some(person) = solve.person.as_ref().filter(|person| !self.people.contains(&person.id)) {
            self.people.insert(person.id.clone());
        }
        self.segment.write(solve, &self.setup)
    }

    /// Closes the present file and goes on in another; gives the closed one.
    pub(super) fn rotate(&mut self, open: &Open) -> Result<PathBuf, RecordError> {
        let next = Segment::create(&file(&self.folder, &self.name, self.next), open, &self.setup)?;
        self.next += 1;
        let path = self.close_segment(|session| std::mem::replace(&mut session.segment, next))?;
        remove_oldest(&self.options.folder, self.options.max_total_bytes)?;
        Ok(path)
    }

    fn close_segment(&mut self, take: impl FnOnce(&mut Self) -> Segment) -> Result<PathBuf, RecordError> {
        let (path, contents) = take(self).close()?;
        self.closed += 1;
        BagFile::new(&path, contents).enlist()?;
        Ok(path)
    }

    /// Brings everything to the disk.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        self.segment.flush()?;
        // Whoever removed the file has taken what is being written.
        fs::symlink_metadata(self.segment.path()).map(drop).map_err(RecordError::io(self.segment.path()))
    }

    /// Closes the last file; one that holds nothing is removed.
    pub(super) fn end(self) -> Result<(), RecordError> {
        let Self { segment, options, .. } = self;
        let (path, contents) = segment.close()?;
        if contents.times.is_none() {
            fs::remove_file(&path).map_err(RecordError::io(&path))?;
            remove_when_empty(&path);
            return Ok(());
        }
        BagFile::new(&path, contents).enlist()?;
        remove_oldest(&options.folder, options.max_total_bytes)
    }

    /// Leaves the present file as it is.
    pub(super) fn abandon(self) -> Setup {
        self.segment.abandon();
        self.setup
    }

    pub(super) fn file(&self) -> &Path {
        self.segment.path()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segment.bytes()
    }

    pub(super) fn closed(&self) -> u32 {
        self.closed
    }
}

fn file(folder: &Path, name: &str, number: u32) -> PathBuf {
    folder.join(format!("{name}_{number}.mcap.{ACTIVE}"))
}

/// Makes a folder that nobody else has: task, time, process, and a number where that is not enough.
fn own_folder(root: &Path, task: &str) -> Result<(PathBuf, String), RecordError> {
    fs::create_dir_all(root).map_err(RecordError::io(root))?;
    let format = format_description!("[year]-[month]-[day]T[hour]-[minute]-[second]");
    let now = OffsetDateTime::from(SystemTime::now()).format(format).unwrap_or_else(|_| "unknown-time".to_owned());
    let base = format!("{task}_{now}_{}", std::process::id());
    let mut number = 1;
    loop {
        let name = if number == 1 { base.clone() } else { format!("{base}_{number}") };
        let folder = root.join(&name);
        match fs::create_dir(&folder) {
            Ok(()) => {
                // A folder without a mark would be left at each try.
                let marked = mark(&folder).inspect_err(|_| fs::remove_dir_all(&folder).unwrap_or_default());
                marked.map_err(RecordError::io(&folder))?;
                return Ok((folder, name));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(RecordError::io(&folder)(error)),
        }
    }
}
