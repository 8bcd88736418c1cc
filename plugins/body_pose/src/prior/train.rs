//! The training loop of the prior.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{AdamW, AdamWConfig};
use thalweg_task::TaskError;

use super::{Figures, PoseSet, Vae, measure};
use crate::body::Body;

/// Weight of the mean joint distance (metres) against the mean chord (about radians): a guess
/// that makes both terms equal near the goal of 15 mm and 4 degrees.
const POSITION_WEIGHT: f64 = 4.0;

/// What a training of the prior is told.
#[derive(Clone, Debug, Serialize)]
pub struct TrainOptions {
    /// Gradient steps.
    pub steps: i32,
    /// Poses per step, `B`.
    pub batch: usize,
    /// Learning rate at the start; it falls to 1 % along a cosine.
    pub rate: f64,
    /// Weight of the Kullback-Leibler divergence, per nat.
    pub kl_weight: f64,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// Seed of everything random.
    pub seed: u64,
    /// Steps between two validations (and checkpoints).
    pub validate_every: i32,
    /// Where to keep the state that a resumed training starts from; none is kept without.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            steps: 50_000,
            batch: 256,
            rate: 1e-3,
            kl_weight: 5e-4,
            weight_decay: 1e-2,
            seed: 1,
            validate_every: 1_000,
            checkpoint: None,
        }
    }
}

/// Where a training stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    /// Steps done.
    pub step: i32,
    /// Loss of the last batch.
    pub loss: f64,
    /// Divergence of the last batch, nats per pose.
    pub kl_nats: f64,
    /// Figures on the validation poses, with averaged weights.
    pub validation: Figures,
}

/// Why a training could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A set of poses is empty.
    #[error("no {what} poses; expected at least one clip of them in the data")]
    NoPoses {
        /// training or validation.
        what: &'static str,
    },
    /// The loss is not finite.
    #[error("the loss became {loss} at step {step}; lower the rate (it was {rate})")]
    NotFinite {
        /// The step.
        step: i32,
        /// What came.
        loss: f64,
        /// Learning rate at the start.
        rate: f64,
    },
    /// Weights could not be read or written.
    #[error(transparent)]
    Weights(#[from] TaskError),
}

