//! The engine thread: the one loop over observations of a running node.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use thalweg_task::{Observation, lock, panic_line};

use super::handle::Message;
use super::plan::{Assignment, SolverError, Tuning};
use super::solve_counts::SolveCounts;
use super::solve_recorder::{Recording, SolveRecorder};
use crate::intake::Provenance;
use thalweg::Loaded;
use thalweg::clock::SystemClock;
use thalweg_engine::{Answer, Engine, EngineError};

/// Failures in a row after which the task is given up: ros2_control and nav2 give up at once, a
/// single broken frame should not stop a robot. A guess.
const STRIKES: u32 = 3;

/// Where observations come from.
pub trait Source: Send {
    /// The newest one, or none when nothing is observed.
    fn observation(&mut self) -> Option<(Observation, Provenance)>;
    /// The time by which observations are stamped, nanoseconds.
    fn now_nanos(&self) -> i64;
}

/// Where answers go. Runs on the engine thread: it should only pass them on.
pub trait Sink: Send {
    /// Takes an answer, and of which observation it is.
    fn answer(&mut self, answer: Answer, provenance: Provenance);
    /// Takes notice that the task failed so often that the thread has given it up.
    fn gave_up(&mut self, why: &str);
}

/// What is loaded, and how to use it.
struct EngineInUse {
    engine: Engine,
    tuning: Tuning,
    /// Hears what the recorder gets; none where nothing is recorded.
    recorder: Option<SolveRecorder>,
}

