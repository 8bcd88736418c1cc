//! What training achieves.

use std::path::Path;

use tch::{Device, Kind};
use thalweg::clock::ManualClock;
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::{AdamConfig, Budget, Engine, EngineConfig, Optimizer, pin_threads};
use thalweg_nn::weights::Weights;
use thalweg_train::{
    CollectionOptions, MaskOptions, Preset, ThetaOptions, ThetaProgress, UpdateOptions, ValidationOptions,
};

use super::{arms, both, load, only, tiny};

/// Mean loss of held-out arms after three steps, seen whole.
fn after_three_steps(landscape: Landscape) -> f64 {
    let optimizer = Optimizer::Adam(AdamConfig { rate: 0.1, ..AdamConfig::default() });
    let config = EngineConfig { hypotheses: 256, fresh: 0, prior_weight: 0.0, optimizer, ..EngineConfig::default() };
    let mut engine = Engine::new(load().unwrap(), landscape, config).unwrap();
    let loss = &engine.solve(&arms(256, 2), &Budget::of_steps(3), &ManualClock::default()).unwrap().loss;
    loss.iter().sum::<f64>() / loss.len() as f64
}

fn untrained() -> f64 {
    let spec = load().unwrap().spec().clone();
    after_three_steps(Landscape::random(&LandscapeShape::for_latent(spec.latent), 1, spec.kind, spec.device).unwrap())
}

fn longer() -> ThetaOptions {
    let options = tiny(None);
    ThetaOptions {
        hidden: 512,
        buffers: 40,
        collection: CollectionOptions { descents: 256, ..options.collection },
        update: UpdateOptions { rate_theta: 2e-3, ..options.update },
        ..options
    }
}

#[test]
fn a_trained_landscape_descends_faster_than_an_untrained_one() {
    pin_threads(1);
    let trained = after_three_steps(thalweg_train::train(&longer(), &load, &only(4096, 1), &mut |_| true).unwrap());
    let untrained = untrained();
    assert!(trained < 0.8 * untrained, "trained {trained}, untrained {untrained}");
}

#[test]
fn the_online_variant_learns_too() {
    pin_threads(1);
    let options = longer();
    let options = ThetaOptions { update: UpdateOptions { online: true, ..options.update }, ..options };
    let trained = after_three_steps(thalweg_train::train(&options, &load, &only(4096, 1), &mut |_| true).unwrap());
    let untrained = untrained();
    assert!(trained < 0.8 * untrained, "trained {trained}, untrained {untrained}");
}

/// Trains for one buffer and returns its report.
fn one_buffer(options: &ThetaOptions) -> ThetaProgress {
    let mut report = None;
    thalweg_train::train(&ThetaOptions { buffers: 1, ..options.clone() }, &load, &only(64, 1), &mut |progress| {
        report = Some(*progress);
        true
    })
    .unwrap();
    report.unwrap()
}

/// With a theta that all but stands still, the online descents are those of the engine on that
/// theta: Adam's moments outlive the change of theta.
#[test]
fn online_descents_are_the_engines_own() {
    pin_threads(1);
    let options = tiny(None);
    let still = UpdateOptions { rate_theta: 1e-12, weight_decay: 0.0, ..options.update };
    let collection = CollectionOptions { steps: 20, ..options.collection };
    let offline = one_buffer(&ThetaOptions { collection, update: still, ..options.clone() });
    let online = UpdateOptions { online: true, ..still };
    let online = one_buffer(&ThetaOptions { collection, update: online, ..options });
    assert!(offline.last < 0.9 * offline.first, "{offline:?}");
    for (online, offline) in [(online.first, offline.first), (online.last, offline.last)] {
        assert!((online / offline - 1.0).abs() < 1e-4, "online {online}, offline {offline}");
    }
}

fn updates(options: &ThetaOptions, checkpoint: &Path) -> u32 {
    let options = ThetaOptions { checkpoint: Some(checkpoint.to_owned()), ..options.clone() };
    thalweg_train::train(&options, &load, &only(64, 1), &mut |_| true).unwrap();
    Weights::open(checkpoint, Kind::Float, Device::Cpu).unwrap().meta("updates").unwrap()
}

#[test]
fn the_online_variant_makes_as_many_updates() {
    pin_threads(1);
    let folder = tempfile::tempdir().unwrap();
    for (best_of, start_points, expected) in [(1, true, 6 * 8), (2, false, 6 * 6)] {
        let options = tiny(None);
        let collection = CollectionOptions { best_of, start_points, ..options.collection };
        let update = UpdateOptions { batch: 32, ..options.update };
        let options = ThetaOptions { collection, update, ..options };
        assert_eq!(updates(&options, &folder.path().join(format!("offline-{best_of}"))), expected);
        let update = UpdateOptions { online: true, ..options.update };
        let options = ThetaOptions { update, ..options };
        assert_eq!(updates(&options, &folder.path().join(format!("online-{best_of}"))), expected);
    }
}

#[test]
fn epochs_and_kept_collections_multiply_the_updates() {
    pin_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let options = ThetaOptions { buffers: 4, ..tiny(None) };
    let twice = UpdateOptions { epochs: 2, ..options.update };
    let twice = ThetaOptions { update: twice, ..options.clone() };
    assert_eq!(updates(&twice, &folder.path().join("epochs")), 4 * 4 * 2);
    let kept = CollectionOptions { keep: 3, ..options.collection };
    let kept = ThetaOptions { collection: kept, ..options };
    assert_eq!(updates(&kept, &folder.path().join("keep")), 4 * (1 + 2 + 3 + 3));
}

