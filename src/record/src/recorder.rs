//! The recorder: a thread of its own between the solver and the disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use thalweg_task::{guarded, lock, panic_line};

use super::error::RecordError;
use super::files::{create_locked, recover_left};
use super::segment::{Disk, Open};
use super::session::{RecordOptions, Session};
use super::solve::{Setup, Solve};

/// Time between two looks at the queue. Nobody waits in it: waking a thread at each solve would cost the solver more
/// than all else that recording does there.
const LOOK: Duration = Duration::from_millis(10);

/// Time between two flushes, each of which waits for the disk: what is lost when the process or the machine dies.
pub const FLUSH: Duration = Duration::from_millis(250);
/// Time between two tries to go on after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// Room that a disk must have before another try, bytes: two flushes of a busy recording with steps.
const ROOM: u64 = 256 << 10;

/// What the thread is told.
enum Order {
    Begin(Box<Setup>, Sender<()>),
    Put(Box<Solve>),
    Save(Sender<Result<PathBuf, RecordError>>),
    End(Sender<()>),
}

/// How the recording goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordReport {
    /// The file that is being written; none while nothing is recorded.
    pub file: Option<PathBuf>,
    /// Solves that were handed to the file.
    pub written: u64,
    /// Solves that were not: the disk was too slow, or could not be written.
    pub dropped: u64,
    /// Bytes in files, the present one's unflushed part not counted.
    pub bytes: u64,
    /// Files that were closed.
    pub segments: u32,
    /// Why nothing can be recorded at present.
    pub failure: Option<String>,
}

/// Records solves without ever holding up who hands them in.
///
/// Files are flushed every [`FLUSH`] and synced behind that; a failure ends the file, is reported, and is tried to overcome
/// every second.
#[derive(Debug)]
pub struct Recorder {
    orders: SyncSender<Order>,
    report: Arc<Mutex<RecordReport>>,
    overflow: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Starts the thread; nothing is written before [`Recorder::begin`].
    ///
    /// # Errors
    /// What the operating system says when it has no thread left.
    pub fn start(options: RecordOptions) -> io::Result<Self> {
        Self::on(options, Box::new(open))
    }

    /// Starts the thread with files that are opened otherwise.
    pub(super) fn on(options: RecordOptions, open: Box<Open>) -> io::Result<Self> {
        let (orders, receiver) = sync_channel(options.queue.max(1));
        let report = Arc::new(Mutex::new(RecordReport::default()));
        let (told, setup, session, retry) = (Arc::clone(&report), None, None, None);
        let worker = Worker { options, open, report: told, setup, session, closed_before: 0, retry };
        let thread = Builder::new().name("recorder".to_owned()).spawn(move || worker.run(&receiver))?;
        Ok(Self { orders, report, overflow: Arc::default(), thread: Mutex::new(Some(thread)) })
    }

    /// Begins a recording; one that is under way ends. What killed recorders have left in the folder is recovered.
    ///
    /// Waits until the first file is there, or cannot be: [`Recorder::report`] tells.
    pub fn begin(&self, setup: Setup) {
        self.ask(|reply| Order::Begin(Box::new(setup), reply));
    }

    /// Hands a solve in; never waits. What the queue has no room for is dropped and counted.
    pub fn put(&self, solve: Box<Solve>) {
        // Full, or nobody there any more: the solve is not in the file.
        if self.orders.try_send(Order::Put(solve)).is_err() {
            self.overflow.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Closes the present file, so that it is complete, and goes on in another. Waits until that is done.
    ///
    /// # Errors
    /// [`RecordError`], also when nothing is being recorded.
    pub fn save(&self) -> Result<PathBuf, RecordError> {
        self.ask(Order::Save).unwrap_or(Err(RecordError::Ended))
    }

    /// Ends the recording and closes its file. Waits until that is done.
    pub fn end(&self) {
        self.ask(Order::End);
    }

    /// How the recording goes.
    #[must_use]
    pub fn report(&self) -> RecordReport {
        let mut report = lock(&self.report).clone();
        report.dropped += self.overflow.load(Ordering::Relaxed);
        if self.has_ended() {
            (report.file, report.failure) = (None, Some(RecordError::Ended.to_string()));
        }
        report
    }

    /// Whether the thread has ended, which it does only by a panic that nothing caught.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        lock(&self.thread).as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn ask<T>(&self, order: impl FnOnce(Sender<T>) -> Order) -> Option<T> {
        let (reply, answer) = channel();
        self.orders.send(order(reply)).ok()?;
        answer.recv().ok()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
        // The thread ends with its last sender.
        let (orders, _) = sync_channel(1);
        self.orders = orders;
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // One that has panicked has said so.
            drop(thread.join());
        }
    }
}

/// The state of the thread.
struct Worker {
    options: RecordOptions,
    open: Box<Open>,
    report: Arc<Mutex<RecordReport>>,
    /// Set while something is to be recorded.
    setup: Option<Setup>,
    /// None while there is nowhere to write.
    session: Option<Session>,
    /// Files of recordings that ended because too many people were in them.
    closed_before: u32,
    /// When to try again.
    retry: Option<Instant>,
}

impl Worker {
    fn run(mut self, orders: &Receiver<Order>) {
        let mut flush = Instant::now() + FLUSH;
        loop {
            match orders.try_recv() {
                Ok(order) => self.obey(order),
                Err(TryRecvError::Empty) => std::thread::sleep(LOOK),
                Err(TryRecvError::Disconnected) => return drop(self.careful(Self::finish)),
            }
            if Instant::now() >= flush {
                drop(self.careful(Self::tend));
                flush = Instant::now() + FLUSH;
            }
        }
    }