/// The state of the engine thread.
pub(super) struct Worker {
    source: Box<dyn Source>,
    sink: Box<dyn Sink>,
    pending: Arc<AtomicBool>,
    counts: Arc<Mutex<SolveCounts>>,
    clock: SystemClock,
    in_use: Option<EngineInUse>,
    recording: Option<Recording>,
    runs: bool,
    strikes: u32,
    /// Before this moment no solve is begun.
    not_before: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        source: Box<dyn Source>,
        sink: Box<dyn Sink>,
        pending: Arc<AtomicBool>,
        counts: Arc<Mutex<SolveCounts>>,
    ) -> Self {
        let clock = SystemClock::default();
        let (in_use, recording, runs, strikes, not_before) = (None, None, false, 0, None);
        Self { source, sink, pending, counts, clock, in_use, recording, runs, strikes, not_before }
    }

    /// Serves messages until it is told to end.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        let mut is_due = false;
        loop {
            match self.next(messages, is_due) {
                Ok(Message::Wake) => is_due = true,
                Ok(Message::Quit) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(command) => self.obey(command),
                // Nothing else to do: the moment of the next solve has come.
                Err(RecvTimeoutError::Timeout) => {
                    is_due = false;
                    // Before the solve, so that whatever arrives during it wakes us again.
                    self.pending.store(false, Ordering::Release);
                    self.solve();
                }
            }
        }
    }

    /// Waits for a message; when a solve is due, only until it may begin.
    fn next(&self, messages: &Receiver<Message>, is_due: bool) -> Result<Message, RecvTimeoutError> {
        if !is_due {
            return messages.recv().map_err(|_gone| RecvTimeoutError::Disconnected);
        }
        let wait = self.not_before.map_or(Duration::ZERO, |moment| moment.saturating_duration_since(Instant::now()));
        messages.recv_timeout(wait)
    }

    /// A caller that no longer waits for its reply has seen enough.
    fn obey(&mut self, command: Message) {
        match command {
            Message::Load(assignment, reply) => drop(reply.send(self.load(&assignment))),
            Message::Unload(reply) => {
                (self.in_use, self.runs) = (None, false);
                reply.send(()).unwrap_or_default();
            }
            Message::Run(run, reply) => {
                (self.runs, self.strikes, self.not_before) = (run, 0, None);
                self.forget();
                reply.send(()).unwrap_or_default();
            }
            Message::Tune(tuning) => self.tune(tuning),
            Message::Forget => self.forget(),
            Message::Swap(landscape, reply) => {
                let swapped = self.in_use.as_mut().ok_or(SolverError::NothingLoaded);
                let swapped = swapped.and_then(|in_use| Ok(in_use.engine.set_landscape(*landscape)?));
                drop(reply.send(swapped));
            }
            Message::Record(recording, reply) => {
                self.record(recording);
                reply.send(()).unwrap_or_default();
            }
            Message::Wake | Message::Quit => {}
        }
    }

    fn load(&mut self, assignment: &Assignment) -> Result<Loaded, SolverError> {
        (self.in_use, self.runs) = (None, false);
        // Unwind safe: what was being built is dropped.
        let result = catch_unwind(AssertUnwindSafe(|| assignment.plan.load()));
        let (mut engine, loaded) =
            result.map_err(|panic| SolverError::Panicked(panic_line(panic.as_ref()).to_owned()))??;
        let recorder = self.recording.clone().map(|recording| SolveRecorder::new(recording, &mut engine));
        self.in_use = Some(EngineInUse { engine, tuning: assignment.tuning, recorder });
        Ok(loaded)
    }

    fn record(&mut self, recording: Option<Recording>) {
        if let Some(EngineInUse { engine, recorder, .. }) = &mut self.in_use {
            engine.clear_observers();
            *recorder = recording.clone().map(|recording| SolveRecorder::new(recording, engine));
        }
        self.recording = recording;
    }

    /// Takes all or nothing; without anything loaded there is nothing to tune.
    fn tune(&mut self, tuning: Tuning) {
        let Some(in_use) = &mut self.in_use else {
            return;
        };
        let config = in_use.engine.config();
        if (config.hypotheses, config.fresh) != (tuning.hypotheses, tuning.fresh)
            && let Err(error) = in_use.engine.set_population(tuning.hypotheses, tuning.fresh)
        {
            lock(&self.counts).failed(error.to_string());
            return;
        }
        in_use.tuning = tuning;
        self.not_before = None;
    }

    fn forget(&mut self) {
        if let Some(in_use) = &mut self.in_use {
            in_use.engine.reset();
        }
    }

    fn solve(&mut self) {
        let Some(in_use) = self.in_use.as_mut().filter(|_| self.runs) else {
            return;
        };
        let Some((obs, provenance)) = self.source.observation() else {
            return;
        };
        self.not_before = Some(Instant::now() + in_use.tuning.period);
        // Unwind safe: the engine is reset when a panic gets past its own guards.
        let result = catch_unwind(AssertUnwindSafe(|| solve(in_use, &obs, &provenance, &self.clock)));
        match result {
            Ok(Ok(answer)) => {
                let age = self.source.now_nanos().saturating_sub(provenance.received_nanos);
                let age = Duration::from_nanos(u64::try_from(age).unwrap_or(0));
                let deadline = in_use.tuning.budget.deadline;
                self.strikes = 0;
                lock(&self.counts).solved(answer.statistics, answer.took, deadline, age);
                self.sink.answer(answer, provenance);
            }
            Ok(Err(error)) => self.fail(error.to_string()),
            Err(panic) => {
                in_use.engine.reset();
                self.fail(panic_line(panic.as_ref()).to_owned());
            }
        }
    }

    fn fail(&mut self, why: String) {
        tracing::debug!("not solved: {why}");
        self.strikes += 1;
        if self.strikes == STRIKES {
            self.runs = false;
            self.sink.gave_up(&why);
        }
        lock(&self.counts).failed(why);
    }
}

fn solve(
    in_use: &mut EngineInUse,
    obs: &Observation,
    provenance: &Provenance,
    clock: &SystemClock,
) -> Result<Answer, EngineError> {
    let _no_grad = tch::no_grad_guard();
    let EngineInUse { engine, tuning, recorder } = in_use;
    let begin = Instant::now();
    engine.solve(obs, &tuning.budget, clock)?;
    let answer = Answer::of(engine, begin.elapsed())?;
    if let Some(recorder) = recorder {
        recorder.hand_over(engine, &answer, provenance);
    }
    Ok(answer)
}
