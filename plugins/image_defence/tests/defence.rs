//! The task on drawn networks.
#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg_image_defence::{
    BackboneConfig, Defence, ENTRY, HeadConfig, ImageDefence, Settings, Stage, Stem, Views, contrast,
};
use thalweg_task::{LoadOptions, Observation, Result, Task, TaskError, conformance, draws};

const HEIGHT: i64 = 9;
const WIDTH: i64 = 8;

/// A small classifier of three classes, drawn, with its head and a bank of ten.
fn drawn(options: &LoadOptions) -> Defence {
    tch::set_num_threads(1);
    let backbone = BackboneConfig {
        height: HEIGHT,
        width: WIDTH,
        stem: Stem { channels: 4, stride: 1 },
        stages: vec![Stage { channels: 6, blocks: 1, stride: 2, projection: true }],
        pooled: false,
        hidden: vec![7],
        classes: 3,
        ..BackboneConfig::resnet2b()
    };
    let head = HeadConfig { hidden: 8, projection: 5 };
    Defence::drawn(backbone, head, 10, &mut StdRng::seed_from_u64(1), (options.kind, options.device))
}

fn load(options: &LoadOptions) -> Result<Box<dyn Task>> {
    Ok(Box::new(ImageDefence::of(drawn(options), Settings { bound: 0.05, ..Settings::default() }, options)))
}

fn double() -> LoadOptions {
    LoadOptions { kind: Kind::Double, ..LoadOptions::default() }
}

fn image(seed: u64) -> Tensor {
    draws::uniform(&mut StdRng::seed_from_u64(seed), &[1, 3, HEIGHT, WIDTH])
}

#[test]
fn the_contract_is_kept() {
    conformance::check(&load, &LoadOptions::default()).assert_passed();
}

#[test]
fn a_correction_is_no_longer_than_its_bound() {
    let task = load(&double()).unwrap();
    let x = draws::normal(&mut StdRng::seed_from_u64(2), &[2, 3 * HEIGHT * WIDTH]);
    let x = x * Tensor::from_slice(&[0.1, 10.0]).view([2, 1]);
    let y_hat = task.forward(&x).unwrap();
    let length = |row: i64| y_hat.get(row).square().sum(Kind::Double).sqrt().double_value(&[]);
    // The short one is x in grey levels, the long one is cut.
    assert!((y_hat.get(0).flatten(0, -1) - x.get(0) / 255.0).abs().max().double_value(&[]) < 1e-15);
    assert!(length(0) < 0.05 && (length(1) - 0.05).abs() < 1e-9, "{} {}", length(0), length(1));
}

#[test]
fn the_loss_is_that_of_the_corrected_image() {
    let options = double();
    let (task, defence) = (load(&options).unwrap(), drawn(&options));
    let seen = image(3);
    let target = task.encode(&Observation::of_image(&seen)).unwrap();
    let correction = (draws::uniform(&mut StdRng::seed_from_u64(4), &[2, 3, HEIGHT, WIDTH]) - 0.5) * 0.1;
    let corrected = (&seen + &correction).clamp(0.0, 1.0);
    let views = Views::draw(&defence.views, 0, (HEIGHT, WIDTH), (Kind::Double, Device::Cpu));
    let features = defence.backbone.features(&views.of(&corrected).unwrap().flatten(0, 1)).unwrap();
    let projections = defence.head.forward(&features).unwrap().view([2, views.count(), -1]);
    let lengths = correction.square().sum_dim_intlist([1, 2, 3].as_slice(), false, Kind::Double);
    let expected = contrast(&projections, &defence.bank, defence.loss.temperature).unwrap() + lengths;
    let got = task.objective(&correction, &target).unwrap().loss;
    assert!((got - expected).abs().max().double_value(&[]) < 1e-12);
}

#[test]
fn the_corrected_image_is_rendered_and_classified() {
    let options = double();
    let (task, defence) = (load(&options).unwrap(), drawn(&options));
    let hidden = image(5).slice(3, 0, 3, 1).ones_like() * f64::NAN;
    let seen = Tensor::cat(&[hidden, image(5).slice(3, 3, WIDTH, 1)], 3);
    let target = task.encode(&Observation::of_image(&seen)).unwrap();
    let correction = (draws::uniform(&mut StdRng::seed_from_u64(6), &[2, 3, HEIGHT, WIDTH]) - 0.5) * 3.0;
    let rendered = task.render_seen(&correction, &target).unwrap();
    let (got, label) = (rendered.image.unwrap(), rendered.label.unwrap());
    // What was not seen has the mean colour; the rest is what was seen and the correction, within what pixels can be.
    let mean = Tensor::from_slice(&defence.backbone.config().mean).view([1, 3, 1, 1]);
    assert!((got.slice(3, 0, 3, 1) - mean).abs().max().double_value(&[]) < 1e-12);
    let expected = (&seen + &correction).clamp(0.0, 1.0).slice(3, 3, WIDTH, 1);
    assert!((got.slice(3, 3, WIDTH, 1) - expected).abs().max().double_value(&[]) < 1e-12);
    assert!((label - defence.backbone.forward(&got).unwrap().1).abs().max().double_value(&[]) < 1e-12);
    assert!(task.render(&correction).unwrap().image.is_none());
    assert_eq!(task.spec().classes, ["class 0", "class 1", "class 2"]);
}

#[test]
fn parameters_out_of_range_are_refused_in_a_sentence() {
    let refused = |name: &str, value: serde_json::Value| {
        let mut options = LoadOptions::default();
        options.parameters.insert(name.to_owned(), value);
        (ENTRY.load)(&options).map(drop).unwrap_err()
    };
    let sentence = refused("bound", 0.0.into()).to_string();
    assert_eq!(sentence, "parameter bound: got 0.0, expected a number from 0.001 to 1000");
    let sentence = refused("views", 1.into()).to_string();
    assert!(sentence.contains("expected 0 or at least 2"), "{sentence}");
    let sentence = refused("views", 2.5.into()).to_string();
    assert_eq!(sentence, "parameter views: got 2.5, expected a whole number from 0 to 32");
    assert!(matches!(refused("bond", 1.into()), TaskError::UnknownName { .. }));
}

#[test]
fn without_weights_the_sentence_says_how_to_make_them() {
    let nowhere = tempfile::tempdir().unwrap();
    let options = LoadOptions { models: nowhere.path().to_owned(), ..LoadOptions::default() };
    let sentence = ImageDefence::load(&options).unwrap_err().to_string();
    assert!(sentence.ends_with("is not there; `thalweg train head` makes it"), "{sentence}");
}
