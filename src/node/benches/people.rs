//! What several people cost: from a message of a tracker to the answer of each person in it, on one core.
//!
//! `taskset -c 0 cargo bench --bench people`. People walk as the bundled motion does, each somewhere else in it, the left arm
//! of all unseen; the tracker sees 30 frames a second, its own 22 points, which are off by a centimetre. Defaults otherwise:
//! 8 hypotheses, 8 ms, which all people of a frame share. `--deadline SECONDS` gives them another time.
#![allow(missing_docs, reason = "a program")]

#[path = "processor/clock.rs"]
mod clock;

use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};
use thalweg::motion::Motion;
use thalweg::{LandscapeSource, Registry};
use thalweg_engine::Answer;
use thalweg_node::intake::{CloudMessage, Field, Intake, IntakeConfig, PeopleConfig, Person, Provenance, Stamp};
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_node::solver::{Assignment, Attendance, Sink, Solver, Source};
use thalweg_task::{Observation, ParameterValue, numbers};

use clock::{engine_thread, on_processor, quantiles};

/// The bundled motion; a bench runs in the folder of its crate.
const MOTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/motion.safetensors");

/// Frames of each number of people.
const FRAMES: usize = 300;
/// Frames before times count.
const WARM_UP: usize = 15;
/// Numbers of people.
const PEOPLE: [usize; 4] = [1, 2, 4, 8];
/// Frames between two people in the motion.
const APART: usize = 170;
const RATE: f64 = 30.0;
/// Points that are not seen: elbow and wrist of the left arm; errors are measured there.
const HIDDEN: [&str; 2] = ["left_elbow", "left_wrist"];

/// An intake, and the time of its newest message.
#[derive(Clone)]
struct Shared(Arc<Mutex<(Intake, i64)>>);

impl Source for Shared {
    fn observation(&mut self) -> Option<(Observation, Provenance)> {
        let (intake, now) = &mut *self.0.lock().expect("no panic");
        intake.observation(*now)
    }

    fn people(&mut self) -> Option<Attendance> {
        let (intake, now) = &mut *self.0.lock().expect("no panic");
        let people = intake.people_mut()?;
        people.expire(*now);
        Some(Attendance { there: people.there(), due: people.due() })
    }

    fn observation_of(&mut self, person: &Person) -> Option<(Observation, Provenance)> {
        let (intake, now) = &mut *self.0.lock().expect("no panic");
        intake.observation_of(person, *now)
    }

    fn now_nanos(&self) -> i64 {
        self.0.lock().expect("no panic").1
    }
}

struct Answers(Sender<(Answer, Provenance)>);

impl Sink for Answers {
    fn answer(&mut self, answer: Answer, provenance: Provenance) {
        self.0.send((answer, provenance)).expect("somebody listens");
    }

    fn gave_up(&mut self, why: &str) {
        panic!("{why}");
    }
}

/// The motion, as places of pelvis and joints in the pelvis frame: frames by points.
struct Walk {
    names: Vec<String>,
    places: Vec<Vec<[f64; 3]>>,
}

struct Bench {
    solver: Solver,
    shared: Shared,
    answers: Receiver<(Answer, Provenance)>,
    walk: Walk,
}

/// What some number of people came to.
struct Figures {
    /// From a message to the last answer, milliseconds.
    last: Vec<f64>,
    /// Time of the engine's thread on a processor for each message, milliseconds: what a busy machine leaves unchanged.
    busy: Vec<f64>,
    steps: f64,
    /// Mean distance of hidden points, millimetres.
    error: f64,
    megabytes: f64,
}

impl Bench {
    fn new(people: usize, deadline: f64) -> Self {
        let given = [
            ("body_pose.keypoints".to_owned(), ParameterValue::String("joints".to_owned())),
            ("budget.deadline".to_owned(), ParameterValue::Double(deadline)),
        ];
        let store = Store::declare(full_table(&Registry::shipped(), &[]), &given).expect("values are valid");
        let settings = Settings::read(&store, 0).expect("it is the whole table");
        let assignment = Assignment::of(&settings, Registry::shipped()).expect("there is a CPU");
        assert_eq!(assignment.plan.landscape, LandscapeSource::BesideModels, "as a node has it");
        let task = assignment.plan.load_task().expect("the shipped weights are there");
        let config = PeopleConfig { most: people, ..PeopleConfig::default() };
        let config = IntakeConfig { people: config, ..IntakeConfig::default() };
        let shared = Shared(Arc::new(Mutex::new((Intake::new(task.spec(), config), 0))));
        let (sender, answers) = channel();
        let solver = Solver::start(Box::new(shared.clone()), Box::new(Answers(sender))).expect("a thread");
        solver.load(assignment).expect("the shipped weights are there");
        solver.run(true).expect("it lives");
        let motion = Motion::load(Path::new(MOTION), task.spec()).expect("bundled");
        let joints = motion.resampled(RATE).joints;
        let points = task.points_of(&joints).expect("all joints").expect("a body has points");
        let width = points.size()[1] as usize;
        let places = numbers::<f64>(&points).as_chunks::<3>().0.chunks(width).map(<[_]>::to_vec).collect();
        let names = task.spec().points.as_ref().expect("it reads points").names.clone();
        Self { solver, shared, answers, walk: Walk { names, places } }
    }

