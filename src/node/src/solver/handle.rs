//! The handle on the engine thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use thalweg_task::{Observation, lock};

use thalweg::Loaded;

use super::gate::Gate;
use super::plan::{Assignment, SolverError, Tuning};
use super::solve_counts::{SolveCounts, SolveReport};
use super::solve_recorder::Recording;
use super::worker::{Sink, Source, Worker};
use thalweg_engine::Answer;
use thalweg_engine::landscape::Landscape;

/// What the engine thread is told.
pub(super) enum Message {
    /// There is something new.
    Wake,
    /// Load a task and a landscape.
    Load(Box<Assignment>, Sender<Result<Loaded, SolverError>>),
    /// Drop them.
    Unload,
    /// Solve, or rest.
    Run(bool),
    /// Change what may change between two solves.
    Tune(Tuning),
    /// Forget all observations.
    Forget,
    /// Go on with another landscape.
    Swap(Box<Landscape>, Sender<Result<(), SolverError>>),
    /// Record what is solved, or no longer.
    Record(Option<Recording>),
    /// Solve one observation by itself, and go on as if it had not been.
    Complete(Box<Observation>, Sender<Result<Answer, SolverError>>),
    /// End.
    Quit,
}

/// Owns the engine thread; all methods may be called from any thread.
#[derive(Debug)]
pub struct Solver {
    messages: Sender<Message>,
    pending: Arc<AtomicBool>,
    counts: Arc<Mutex<SolveCounts>>,
    gate: Arc<Gate>,
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
        let gate = Arc::new(Gate::default());
        let worker = Worker::new(source, sink, Arc::clone(&pending), Arc::clone(&counts), Arc::clone(&gate));
        let thread = Builder::new().name("engine".to_owned()).spawn(move || worker.run(&receiver))?;
        Ok(Self { messages, pending, counts, gate, thread: Mutex::new(Some(thread)) })
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

    /// Drops what is loaded, as soon as the present solve has ended; does not wait for that, and nothing is handed out
    /// any more.
    ///
    /// # Errors
    /// [`SolverError::Gone`].
    pub fn unload(&self) -> Result<(), SolverError> {
        self.gate.close();
        self.tell(Message::Unload)
    }

    /// Begins or ends solving. After `run(false)` nothing is handed out any more.
    ///
    /// Does not wait for the present solve, which may be a long one: its answer is dropped.
    ///
    /// # Errors
    /// [`SolverError::Gone`].
    pub fn run(&self, run: bool) -> Result<(), SolverError> {
        if run {
            self.gate.open();
        } else {
            self.gate.close();
        }
        self.tell(Message::Run(run))
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

    /// Records what is solved from the next solve on, or no longer; stays over loading and running. Does not wait.
    ///
    /// After `record(None)` the present solve may still be handed to the recorder.
    ///
    /// # Errors
    /// [`SolverError::Gone`].
    pub fn record(&self, recording: Option<Recording>) -> Result<(), SolverError> {
        self.tell(Message::Record(recording))
    }

    /// Solves one observation by itself, from a cold start: what runs goes on as if it had not been, and nothing of it is
    /// recorded, counted or published. Blocks until it is solved.
    ///
    /// # Errors
    /// [`SolverError`] when nothing is loaded, or it cannot be solved.
    pub fn complete(&self, observation: Observation) -> Result<Answer, SolverError> {
        self.ask(|reply| Message::Complete(Box::new(observation), reply))?
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

    fn tell(&self, message: Message) -> Result<(), SolverError> {
        self.messages.send(message).map_err(|_gone| SolverError::Gone)
    }

    fn ask<T>(&self, message: impl FnOnce(Sender<T>) -> Message) -> Result<T, SolverError> {
        let (reply, answer): (Sender<T>, Receiver<T>) = channel();
        self.messages.send(message(reply)).map_err(|_gone| SolverError::Gone)?;
        answer.recv().map_err(|_gone| SolverError::Gone)
    }
}
