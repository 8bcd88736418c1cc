//! One file of a recording, while it is written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;
use thalweg_nn::files::sync_folder_of;
use thalweg_task::lock;

use mcap::records::{MessageHeader, Metadata};
use mcap::{Compression, WriteOptions, Writer};

use super::error::RecordError;
use super::files::rename_new;
use super::message;
use super::schema::{Kind, QOS};
use super::setup::METADATA;
use super::solve::{Before, Setup, Solve};

/// Ending of files that are being written.
pub(super) const ACTIVE: &str = "active";

/// Bytes of messages in a chunk; what has not filled one is flushed four times a second anyway.
const CHUNK: u64 = 4 << 20;
/// zstd's fastest ordinary level: the recorder shares two cores with the solver.
const LEVEL: u32 = 1;

/// Waits until what was written so far is on the disk; may run beside further writes.
pub(super) type Sync = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// Where bytes go: a file, or what a test has in its place.
pub(super) trait Disk: Write + Seek + Send {
    /// A sync that is yet to be done.
    fn sync(&self) -> io::Result<Sync>;
}

impl Disk for File {
    fn sync(&self) -> io::Result<Sync> {
        let file = self.try_clone()?;
        Ok(Box::new(move || file.sync_data()))
    }
}

/// Opens a disk at a path.
pub(super) type Open = dyn Fn(&Path) -> io::Result<Box<dyn Disk>> + Send;

/// A disk that the MCAP writer owns and we sync.
#[derive(Clone)]
struct Shared(Arc<Mutex<Box<dyn Disk>>>);

impl Shared {
    fn disk(&self) -> MutexGuard<'_, Box<dyn Disk>> {
        lock(&self.0)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk().flush()
    }
}

impl Seek for Shared {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.disk().seek(place)
    }
}

/// What a closed file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Time of the first and the last message, nanoseconds.
    pub(super) times: Option<(u64, u64)>,
    /// Type and number of messages of each topic.
    pub(super) topics: BTreeMap<String, (String, u64)>,
}

