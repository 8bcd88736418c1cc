//! Landscapes: what they map, how they are kept, what is refused.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};
use thalweg_engine::landscape::{Landscape, LandscapeError, LandscapeShape, SLOPE};
use thalweg_nn::{Perceptron, weights};
use thalweg_task::{Task, TaskSpec};

use crate::doubles::linear;
use crate::{assert_close, bits, setup, values};

const SHAPE: LandscapeShape = LandscapeShape { z: 4, x: 2, hidden: 8 };

fn spec() -> TaskSpec {
    setup();
    linear().spec().clone()
}

fn random(seed: u64) -> Landscape {
    Landscape::random(&SHAPE, seed, Kind::Float, Device::Cpu).expect("valid shape")
}

fn points() -> Tensor {
    Tensor::arange(12, (Kind::Float, Device::Cpu)).sin().view([3, 4])
}

struct Saved {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn saved(landscape: &Landscape, spec: &TaskSpec) -> Saved {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("theta.safetensors");
    landscape.save(&path, spec, &[("data", "synthetic".to_owned())]).expect("writable");
    Saved { _folder: folder, path }
}

fn refuse(path: &Path, spec: &TaskSpec) -> String {
    let sentence = Landscape::trained(path, spec).expect_err("to be refused").to_string();
    assert!(!sentence.contains('\n'), "one sentence: {sentence}");
    sentence.replace(&path.display().to_string(), "FILE")
}

#[test]
fn the_identity_maps_to_the_same() {
    setup();
    let identity = Landscape::identity(4);
    assert_eq!(bits(&identity.map(&points())), bits(&points()));
    assert_eq!(
        (identity.dim(), identity.latent(), identity.kind_name(), identity.id()),
        (4, 4, "identity", "identity")
    );
    let error = identity.save(Path::new("never_written"), &spec(), &[]).expect_err("no weights");
    assert!(matches!(error, LandscapeError::NoWeights));
}

#[test]
fn random_weights_follow_the_seed_and_the_default_of_linear_layers() {
    setup();
    let landscape = random(3);
    assert_eq!(
        (landscape.dim(), landscape.latent(), landscape.kind_name(), landscape.id()),
        (4, 2, "random", "random-3")
    );
    assert_eq!(bits(&landscape.map(&points())), bits(&random(3).map(&points())));
    assert_ne!(bits(&landscape.map(&points())), bits(&random(4).map(&points())));
    let shape = LandscapeShape::for_latent(32);
    assert_eq!(shape, LandscapeShape { z: 128, x: 32, hidden: 512 });
    let paper = Landscape::random(&shape, 1, Kind::Float, Device::Cpu).expect("valid shape");
    let parameters = paper.perceptron().expect("no identity").parameters();
    for (parameter, fan_in) in parameters.iter().zip([128.0, 128.0, 512.0, 512.0, 512.0, 512.0f64]) {
        let (bound, values) = (fan_in.sqrt().recip(), values(parameter));
        let greatest = values.iter().fold(0.0f64, |greatest, value| greatest.max(value.abs()));
        assert!(greatest <= bound * (1.0 + 1e-6) && greatest > 0.8 * bound, "{greatest} {bound}");
        assert!(!parameter.requires_grad());
    }
    // A uniform distribution on (-b, b) has the variance b^2 / 3.
    let spread = values(&parameters[2]).iter().map(|w| w * w).sum::<f64>() / (512.0 * 512.0);
    assert_close(&[spread * 512.0 * 3.0], &[1.0], 0.02);
}

#[test]
fn the_map_is_three_layers_with_leaky_rectifiers() {
    setup();
    let landscape = random(1);
    let weights = landscape.perceptron().expect("no identity").parameters();
    let layer = |index: usize, input: &[f64]| -> Vec<f64> {
        let (weight, bias) = (values(&weights[2 * index]), values(&weights[2 * index + 1]));
        let row = |j: usize| (0..input.len()).map(|i| weight[j * input.len() + i] * input[i]).sum::<f64>();
        bias.iter().enumerate().map(|(j, bias)| row(j) + bias).collect()
    };
    let leaky = |values: Vec<f64>| -> Vec<f64> { values.iter().map(|&v| if v < 0.0 { 0.2 * v } else { v }).collect() };
    for k in 0..3 {
        let z = values(&points().get(k));
        let expected = layer(2, &leaky(layer(1, &leaky(layer(0, &z)))));
        assert_close(&values(&landscape.map(&points()).get(k)), &expected, 1e-6);
    }
}

#[test]
fn a_saved_landscape_comes_back() {
    let (landscape, spec) = (random(5), TaskSpec { kind: Kind::Float, ..spec() });
    let file = saved(&landscape, &spec);
    let back = Landscape::trained(&file.path, &spec).expect("just written");
    assert_eq!(bits(&back.map(&points())), bits(&landscape.map(&points())));
    assert_eq!((back.dim(), back.latent(), back.kind_name(), back.shape()), (4, 2, "trained", Some(SHAPE)));
    assert_eq!(back.id(), weights::fingerprint(&landscape.perceptron().expect("no identity").named("theta")));
    let metadata = weights::Weights::open(&file.path, Kind::Float, Device::Cpu).expect("just written");
    assert_eq!(metadata.meta::<String>("data").expect("extra metadata"), "synthetic");
    assert_eq!(metadata.meta::<i64>("hidden").expect("written"), 8);
    let double = Landscape::trained(&file.path, &TaskSpec { kind: Kind::Double, ..spec }).expect("just written");
    assert_eq!(double.kind_and_device(), Some((Kind::Double, Device::Cpu)));
    assert_eq!(double.id(), back.id(), "the identity does not depend on the element type");
}

#[test]
fn the_trainer_hands_over_a_copy() {
    setup();
    let tracked = |size: &[i64]| Tensor::ones(size, (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let layer = |out, into| (tracked(&[out, into]), tracked(&[out]));
    let perceptron = Perceptron::new(vec![layer(8, 4), layer(8, 8), layer(2, 8)], SLOPE).expect("layers fit");
    let landscape = Landscape::from_perceptron(&perceptron).expect("three layers");
    assert_eq!((landscape.shape(), landscape.kind_name()), (Some(SHAPE), "trained"));
    let before = bits(&landscape.map(&points()));
    assert_eq!(before, bits(&perceptron.forward(&points()).detach()));
    let _no_grad = tch::no_grad_guard();
    assert_eq!(perceptron.parameters()[0].zero_().size(), [8, 4]);
    assert_ne!(before, bits(&perceptron.forward(&points())));
    assert_eq!(bits(&landscape.map(&points())), before, "theta does not change while solving");
    assert!(!landscape.perceptron().expect("no identity").parameters()[0].requires_grad());
    let two = Perceptron::new(vec![layer(8, 4), layer(2, 8)], SLOPE).expect("layers fit");
    let error = Landscape::from_perceptron(&two).expect_err("two layers");
    assert_eq!(error.to_string(), "landscape: expected 3 dense layers, got 2");
}

#[test]
fn dimensions_below_one_are_refused() {
    let error = Landscape::random(&LandscapeShape { z: 0, ..SHAPE }, 1, Kind::Float, Device::Cpu).expect_err("z = 0");
    assert_eq!(error.to_string(), "landscape: z has dimension 0, expected at least 1");
}

#[test]
fn a_missing_file_is_refused() {
    let sentence = refuse(Path::new("no_such_folder/theta.safetensors"), &spec());
    assert_eq!(sentence, "landscape FILE: No such file or directory (os error 2)");
}

#[test]
fn a_damaged_file_is_refused() {
    let file = saved(&random(1), &spec());
    let whole = std::fs::read(&file.path).expect("just written");
    std::fs::write(&file.path, &whole[..whole.len() - 40]).expect("writable");
    assert!(refuse(&file.path, &spec()).starts_with("landscape FILE: not a whole safetensors file: "));
    for garbage in [&b""[..], b"garbage", &[0xff; 4096]] {
        std::fs::write(&file.path, garbage).expect("writable");
        assert!(refuse(&file.path, &spec()).starts_with("landscape FILE: not a whole safetensors file: "));
    }
}

#[test]
fn another_task_or_model_is_refused() {
    let file = saved(&random(1), &spec());
    let other = TaskSpec { name: "other".into(), ..spec() };
    assert_eq!(refuse(&file.path, &other), "landscape FILE: trained for task double, expected task other");
    let newer = TaskSpec { fingerprint: "f1".into(), ..spec() };
    assert_eq!(
        refuse(&file.path, &newer),
        "landscape FILE: trained for model f0 of task double, expected model f1; train it again"
    );
    let wider = TaskSpec { latent: 3, ..spec() };
    assert_eq!(refuse(&file.path, &wider), "landscape FILE: maps to 2 latent dimensions, task double has 3");
}

/// Writes a landscape file by hand, with one thing changed.
fn forged(metadata: (&'static str, &str), change: impl Fn(&str, Tensor) -> Tensor) -> Saved {
    let spec = spec();
    let saved = saved(&random(1), &spec);
    let tensors = random(1).perceptron().expect("no identity").named("theta");
    let tensors: Vec<_> = tensors.into_iter().map(|(name, tensor)| (name.clone(), change(&name, tensor))).collect();
    let entries = [
        ("format", "thalweg-landscape"),
        ("version", "1"),
        ("task", "double"),
        ("fingerprint", "f0"),
        ("z", "4"),
        ("x", "2"),
        ("hidden", "8"),
    ];
    let text = |(key, value)| (key, if key == metadata.0 { metadata.1 } else { value }.to_owned());
    let entries: Vec<_> = entries.into_iter().map(text).filter(|(_, value)| !value.is_empty()).collect();
    weights::save(&saved.path, &tensors, &entries).expect("writable");
    saved
}

#[test]
fn wrong_contents_are_refused() {
    let same = |_: &str, tensor: Tensor| tensor;
    let poison = |name: &str, tensor: Tensor| {
        if name == "theta.1.bias" { tensor * f64::NAN } else { tensor }
    };
    let cut = |name: &str, tensor: Tensor| {
        if name == "theta.0.weight" { tensor.narrow(1, 0, 3) } else { tensor }
    };
    Landscape::trained(&forged(("", ""), same).path, &spec()).expect("nothing was changed");
    let cases = [
        (forged(("format", "weights"), same), "metadata 'format': expected 'thalweg-landscape', got 'weights'"),
        (forged(("format", ""), same), "metadata 'format' is missing"),
        (forged(("version", "3"), same), "metadata 'version': expected 1 or 2, got 3"),
        (forged(("fingerprint", ""), same), "metadata 'fingerprint' is missing"),
        (forged(("z", "four"), same), "metadata 'z': cannot read 'four'"),
        (forged(("z", "5"), same), "tensor theta.0.weight: expected shape [8, 5], got [8, 4]"),
        (forged(("", ""), poison), "tensor theta.1.bias: has values that are not finite"),
        (forged(("", ""), cut), "tensor theta.0.weight: expected shape [8, 4], got [8, 3]"),
    ];
    for (file, reason) in cases {
        let sentence = refuse(&file.path, &spec());
        assert!(sentence.starts_with(&format!("landscape FILE: {reason}")), "{sentence}");
    }
    let negative = refuse(&forged(("hidden", "-8"), same).path, &spec());
    assert_eq!(negative, "landscape: hidden has dimension -8, expected at least 1");
}