    fn frame(&self, frame: usize, person: usize) -> &[[f64; 3]] {
        &self.walk.places[(frame + person * APART) % self.walk.places.len()]
    }

    /// A cloud with all people, two metres from each other, as bytes.
    fn cloud(&self, frame: usize, people: usize, random: &mut StdRng) -> Vec<u8> {
        let mut data = Vec::new();
        for person in 0..people {
            for (place, name) in self.frame(frame, person).iter().zip(&self.walk.names) {
                let hidden = HIDDEN.contains(&name.as_str());
                let shift = [2.0 * person as f64, 0.0, 3.0];
                for axis in 0..3 {
                    let value = place[axis] + shift[axis] + random.random_range(-0.017..0.017);
                    data.extend((if hidden { f32::NAN } else { value as f32 }).to_le_bytes());
                }
                data.extend((person as u32).to_le_bytes());
            }
        }
        data
    }

    fn run(&self, people: usize) -> Figures {
        let mut random = StdRng::seed_from_u64(1);
        let (engine, mut busy) = (engine_thread(), Vec::new());
        let (mut last, mut steps, mut errors, mut solves) = (Vec::new(), 0.0, Vec::new(), 0.0_f64);
        for frame in 0..FRAMES {
            let due = Instant::now() + Duration::from_secs_f64(1.0 / RATE);
            let data = self.cloud(frame, people, &mut random);
            let (begin, worked) = (Instant::now(), on_processor(&engine));
            self.send(&data, (1 + frame) as i64 * (1e9 / RATE) as i64);
            self.solver.wake();
            for _ in 0..people {
                let (answer, provenance) = self.answers.recv().expect("it lives");
                let number = provenance.person.map_or(0, |person| person.id[1..].parse().expect("b and a number"));
                errors.extend(self.errors(&answer, frame, number));
                steps += f64::from(answer.statistics.steps);
                solves += 1.0;
            }
            last.push(begin.elapsed().as_secs_f64() * 1e3);
            busy.push(on_processor(&engine) - worked);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let error = 1e3 * errors.iter().sum::<f64>() / errors.len() as f64;
        Figures {
            last: last.split_off(WARM_UP),
            busy: busy.split_off(WARM_UP),
            steps: steps / solves,
            error,
            megabytes: resident(),
        }
    }

    fn send(&self, data: &[u8], nanos: i64) {
        let field = |name, offset, datatype| Field { name, offset, datatype, count: 1 };
        let fields = [field("x", 0, 7), field("y", 4, 7), field("z", 8, 7), field("person_id", 12, 6)];
        let (sec, nanosec) = ((nanos / 1_000_000_000) as i32, (nanos % 1_000_000_000) as u32);
        let (height, width, point_step, row_step) = (1, data.len() as u32 / 16, 16, data.len() as u32);
        let stamp = Stamp { sec, nanosec };
        let (is_bigendian, frame_id) = (false, "camera");
        let message =
            CloudMessage { stamp, frame_id, height, width, fields: &fields, is_bigendian, point_step, row_step, data };
        let (intake, now) = &mut *self.shared.0.lock().expect("no panic");
        *now = nanos;
        let taken = intake.take_points(&message, nanos);
        assert!(taken.refusals.is_empty(), "{:?}", taken.refusals);
    }

    /// How far hidden points of the best hypothesis are from the truth, in the pelvis frame, metres.
    fn errors(&self, answer: &Answer, frame: usize, person: usize) -> Vec<f64> {
        let hidden = self.walk.names.iter().enumerate().filter(|(_, name)| HIDDEN.contains(&name.as_str()));
        let distance = |place: usize| {
            let (found, truth) = (answer.points[0][place], self.frame(frame, person)[place]);
            found.iter().zip(truth).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        hidden.map(|(place, _)| distance(place)).collect()
    }
}

/// Resident memory, megabytes; zero where the system does not say.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1e3
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--deadline").skip(1);
    let deadline = arguments.next().map_or(0.008, |text| text.parse().expect("seconds"));
    let mut text = "people   p50 ms   p99 ms   cpu p50   cpu p99   steps   hidden mm   resident MB\n".to_owned();
    for people in PEOPLE {
        let bench = Bench::new(people, deadline);
        let Figures { mut last, mut busy, steps, error, megabytes } = bench.run(people);
        let [median, most] = quantiles(&mut last);
        let [cpu_median, cpu_most] = quantiles(&mut busy);
        text += &format!(
            "{people:>6} {median:>8.1} {most:>8.1} {cpu_median:>9.1} {cpu_most:>9.1} {steps:>7.1} {error:>11.0} \
             {megabytes:>13.0}\n"
        );
        assert!(bench.solver.quit(), "no panic");
    }
    std::io::stdout().write_all(text.as_bytes()).expect("somebody reads");
}
