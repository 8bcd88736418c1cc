//! The engine thread: the one loop over observations of a running node.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::{Duration, Instant};

use thalweg_task::{Masked, Observation, Root, guarded, lock, numbers, panic_line};

use super::carried::{Carried, Minds};
use super::gate::Gate;
use super::handle::Message;
use super::plan::{Assignment, SolverError, Tuning};
use super::probe::can_run;
use super::solve_counts::{SolveCounts, Stand};
use super::solve_recorder::{Recording, SolveRecorder};
use crate::intake::{Person, Provenance};
use thalweg::clock::SystemClock;
use thalweg::{LoadError, Loaded, Plan};
use thalweg_engine::time::{Timeline, Watch};
use thalweg_engine::{Answer, Backend, Budget, Engine, EngineError, pin_threads};

/// Failures of the task in a row after which it is asked for proof that it can run at all. A guess.
///
/// An observation that cannot be solved is refused, and no failure: whatever comes in, the next good one is solved.
const STRIKES: u32 = 3;

/// The least that one of several people has where the others took all time: no step, but an answer.
const LEAST_TIME: Duration = Duration::from_micros(1);

/// Where observations come from.
pub trait Source: Send {
    /// The newest one, or none when nothing is observed.
    fn observation(&mut self) -> Option<(Observation, Provenance)>;
    /// Who is there, and who is due; none where people are not told apart.
    fn people(&mut self) -> Option<Attendance> {
        None
    }
    /// The newest one of somebody, who may have gone.
    fn observation_of(&mut self, _person: &Person) -> Option<(Observation, Provenance)> {
        None
    }
    /// The time by which observations are stamped, nanoseconds.
    fn now_nanos(&self) -> i64;
}

/// Who is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attendance {
    /// All of them.
    pub there: Vec<Person>,
    /// Those of whom there is something new; who has waited longest comes first.
    pub due: Vec<Person>,
}

/// Where answers go. Runs on the engine thread: it should only pass them on.
pub trait Sink: Send {
    /// Takes an answer, and of which observation it is.
    fn answer(&mut self, answer: Answer, provenance: Provenance);
    /// Takes notice that the task cannot run at all, not even on what it makes itself; the thread has given it up.
    fn gave_up(&mut self, why: &str);
}

