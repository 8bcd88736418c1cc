//! What recording costs the solver, and the disk, at 200 observations a second.
//!
//! `cargo bench --bench recorder`. Arms take turns: off, solutions, every step. Medians of the time from an observation
//! to its answer are printed, and what a file would hold after an hour.
#![allow(missing_docs, reason = "a program")]

use std::io::Write as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use thalweg::{Loaded, Registry};
use thalweg_engine::{Answer, Budget};
use thalweg_node::intake::Provenance;
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_node::solver::{Assignment, Recording, Sink, Solver, Source, Tuning, setup};
use thalweg_record::{RecordOptions, Recorder};
use thalweg_task::{LoadOptions, Observation, sampled};

/// Time between two observations.
const PERIOD: Duration = Duration::from_millis(5);
/// Observations of one turn.
const TURN: usize = 200;
/// Turns of each arm.
const ROUNDS: usize = 12;
/// Steps of each solve: about 3 ms for 8 hypotheses.
const STEPS: u32 = 4;

/// Whether and how it is recorded.
const ARMS: [(&str, Option<bool>); 3] = [("off", None), ("solutions", Some(false)), ("every step", Some(true))];

#[derive(Clone, Default)]
struct Next(Arc<Mutex<Option<(Observation, Provenance)>>>);

impl Source for Next {
    fn observation(&mut self) -> Option<(Observation, Provenance)> {
        self.0.lock().expect("no panic").take()
    }

    fn now_nanos(&self) -> i64 {
        0
    }
}

struct Answers(Sender<Answer>);

impl Sink for Answers {
    fn answer(&mut self, answer: Answer, _provenance: Provenance) {
        self.0.send(answer).expect("somebody listens");
    }

    fn gave_up(&mut self, why: &str) {
        panic!("{why}");
    }
}

struct Bench {
    solver: Solver,
    next: Next,
    answers: Receiver<Answer>,
    observations: Vec<Observation>,
    store: Store,
    loaded: Loaded,
}

/// What one arm has come to.
#[derive(Default)]
struct Arm {
    micros: Vec<f64>,
    bytes: u64,
    written: u64,
    dropped: u64,
}

impl Bench {
    fn new() -> Self {
        let store = Store::declare(full_table(&Registry::shipped(), &[]), &[]).expect("defaults are valid");
        let settings = Settings::read(&store, 0).expect("it is the whole table");
        let Assignment { plan, tuning } = Assignment::of(&settings, Registry::shipped()).expect("there is a CPU");
        let (next, (sender, answers)) = (Next::default(), channel());
        let solver = Solver::start(Box::new(next.clone()), Box::new(Answers(sender))).expect("a thread");
        let tuning = Tuning { budget: Budget::of_steps(STEPS), ..tuning };
        let loaded = solver.load(Assignment { plan, tuning }).expect("the shipped weights are there");
        solver.run(true).expect("it lives");
        let task = (thalweg_body_pose::ENTRY.load)(&LoadOptions::default()).expect("the shipped weights are there");
        let mut random = StdRng::seed_from_u64(1);
        let draw = |_| sampled(task.as_ref(), 1, &mut random).expect("the task gives what it observes");
        Self { solver, next, answers, observations: (0..TURN).map(draw).collect(), store, loaded }
    }

    /// One turn of one arm.
    fn turn(&self, steps: Option<bool>, arm: &mut Arm) {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = steps.map(|steps| self.record(folder.path(), steps));
        for (place, obs) in self.observations.iter().enumerate() {
            let begin = Instant::now();
            let nanos = place as i64 * PERIOD.as_nanos() as i64;
            let provenance = Provenance { stamp_nanos: nanos, received_nanos: nanos, ..Provenance::default() };
            *self.next.0.lock().expect("no panic") = Some((obs.shallow_clone(), provenance));
            self.solver.wake();
            self.answers.recv().expect("it lives");
            arm.micros.push(begin.elapsed().as_secs_f64() * 1e6);
            std::thread::sleep(PERIOD.saturating_sub(begin.elapsed()));
        }
        self.solver.record(None).expect("it lives");
        if let Some(recorder) = recorder {
            recorder.end();
            let report = recorder.report();
            arm.bytes += report.bytes;
            arm.written += report.written;
            arm.dropped += report.dropped;
        }
    }

    fn record(&self, folder: &std::path::Path, steps: bool) -> Arc<Recorder> {
        let options = RecordOptions {
            folder: folder.to_owned(),
            max_segment_bytes: u64::MAX,
            max_segment_duration: Duration::MAX,
            max_total_bytes: 0,
            queue: 1000,
        };
        let recorder = Arc::new(Recorder::start(options).expect("a thread"));
        recorder.begin(setup(&self.loaded, "/thalweg", &self.store, 0));
        self.solver.record(Some(Recording { recorder: Arc::clone(&recorder), steps })).expect("it lives");
        recorder
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let bench = Bench::new();
    let mut arms: [Arm; 3] = Default::default();
    bench.turn(None, &mut Arm::default());
    for _ in 0..ROUNDS {
        for ((_, steps), arm) in ARMS.iter().zip(&mut arms) {
            bench.turn(*steps, arm);
        }
    }
    let base = median(&mut arms[0].micros);
    let hour = 3600.0 / PERIOD.as_secs_f64();
    let mut text = "recorded    us a solve   over off   MB an hour   dropped\n".to_owned();
    for ((name, _), arm) in ARMS.iter().zip(&mut arms) {
        let (time, each) = (median(&mut arm.micros), arm.bytes as f64 / arm.written.max(1) as f64);
        let over = 100.0 * (time / base - 1.0);
        text += &format!("{name:<11} {time:>10.0} {over:>9.1}% {:>12.0} {:>9}\n", each * hour / 1e6, arm.dropped);
    }
    std::io::stdout().write_all(text.as_bytes()).expect("somebody reads");
}
