//! The handle on the engine thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use thalweg_task::lock;

use thalweg::Loaded;

use super::plan::{Assignment, SolverError, Tuning};
use super::solve_counts::{SolveCounts, SolveReport};
use super::solve_recorder::Recording;
use super::worker::{Sink, Source, Worker};
use thalweg_engine::landscape::Landscape;

/// What the engine thread is told.
pub(super) enum Message {
    /// There is something new.
    Wake,
    /// Load a task and a landscape.
    Load(Box<Assignment>, Sender<Result<Loaded, SolverError>>),
    /// Drop them.
    Unload(Sender<()>),
    /// Solve, or rest.
    Run(bool, Sender<()>),
    /// Change what may change between two solves.
    Tune(Tuning),
    /// Forget all observations.
    Forget,
    /// Go on with another landscape.
    Swap(Box<Landscape>, Sender<Result<(), SolverError>>),
    /// Record what is solved, or no longer.
    Record(Option<Recording>, Sender<()>),
    /// End.
    Quit,
}

/// Owns the engine thread; all methods may be called from any thread.
#[derive(Debug)]
pub struct Solver {
    messages: Sender<Message>,
    pending: Arc<AtomicBool>,
    counts: Arc<Mutex<SolveCounts>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Solver {
    /// Starts the thread, with nothing loaded.
    ///
    /// # Errors
    /// What the operating system says when it has no thread left.
    pub fn start(source: Box<dyn Source>, sink: Box<dyn Sink>) -> std::io::Result<Self> {
        let (messages, receiver) = channel();
        let pending = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Mutex::new(SolveCounts::default()));
        let worker = Worker::new(source, sink, Arc::clone(&pending), Arc::clone(&counts));
        let thread = Builder::new().name("engine".to_owned()).spawn(move || worker.run(&receiver))?;
        Ok(Self { messages, pending, counts, thread: Mutex::new(Some(thread)) })
    }

    /// Says that there is something new to solve; cheap, and never blocks.
    pub fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            // When the thread has ended there is nobody to wake.
            drop(self.messages.send(Message::Wake));
        }
    }

    /// Loads a task and a landscape in place of what was loaded. Blocks while it loads.
    ///
    /// # Errors
    /// [`SolverError`]; nothing is loaded then.
    pub fn load(&self, assignment: Assignment) -> Result<Loaded, SolverError> {
        self.ask(|reply| Message::Load(Box::new(assignment), reply))?
    }

    /// Drops what is loaded.
    pub fn unload(&self) -> Result<(), SolverError> {
        self.ask(Message::Unload)
    }

    /// Begins or ends solving. After `run(false)` nothing is handed out any more.
    pub fn run(&self, run: bool) -> Result<(), SolverError> {
        self.ask(|reply| Message::Run(run, reply))
    }

    /// Changes what may change between two solves, all at once, before the next one.
    ///
    /// Does not wait. A number of hypotheses that does not fit changes nothing and is reported as
    /// a failure.
    pub fn tune(&self, tuning: Tuning) {
        drop(self.messages.send(Message::Tune(tuning)));
    }

    /// Forgets all observations: the next one is a cold start.
    pub fn forget(&self) {
        drop(self.messages.send(Message::Forget));
    }

    /// Goes on with another landscape, from the next observation on; its first start is cold.
    ///
    /// # Errors
    /// [`SolverError`] when it does not fit, or nothing is loaded; the engine goes on as before.
    pub fn swap(&self, landscape: Landscape) -> Result<(), SolverError> {
        self.ask(|reply| Message::Swap(Box::new(landscape), reply))?
    }

    /// Records what is solved from now on, or no longer; stays over loading and running.
    ///
    /// After `record(None)` nothing is handed to the recorder any more.
    pub fn record(&self, recording: Option<Recording>) -> Result<(), SolverError> {
        self.ask(|reply| Message::Record(recording, reply))
    }

    /// What has been done since the last report.
    pub fn report(&self) -> SolveReport {
        lock(&self.counts).report()
    }

    /// Ends the thread and waits for it; says whether it ended without a panic.
    pub fn quit(&self) -> bool {
        drop(self.messages.send(Message::Quit));
        let thread = lock(&self.thread).take();
        thread.is_none_or(|thread| thread.join().is_ok())
    }

    /// Whether the thread has ended, by itself or by a panic.
    pub fn has_ended(&self) -> bool {
        let thread = lock(&self.thread);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn ask<T>(&self, message: impl FnOnce(Sender<T>) -> Message) -> Result<T, SolverError> {
        let (reply, answer): (Sender<T>, Receiver<T>) = channel();
        self.messages.send(message(reply)).map_err(|_gone| SolverError::Gone)?;
        answer.recv().map_err(|_gone| SolverError::Gone)
    }
}
