//! The same training on one, two and four ranks.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg::Registry;
use thalweg_body_pose::prior::{self, PoseSet, TrainOptions};
use thalweg_engine::landscape::Landscape;
use thalweg_engine::pin_threads;
use thalweg_nn::Ranks;
use thalweg_task::{LoadOptions, Task};
use thalweg_train::{
    CollectionOptions, Data, MaskOptions, Preset, StartOptions, ThetaOptions, ThetaProgress, UpdateOptions,
    ValidationOptions,
};

use super::{PATIENCE, together};

/// How far losses may be apart, as numbers and as parts of themselves, after three buffers.
const APART: f64 = 1e-4;

fn load(task: &str) -> thalweg_task::Result<Box<dyn Task>> {
    Registry::shipped().load(task, &LoadOptions::default())
}

/// Three buffers of the paper's form: gaps, the best of two, what is held out; 50 observations and 37 held out are no
/// multiple of any number of ranks.
fn published() -> ThetaOptions {
    ThetaOptions {
        z: 64,
        hidden: 64,
        buffers: 3,
        collection: CollectionOptions { descents: 100, steps: 4, best_of: 2, ..CollectionOptions::default() },
        update: UpdateOptions { batch: 62, ..UpdateOptions::default() },
        masks: MaskOptions::default(),
        validation: ValidationOptions { every: 1, rows: 37, patience: 0 },
        ..ThetaOptions::default()
    }
}

/// Three buffers with steps of its own.
fn own_steps(latent: i64) -> ThetaOptions {
    let preset = Preset::default().options(latent);
    let own = preset.own.clone().unwrap();
    let hypotheses = own.hypotheses;
    ThetaOptions {
        hidden: 64,
        buffers: 3,
        collection: CollectionOptions { descents: 50 * hypotheses, ..preset.collection },
        update: UpdateOptions { batch: 31 * hypotheses, ..preset.update },
        own: Some(own),
        validation: ValidationOptions { every: 1, rows: 37, patience: 0 },
        ..preset
    }
}

/// Every number that a training tells, and the identity of what it came to.
fn train(name: &str, options: &ThetaOptions, ranks: &Ranks) -> (Vec<f64>, String) {
    pin_threads(1);
    let task = load(name).unwrap();
    let drawn = |rows, seed| thalweg_task::sampled(task.as_ref(), rows, &mut StdRng::seed_from_u64(seed)).unwrap();
    let data = Data { training: drawn(300, 1), held_out: Some(drawn(60, 2)), ..Data::default() };
    let options = ThetaOptions { ranks: ranks.clone(), ..options.clone() };
    let mut told = Vec::new();
    let name = name.to_owned();
    let landscape = thalweg_train::train(&options, &move || load(&name), &data, &mut |progress| {
        let ThetaProgress { first, last, update, held_out, .. } = progress;
        told.extend([*first, *last, *update, held_out.unwrap()]);
        true
    });
    (told, landscape.unwrap().id().to_owned())
}

fn agrees(name: &str, options: impl Fn() -> ThetaOptions + Sync) {
    let (alone, _) = train(name, &options(), &Ranks::alone());
    assert_eq!(alone.len(), 12);
    for size in [2, 4] {
        let all = together(size, PATIENCE, |ranks| train(name, &options(), ranks));
        assert!(all.iter().all(|(_, id)| *id == all[0].1), "ranks have other landscapes");
        compare(&alone, &all.into_iter().map(|(told, _)| told).collect::<Vec<_>>());
    }
}

#[test]
fn planar_arm_as_published() {
    agrees("planar_arm", published);
}

#[test]
fn planar_arm_with_steps_of_its_own() {
    agrees("planar_arm", || own_steps(load("planar_arm").unwrap().spec().latent));
}

#[test]
fn body_pose_as_published() {
    agrees("body_pose", published);
}

#[test]
fn body_pose_with_steps_of_its_own() {
    agrees("body_pose", || own_steps(load("body_pose").unwrap().spec().latent));
}

/// Twenty steps of a start, on batches that no number of ranks divides.
#[test]
fn a_start() {
    let train = |ranks: &Ranks| {
        pin_threads(1);
        let task = load("planar_arm").unwrap();
        let drawn = |rows, seed| thalweg_task::sampled(task.as_ref(), rows, &mut StdRng::seed_from_u64(seed)).unwrap();
        let data = Data { training: drawn(300, 1), held_out: Some(drawn(60, 2)), ..Data::default() };
        let options = StartOptions { hidden: 16, code: 2, steps: 20, batch: 17, samples: 3, ..StartOptions::default() };
        let options = StartOptions { validate_every: 10, ranks: ranks.clone(), ..options };
        let landscape = Landscape::identity(task.spec().latent);
        let mut told = Vec::new();
        thalweg_train::train_start(&options, task.as_ref(), &landscape, &data, &mut |progress| {
            told.extend([progress.update, progress.first, progress.best]);
            true
        })
        .unwrap();
        told
    };
    compare(&train(&Ranks::alone()), &together(3, PATIENCE, train));
}

/// Twenty steps of the prior of body poses.
#[test]
fn a_prior() {
    let train = |ranks: &Ranks| {
        pin_threads(1);
        let swinging = |count: i64| {
            let angle = Tensor::arange(count * 63, (Kind::Float, Device::Cpu)) * 0.1;
            angle.sin() * 0.4
        };
        let validation = PoseSet::from_axis_angle(&Vec::<f32>::try_from(swinging(40)).unwrap(), Device::Cpu);
        let training = swinging(300).view([-1, 63]);
        let options = TrainOptions { steps: 20, batch: 17, validate_every: 10, ..TrainOptions::default() };
        let options = TrainOptions { ranks: ranks.clone(), ..options };
        let mut told = Vec::new();
        prior::train(&options, &training, &validation, &mut |progress| {
            told.extend([progress.loss, progress.kl_nats, progress.validation.geodesic_deg]);
            true
        })
        .unwrap();
        told
    };
    compare(&train(&Ranks::alone()), &together(3, PATIENCE, train));
}

/// Expects that all ranks tell the same, and what one process does.
fn compare(alone: &[f64], all: &[Vec<f64>]) {
    assert!(!alone.is_empty() && all.iter().all(|told| *told == all[0]), "ranks differ: {all:?}");
    for (one, many) in alone.iter().zip(&all[0]) {
        assert!((one - many).abs() < APART * one.abs().max(1.0), "{} ranks: {:?}, one: {alone:?}", all.len(), all[0]);
    }
}