/// The rate is constant, so a shorter training is the beginning of a longer one.
fn harmful(buffers: u32, validation: ValidationOptions) -> ThetaOptions {
    let options = tiny(None);
    let update = UpdateOptions { rate_theta: 0.03, rate_end: 1.0, average: 0.0, ..options.update };
    ThetaOptions { buffers, update, validation, ..options }
}

#[test]
fn the_best_average_is_kept_and_no_progress_ends_the_training() {
    pin_threads(1);
    let data = both(256);
    let validation = ValidationOptions { every: 1, rows: 64, patience: 3 };
    let mut reports = Vec::new();
    let kept = thalweg_train::train(&harmful(200, validation), &load, &data, &mut |progress| {
        reports.push(*progress);
        true
    })
    .unwrap();
    let last = reports.last().unwrap();
    let best = last.best_buffer.unwrap();
    assert_eq!(last.buffer, best + 3, "training must end after three validations without a better one");
    let least = reports.iter().filter_map(|report| report.held_out).fold(f64::INFINITY, f64::min);
    assert_eq!((last.best, reports[best as usize - 1].held_out), (Some(least), Some(least)));
    let none = ValidationOptions { every: 0, ..validation };
    let shorter = thalweg_train::train(&harmful(best, none), &load, &data, &mut |_| true).unwrap();
    assert_eq!(kept.id(), shorter.id(), "what is kept must be theta after buffer {best}");
}

/// Validations come every so often and in the end, and do not change what is trained.
#[test]
fn validation_only_looks() {
    pin_threads(1);
    let validation = ValidationOptions { every: 4, rows: 1000, patience: 0 };
    let mut measured = Vec::new();
    let options = ThetaOptions { validation, ..tiny(None) };
    thalweg_train::train(&options, &load, &both(64), &mut |progress| {
        measured.push(progress.held_out.is_some());
        true
    })
    .unwrap();
    assert_eq!(measured, [false, false, false, true, false, true]);
    let update = |validation| {
        let mut losses = Vec::new();
        thalweg_train::train(&ThetaOptions { validation, ..tiny(None) }, &load, &both(64), &mut |progress| {
            losses.push(progress.update);
            true
        })
        .unwrap();
        losses
    };
    assert_eq!(update(validation), update(ValidationOptions { every: 0, ..validation }));
}

/// Several descents of which the best counts: theta keeps the meanings of an observation with gaps apart.
#[test]
fn the_best_of_several_descents_explains_what_is_hidden_better() {
    pin_threads(1);
    let train = |best_of| {
        let options = longer();
        let collection = CollectionOptions { best_of, ..options.collection };
        let masks = MaskOptions { whole: 0.0, limbs: 0.0, joints: 1.0, end_effectors: 0.0 };
        let options = ThetaOptions { collection, masks, ..options };
        thalweg_train::train(&options, &load, &only(4096, 1), &mut |_| true).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let judged = |landscape: &Landscape, name: &str| {
        let path = folder.path().join(name);
        landscape.save(&path, load().unwrap().spec(), &[]).unwrap();
        best_of_eight(&path)
    };
    let (one, several) = (judged(&train(1), "one"), judged(&train(8), "several"));
    assert!(several < 0.9 * one, "trained for one {one}, for the best of eight {several}");
}

/// The least loss of eight descents, against all of the arm, on the average of held-out arms.
///
/// Measured by a validation before the first update counts: of a training whose theta stands still.
fn best_of_eight(path: &Path) -> f64 {
    let options = tiny(None);
    let options = ThetaOptions {
        buffers: 1,
        start: Some(path.to_owned()),
        collection: CollectionOptions { best_of: 8, ..options.collection },
        update: UpdateOptions { rate_theta: 1e-12, weight_decay: 0.0, ..options.update },
        masks: MaskOptions { whole: 0.0, limbs: 0.0, joints: 1.0, end_effectors: 0.0 },
        validation: ValidationOptions { every: 1, rows: 128, patience: 0 },
        ..options
    };
    let mut loss = None;
    thalweg_train::train(&options, &load, &both(128), &mut |progress| {
        loss = progress.held_out;
        true
    })
    .unwrap();
    loss.unwrap()
}

#[test]
fn presets_are_what_was_published() {
    let paper = Preset::Paper.options(32);
    let figures = (paper.z, paper.hidden, paper.buffers, paper.collection.descents, paper.collection.steps);
    assert_eq!(figures, (128, 512, 500, 40_960, 200));
    let rates = (paper.collection.rate_z, paper.update.rate_theta, paper.update.weight_decay, paper.update.rate_end);
    assert_eq!(rates, (0.1, 0.005, 0.1, 1.0));
    assert_eq!(paper.masks, MaskOptions::complete());
    let gan = Preset::PaperGan.options(77);
    assert_eq!((gan.z, gan.hidden, gan.update.rate_theta), (77, 1024, 1e-4));
    for preset in Preset::ALL {
        assert_eq!(Preset::named(preset.name()), Some(preset));
        preset.options(3).validate().unwrap();
    }
    assert_eq!(Preset::Quick.options(32), ThetaOptions::default());
}
