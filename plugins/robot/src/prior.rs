//! Trains a robot's prior: a variational autoencoder whose decoder is F.
//!
//! After the prior of `body_pose`, on numbers in place of rotations.

use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::{Weights, fingerprint};
use thalweg_nn::{
    AdamW, AdamWConfig, Augmentation, Checkpoint, CosineRate, Learner, NnError, Perceptron, Ranks, State, Training,
    initial,
};
use thalweg_task::TaskError;

use crate::decoder::{SLOPE, widths};
use crate::layout::{Column, TYPICAL};
use crate::model::MOST_LATENT;

/// Share of the variance of weighted numbers that the latent has to hold.
pub const EXPLAINED: f64 = 0.995;
/// Smallest latent: of one number there is nothing to choose.
const LEAST_LATENT: i64 = 2;

/// What a training of the prior is told.
#[derive(Clone, Debug, Serialize)]
pub struct PriorOptions {
    /// Gradient steps.
    pub steps: i32,
    /// Poses in a step.
    pub batch: usize,
    /// Width of the hidden layers of encoder and decoder.
    pub hidden: i64,
    /// Learning rate at the start; it falls to 1 % along a cosine.
    pub rate: f64,
    /// Standard deviation that the decoder's errors are taken to have, in units of the typical joint's spread: with it
    /// the squared errors and the divergence weigh as a likelihood and its prior.
    pub sigma: f64,
    /// How poses are changed before the network sees them; parts are branches. Noise is in spreads of the typical joint.
    pub augmentation: Augmentation,
    /// Seed of everything random.
    pub seed: u64,
    /// Steps between two validations, each with a checkpoint.
    pub validate_every: i32,
    /// Where the state is kept that a resumed training starts from.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
}

impl Default for PriorOptions {
    fn default() -> Self {
        Self {
            steps: 8_000,
            batch: 256,
            hidden: 256,
            rate: 1.5e-3,
            sigma: 0.1,
            augmentation: Augmentation { noise: 0.1, ..Augmentation::default() },
            seed: 1,
            validate_every: 500,
            checkpoint: None,
        }
    }
}

/// Poses in the numbers that are learned.
#[derive(Debug)]
pub struct Poses {
    /// `[N, R]`, on the CPU, single precision.
    pub training: Tensor,
    /// `[V, R]`.
    pub validation: Tensor,
    /// Weights of the numbers, `[R]`.
    pub weight: Tensor,
    /// Part of each number, for augmentation: its branch.
    pub parts: Vec<usize>,
    /// Places of sines; a cosine follows each.
    pub circles: Vec<usize>,
}

impl Poses {
    /// The weights of columns.
    pub fn weights(columns: &[Column]) -> Tensor {
        Tensor::from_slice(&columns.iter().map(|column| column.weight).collect::<Vec<_>>()).to_kind(Kind::Float)
    }
}

/// Where a training stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PriorProgress {
    /// Steps done.
    pub step: i32,
    /// Loss of the last batch.
    pub loss: f64,
    /// Divergence of the last batch, nats per pose.
    pub kl_nats: f64,
    /// Root of the mean squared error of reconstructed validation poses, in spreads of the typical joint.
    pub validation: f64,
}

/// Why a training could not go on.
#[derive(Debug, thiserror::Error)]
pub enum PriorError {
    /// The loss is not finite.
    #[error("the loss became {loss} at step {step}; expected a finite one")]
    NotFinite {
        /// The step.
        step: i32,
        /// What came.
        loss: f64,
    },
    /// Weights could not be read or written.
    #[error(transparent)]
    Weights(#[from] TaskError),
}

impl From<NnError> for PriorError {
    fn from(error: NnError) -> Self {
        Self::Weights(error.into())
    }
}

/// Chooses the size of the latent: as many principal components as hold [`EXPLAINED`] of the variance of weighted
/// numbers. Returns it, and the share that it holds.
#[must_use]
pub fn latent_size(poses: &Poses) -> (i64, f64) {
    let weighted = (&poses.training * &poses.weight).to_kind(Kind::Double);
    let apart = &weighted - weighted.mean_dim(0, true, Kind::Double);
    let covariance = apart.transpose(0, 1).matmul(&apart);
    let mut values = Vec::<f64>::try_from(covariance.linalg_eigvalsh("L")).unwrap_or_default();
    values.reverse();
    let total: f64 = values.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let most = MOST_LATENT.min(values.len() as i64).max(1);
    let held = |size: i64| values.iter().take(size as usize).sum::<f64>() / total;
    let size = (LEAST_LATENT.min(most)..=most).find(|&size| held(size) >= EXPLAINED).unwrap_or(most);
    (size, held(size))
}

/// Trains a prior and returns its decoder with averaged weights, from the latent `[K, X]` to the learned numbers
/// `[K, R]`.
///
/// `report` is called after every validation; training stops early, keeping its checkpoint, when it returns false.
///
/// # Errors
/// [`PriorError`].
pub fn train(
    options: &PriorOptions,
    poses: &Poses,
    latent: i64,
    report: &mut dyn FnMut(&PriorProgress) -> bool,
) -> Result<Perceptron, PriorError> {
    let mut prior = Prior::untrained(options, poses, latent);
    let data = [("training".to_owned(), poses.training.shallow_clone())];
    let binding = vec![
        ("format", "thalweg-robot-checkpoint".to_owned()),
        ("options", serde_json::to_string(options).unwrap_or_default()),
        ("latent", latent.to_string()),
        ("data", fingerprint(&data)),
    ];
    let rounds = Training {
        seed: options.seed,
        report_every: options.validate_every.unsigned_abs().max(1).into(),
        checkpoint: options.checkpoint.as_ref().map(|path| Checkpoint::new(path, binding)),
        ranks: Ranks::alone(),
    };
    rounds.resume(&mut prior)?;
    rounds.run(&mut prior, report)?;
    let averaged = prior.optimizer.averaged();
    Ok(Perceptron::from_parameters(&averaged[ENCODER..], SLOPE)?)
}

/// Tensors of the encoder: three layers.
const ENCODER: usize = 6;

/// An autoencoder that learns, a step in each round.
struct Prior<'a> {
    options: &'a PriorOptions,
    poses: &'a Poses,
    latent: i64,
    mean: Tensor,
    optimizer: AdamW,
    kl: f64,
}

