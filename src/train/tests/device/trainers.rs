//! An update of each trainer that takes a device.

use serde_json::Value;
use tch::{Device, Kind, Tensor};
use thalweg_body_pose::prior;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::pin_threads;
use thalweg_task::{LoadOptions, Task};
use thalweg_train::{Data, Preset, StartOptions, train, train_start, with_exemplars};

use crate::double::{DEVICE, elsewhere};
use crate::engines::{load, seen};

fn body(device: Device) -> Box<dyn Task> {
    load("body_pose", &Value::Null, device)
}

/// What is learned from, and judged by, on the processor, as it is read.
fn data() -> Data {
    let task = body(Device::Cpu);
    Data { training: seen(task.as_ref(), 32), held_out: Some(seen(task.as_ref(), 8)), ..Data::default() }
}

/// Holds losses to those of the processor, where points are collected natively: a step later that shows.
fn near(there: &[f64], here: &[f64], share: f64) {
    assert!(there.len() == here.len() && !here.is_empty());
    let is_near = |(a, b): (&f64, &f64)| (a - b).abs() < share * b.abs().max(1.0);
    assert!(there.iter().zip(here).all(is_near), "{there:?} {here:?}");
}

/// Losses of two buffers of a preset, and the landscape.
fn theta(preset: Preset, device: Device) -> (Vec<f64>, Landscape) {
    let load = move || (thalweg_body_pose::ENTRY.load)(&LoadOptions { device, ..LoadOptions::default() });
    let mut options = preset.options(body(device).spec().latent);
    options.buffers = 2;
    options.collection.descents = 8 * options.collection.best_of;
    options.collection.steps = options.collection.steps.min(4);
    options.validation.every = 1;
    let mut losses = Vec::new();
    let landscape = train(&options, &load, &data(), &mut |progress| {
        losses.extend([progress.last, progress.update, progress.held_out.unwrap()]);
        true
    });
    let landscape = landscape.unwrap();
    let folder = tempfile::tempdir().unwrap();
    landscape.save(&folder.path().join("theta.safetensors"), body(device).spec(), &[]).unwrap();
    (losses, landscape)
}

#[test]
fn thetas() {
    elsewhere("trainers::thetas", || {
        pin_threads(1);
        for preset in [Preset::Steps, Preset::Quick, Preset::Study, Preset::Retrain] {
            let (there, here) = (theta(preset, DEVICE).0, theta(preset, Device::Cpu).0);
            near(&there[..1], &here[..1], 1e-3);
            near(&there, &here, 0.1);
        }
    });
}

#[test]
fn exemplars() {
    elsewhere("trainers::exemplars", || {
        pin_threads(1);
        let invert = |device: Device| {
            let load = move || (thalweg_body_pose::ENTRY.load)(&LoadOptions { device, ..LoadOptions::default() });
            let (_, landscape) = theta(Preset::Steps, device);
            let found = with_exemplars(&landscape, &load, &data().training, 3).unwrap();
            let exemplars = found.steps().and_then(|steps| steps.exemplars().map(Tensor::shallow_clone)).unwrap();
            assert_eq!(exemplars.size(), [3, body(device).spec().latent]);
        };
        invert(DEVICE);
    });
}

fn start(device: Device) -> Vec<f64> {
    let task = body(device);
    let landscape = Landscape::identity(task.spec().latent);
    let options = StartOptions { steps: 4, batch: 8, samples: 2, validate_every: 2, ..StartOptions::default() };
    let mut losses = Vec::new();
    train_start(&options, task.as_ref(), &landscape, &data(), &mut |progress| {
        losses.extend([progress.update, progress.first, progress.best]);
        true
    })
    .unwrap();
    losses
}

#[test]
fn starts() {
    elsewhere("trainers::starts", || {
        pin_threads(1);
        near(&start(DEVICE), &start(Device::Cpu), 1e-3);
    });
}

fn of_prior(device: Device) -> Vec<f64> {
    let wave = |rows: i64| (Tensor::arange(rows * 63, (Kind::Float, Device::Cpu)) * 0.37).sin() * 0.5;
    let training = wave(40).view([40, 63]).to_device(device);
    let validation = prior::PoseSet::from_vectors(&wave(10).view([10, 21, 3]).to_device(device));
    let options = prior::TrainOptions { steps: 4, batch: 16, validate_every: 2, ..prior::TrainOptions::default() };
    let mut losses = Vec::new();
    prior::train(&options, &training, &validation, &mut |progress| {
        losses.extend([progress.loss, progress.kl_nats]);
        true
    })
    .unwrap();
    losses
}

#[test]
fn priors() {
    elsewhere("trainers::priors", || {
        pin_threads(1);
        near(&of_prior(DEVICE), &of_prior(Device::Cpu), 1e-3);
    });
}
