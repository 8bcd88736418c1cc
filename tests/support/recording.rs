//! Recordings of a planar arm that moves where it pleases, made as a node makes them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::Tensor;
use thalweg::Registry;
use thalweg::clock::ManualClock;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::{AdamConfig, Answer, Budget, Cadence, Engine, EngineConfig, Event, Observer, Optimizer};
use thalweg_record::{Person, RecordOptions, Recorder, Setup, Solve, Trace, recordings};
use thalweg_task::Seen;
use thalweg_task::{LoadOptions, Observation};

/// Hypotheses of each solve.
const HYPOTHESES: usize = 4;
/// Steps of each solve.
const STEPS: u32 = 12;

/// Notes every moment of a descent.
struct Notes(std::sync::Arc<std::sync::Mutex<Trace>>);

impl Observer for Notes {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Begin { z, loss, .. } | Event::Step { z, loss, .. } = event {
            let mut trace = self.0.lock().unwrap();
            trace.z.extend(flat(z));
            trace.loss.extend_from_slice(loss);
        }
    }
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.reshape(-1)).unwrap()
}

/// Records `count` solves on a landscape; the arm is bent more than its prior has it, and one joint is never seen.
///
/// Gives the file.
pub fn record(folder: &Path, landscape: Landscape, count: u64) -> PathBuf {
    record_of(folder, landscape, count, |_| None)
}

/// As [`record`]; `whose`: of whom the solve of a number is.
pub fn record_of(folder: &Path, landscape: Landscape, count: u64, whose: impl Fn(u64) -> Option<Person>) -> PathBuf {
    tch::set_num_threads(1);
    let task = Registry::shipped().load("planar_arm", &LoadOptions::default()).unwrap();
    let options = RecordOptions {
        folder: folder.to_owned(),
        max_segment_bytes: u64::MAX,
        max_segment_duration: Duration::MAX,
        max_total_bytes: 0,
        queue: count as usize,
    };
    let setup = Setup {
        node: "/thalweg".to_owned(),
        task: "planar_arm".to_owned(),
        fingerprint: task.spec().fingerprint.clone(),
        joints: task.spec().joints.iter().map(|joint| joint.name.clone()).collect(),
        theta: landscape.id().to_owned(),
        optimizer: "adam".to_owned(),
        parameters: r#"{"optimizer.rate": 0.1}"#.to_owned(),
        ..Setup::default()
    };
    let optimizer = Optimizer::Adam(AdamConfig { rate: 0.1, ..AdamConfig::default() });
    let config = EngineConfig { hypotheses: HYPOTHESES, optimizer, prior_weight: 0.0, ..EngineConfig::default() };
    let mut engine = Engine::new(task, landscape, config).unwrap();
    let trace = std::sync::Arc::new(std::sync::Mutex::new(Trace::default()));
    engine.add_observer(Cadence::Always, Box::new(Notes(std::sync::Arc::clone(&trace))));
    let recorder = Recorder::start(options).unwrap();
    recorder.begin(setup);
    let mut random = StdRng::seed_from_u64(5);
    for index in 1..=count {
        let angles = [random.random_range(0.6..0.9), random.random_range(0.9..1.2), f32::NAN];
        let obs = Observation::of_joints(&Tensor::from_slice(&angles).view([1, 3]));
        let z = flat(&engine.solve(&obs, &Budget::of_steps(STEPS), &ManualClock::default()).unwrap().z);
        let solve = Solve {
            index,
            person: whose(index),
            stamp_nanos: index as i64 * 10_000_000,
            received_nanos: index as i64 * 10_000_000,
            seen: Seen::of(&obs),
            z,
            answer: Answer::of(&mut engine, Duration::ZERO).unwrap(),
            trace: Some(std::mem::take(&mut *trace.lock().unwrap())),
            ..Solve::default()
        };
        recorder.put(Box::new(solve));
    }
    recorder.end();
    let report = recorder.report();
    assert_eq!((report.dropped, report.failure.map(|failure| failure.to_string())), (0, None));
    recordings(folder).unwrap().pop().unwrap()
}