impl<'a> Prior<'a> {
    fn untrained(options: &'a PriorOptions, poses: &'a Poses, latent: i64) -> Self {
        let learned = poses.weight.size()[0];
        let mut random = StdRng::seed_from_u64(options.seed);
        let mut draw = |widths: &[i64]| initial::leaves(initial::linear_single(widths, &mut random, Device::Cpu));
        let mut parameters = draw(&[learned, options.hidden, options.hidden, 2 * latent]);
        parameters.extend(draw(&widths(latent, options.hidden, learned)));
        let optimizer = AdamW::new(parameters, AdamWConfig { weight_decay: 1e-2, ..AdamWConfig::default() });
        let mean = poses.training.mean_dim(0, false, Kind::Float);
        Self { options, poses, latent, mean, optimizer, kl: f64::NAN }
    }

    /// Mean and log variance of the latent of poses `[B, R]`.
    fn encode(&self, parameters: &[Tensor], poses: &Tensor) -> Result<(Tensor, Tensor), PriorError> {
        let encoder = Perceptron::from_parameters(&parameters[..ENCODER], SLOPE)?;
        let both = encoder.forward(&(poses * &self.poses.weight / TYPICAL));
        Ok((both.narrow(1, 0, self.latent), both.narrow(1, self.latent, self.latent).clamp(-12.0, 4.0)))
    }

    /// Squared errors of each pose, `[B]`, in squared spreads of the typical joint.
    fn errors(&self, parameters: &[Tensor], x: &Tensor, poses: &Tensor) -> Result<Tensor, PriorError> {
        let decoder = Perceptron::from_parameters(&parameters[ENCODER..], SLOPE)?;
        let decoded = crate::decoder::rounded(decoder.forward(x), &self.poses.circles, 1e-6);
        Ok(((decoded - poses) * &self.poses.weight / TYPICAL).square().sum_dim_intlist(1, false, Kind::Float))
    }
}

impl Learner for Prior<'_> {
    type Progress = PriorProgress;
    type Error = PriorError;

    fn place(&self) -> (Kind, Device) {
        (Kind::Float, Device::Cpu)
    }

    fn rounds(&self) -> u64 {
        self.optimizer.steps() as u64
    }

    fn is_over(&self) -> bool {
        self.optimizer.steps() >= self.options.steps
    }

    /// Descends once on one random batch.
    fn round(&mut self, random: &mut StdRng) -> Result<f64, PriorError> {
        let pool = &self.poses.training;
        let index: Vec<i64> = (0..self.options.batch).map(|_| random.random_range(0..pool.size()[0])).collect();
        let batch = pool.index_select(0, &Tensor::from_slice(&index));
        let (batch, _) = self.options.augmentation.apply(&batch, (pool, &self.mean), &self.poses.parts, random);
        let batch = crate::decoder::rounded(batch, &self.poses.circles, 1e-6);
        let parameters = self.optimizer.parameters();
        let (mean, log_variance) = self.encode(parameters, &batch)?;
        let noise: Vec<f32> = (0..mean.numel()).map(|_| random.sample(StandardNormal)).collect();
        let x = &mean + (&log_variance * 0.5).exp() * Tensor::from_slice(&noise).view_as(&mean);
        let kl: Tensor = (mean.square() + log_variance.exp() - &log_variance - 1.0) * 0.5;
        let kl = kl.sum_dim_intlist(1, false, Kind::Float).mean(Kind::Float);
        let error = self.errors(parameters, &x, &batch)?.mean(Kind::Float);
        let loss = error + &kl * (2.0 * self.options.sigma * self.options.sigma);
        let steps = u64::try_from(self.options.steps).unwrap_or_default();
        let rate = CosineRate { peak: self.options.rate, end: 0.01, warm_up: 200, steps }.at(self.rounds());
        self.optimizer.descend(&loss, rate);
        self.kl = kl.double_value(&[]);
        Ok(loss.double_value(&[]))
    }

    fn judge(&mut self, loss: f64) -> Result<PriorProgress, PriorError> {
        let _no_grad = tch::no_grad_guard();
        let averaged = self.optimizer.averaged();
        let poses = &self.poses.validation;
        let (mean, _) = self.encode(&averaged, poses)?;
        let errors = self.errors(&averaged, &mean, poses)?.mean(Kind::Double).double_value(&[]);
        let validation = (errors / self.poses.weight.size()[0] as f64).sqrt();
        Ok(PriorProgress { step: self.optimizer.steps(), loss, kl_nats: self.kl, validation })
    }

    fn diverged(&self, loss: f64) -> PriorError {
        PriorError::NotFinite { step: self.optimizer.steps(), loss }
    }

    fn state(&self) -> State {
        State {
            tensors: self.optimizer.named("optimizer"),
            metadata: vec![("step", self.optimizer.steps().to_string())],
        }
    }

    fn restore(&mut self, file: &Weights) -> Result<(), PriorError> {
        Ok(self.optimizer.restore(file, "optimizer", file.meta("step")?)?)
    }
}
