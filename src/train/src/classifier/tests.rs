//! Tests with images of one colour and noise.

use super::*;
use crate::head::{HeadOptions, train_head};
use thalweg_image_defence::{HeadConfig, ViewsConfig};

/// Images in which one of three colours is brighter.
pub(crate) fn coloured(count: i64, seed: u64) -> LabelledImages {
    let mut random = generator(seed, 0);
    let labels: Vec<i64> = (0..count).map(|_| random.random_range(0..3)).collect();
    let mut pixels = Vec::new();
    for label in &labels {
        for colour in 0..3 {
            let base = if colour == *label { 120 } else { 90 };
            pixels.extend((0..SIDE * SIDE).map(|_| base + random.random_range(0_u8..60)));
        }
    }
    let pixels = Tensor::from_slice(&pixels).view([count, 3, SIDE, SIDE]);
    LabelledImages { pixels, labels: Tensor::from_slice(&labels), classes: ["r", "g", "b"].map(str::to_owned).to_vec() }
}

fn options() -> ClassifierOptions {
    let stage = Stage { channels: 8, blocks: 1, stride: 4, projection: true };
    let stem = Stem { channels: 4, stride: 2 };
    let backbone = BackboneConfig { stem, stages: vec![stage], classes: 3, ..ClassifierOptions::backbone() };
    ClassifierOptions { backbone, epochs: 3, batch: 32, rate: 0.1, validate_every: 5, ..ClassifierOptions::default() }
}

fn train(options: &ClassifierOptions, stop: u64) -> Classifier {
    let (training, validation) = (coloured(192, 1), coloured(64, 2));
    let go_on = &mut |progress: &ClassifierProgress| progress.step < stop;
    train_classifier(options, (&training, &validation), None, go_on).expect("it trains")
}

fn identity(classifier: &Classifier) -> String {
    thalweg_nn::weights::fingerprint(&classifier.backbone.named())
}

#[test]
fn colours_are_learned_and_norms_are_folded_without_a_change() {
    let classifier = train(&options(), u64::MAX);
    let held_out = coloured(64, 3);
    let right = accuracy(&classifier.backbone, &held_out.values(), &held_out.labels).expect("logits");
    assert!(right > 0.9, "{right}");
    // With norms: statistics of a network that begins with these weights are those that were folded away.
    let network = Network::of(&classifier.backbone, &options().backbone).expect("the same form");
    let folded = network.folded(Precision::Single).expect("a network");
    let logits = |backbone: &Backbone| backbone.forward(&held_out.values()).expect("logits").1;
    assert!((logits(&folded) - logits(&classifier.backbone)).abs().max().double_value(&[]) < 1e-4);
}

#[test]
fn folded_norms_do_what_norms_do() {
    let config = options().backbone;
    let network = Network::drawn(&config, &mut generator(4, 0));
    let images = coloured(32, 5).values();
    // One batch, seen so often that running statistics are those of the batch.
    for _ in 0..200 {
        drop(network.train(&images, Precision::Single).expect("logits"));
    }
    let logits = network.train(&images, Precision::Single).expect("logits");
    let folded = network.folded(Precision::Single).expect("a network").forward(&images).expect("logits").1;
    let (off, size) = ((&logits - &folded).abs().max(), logits.abs().max());
    // Running variances divide by one less than the batch's.
    assert!(off.double_value(&[]) < 0.02 * size.double_value(&[]), "{off:?} of {size:?}");
}

#[test]
fn a_training_that_was_stopped_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = ClassifierOptions { checkpoint: Some(folder.path().join("c.checkpoint")), ..options() };
    let whole = identity(&train(&options(), u64::MAX));
    assert_ne!(identity(&train(&kept, 5)), whole);
    assert_eq!(identity(&train(&kept, u64::MAX)), whole);
}

#[test]
fn an_adversary_stays_in_its_ball_and_makes_a_classifier_that_bears_more() {
    let (training, validation) = (coloured(192, 1), coloured(64, 2));
    let ball = Ball { norm: Norm::L2, radius: 1.5 };
    let adversary = Adversary { ball, steps: 5 };
    let right = |classifier: &Classifier| {
        let image = validation.values();
        let attacked = adversary.attack(&classifier.backbone, (&image, &validation.labels), &mut generator(1, 1));
        let attacked = attacked.expect("an attack");
        let size = ball.sizes(&(&attacked - &image)).max().double_value(&[]);
        assert!(size <= 1.5 * (1.0 + 1e-5), "{size}");
        accuracy(&classifier.backbone, &attacked, &validation.labels).expect("logits")
    };
    let plain = train(&options(), u64::MAX);
    let options = ClassifierOptions { adversary: Some(adversary), ..options() };
    let robust = train_classifier(&options, (&training, &validation), Some(&plain.backbone), &mut |_| true);
    let (plain, robust) = (right(&plain), right(&robust.expect("it trains")));
    assert!(robust > plain, "attacked {plain} before, {robust} after");
}

#[test]
fn a_file_holds_a_classifier_and_refuses_what_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, classifier) = (folder.path().join("c.safetensors"), train(&options(), 5));
    classifier.save(&path, &[("options", "some".to_owned())]).expect("written");
    let read = Classifier::load(&path).expect("read");
    assert_eq!((identity(&read), &read.classes), (identity(&classifier), &classifier.classes));
    thalweg_nn::weights::save(&path, &[], &[("format", "another".to_owned())]).expect("written");
    let text = Classifier::load(&path).expect_err("no classifier").to_string();
    assert!(text.contains("thalweg-classifier"), "{text}");
}

#[test]
fn options_out_of_range_are_refused() {
    let images = coloured(40, 1);
    for options in [
        ClassifierOptions { epochs: 0, ..options() },
        ClassifierOptions { batch: 1, ..options() },
        ClassifierOptions { rate: f64::NAN, ..options() },
        ClassifierOptions { momentum: 1.0, ..options() },
        ClassifierOptions { batch: 64, ..options() },
    ] {
        let result = train_classifier(&options, (&images, &images), None, &mut |_| true);
        assert!(matches!(result, Err(TrainError::Option { .. })));
    }
}

#[test]
fn a_head_finds_views_of_one_image_and_its_training_resumes_to_the_same_bits() {
    let (training, validation) = (coloured(128, 1), coloured(64, 2));
    let folder = tempfile::tempdir().expect("a folder");
    let options = HeadOptions {
        head: HeadConfig { hidden: 16, projection: 8 },
        views: ViewsConfig {
            least_side: 0.9,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            ..ViewsConfig::default()
        },
        steps: 60,
        batch: 32,
        rate: 1e-2,
        bank: 32,
        validate_every: 20,
        ..HeadOptions::default()
    };
    let mut progress_of_all = Vec::new();
    let mut run = |options: &HeadOptions, stop: i32| {
        let classifier = train(&self::options(), u64::MAX);
        let report = &mut |progress: &crate::HeadProgress| {
            progress_of_all.push(*progress);
            progress.step < stop
        };
        train_head(options, classifier, (&training, &validation), report).expect("it trains").fingerprint()
    };
    let whole = run(&options, i32::MAX);
    let kept = HeadOptions { checkpoint: Some(folder.path().join("h.checkpoint")), ..options };
    assert_ne!(run(&kept, 20), whole);
    assert_eq!(run(&kept, i32::MAX), whole);
    let (first, last) = (progress_of_all[0], progress_of_all[2]);
    // By chance one view of 64 is found.
    assert!(last.found > 0.1 && last.held_out < first.held_out, "{first:?} to {last:?}");
}
