//! Training: it learns, it is repeatable, and a stopped training resumes to the same bits.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::Tensor;
use thalweg::engine::{AdamConfig, Budget, Engine, EngineConfig, Optimizer, pin_threads};
use thalweg::landscape::{Landscape, LandscapeShape};
use thalweg::train::{self, ThetaOptions, TrainError};
use thalweg::{clock::ManualClock, registry};
use thalweg_body_pose::prior::{PoseSet, TrainOptions, mirrored};
use thalweg_task::{LoadOptions, Observation, Task};

fn load() -> thalweg_task::Result<Box<dyn Task>> {
    registry::load("planar_arm", &LoadOptions::default())
}

fn tiny(checkpoint: Option<PathBuf>) -> ThetaOptions {
    ThetaOptions {
        buffers: 6,
        descents: 64,
        steps: 3,
        batch: 64,
        rate_z: 0.1,
        rate_theta: 1e-3,
        checkpoint,
        ..ThetaOptions::default()
    }
}

fn arms(rows: usize, seed: u64) -> Observation {
    train::sampled(load().unwrap().as_ref(), rows, &mut StdRng::seed_from_u64(seed)).unwrap()
}

#[test]
fn a_stopped_training_resumes_to_the_same_landscape() {
    pin_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let observations = arms(256, 1);
    let visible = |random: &mut StdRng| (0..3).map(|_| rand::Rng::random_bool(random, 0.5)).collect();
    let unbroken = train::train(&tiny(None), &load, &observations, Some(&visible), &mut |_| true).unwrap();
    let options = tiny(Some(folder.path().join("theta.checkpoint")));
    let stopped =
        train::train(&options, &load, &observations, Some(&visible), &mut |progress| progress.buffer < 3).unwrap();
    assert_ne!(stopped.id(), unbroken.id(), "three buffers must not be six");
    let mut first = None;
    let resumed = train::train(&options, &load, &observations, Some(&visible), &mut |progress| {
        first.get_or_insert(progress.buffer);
        true
    });
    assert_eq!(first, Some(4), "the checkpoint must be taken up");
    assert_eq!(resumed.unwrap().id(), unbroken.id());
}

#[test]
fn a_checkpoint_of_other_options_is_refused() {
    pin_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let options = tiny(Some(folder.path().join("theta.checkpoint")));
    let observations = arms(64, 1);
    train::train(&options, &load, &observations, None, &mut |progress| progress.buffer < 2).unwrap();
    let other = ThetaOptions { rate_z: 0.2, ..options };
    let error = train::train(&other, &load, &observations, None, &mut |_| true).unwrap_err();
    assert!(error.to_string().contains("metadata 'options': expected"), "{error}");
}

#[test]
fn a_trained_landscape_descends_faster_than_an_untrained_one() {
    pin_threads(1);
    let options = ThetaOptions { buffers: 40, descents: 256, rate_theta: 2e-3, ..tiny(None) };
    let trained = train::train(&options, &load, &arms(4096, 1), None, &mut |_| true).unwrap();
    let spec = load().unwrap().spec().clone();
    let untrained = Landscape::random(&LandscapeShape::for_latent(spec.latent), 1, spec.kind, spec.device).unwrap();
    let after_three_steps = |landscape: Landscape| {
        let optimizer = Optimizer::Adam(AdamConfig { rate: options.rate_z, ..AdamConfig::default() });
        let config = EngineConfig { hypotheses: 256, fresh: 0, optimizer, ..EngineConfig::default() };
        let mut engine = Engine::new(load().unwrap(), landscape, config).unwrap();
        let budget = Budget { steps: Some(3), ..Budget::default() };
        let loss = &engine.solve(&arms(256, 2), &budget, &ManualClock::default()).unwrap().loss;
        loss.iter().sum::<f64>() / loss.len() as f64
    };
    let (trained, untrained) = (after_three_steps(trained), after_three_steps(untrained));
    assert!(trained < 0.8 * untrained, "trained {trained}, untrained {untrained}");
}

#[test]
fn bad_training_input_is_refused() {
    let nothing = Observation::default();
    let error = train::train(&tiny(None), &load, &nothing, None, &mut |_| true).unwrap_err();
    assert!(matches!(error, TrainError::NoObservations), "{error}");
    let wide = Observation::of_joints(&Tensor::zeros([4, 7], (tch::Kind::Float, tch::Device::Cpu)));
    let error = train::train(&tiny(None), &load, &wide, None, &mut |_| true).unwrap_err();
    assert!(error.to_string().contains("expected shape"), "{error}");
    let options = ThetaOptions { rate_theta: 1e30, ..tiny(None) };
    let error = train::train(&options, &load, &arms(64, 1), None, &mut |_| true).unwrap_err();
    assert!(error.to_string().contains("lower rate_theta"), "{error}");
}

/// Poses that a small network can learn: every joint turns with one of two phases.
fn swinging(count: usize) -> PoseSet {
    let pose = |frame: usize| {
        (0..63).map(move |axis| 0.4 * ((frame as f32) * 0.1 + if axis % 2 == 0 { 0.0 } else { 1.5 }).sin())
    };
    PoseSet::from_axis_angle(&(0..count).flat_map(pose).collect::<Vec<f32>>(), tch::Device::Cpu)
}

#[test]
fn the_prior_learns_and_resumes_to_the_same_bits() {
    pin_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let (training, validation) = (swinging(300), swinging(40));
    let options = TrainOptions { steps: 60, batch: 32, validate_every: 20, ..TrainOptions::default() };
    let mut errors = Vec::new();
    let unbroken = thalweg_body_pose::prior::train(&options, &training, &validation, &mut |progress| {
        errors.push(progress.validation.geodesic_deg);
        true
    })
    .unwrap();
    assert!(errors[2] < errors[0], "{errors:?}");
    let options = TrainOptions { checkpoint: Some(folder.path().join("prior.checkpoint")), ..options };
    for _ in 0..2 {
        thalweg_body_pose::prior::train(&options, &training, &validation, &mut |progress| progress.step > 40).unwrap();
    }
    let resumed = thalweg_body_pose::prior::train(&options, &training, &validation, &mut |_| true).unwrap();
    for (a, b) in unbroken.parameters().iter().zip(resumed.parameters()) {
        assert!(a.equal(&b), "weights differ");
    }
}

#[test]
fn mirroring_twice_changes_nothing_and_once_swaps_the_sides() {
    let pose: Vec<f32> = (0..63).map(|value| value as f32).collect();
    let once = mirrored(&pose);
    assert_eq!(mirrored(&once), pose);
    assert_eq!(once[0..3], [pose[3], -pose[4], -pose[5]], "left hip takes right hip's turn");
}