/// What is loaded, and how to use it.
struct EngineInUse {
    engine: Engine,
    /// Of whom the next observation is.
    carried: Carried,
    /// Of everybody, where people are told apart.
    minds: Minds,
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
    /// Closed from the moment on when nothing may be handed out any more.
    gate: Arc<Gate>,
    clock: SystemClock,
    in_use: Option<EngineInUse>,
    recording: Option<Recording>,
    runs: bool,
    strikes: u32,
    /// Before this moment no round is begun.
    not_before: Option<Instant>,
    /// Who is still to be solved in this round; one that is nobody where people are not told apart.
    turns: VecDeque<Option<Person>>,
    /// When the round should end: all of it have the time of one solve.
    round_ends: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        source: Box<dyn Source>,
        sink: Box<dyn Sink>,
        pending: Arc<AtomicBool>,
        counts: Arc<Mutex<SolveCounts>>,
        gate: Arc<Gate>,
    ) -> Self {
        let clock = SystemClock::default();
        let (in_use, recording, runs, strikes, not_before) = (None, None, false, 0, None);
        let (turns, round_ends) = (VecDeque::new(), None);
        Self {
            source,
            sink,
            pending,
            counts,
            gate,
            clock,
            in_use,
            recording,
            runs,
            strikes,
            not_before,
            turns,
            round_ends,
        }
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
                    if self.turns.is_empty() {
                        is_due = false;
                        // Before the solve, so that whatever arrives during it wakes us again.
                        self.pending.store(false, Ordering::Release);
                        self.begin_round();
                    }
                    if let Some(person) = self.turns.pop_front() {
                        self.solve(person.as_ref());
                    }
                }
            }
        }
    }

    /// Everybody of whom there is something new has a turn; who has gone is forgotten.
    fn begin_round(&mut self) {
        let Some(in_use) = self.in_use.as_mut().filter(|_| self.runs) else { return };
        match self.source.people() {
            None => self.turns.push_back(None),
            Some(Attendance { there, due }) => {
                let EngineInUse { engine, carried, minds, .. } = in_use;
                let there: Vec<u64> = there.iter().map(|person| person.arrival).collect();
                minds.keep(&there, engine, carried);
                let mut counts = lock(&self.counts);
                counts.attend(&there);
                counts.keeps(minds.count());
                self.turns.extend(due.into_iter().map(Some));
            }
        }
        if !self.turns.is_empty() {
            let now = Instant::now();
            self.not_before = now.checked_add(in_use.tuning.period);
            self.round_ends = in_use.tuning.budget.deadline.and_then(|deadline| now.checked_add(deadline));
        }
    }

    /// What of the budget the next solve has: with several people, its share of the time that is left of the round.
    fn budget(&self, budget: Budget, person: Option<&Person>) -> Budget {
        let Some(ends) = self.round_ends.filter(|_| person.is_some()) else { return budget };
        let left = ends.saturating_duration_since(Instant::now());
        let sharers = u32::try_from(self.turns.len()).unwrap_or(u32::MAX).saturating_add(1);
        Budget { deadline: Some((left / sharers).max(LEAST_TIME)), ..budget }
    }

    /// Waits for a message; when a solve is due, only until it may begin.
    fn next(&self, messages: &Receiver<Message>, is_due: bool) -> Result<Message, RecvTimeoutError> {
        if !self.turns.is_empty() {
            return messages.recv_timeout(Duration::ZERO);
        }
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
            Message::Unload => {
                (self.in_use, self.runs) = (None, false);
                self.turns.clear();
            }
            Message::Run(run) => {
                (self.runs, self.strikes, self.not_before) = (run, 0, None);
                self.forget();
            }
            Message::Tune(tuning) => self.tune(tuning),
            Message::Forget => self.forget(),
            Message::Swap(landscape, reply) => {
                let swapped = self.in_use.as_mut().ok_or(SolverError::NothingLoaded);
                let swapped = swapped.and_then(|in_use| {
                    in_use.engine.replace_landscape(*landscape)?;
                    in_use.minds.cool();
                    Ok(())
                });
                drop(reply.send(swapped));
            }
            Message::Record(recording) => self.record(recording),
            Message::Complete(observation, reply) => drop(reply.send(self.complete(&observation))),
            Message::Wake | Message::Quit => {}
        }
    }

    fn load(&mut self, assignment: &Assignment) -> Result<Loaded, SolverError> {
        (self.in_use, self.runs) = (None, false);
        let (mut engine, loaded, timeline, watch) = load_elsewhere(&assignment.plan)?;
        // As on the thread that loaded it: how many threads libtorch uses is said thread by thread.
        pin_threads(assignment.plan.threads);
        let recorder = self.recording.clone().map(|recording| SolveRecorder::new(recording, &mut engine));
        self.watch_gpu(&engine);
        if loaded.gpu.is_some() && loaded.backend != Backend::Gpu {
            tracing::warn!(
                "device gpu: {} runs natively ({}); on the GPU go theta's steps alone",
                loaded.optimizer,
                loaded.backend.name()
            );
        }
        let (carried, tuning) = (Carried { timeline, watch, ..Carried::default() }, assignment.tuning);
        self.in_use = Some(EngineInUse { engine, carried, minds: Minds::default(), tuning, recorder });
        Ok(loaded)
    }

    /// Says once why a GPU that was asked for is not used, or not any more.
    fn watch_gpu(&self, engine: &Engine) {
        let trouble = engine.gpu_trouble().map(|trouble| trouble.to_string());
        if lock(&self.counts).gpu(trouble.clone()) {
            tracing::warn!("going on without a GPU: {}", trouble.unwrap_or_default());
        }
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
        self.turns.clear();
        if let Some(in_use) = &mut self.in_use {
            in_use.engine.reset();
            in_use.carried.forget();
            in_use.minds.clear();
        }
        let mut counts = lock(&self.counts);
        counts.attend(&[]);
        counts.keeps(0);
    }

    fn solve(&mut self, person: Option<&Person>) {
        let Some(tuning) = self.in_use.as_ref().filter(|_| self.runs).map(|in_use| in_use.tuning) else { return };
        let budget = self.budget(tuning.budget, person);
        let Some(in_use) = self.in_use.as_mut() else { return };
        let newest = match person {
            Some(person) => self.source.observation_of(person),
            None => self.source.observation(),
        };
        let Some((mut obs, mut provenance)) = newest else {
            return;
        };
        let EngineInUse { engine, carried, minds, .. } = in_use;
        if let Some(error) = person.and_then(|person| minds.enter(person.arrival, engine, carried).err()) {
            // They start anew.
            tracing::debug!("what is known of a person does not fit: {error}");
        }
        lock(&self.counts).keeps(minds.count());
        let readings = obs.joints.as_ref().map(Masked::shallow_clone);
        if let Some(timeline) = &mut in_use.carried.timeline {
            timeline.expect(&mut obs, Some(&provenance.joint_stamps));
            let seen = obs.joints.as_ref().map(|joints| numbers::<bool>(joints.observed()));
            provenance.observed_joints = seen.unwrap_or(provenance.observed_joints);
        }
        if let (Some(watch), Some(readings), Some(joints)) = (&mut in_use.carried.watch, &readings, &obs.joints) {
            provenance.joint_surprise = watch.take_readings(obs.stamp_nanos, readings, joints).to_vec();
            lock(&self.counts).suspects(watch.suspects());
        }
        obs.root = in_use.carried.root_in(provenance.points_frame.as_ref());
        let pass = self.gate.pass();
        lock(&self.counts).begins();
        // Unwind safe: the engine is reset when a panic gets past its own guards.
        let solved = guarded(|| solve(&mut in_use.engine, &obs, &budget, &self.clock));
        lock(&self.counts).ends();
        if let Some(in_use) = &self.in_use {
            self.watch_gpu(&in_use.engine);
        }
        match solved {
            Ok(Ok(answer)) => {
                self.strikes = 0;
                // Nobody wants what was asked for before the gate was closed.
                let gate = Arc::clone(&self.gate);
                gate.hand_out(pass, || self.hand_out(answer, provenance));
                // The answer does not wait for it.
                if let Some(EngineInUse { engine, carried, .. }) = &mut self.in_use {
                    carried.sides.look(engine, &obs);
                }
            }
            Ok(Err(error)) if error.is_of_observation() => self.refuse(error.to_string()),
            Ok(Err(error)) => self.fail(error.to_string()),
            Err(panic) => {
                self.in_use.iter_mut().for_each(|in_use| in_use.engine.reset());
                self.fail(panic_line(panic.as_ref()).to_owned());
            }
        }
    }

    fn hand_out(&mut self, answer: Answer, provenance: Provenance) {
        let Some(in_use) = &mut self.in_use else { return };
        // One that is held already stays where it was seen, and does not drift.
        let carried = &mut in_use.carried;
        let is_mirrored = carried.sides.are_swapped();
        carried.root = answer.roots.first().filter(|root| root.is_seen).copied().or(carried.root);
        if let Some(recorder) = &in_use.recorder {
            recorder.hand_over(&in_use.engine, &answer, &provenance);
        }
        let age = self.source.now_nanos().saturating_sub(provenance.received_nanos);
        let age = Duration::from_nanos(u64::try_from(age).unwrap_or(0));
        let deadline = in_use.tuning.budget.deadline;
        let mut counts = lock(&self.counts);
        counts.solved(answer.statistics, answer.took, deadline, age);
        let stands = |root: &Root| Stand { root: *root, is_mirrored };
        counts.stands(provenance.person.as_ref(), answer.roots.first().map(stands));
        drop(counts);
        self.sink.answer(answer, provenance);
    }

    /// One observation less; the task can go on.
    fn refuse(&mut self, why: String) {
        tracing::debug!("observation refused: {why}");
        self.strikes = 0;
        lock(&self.counts).refused(why);
    }

    fn complete(&mut self, observation: &Observation) -> Result<Answer, SolverError> {
        let in_use = self.in_use.as_mut().ok_or(SolverError::NothingLoaded)?;
        let memory = in_use.engine.take_memory();
        in_use.engine.clear_observers();
        let budget = in_use.tuning.budget;
        let (engine, clock) = (&mut in_use.engine, &self.clock);
        // Unwind safe: the engine goes back to what it remembered.
        let result = guarded(|| {
            let _no_grad = tch::no_grad_guard();
            let begin = Instant::now();
            engine.solve(observation, &budget, clock)?;
            Answer::of(engine, begin.elapsed())
        });
        let recalled = in_use.engine.recall(memory);
        self.record(self.recording.clone());
        let answer = result.map_err(|panic| SolverError::Panicked(panic_line(panic.as_ref()).to_owned()))?;
        recalled?;
        Ok(answer?)
    }

    /// The task has failed, and perhaps for good: then it fails on what it makes itself, too.
    fn fail(&mut self, why: String) {
        tracing::debug!("not solved: {why}");
        self.strikes += 1;
        if self.strikes >= STRIKES {
            self.strikes = 0;
            if !self.in_use.as_mut().is_some_and(|in_use| can_run(&mut in_use.engine)) {
                self.runs = false;
                self.sink.gave_up(&why);
            }
        }
        lock(&self.counts).failed(why);
    }
}

