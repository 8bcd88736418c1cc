//! A training that was stopped ends as one that was not.

use thalweg_engine::pin_threads;
use thalweg_train::{CollectionOptions, MaskOptions, ThetaOptions, ThetaProgress, UpdateOptions, ValidationOptions};

use super::{both, load, tiny};

/// Trains at one go, then with a stop after `stop` buffers; expects the same reports and the same bits.
fn resumes(options: &ThetaOptions, stop: u32) {
    pin_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let data = both(128);
    let mut expected = Vec::new();
    let mut note = |progress: &ThetaProgress| {
        expected.push(*progress);
        true
    };
    let unbroken = thalweg_train::train(options, &load, &data, &mut note).unwrap();
    let options = ThetaOptions { checkpoint: Some(folder.path().join("theta.checkpoint")), ..options.clone() };
    let mut seen = Vec::new();
    thalweg_train::train(&options, &load, &data, &mut |progress| {
        seen.push(*progress);
        progress.buffer < stop
    })
    .unwrap();
    assert_eq!(seen.len(), stop as usize);
    let resumed = thalweg_train::train(&options, &load, &data, &mut |progress| {
        seen.push(*progress);
        true
    });
    assert_eq!(seen, expected, "the reports differ");
    assert_eq!(resumed.unwrap().id(), unbroken.id());
}

/// Options that none of the tests below changes back: gaps, and a validation every other buffer.
fn gaps() -> ThetaOptions {
    let validation = ValidationOptions { every: 2, rows: 32, patience: 0 };
    ThetaOptions { masks: MaskOptions::default(), validation, ..tiny(None) }
}

#[test]
fn plain() {
    resumes(&gaps(), 3);
}

#[test]
fn online() {
    let options = gaps();
    resumes(&ThetaOptions { update: UpdateOptions { online: true, ..options.update }, ..options }, 3);
}

#[test]
fn best_of_several() {
    let options = gaps();
    let collection = CollectionOptions { best_of: 4, start_points: false, ..options.collection };
    resumes(&ThetaOptions { collection, ..options }, 2);
}

/// The buffer of three collections is not in the checkpoint: its points are made anew.
///
/// Without validation, so that the last average counts.
#[test]
fn kept_collections_and_epochs() {
    let options = gaps();
    let collection = CollectionOptions { keep: 3, ..options.collection };
    let update = UpdateOptions { epochs: 2, ..options.update };
    let options = ThetaOptions { validation: ValidationOptions { every: 0, ..options.validation }, ..options };
    for stop in [1, 4] {
        resumes(&ThetaOptions { collection, update, ..options.clone() }, stop);
    }
}

/// A training that its validation ended is over when it is resumed, too, with the same result.
#[test]
fn a_training_that_is_over_stays_over() {
    pin_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let options = ThetaOptions {
        buffers: 50,
        update: UpdateOptions { rate_theta: 0.3, ..tiny(None).update },
        validation: ValidationOptions { every: 1, rows: 32, patience: 2 },
        ..tiny(Some(folder.path().join("theta.checkpoint")))
    };
    let data = both(128);
    let mut count = 0;
    let first = thalweg_train::train(&options, &load, &data, &mut |_| {
        count += 1;
        true
    });
    assert!(count < 50, "a rate of 0.3 must do harm before long");
    let again = thalweg_train::train(&options, &load, &data, &mut |_| panic!("there is nothing left to do"));
    assert_eq!(first.unwrap().id(), again.unwrap().id());
}

/// What was stopped can be taken as it is: the best so far, and no step more.
#[test]
fn finished_early() {
    pin_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let data = both(128);
    let stopped = ThetaOptions { checkpoint: Some(folder.path().join("theta.checkpoint")), ..gaps() };
    let best = thalweg_train::train(&stopped, &load, &data, &mut |progress| progress.buffer < 3).unwrap();
    let finish = ThetaOptions { finish: true, ..stopped };
    let taken = thalweg_train::train(&finish, &load, &data, &mut |_| panic!("it trains on")).unwrap();
    assert_eq!(taken.id(), best.id());
}
