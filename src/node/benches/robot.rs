//! What a robot's stream costs: from a message with its joints to the answer, on one core.
//!
//! `taskset -c 0 cargo bench --bench robot`. The shipped Unitree G1, 29 joints, moves as in `assets/robot_motion.safetensors`,
//! which its model has not learned from, at 50 messages a second; defaults otherwise: 8 hypotheses, 8 ms, a tolerance.
//! `--frames N` gives another number of messages to each row, `--seconds-between S` another pace (0: as fast as it goes).
#![allow(missing_docs, reason = "a program")]

#[path = "processor/clock.rs"]
mod clock;

use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use thalweg::Registry;
use thalweg::motion::Motion;
use thalweg_engine::Answer;
use thalweg_node::intake::{Intake, IntakeConfig, JointMessage, Provenance, Stamp};
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_node::solver::{Assignment, Sink, Solver, Source};
use thalweg_task::{Observation, ParameterValue, numbers};

use clock::{engine_thread, on_processor, quantiles};

/// The bundled motion; a bench runs in the folder of its crate.
const MOTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/robot_motion.safetensors");
/// Where the shipped models of robots lie.
const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");

/// Messages of each row, and those before times count.
const FRAMES: usize = 1000;
const WARM_UP: usize = 100;
const RATE: f64 = 50.0;

/// What is silent from the end of the warm-up on: parts of names.
const ROWS: [(&str, &[&str]); 4] = [
    ("nothing", &[]),
    ("one joint", &["right_knee"]),
    ("left arm", &["left_shoulder", "left_elbow", "left_wrist"]),
    ("both legs", &["_hip_", "_knee_", "_ankle_"]),
];

/// An intake, and the time of its newest message.
#[derive(Clone)]
struct Shared(Arc<Mutex<(Intake, i64)>>);

impl Source for Shared {
    fn observation(&mut self) -> Option<(Observation, Provenance)> {
        let (intake, now) = &mut *self.0.lock().expect("no panic");
        intake.observation(*now)
    }

    fn now_nanos(&self) -> i64 {
        self.0.lock().expect("no panic").1
    }
}

struct Answers(Sender<Answer>);

impl Sink for Answers {
    fn answer(&mut self, answer: Answer, _of: Provenance) {
        self.0.send(answer).expect("somebody listens");
    }

    fn gave_up(&mut self, why: &str) {
        panic!("{why}");
    }
}

struct Bench {
    solver: Solver,
    shared: Shared,
    answers: Receiver<Answer>,
    names: Vec<String>,
    /// Frames by joints, radians.
    motion: Vec<Vec<f64>>,
}

/// What a row came to.
struct Figures {
    /// From a message to its answer, milliseconds.
    whole: Vec<f64>,
    /// Time of the engine's thread on a processor for each message, milliseconds: what a busy machine leaves unchanged.
    busy: Vec<f64>,
    steps: f64,
    /// Mean error of silent joints, degrees; not a number where none is.
    error: f64,
}

impl Bench {
    fn new() -> Self {
        let text = |value: &str| ParameterValue::String(value.to_owned());
        let given = [("task".to_owned(), text("robot")), ("models".to_owned(), text(MODELS))];
        let store = Store::declare(full_table(&Registry::shipped(), &[]), &given).expect("values are valid");
        let settings = Settings::read(&store, 0).expect("it is the whole table");
        let assignment = Assignment::of(&settings, Registry::shipped()).expect("there is a CPU");
        let task = assignment.plan.load_task().expect("the shipped weights are there");
        let shared = Shared(Arc::new(Mutex::new((Intake::new(task.spec(), IntakeConfig::default()), 0))));
        let (sender, answers) = channel();
        let solver = Solver::start(Box::new(shared.clone()), Box::new(Answers(sender))).expect("a thread");
        let loaded = solver.load(assignment).expect("the shipped weights are there");
        assert_eq!(loaded.backend.name(), "fused", "natively");
        solver.run(true).expect("it lives");
        let joints = Motion::load(Path::new(MOTION), task.spec()).expect("bundled").resampled(RATE).joints;
        let width = joints.size()[1] as usize;
        let motion = numbers::<f64>(&joints).chunks(width).map(<[_]>::to_vec).collect();
        let names = task.spec().joints.iter().map(|joint| joint.name.clone()).collect();
        Self { solver, shared, answers, names, motion }
    }

