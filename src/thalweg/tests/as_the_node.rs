//! The library answers what the node answers, bit for bit, and takes and refuses the same positions.
#![allow(clippy::unwrap_used)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thalweg::{Error, Inverter, Registry};
use thalweg_engine::{Answer, Budget};
use thalweg_node::intake::{Intake, IntakeConfig, JointMessage, Provenance, Stamp};
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_node::solver::{Assignment, Sink, Solver, Source, Tuning};
use thalweg_task::{Observation, ParameterValue};

const STEPS: u32 = 12;
const SEED: u64 = 7;

#[derive(Clone, Default)]
struct Next(Arc<Mutex<Option<(Observation, Provenance)>>>);

impl Source for Next {
    fn observation(&mut self) -> Option<(Observation, Provenance)> {
        self.0.lock().unwrap().take()
    }

    fn now_nanos(&self) -> i64 {
        0
    }
}

struct Answers(Sender<Answer>);

impl Sink for Answers {
    fn answer(&mut self, answer: Answer, _provenance: Provenance) {
        self.0.send(answer).unwrap();
    }

    fn gave_up(&mut self, why: &str) {
        panic!("{why}");
    }
}

/// A node with its default parameters, but for a fixed number of steps and a seed.
struct Node {
    solver: Solver,
    intake: Intake,
    next: Next,
    answers: Receiver<Answer>,
}

impl Node {
    fn start(task: &str) -> Self {
        let given = [
            ("task".to_owned(), ParameterValue::String(task.to_owned())),
            ("random_seed".to_owned(), ParameterValue::Integer(SEED as i64)),
        ];
        let store = Store::declare(full_table(&Registry::shipped(), &[]), &given).unwrap();
        let Assignment { plan, tuning } =
            Assignment::of(&Settings::read(&store, 0).unwrap(), Registry::shipped()).unwrap();
        let (next, (answered, answers)) = (Next::default(), channel());
        let solver = Solver::start(Box::new(next.clone()), Box::new(Answers(answered))).unwrap();
        let tuning = Tuning { budget: Budget::of_steps(STEPS), ..tuning };
        let loaded = solver.load(Assignment { plan, tuning }).unwrap();
        solver.run(true).unwrap();
        Self { solver, intake: Intake::new(&loaded.spec, IntakeConfig::default()), next, answers }
    }

    fn take(&mut self, seen: &[(&str, f64)], nanos: i64) -> Observation {
        let (names, positions): (Vec<_>, Vec<_>) =
            seen.iter().map(|(name, position)| ((*name).to_owned(), *position)).unzip();
        let stamp = Stamp { sec: 1, nanosec: u32::try_from(nanos).unwrap() };
        let message =
            JointMessage { stamp, frame_id: "", names: &names, positions: &positions, has_other_fields: false };
        // Each moment is complete in itself: what was seen before is over.
        self.intake.clear();
        self.intake.take_joints(&message, 1_000_000_000 + nanos);
        self.intake.observation(1_000_000_000 + nanos).expect("something is observed").0
    }

    fn solve(&mut self, seen: &[(&str, f64)], nanos: i64) -> Answer {
        let obs = self.take(seen, nanos);
        *self.next.0.lock().unwrap() = Some((obs, Provenance::default()));
        self.solver.wake();
        self.answers.recv_timeout(Duration::from_secs(60)).expect("an answer")
    }
}

fn library(task: &str) -> Inverter {
    thalweg::load(task).unwrap().seed(SEED).steps(STEPS).build().unwrap()
}

/// Follows three joints for some moments, the node beside the library.
fn compare(task: &str, joints: [&str; 3]) {
    let (mut node, mut engine) = (Node::start(task), library(task));
    for moment in 0..5i32 {
        let place = |index: i32| 0.4 * f64::from(moment * 3 + index).sin();
        // The third comes and goes, and is turned by a whole turn.
        let turned = place(2) + std::f64::consts::TAU;
        let seen = [(joints[0], place(0)), (joints[1], place(1)), (joints[2], turned)];
        let seen = &seen[..2 + usize::from(moment % 2 == 0)];
        let nanos = i64::from(moment) * 10_000_000;
        let expected = node.solve(seen, nanos);
        let observed = engine.observe().stamp_nanos(1_000_000_000 + nanos).joints(seen.iter().copied()).unwrap();
        let got = engine.solve(&observed).unwrap().into_answer();
        assert_eq!(Answer { took: expected.took, ..got }, expected, "{task}, moment {moment}");
    }
}

#[test]
fn a_stream_of_body_poses_is_solved_to_the_same_bits() {
    compare("body_pose", ["left_elbow_y", "neck_x", "right_knee_x"]);
}

#[test]
fn a_stream_of_arms_is_solved_to_the_same_bits() {
    compare("planar_arm", ["joint_1", "joint_2", "joint_3"]);
}

#[test]
fn positions_are_judged_alike() {
    let (mut node, engine) = (Node::start("planar_arm"), library("planar_arm"));
    for (moment, position) in [0.3, 3.2, -3.2, 9.0, 2.8005, 1e5, -60_000.0].into_iter().enumerate() {
        let bits = |obs: &Observation| {
            Vec::<f32>::try_from(obs.joints.as_ref().unwrap().with_nan().view(-1)).unwrap().map_bits()
        };
        let seen = [("joint_1", 0.1), ("joint_2", position)];
        let expected = bits(&node.take(&seen, moment as i64));
        match engine.observe().joints(seen) {
            Ok(observed) => assert_eq!(bits(&observed.observation()), expected, "{position}"),
            Err(Error::Value { .. }) => assert!(f32::from_bits(expected[1]).is_nan(), "{position}"),
            Err(error) => panic!("{position}: {error}"),
        }
    }
}

trait Bits {
    fn map_bits(self) -> Vec<u32>;
}

impl Bits for Vec<f32> {
    fn map_bits(self) -> Vec<u32> {
        self.into_iter().map(f32::to_bits).collect()
    }
}