/// What a plan makes.
type Parts = (Engine, Loaded, Option<Timeline>, Option<Watch>);

/// Loads on a thread of its own, which is left behind where it hangs: a thread cannot be ended, but the next task can be
/// loaded.
fn load_elsewhere(plan: &Plan) -> Result<Parts, SolverError> {
    let (plan, (reply, answer)) = (plan.clone(), channel());
    let (task, after) = (plan.task.clone(), plan.load_timeout);
    let load = move || {
        // Unwind safe: what was being built is dropped.
        let result = guarded(|| {
            let (engine, loaded) = plan.load()?;
            let timeline = plan.timeline(engine.task())?;
            let watch = plan.watch(engine.task())?;
            Ok::<_, LoadError>((engine, loaded, timeline, watch))
        });
        // Nobody waits any longer for what took too long.
        drop(reply.send(result.map_err(|panic| panic_line(panic.as_ref()).to_owned())));
    };
    // Detached, as is said above.
    drop(Builder::new().name("load".to_owned()).spawn(load).map_err(SolverError::NoThread)?);
    match answer.recv_timeout(after) {
        Ok(Ok(parts)) => Ok(parts?),
        Ok(Err(panic)) => Err(SolverError::Panicked(panic)),
        Err(RecvTimeoutError::Timeout) => Err(SolverError::Hangs { task, after }),
        Err(RecvTimeoutError::Disconnected) => Err(SolverError::Panicked("its thread has ended".to_owned())),
    }
}

fn solve(engine: &mut Engine, obs: &Observation, budget: &Budget, clock: &SystemClock) -> Result<Answer, EngineError> {
    let _no_grad = tch::no_grad_guard();
    let begin = Instant::now();
    engine.solve(obs, budget, clock)?;
    Answer::of(engine, begin.elapsed())
}