    /// A caller that no longer waits for its reply has seen enough.
    fn obey(&mut self, order: Order) {
        match order {
            Order::Begin(setup, reply) => {
                drop(self.careful(Self::finish));
                (self.setup, self.retry, self.closed_before) = (Some(*setup), None, 0);
                recover_carefully(&self.options.folder);
                drop(self.careful(Self::open));
                reply.send(()).unwrap_or_default();
            }
            Order::Put(solve) => drop(self.careful(|worker| worker.put(&solve))),
            Order::Save(reply) => {
                let saved = self.careful(Self::save).unwrap_or_else(|text| Err(RecordError::Panicked(text)));
                drop(reply.send(saved));
            }
            Order::End(reply) => {
                drop(self.careful(Self::finish));
                reply.send(()).unwrap_or_default();
            }
        }
    }

    /// Does something; a panic in it costs the present file, as any failure does, and the thread goes on.
    fn careful<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Result<T, String> {
        guarded(|| work(self)).map_err(|panic| {
            let text = panic_line(panic.as_ref()).to_owned();
            tracing::error!("the recorder has stumbled: {text}");
            // What is left of the file is not closed, for that may have been what stumbled.
            let session = self.session.take();
            drop(guarded(|| drop(session)));
            self.fail(&RecordError::Panicked(text.clone()));
            text
        })
    }

    fn put(&mut self, solve: &Solve) {
        if self.session.as_ref().is_some_and(|session| session.is_crowded(solve)) {
            self.begin_next();
        }
        let Some(session) = &mut self.session else {
            lock(&self.report).dropped += u64::from(self.setup.is_some());
            return;
        };
        match session.write(solve, self.open.as_ref()) {
            Ok(()) => lock(&self.report).written += 1,
            Err(error) => {
                lock(&self.report).dropped += 1;
                self.fail(&error);
            }
        }
    }

    fn save(&mut self) -> Result<PathBuf, RecordError> {
        let session = self.session.as_mut().ok_or(RecordError::NotRecording)?;
        let saved = session.rotate(self.open.as_ref());
        self.tell();
        saved
    }

    /// Brings everything to the disk, or looks whether there is a disk again.
    fn tend(&mut self) {
        if let Some(session) = &mut self.session {
            match session.flush() {
                Ok(()) => self.tell(),
                Err(error) => self.fail(&error),
            }
        } else if self.setup.is_some() && self.retry.is_none_or(|retry| Instant::now() >= retry) {
            self.open();
        }
    }

    /// Begins a recording of what is set.
    fn open(&mut self) {
        let Some(setup) = self.setup.clone() else { return };
        let folder = &self.options.folder;
        let begun = std::fs::create_dir_all(folder).map_err(RecordError::io(folder)).and_then(|()| {
            check_room(folder)?;
            if self.retry.is_some() {
                recover_carefully(folder);
            }
            Session::begin(&self.options, setup, self.open.as_ref())
        });
        match begun {
            Ok(session) => {
                (self.session, self.retry) = (Some(session), None);
                lock(&self.report).failure = None;
                self.tell();
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Ends the recording and goes on in another of the same kind.
    fn begin_next(&mut self) {
        let Some(session) = self.session.take() else { return };
        self.closed_before = self.closed_before.saturating_add(session.closed()).saturating_add(1);
        match session.end() {
            Ok(()) => self.open(),
            Err(error) => self.fail(&error),
        }
    }

    /// Leaves the file as it is; tries again later.
    fn fail(&mut self, error: &RecordError) {
        if let Some(session) = self.session.take() {
            session.abandon();
        }
        self.retry = Some(Instant::now() + RETRY);
        let mut report = lock(&self.report);
        (report.file, report.failure) = (None, Some(error.to_string()));
    }

    fn finish(&mut self) {
        (self.setup, self.retry) = (None, None);
        if let Some(session) = self.session.take() {
            let (bytes, segments) =
                (session.bytes(), self.closed_before.saturating_add(session.closed()).saturating_add(1));
            let mut failure = None;
            if let Err(error) = session.end() {
                tracing::warn!("a recording could not be closed: {error}");
                failure = Some(error.to_string());
            }
            let mut report = lock(&self.report);
            (report.file, report.bytes, report.segments, report.failure) = (None, bytes, segments, failure);
        }
    }

    fn tell(&self) {
        if let Some(session) = &self.session {
            let mut report = lock(&self.report);
            report.file = Some(session.file().to_owned());
            report.bytes = session.bytes();
            report.segments = self.closed_before.saturating_add(session.closed());
        }
    }
}

/// Recovers what was left in a folder; whatever lies there, recording begins.
fn recover_carefully(folder: &Path) {
    if let Err(panic) = guarded(|| recover_left(folder)) {
        let text = panic_line(panic.as_ref());
        tracing::error!("{}: what was left there cannot be recovered: {text}", folder.display());
    }
}

/// Opens a file that is locked while it is written.
fn open(path: &Path) -> io::Result<Box<dyn Disk>> {
    create_locked(path).map(|file: File| Box::new(file) as Box<dyn Disk>)
}

/// Looks whether the disk has room, before a file is begun that would fill it at once.
fn check_room(folder: &Path) -> Result<(), RecordError> {
    let refuse = |error: io::Error| RecordError::io(folder)(error);
    let disk = rustix::fs::statvfs(folder).map_err(|error| refuse(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < ROOM {
        let text = format!("no space left: {free} bytes free, expected at least {ROOM}");
        return Err(refuse(io::Error::new(io::ErrorKind::StorageFull, text)));
    }
    Ok(())
}