/// Trains a prior and returns it with averaged weights.
///
/// `report` is called after every validation; training stops early, keeping its checkpoint, when
/// it returns false. With a checkpoint in place, training goes on from there and ends with the
/// same bits as if it had never stopped.
///
/// # Errors
/// [`TrainError`].
#[expect(clippy::disallowed_methods, reason = "training has a checkpoint; the task itself opens no file")]
pub fn train(
    options: &TrainOptions,
    training: &PoseSet,
    validation: &PoseSet,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Vae, TrainError> {
    for (what, set) in [("training", training), ("validation", validation)] {
        if set.is_empty() {
            return Err(TrainError::NoPoses { what });
        }
    }
    let device = training.rotations.device();
    let body = Body::new(Kind::Float, device);
    let vae = Vae::untrained(&mut StdRng::seed_from_u64(options.seed), device)?;
    let config = AdamWConfig { weight_decay: options.weight_decay, ..AdamWConfig::default() };
    let mut optimizer = AdamW::new(vae.parameters(), config);
    if let Some(path) = options.checkpoint.as_deref().filter(|path| path.exists()) {
        resume(path, options, &mut optimizer, device).map_err(TaskError::from)?;
    }
    while optimizer.steps() < options.steps {
        let (loss, kl) = step(options, &vae, &body, training, &mut optimizer);
        let done = optimizer.steps();
        if done % options.validate_every == 0 || done == options.steps {
            let progress = progress(&optimizer, &body, validation, &loss, &kl)?;
            if !progress.loss.is_finite() {
                return Err(TrainError::NotFinite { step: done, loss: progress.loss, rate: options.rate });
            }
            keep(options, &optimizer).map_err(TaskError::from)?;
            if !report(&progress) {
                break;
            }
        }
    }
    Ok(Vae::with_parameters(&optimizer.averaged())?)
}

/// Descends once on one random batch; returns loss and divergence as scalars.
fn step(options: &TrainOptions, vae: &Vae, body: &Body, training: &PoseSet, optimizer: &mut AdamW) -> (Tensor, Tensor) {
    // Seeded by the step, so that a resumed training draws what an unbroken one would have.
    let mut random =
        StdRng::seed_from_u64(options.seed.wrapping_mul(0x9e37_79b9).wrapping_add(optimizer.steps() as u64));
    let device = training.rotations.device();
    let index: Vec<i64> = (0..options.batch).map(|_| random.random_range(0..training.len())).collect();
    let batch = training.select(&Tensor::from_slice(&index).to_device(device));
    let (mean, log_variance) = vae.encode(&batch.sixd);
    let noise: Vec<f32> = (0..mean.numel()).map(|_| random.sample(StandardNormal)).collect();
    let noise = Tensor::from_slice(&noise).view_as(&mean).to_device(device);
    let reconstructed = vae.decode(&(&mean + (&log_variance * 0.5).exp() * noise));
    let kl = divergence(&mean, &log_variance);
    let loss = mismatch(body, &reconstructed, &batch.rotations) + &kl * options.kl_weight;
    optimizer.descend(&loss, rate_at(options, optimizer.steps()));
    (loss.detach(), kl.detach())
}

/// Mean chord of rotations plus weighted mean distance of joints; both first powers, as measured.
fn mismatch(body: &Body, rotations: &Tensor, truth: &Tensor) -> Tensor {
    let root = |squares: Tensor| (squares + 1e-8).sqrt().mean(Kind::Float);
    let chord = root((rotations - truth).square().flatten(-2, -1).sum_dim_intlist(-1, false, Kind::Float) * 0.5);
    let apart = body.positions(rotations) - body.positions(truth);
    chord + root(apart.square().sum_dim_intlist(-1, false, Kind::Float)) * POSITION_WEIGHT
}

/// Kullback-Leibler divergence from the standard normal prior, nats per pose
/// (Kingma & Welling, 2014, appendix B).
fn divergence(mean: &Tensor, log_variance: &Tensor) -> Tensor {
    let each: Tensor = (mean.square() + log_variance.exp() - log_variance - 1.0) * 0.5;
    each.sum_dim_intlist(1, false, Kind::Float).mean(Kind::Float)
}

fn rate_at(options: &TrainOptions, step: i32) -> f64 {
    let along = f64::from(step) / f64::from(options.steps.max(1));
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * along).cos());
    let warm_up = (f64::from(step + 1) / 500.0).min(1.0);
    options.rate * warm_up * (0.01 + 0.99 * cosine)
}

fn progress(
    optimizer: &AdamW,
    body: &Body,
    validation: &PoseSet,
    loss: &Tensor,
    kl: &Tensor,
) -> Result<Progress, TaskError> {
    let averaged = Vae::with_parameters(&optimizer.averaged())?;
    Ok(Progress {
        step: optimizer.steps(),
        loss: loss.double_value(&[]),
        kl_nats: kl.double_value(&[]),
        validation: measure(&averaged, body, validation),
    })
}

fn keep(options: &TrainOptions, optimizer: &AdamW) -> thalweg_nn::Result<()> {
    let Some(path) = &options.checkpoint else { return Ok(()) };
    let metadata = [
        ("format", "thalweg-body-pose-checkpoint".to_owned()),
        ("options", resumable(options)),
        ("step", optimizer.steps().to_string()),
    ];
    weights::save(path, &optimizer.named("optimizer"), &metadata)
}

fn resume(path: &Path, options: &TrainOptions, optimizer: &mut AdamW, device: Device) -> thalweg_nn::Result<()> {
    let file = Weights::open(path, Kind::Float, device)?;
    file.expect_meta("format", "thalweg-body-pose-checkpoint")?;
    file.expect_meta("options", &resumable(options))?;
    optimizer.restore(&file, "optimizer", file.meta("step")?)
}

/// The options that decide the result; a checkpoint of other ones is refused.
fn resumable(options: &TrainOptions) -> String {
    let TrainOptions { steps, batch, rate, kl_weight, weight_decay, seed, .. } = options;
    format!("steps {steps} batch {batch} rate {rate} kl {kl_weight} decay {weight_decay} seed {seed}")
}