/// A file that is being written; its name ends with `.active` until it is closed.
pub(super) struct Segment {
    writer: Writer<BufWriter<Shared>>,
    disk: Shared,
    path: PathBuf,
    channels: BTreeMap<String, u16>,
    contents: Contents,
    /// The solve that was written last of each who is told apart, or of nobody: the number of the arrival, and its own.
    last: BTreeMap<Option<String>, (u64, u64)>,
    begun: Instant,
    /// The sync that is under way. It runs behind the writes: a killed process loses what was not written, and a slow
    /// disk must not make that more.
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl Segment {
    /// Creates the file and writes what its solves have in common.
    pub(super) fn create(path: &Path, open: &Open, setup: &Setup) -> Result<Self, RecordError> {
        let disk = Shared(Arc::new(Mutex::new(open(path).map_err(RecordError::io(path))?)));
        let options = WriteOptions::new()
            .profile("ros2")
            .library(concat!("thalweg ", env!("CARGO_PKG_VERSION")))
            .compression(Some(Compression::Zstd))
            .compression_level(LEVEL)
            .chunk_size(Some(CHUNK))
            // Chunks go out whole: a file that is cut off ends between two chunks, or within one that is seen to be short.
            .disable_seeking(true);
        let writer = options.create(BufWriter::new(disk.clone())).map_err(RecordError::mcap(path))?;
        let (channels, contents, path, begun) = (BTreeMap::new(), Contents::default(), path.to_owned(), Instant::now());
        let mut segment = Self { writer, disk, path, channels, contents, last: BTreeMap::new(), begun, syncing: None };
        let metadata = Metadata { name: METADATA.to_owned(), metadata: setup.to_map() };
        match segment
            .writer
            .write_metadata(&metadata)
            .map_err(RecordError::mcap(&segment.path))
            .and_then(|()| segment.flush())
        {
            Ok(()) => Ok(segment),
            Err(error) => {
                segment.abandon();
                Err(error)
            }
        }
    }

    /// Writes a solve: what was seen, the steps, what was found.
    pub(super) fn write(&mut self, solve: &Solve, setup: &Setup) -> Result<(), RecordError> {
        let result = self.messages(solve, setup).map_err(RecordError::mcap(&self.path));
        let who = solve.person.as_ref();
        self.last.insert(who.map(|who| who.id.clone()), (who.map_or(0, |who| who.arrival), solve.index));
        result
    }

    fn messages(&mut self, solve: &Solve, setup: &Setup) -> mcap::McapResult<()> {
        let base = &setup.base(solve.person.as_ref());
        if !solve.seen.joints.is_empty() {
            let bytes = message::observed_joints(solve, setup);
            self.message(solve, Kind::JointState, &format!("{base}/observation/joint_states"), &bytes)?;
        }
        if !solve.seen.points.is_empty() {
            let bytes = message::observed_points(solve);
            self.message(solve, Kind::PointCloud2, &format!("{base}/observation/points"), &bytes)?;
        }
        if let Some(image) = &solve.seen.image {
            let bytes = message::observed_image(solve, image);
            self.message(solve, Kind::Image, &format!("{base}/observation/image"), &bytes)?;
        }
        if let Some(trace) = &solve.trace {
            self.message(solve, Kind::Descent, &format!("{base}/descent"), &message::descent(solve, trace))?;
        }
        let bytes = message::solve(solve, self.before(solve));
        self.message(solve, Kind::Solve, &format!("{base}/solve"), &bytes)?;
        if !solve.answer.joints.is_empty() {
            let bytes = message::reconstruction(solve, setup);
            self.message(solve, Kind::JointState, &format!("{base}/reconstruction"), &bytes)?;
        }
        if let Some(image) = solve.answer.images.first() {
            let bytes = message::found_image(solve, image);
            self.message(solve, Kind::Image, &format!("{base}/reconstruction/image"), &bytes)?;
        }
        if let Some(label) = &solve.label {
            self.message(solve, Kind::String, &format!("{base}/label"), &message::text(label))?;
        }
        Ok(())
    }

    /// Where the engine came from, in full only where the file does not tell already.
    fn before<'a>(&self, solve: &'a Solve) -> &'a Before {
        let who = solve.person.as_ref();
        let last =
            self.last.get(&who.map(|who| who.id.clone())).filter(|last| last.0 == who.map_or(0, |who| who.arrival));
        let is_chained = last.is_some_and(|(_, last)| last.checked_add(1) == Some(solve.index));
        match &solve.before {
            Before::Warm(_) if is_chained => &Before::Chained,
            before => before,
        }
    }

    fn message(&mut self, solve: &Solve, kind: Kind, topic: &str, bytes: &[u8]) -> mcap::McapResult<()> {
        let time = |nanos: i64| u64::try_from(nanos).unwrap_or(0);
        let log_time = time(solve.received_nanos);
        let header = MessageHeader {
            channel_id: self.channel(kind, topic)?,
            sequence: sequence(solve.index),
            log_time,
            publish_time: time(solve.stamp_nanos),
        };
        self.writer.write_to_known_channel(&header, bytes)?;
        let Contents { times, topics } = &mut self.contents;
        let (first, last) = times.unwrap_or((log_time, log_time));
        *times = Some((first.min(log_time), last.max(log_time)));
        topics.entry(topic.to_owned()).or_insert_with(|| (kind.name().to_owned(), 0)).1 += 1;
        Ok(())
    }

    fn channel(&mut self, kind: Kind, topic: &str) -> mcap::McapResult<u16> {
        if let Some(id) = self.channels.get(topic) {
            return Ok(*id);
        }
        let schema = self.writer.add_schema(kind.name(), "ros2msg", kind.definition().as_bytes())?;
        let metadata = BTreeMap::from([("offered_qos_profiles".to_owned(), QOS.to_owned())]);
        let id = self.writer.add_channel(schema, topic, "cdr", &metadata)?;
        self.channels.insert(topic.to_owned(), id);
        Ok(id)
    }

    /// Ends the present chunk, writes it, and begins to sync it, unless the last sync is still under way.
    ///
    /// What that one ran into is told now.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        self.writer.flush().map_err(RecordError::mcap(&self.path))?;
        if self.syncing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.synced().and_then(|()| self.begin_sync()).map_err(RecordError::io(&self.path))?;
        }
        Ok(())
    }

    fn begin_sync(&mut self) -> io::Result<()> {
        let sync = self.disk.disk().sync()?;
        self.syncing = Some(Builder::new().name("sync".to_owned()).spawn(sync)?);
        Ok(())
    }

    /// Waits for the sync that is under way, and gives its result.
    fn synced(&mut self) -> io::Result<()> {
        let panicked = |_panic| Err(io::Error::other("the thread that synced has panicked"));
        self.syncing.take().map_or(Ok(()), |thread| thread.join().unwrap_or_else(panicked))
    }

    /// Waits until all is on the disk.
    fn sync_all(&mut self) -> io::Result<()> {
        self.synced()?;
        let sync = self.disk.disk().sync()?;
        sync()
    }

    /// Bytes that have been written so far, the present chunk not counted.
    pub(super) fn bytes(&self) -> u64 {
        self.disk.disk().stream_position().unwrap_or(0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// Completes the file and gives it its final name.
    pub(super) fn close(mut self) -> Result<(PathBuf, Contents), RecordError> {
        let path = self.path.clone();
        let finished = self.writer.finish().map(drop).map_err(RecordError::mcap(&path));
        if let Err(error) = finished.and_then(|()| self.sync_all().map_err(RecordError::io(&path))) {
            self.abandon();
            return Err(error);
        }
        let closed = path.with_extension("");
        rename_new(&path, &closed).map_err(RecordError::io(&closed))?;
        sync_folder_of(&closed).map_err(RecordError::io(&closed))?;
        Ok((closed, self.contents))
    }

    /// Leaves the file as it is: what was flushed can be recovered.
    pub(super) fn abandon(self) {
        // Not dropped: that would try to complete the file.
        drop(self.writer.into_inner());
    }
}

/// The number of a solve as a sequence number, which wraps.
pub(super) fn sequence(index: u64) -> u32 {
    (index & u64::from(u32::MAX)) as u32
}
