//! Training of an amortised start: it learns, it is diverse, and a stopped training resumes to the same bits.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::PathBuf;

use rand::SeedableRng;
use rand::rngs::StdRng;
use thalweg::Registry;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::start::Start;
use thalweg_engine::{Engine, EngineConfig, pin_threads};
use thalweg_task::{LoadOptions, Observation, Task};
use thalweg_train::{Data, MaskOptions, StartOptions, StartProgress, TrainError};

fn arm() -> Box<dyn Task> {
    Registry::shipped().load("planar_arm", &LoadOptions::default()).unwrap()
}

fn arms(rows: usize, seed: u64) -> Observation {
    thalweg_task::sampled(arm().as_ref(), rows, &mut StdRng::seed_from_u64(seed)).unwrap()
}

fn tiny(checkpoint: Option<PathBuf>) -> StartOptions {
    StartOptions {
        hidden: 16,
        code: 2,
        steps: 60,
        batch: 16,
        samples: 3,
        validate_every: 20,
        masks: MaskOptions { whole: 0.0, limbs: 0.0, joints: 1.0, end_effectors: 0.0 },
        checkpoint,
        ..StartOptions::default()
    }
}

/// Trains with joints hidden at random, until `report` has seen enough.
fn run(options: &StartOptions, report: &mut dyn FnMut(&StartProgress) -> bool) -> Result<Start, TrainError> {
    pin_threads(1);
    let task = arm();
    let landscape = Landscape::identity(task.spec().latent);
    let data = Data { training: arms(512, 1), held_out: Some(arms(64, 2)), ..Data::default() };
    thalweg_train::train_start(options, task.as_ref(), &landscape, &data, report)
}

#[test]
fn a_stopped_training_resumes_to_the_same_start() {
    let folder = tempfile::tempdir().unwrap();
    let unbroken = run(&tiny(None), &mut |_| true).unwrap();
    let options = tiny(Some(folder.path().join("start.checkpoint")));
    let stopped = run(&options, &mut |progress| progress.step < 40).unwrap();
    assert_ne!(stopped.id(), unbroken.id(), "forty steps must not be sixty");
    let mut seen = Vec::new();
    let resumed = run(&options, &mut |progress| {
        seen.push(progress.step);
        true
    });
    assert_eq!(seen, [60], "the checkpoint must be taken up");
    assert_eq!(resumed.unwrap().id(), unbroken.id());
}

#[test]
fn a_checkpoint_of_other_options_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = tiny(Some(folder.path().join("start.checkpoint")));
    run(&options, &mut |progress| progress.step < 20).unwrap();
    let error = run(&StartOptions { rate: 0.5, ..options }, &mut |_| true).unwrap_err().to_string();
    assert!(error.contains("option rate was 0.001 there, expected 0.5"), "{error}");
}

#[test]
fn the_validation_error_falls_and_the_best_code_is_better_than_the_first() {
    let options = StartOptions { steps: 1_500, validate_every: 500, hidden: 64, ..tiny(None) };
    let mut seen = Vec::new();
    run(&options, &mut |progress| {
        seen.push((progress.first, progress.best));
        true
    })
    .unwrap();
    let (early, late) = (seen[0], seen[2]);
    assert!(late.0 < early.0, "{seen:?}");
    assert!(late.1 < 0.9 * late.0, "hypotheses must differ: {seen:?}");
}

#[test]
fn descents_from_a_trained_start_begin_lower_than_drawn_ones() {
    let options = StartOptions { steps: 1_500, hidden: 64, ..tiny(None) };
    let start = run(&options, &mut |_| true).unwrap();
    let begin = |start: Option<Start>| {
        let task = arm();
        let landscape = Landscape::identity(task.spec().latent);
        let config = EngineConfig { hypotheses: 64, fresh: 0, prior_weight: 0.0, ..EngineConfig::default() };
        let mut engine = Engine::new(task, landscape, config).unwrap();
        start.map_or(Ok(()), |start| engine.set_start(start)).unwrap();
        engine.begin(&arms(64, 3)).unwrap();
        engine.solution().unwrap().loss.iter().sum::<f64>() / 64.0
    };
    let (proposed, drawn) = (begin(Some(start)), begin(None));
    assert!(proposed < 0.3 * drawn, "proposed {proposed}, drawn {drawn}");
}

#[test]
fn nothing_to_train_on_is_said() {
    let none = Observation::of_joints(&tch::Tensor::zeros([0, 3], (tch::Kind::Float, tch::Device::Cpu)));
    let task = arm();
    let data = Data { training: none, held_out: None, ..Data::default() };
    let landscape = Landscape::identity(task.spec().latent);
    let result = thalweg_train::train_start(&tiny(None), task.as_ref(), &landscape, &data, &mut |_| true);
    assert!(matches!(result, Err(TrainError::NoObservations { what: "training" })));
}
