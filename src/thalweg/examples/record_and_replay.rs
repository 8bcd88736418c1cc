//! Records what a node's solver does, and repeats it bit for bit.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tch::Tensor;
use thalweg::Registry;
use thalweg::engine::Answer;
use thalweg::task::{Observation, ParameterValue};
use thalweg_node::intake::Provenance;
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_node::solver::{Assignment, Recording, Replayer, Sink, Solver, Source, setup};
use thalweg_record::{Reader, RecordOptions, Recorder};

/// An arm that turns by a tenth of a radian each time one looks.
struct Arm(f32);

impl Source for Arm {
    fn observation(&mut self) -> Option<(Observation, Provenance)> {
        self.0 += 0.1;
        let joints = Tensor::from_slice(&[self.0, 0.3, f32::NAN]).view([1, 3]);
        Some((Observation::of_joints(&joints), Provenance::default()))
    }
    fn now_nanos(&self) -> i64 {
        0
    }
}

struct Heard(Sender<()>);

impl Sink for Heard {
    fn answer(&mut self, _answer: Answer, _of: Provenance) {
        self.0.send(()).unwrap_or_default();
    }
    fn gave_up(&mut self, _why: &str) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let task = ("task".to_owned(), ParameterValue::String("planar_arm".to_owned()));
    let store = Store::declare(full_table(&Registry::shipped(), &[]), &[task])?;
    let settings = Settings::read(&store, 0)?;
    let (heard, answers) = channel();
    let solver = Solver::start(Box::new(Arm(0.0)), Box::new(Heard(heard)))?;
    let loaded = solver.load(Assignment::of(&settings, Registry::shipped())?)?;
    let folder = tempfile::tempdir()?;
    let recorder = Arc::new(Recorder::start(RecordOptions {
        folder: folder.path().to_owned(),
        max_segment_bytes: 1 << 28,
        max_segment_duration: Duration::MAX,
        max_total_bytes: 0,
        queue: 1000,
    })?);
    recorder.begin(setup(&loaded, "/thalweg", &store, settings.seed));
    solver.record(Some(Recording { recorder: Arc::clone(&recorder), steps: false }))?;
    solver.run(true)?;
    for _ in 0..10 {
        solver.wake();
        answers.recv()?;
    }
    solver.record(None)?;

    let mut reader = Reader::open(&recorder.save()?)?;
    let mut replayer = Replayer::new(&Registry::shipped(), reader.setup(), None, &[])?;
    for solve in reader.solves() {
        let solve = solve?;
        println!("solve {}: {:?}", solve.index, replayer.repeat(&solve)?);
    }
    Ok(())
}
