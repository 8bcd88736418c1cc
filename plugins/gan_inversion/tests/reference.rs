//! F and L against a computation of their own: NumPy, in double precision, on the packages' original files, batch norms
//! not folded, kernels as Flax has them; and LPIPS against its authors' own program (`official_lpips.py`).
//! `reference.json` keeps what both gave.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests open files")]
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::{Device, Kind, Tensor};
use thalweg_gan_inversion::{ENTRY, FEATURES, GanInversion, Generator, LATENT, Lpips, SIDE};
use thalweg_task::{LoadOptions, Observation, Task, TaskError};

const REFERENCE: &str = include_str!("reference.json");

/// The folder of weights; none, with a word about it, where they were not fetched. In CI they have to be there.
fn models() -> Option<PathBuf> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    if models.join("gan_inversion.safetensors").exists() {
        return Some(models);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "in CI tools/setup_gan.sh has to run first");
    // Past the test harness, which swallows what a passing test prints.
    writeln!(std::io::stderr(), "skipped: the weights of gan_inversion are not there; run tools/setup_gan.sh")
        .expect("stderr is open");
    None
}

fn options(models: PathBuf) -> LoadOptions {
    tch::set_num_threads(1);
    LoadOptions { models, kind: Kind::Double, ..LoadOptions::default() }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Two latents: `1.2 sin(1.3 (i + 1) + 0.7 k)`.
fn latents() -> Tensor {
    let row = |k: f64| (Tensor::arange(LATENT, (Kind::Double, Device::Cpu)) * 1.3 + (1.3 + 0.7 * k)).sin() * 1.2;
    Tensor::stack(&[row(0.0), row(1.0)], 0)
}

/// Waves of colour, `[1, 3, 64, 64]`: `0.5 + 0.5 sin(a column + b row + c channel + d)`.
fn wave([a, b, c, d]: [f64; 4]) -> Tensor {
    let count = |size: i64, shape: [i64; 4]| Tensor::arange(size, (Kind::Double, Device::Cpu)).view(shape);
    let phase = count(SIDE, [1, 1, 1, SIDE]) * a + count(SIDE, [1, 1, SIDE, 1]) * b + count(3, [1, 3, 1, 1]) * c + d;
    phase.sin() * 0.5 + 0.5
}

#[test]
fn the_generator_makes_the_images_that_it_should() {
    let Some(models) = models() else { return };
    let generator = Generator::load(&models.join("gan_inversion.safetensors"), &options(models)).unwrap();
    let images = generator.forward(&latents()).unwrap();
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    for row in 0..2 {
        let mean = images.get(row).mean(Kind::Double).double_value(&[]);
        let expected = reference["mean"][row as usize].as_f64().unwrap();
        assert!((mean - expected).abs() < 1e-5, "image {row}: mean {mean}, expected {expected}");
        let mut expected = numbers(&reference["pixels"][row as usize]).into_iter();
        for channel in 0..3 {
            for (y, x) in [5, 21, 37, 53].into_iter().flat_map(|y| [5, 21, 37, 53].map(|x| (y, x))) {
                let (got, expected) = (images.double_value(&[row, channel, y, x]), expected.next().unwrap());
                assert!((got - expected).abs() < 1e-5, "image {row}, {channel} {y} {x}: {got}, expected {expected}");
            }
        }
    }
}

#[test]
fn lpips_measures_the_distances_that_it_should() {
    let Some(models) = models() else { return };
    let options = options(models.clone());
    let lpips = Lpips::load(&models.join("lpips_alexnet.safetensors"), &options).unwrap();
    let generator = Generator::load(&models.join("gan_inversion.safetensors"), &options).unwrap();
    let faces = generator.forward(&latents()).unwrap();
    let (face, other) = (faces.narrow(0, 0, 1), faces.narrow(0, 1, 1));
    let (a, b) = (wave([0.3, 0.2, 1.0, 0.0]), wave([0.25, -0.35, 2.0, 1.0]));
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    for (name, first, second) in [("waves", &a, &b), ("faces", &face, &other), ("face_and_wave", &face, &b)] {
        let all = Tensor::ones_like(first);
        let square = (lpips.features(first, &all).unwrap() - lpips.features(second, &all).unwrap()).square();
        let mut start = 0;
        for (layer, expected) in numbers(&reference[name]).into_iter().enumerate() {
            let size = [64 * 15 * 15, 192 * 7 * 7, 384 * 9, 256 * 9, 256 * 9][layer];
            let got = square.narrow(1, start, size).sum(Kind::Double).double_value(&[]);
            assert!((got - expected).abs() < 1e-6, "{name}, layer {layer}: {got}, expected {expected}");
            start += size;
        }
        assert_eq!(start, FEATURES);
    }
}

#[test]
fn lpips_is_that_of_its_authors() {
    let Some(models) = models() else { return };
    let lpips = Lpips::load(&models.join("lpips_alexnet.safetensors"), &options(models)).unwrap();
    let (one, two) = (wave([0.3, 0.2, 1.0, 0.0]), wave([0.25, -0.35, 2.0, 1.0]));
    let (near, black, white) = (wave([0.3, 0.2, 1.0, 0.4]), one.zeros_like(), one.ones_like());
    let all = white.shallow_clone();
    let features = |image: &Tensor| lpips.features(image, &all).unwrap();
    let pairs = [(&one, &two), (&black, &white), (&one, &black), (&two, &white), (&one, &near)];
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    for ((first, second), expected) in pairs.into_iter().zip(numbers(&reference["official"])) {
        let got = (features(first) - features(second)).square().sum(Kind::Double).double_value(&[]);
        assert!((got - expected).abs() < 1e-6, "{got}, lpips 0.1.4 says {expected}");
    }
}

#[test]
fn the_loss_is_lpips_and_mean_square() {
    let Some(models) = models() else { return };
    let task = GanInversion::load(&options(models)).unwrap();
    let faces = task.forward(&latents()).unwrap();
    let target = task.encode(&Observation::of_image(&faces.narrow(0, 1, 1))).unwrap();
    let loss = task.objective(&faces, &target).unwrap().loss;
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    let lpips: f64 = numbers(&reference["faces"]).iter().sum();
    let mean_square = ((faces.get(0) - faces.get(1)) * 2.0).square().mean(Kind::Double).double_value(&[]);
    assert!((loss.double_value(&[0]) - lpips - mean_square).abs() < 1e-5, "{loss:?}, {lpips} + {mean_square}");
    assert!(loss.double_value(&[1]) < 1e-12);
}

#[test]
fn a_hidden_half_neither_counts_nor_pulls() {
    let Some(models) = models() else { return };
    let task = GanInversion::load(&options(models)).unwrap();
    let faces = task.forward(&latents()).unwrap();
    let upper = Tensor::arange(SIDE, (Kind::Int64, Device::Cpu)).lt(SIDE / 2).view([1, 1, SIDE, 1]);
    let seen = faces.narrow(0, 1, 1).masked_fill(&upper, f64::NAN);
    let target = task.encode(&Observation::of_image(&seen)).unwrap();
    let guess = faces.narrow(0, 0, 1).copy().set_requires_grad(true);
    let loss = task.objective(&guess, &target).unwrap().loss;
    loss.sum(Kind::Double).backward();
    let pull = |start| guess.grad().narrow(2, start, SIDE / 2).abs().max().double_value(&[]);
    assert!(pull(0) == 0.0 && pull(SIDE / 2) > 0.0, "{} and {}", pull(0), pull(SIDE / 2));
    let whole = task.encode(&Observation::of_image(&faces.narrow(0, 1, 1))).unwrap();
    let whole = task.objective(&faces.narrow(0, 0, 1), &whole).unwrap().loss;
    assert!(loss.double_value(&[0]) < whole.double_value(&[0]), "less is seen, less can differ");
}

#[test]
fn weights_that_are_not_there_are_asked_for() {
    let folder = std::env::temp_dir().join("thalweg-no-such-folder");
    let error = (ENTRY.load)(&LoadOptions { models: folder, ..LoadOptions::default() }).err().unwrap();
    assert!(matches!(error, TaskError::Weights { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("gan_inversion.safetensors") && text.contains("run tools/setup_gan.sh"), "{text}");
}
