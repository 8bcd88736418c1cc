//! Training: it learns, it is repeatable, and a stopped training resumes to the same bits.
#![allow(clippy::unwrap_used)]

mod checkpoint;
mod learning;
mod logged;
mod masks;
mod prior;
mod refusals;
mod resume;

use std::path::PathBuf;

use rand::SeedableRng;
use rand::rngs::StdRng;
use thalweg::Registry;
use thalweg_task::{LoadOptions, Observation, Task};
use thalweg_train::{CollectionOptions, Data, MaskOptions, ThetaOptions, UpdateOptions};

fn load() -> thalweg_task::Result<Box<dyn Task>> {
    Registry::shipped().load("planar_arm", &LoadOptions::default())
}

/// A training of seconds; nothing is hidden, nothing held out.
fn tiny(checkpoint: Option<PathBuf>) -> ThetaOptions {
    ThetaOptions {
        hidden: 64,
        buffers: 6,
        collection: CollectionOptions { descents: 64, steps: 3, rate_z: 0.1, ..CollectionOptions::default() },
        update: UpdateOptions { batch: 64, rate_theta: 1e-3, ..UpdateOptions::default() },
        masks: MaskOptions::complete(),
        checkpoint,
        ..ThetaOptions::default()
    }
}

fn arms(rows: usize, seed: u64) -> Observation {
    thalweg_task::sampled(load().unwrap().as_ref(), rows, &mut StdRng::seed_from_u64(seed)).unwrap()
}

/// The same without what the arm does not record: its points.
fn joints_of_arms(rows: usize, seed: u64) -> Observation {
    Observation { points: None, ..arms(rows, seed) }
}

/// Arms to train on, none held out.
fn only(rows: usize, seed: u64) -> Data {
    Data { training: arms(rows, seed), held_out: None, ..Data::default() }
}

/// Arms to train on, and as many others to judge by.
fn both(rows: usize) -> Data {
    Data { training: arms(rows, 1), held_out: Some(arms(rows, 2)), ..Data::default() }
}
