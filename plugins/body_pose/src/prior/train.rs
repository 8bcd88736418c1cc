//! The training of the prior.

use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::Weights;
use thalweg_nn::{AdamW, AdamWConfig, Augmentation, Checkpoint, CosineRate, Learner, NnError, Ranks, State, Training};
use thalweg_task::TaskError;

use super::{Figures, PoseSet, Vae, measure};
use crate::body::Body;
use crate::skeleton::{JOINTS, PARTS};

/// Weight of the mean joint distance (metres) against the mean chord (about radians): a guess
/// that makes both terms equal near the goal of 15 mm and 4 degrees.
const POSITION_WEIGHT: f64 = 4.0;

/// Length of a rotation vector beyond which augmentation does not turn a joint, radians: nearer to pi its direction is
/// about to jump.
const MOST_TURN: f64 = 2.8;

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
    /// How poses are changed before the network sees them; parts are limbs and trunk.
    pub augmentation: Augmentation,
    /// Seed of everything random.
    pub seed: u64,
    /// Steps between two validations (and checkpoints).
    pub validate_every: i32,
    /// Where to keep the state that a resumed training starts from; none is kept without.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
    /// The processes that train together, each on its share of a step's poses.
    #[serde(skip)]
    pub ranks: Ranks,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            steps: 12_000,
            batch: 256,
            rate: 1e-3,
            kl_weight: 5e-4,
            weight_decay: 1e-2,
            augmentation: Augmentation::default(),
            seed: 1,
            validate_every: 1_000,
            checkpoint: None,
            ranks: Ranks::alone(),
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

impl From<NnError> for TrainError {
    fn from(error: NnError) -> Self {
        Self::Weights(error.into())
    }
}