    fn run(&self, silent: &[&str], frames: usize, pace: Duration) -> Figures {
        let is_silent: Vec<bool> =
            self.names.iter().map(|name| silent.iter().any(|part| name.contains(part))).collect();
        let (engine, mut whole, mut busy) = (engine_thread(), Vec::new(), Vec::new());
        let (mut steps, mut errors) = (0.0, Vec::new());
        for frame in 0..WARM_UP + frames {
            let due = Instant::now() + pace;
            let truth = &self.motion[frame % self.motion.len()];
            let is_heard = |joint: &usize| frame < WARM_UP || !is_silent[*joint];
            let places: Vec<usize> = (0..truth.len()).filter(is_heard).collect();
            let (begin, worked) = (Instant::now(), on_processor(&engine));
            self.send(&places, truth, (1 + frame) as i64 * (1e9 / RATE) as i64);
            self.solver.wake();
            let answer = self.answers.recv().expect("it lives");
            if frame >= WARM_UP {
                whole.push(begin.elapsed().as_secs_f64() * 1e3);
                busy.push(on_processor(&engine) - worked);
                steps += f64::from(answer.statistics.steps);
                let hidden = (0..truth.len()).filter(|joint| is_silent[*joint]);
                errors.extend(hidden.map(|joint| (answer.joints[0][joint] - truth[joint]).abs().to_degrees()));
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let error = errors.iter().sum::<f64>() / errors.len() as f64;
        Figures { whole, busy, steps: steps / frames as f64, error }
    }

    fn send(&self, places: &[usize], truth: &[f64], nanos: i64) {
        let (sec, nanosec) = ((nanos / 1_000_000_000) as i32, (nanos % 1_000_000_000) as u32);
        let names: Vec<String> = places.iter().map(|place| self.names[*place].clone()).collect();
        let positions: Vec<f64> = places.iter().map(|place| truth[*place]).collect();
        let stamp = Stamp { sec, nanosec };
        let message =
            JointMessage { stamp, frame_id: "", names: &names, positions: &positions, has_other_fields: false };
        let (intake, now) = &mut *self.shared.0.lock().expect("no panic");
        *now = nanos;
        let taken = intake.take_joints(&message, nanos);
        assert!(taken.refusals.is_empty(), "{:?}", taken.refusals);
    }
}

/// The number behind a name on the command line.
fn option(name: &str) -> Option<f64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next().map(|text| text.parse().expect("a number"))
}

fn main() {
    let frames = option("--frames").map_or(FRAMES, |frames| frames as usize);
    let pace = Duration::from_secs_f64(option("--seconds-between").unwrap_or(1.0 / RATE));
    let mut text = "silent        p50 ms   p99 ms   cpu p50   cpu p99   steps   silent deg\n".to_owned();
    for (name, silent) in ROWS {
        let bench = Bench::new();
        let Figures { mut whole, mut busy, steps, error } = bench.run(silent, frames, pace);
        let [median, most] = quantiles(&mut whole);
        let [cpu_median, cpu_most] = quantiles(&mut busy);
        text += &format!(
            "{name:<12} {median:>7.2} {most:>8.2} {cpu_median:>9.2} {cpu_most:>9.2} {steps:>7.2} {error:>12.1}\n"
        );
        assert!(bench.solver.quit(), "no panic");
    }
    std::io::stdout().write_all(text.as_bytes()).expect("somebody reads");
}