/// Trains a prior and returns it with averaged weights.
///
/// `training`: rotation vectors `[N, 63]`, radians. `report` is called after every validation; training stops early, keeping its checkpoint, when
/// it returns false. With a checkpoint in place, training goes on from there and ends with the
/// same bits as if it had never stopped.
///
/// # Errors
/// [`TrainError`].
pub fn train(
    options: &TrainOptions,
    training: &Tensor,
    validation: &PoseSet,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Vae, TrainError> {
    for (what, poses) in [("training", training.size()[0]), ("validation", validation.len())] {
        if poses == 0 {
            return Err(TrainError::NoPoses { what });
        }
    }
    let mut prior = Prior::untrained(options, training, validation)?;
    let rounds = options.rounds();
    rounds.resume(&mut prior)?;
    rounds.run(&mut prior, report)?;
    Ok(Vae::with_parameters(&prior.optimizer.averaged())?)
}

impl TrainOptions {
    fn rounds(&self) -> Training {
        let binding = vec![("format", "thalweg-body-pose-checkpoint".to_owned()), ("options", resumable(self))];
        Training {
            seed: self.seed,
            report_every: self.validate_every.unsigned_abs().into(),
            checkpoint: self.checkpoint.as_ref().map(|path| Checkpoint::new(path, binding)),
            ranks: self.ranks.clone(),
        }
    }

    fn rate_at(&self, step: u64) -> f64 {
        let steps = u64::try_from(self.steps).unwrap_or_default();
        CosineRate { peak: self.rate, end: 0.01, warm_up: 500, steps }.at(step)
    }
}

/// An autoencoder that learns, a step in each round.
struct Prior<'a> {
    options: &'a TrainOptions,
    /// Rotation vectors, `[N, 63]`, and their mean.
    training: (&'a Tensor, Tensor),
    validation: &'a PoseSet,
    body: Body,
    vae: Vae,
    optimizer: AdamW,
    /// Divergence of the last batch, a scalar.
    kl: Tensor,
}

impl<'a> Prior<'a> {
    fn untrained(
        options: &'a TrainOptions,
        training: &'a Tensor,
        validation: &'a PoseSet,
    ) -> thalweg_task::Result<Self> {
        let device = training.device();
        let vae = Vae::untrained(&mut StdRng::seed_from_u64(options.seed), device)?;
        let config = AdamWConfig { weight_decay: options.weight_decay, ..AdamWConfig::default() };
        let optimizer = AdamW::new(vae.parameters(), config);
        let (body, kl) = (Body::new(Kind::Float, device), Tensor::zeros([], (Kind::Float, device)));
        let training = (training, training.mean_dim(0, false, Kind::Float));
        Ok(Self { options, training, validation, body, vae, optimizer, kl })
    }
}

impl Learner for Prior<'_> {
    type Progress = Progress;
    type Error = TrainError;

    fn place(&self) -> (Kind, Device) {
        (Kind::Float, self.training.0.device())
    }

    fn rounds(&self) -> u64 {
        self.optimizer.steps() as u64
    }

    fn is_over(&self) -> bool {
        self.optimizer.steps() >= self.options.steps
    }

    /// Descends once on one random batch.
    fn round(&mut self, random: &mut StdRng) -> Result<f64, TrainError> {
        let (poses, mean) = (self.training.0, &self.training.1);
        let device = poses.device();
        let index: Vec<i64> = (0..self.options.batch).map(|_| random.random_range(0..poses.size()[0])).collect();
        let batch = poses.index_select(0, &Tensor::from_slice(&index).to_device(device));
        let (batch, _) = self.options.augmentation.apply(&batch, (poses, mean), &PARTS, random);
        let (ranks, count) = (&self.options.ranks, self.options.batch);
        let share = ranks.share(count);
        let of_share = |all: &Tensor| all.narrow(0, share.start as i64, share.len() as i64);
        let batch = PoseSet::from_vectors(&limited(&of_share(&batch).view([-1, JOINTS as i64, 3])));
        let (mean, log_variance) = self.vae.encode(&batch.sixd);
        let latent = mean.size()[1];
        let noise: Vec<f32> = (0..count * latent as usize).map(|_| random.sample(StandardNormal)).collect();
        let noise = of_share(&Tensor::from_slice(&noise).view([count as i64, latent])).to_device(device);
        let reconstructed = self.vae.decode(&(&mean + (&log_variance * 0.5).exp() * noise));
        let kl = divergence(&mean, &log_variance);
        let loss = mismatch(&self.body, &reconstructed, &batch.rotations) + &kl * self.options.kl_weight;
        let part = if ranks.size() > 1 { &loss * ranks.fraction(count) } else { loss };
        let part = Some(&part).filter(|_| !share.is_empty());
        let loss = self.optimizer.descend_together(part, self.options.rate_at(self.rounds()), ranks)?;
        self.kl = ranks.mean(&kl.detach(), count)?;
        Ok(loss.double_value(&[]))
    }

    fn compared_every(&self) -> u64 {
        u64::from(self.options.validate_every.unsigned_abs().max(1))
    }

    fn judge(&mut self, loss: f64) -> Result<Progress, TrainError> {
        let averaged = Vae::with_parameters(&self.optimizer.averaged())?;
        let validation = measure(&averaged, &self.body, self.validation);
        Ok(Progress { step: self.optimizer.steps(), loss, kl_nats: self.kl.double_value(&[]), validation })
    }

    fn diverged(&self, loss: f64) -> TrainError {
        TrainError::NotFinite { step: self.optimizer.steps(), loss, rate: self.options.rate }
    }

    fn state(&self) -> State {
        State {
            tensors: self.optimizer.named("optimizer"),
            metadata: vec![("step", self.optimizer.steps().to_string())],
        }
    }

    fn restore(&mut self, file: &Weights) -> Result<(), TrainError> {
        Ok(self.optimizer.restore(file, "optimizer", file.meta("step")?)?)
    }
}

/// Shortens rotation vectors `[.., 3]` to [`MOST_TURN`].
fn limited(vectors: &Tensor) -> Tensor {
    let length = vectors.square().sum_dim_intlist(-1, true, vectors.kind()).sqrt().clamp_min(MOST_TURN);
    vectors * (length.reciprocal() * MOST_TURN)
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

/// The options that decide the result; a checkpoint of other ones is refused.
fn resumable(options: &TrainOptions) -> String {
    let TrainOptions { steps, batch, rate, kl_weight, weight_decay, augmentation, seed, .. } = options;
    let Augmentation { share, swap, scale, noise } = augmentation;
    format!(
        "steps {steps} batch {batch} rate {rate} kl {kl_weight} decay {weight_decay} \
         augmentation {share} {swap} {scale} {noise} seed {seed}"
    )
}
