//! Learns an amortised start for a task on a landscape.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde::Serialize;
use tch::{Kind, Tensor};
use thalweg_task::weights::{self, Weights};
use thalweg_task::{AdamW, AdamWConfig, Observation, Perceptron, Task, TaskError, TaskSpec};

use super::observations::{Visible, hide};
use super::theta::TrainError;
use crate::landscape::{Landscape, SLOPE};
use crate::start::{Start, StartShape, features, inputs};

/// Format of a checkpoint, in its metadata.
const CHECKPOINT: &str = "thalweg-start-checkpoint";

/// Added to a loss under the root, so that its slope stays finite at zero.
const LEAST_LOSS: f64 = 1e-6;

/// Steps over which the rate rises.
const WARM_UP: f64 = 500.0;

/// What a training of a start is told.
#[derive(Clone, Debug, Serialize)]
pub struct StartOptions {
    /// Width of the three hidden layers.
    pub hidden: i64,
    /// Dimension `C` of the code.
    pub code: i64,
    /// Gradient steps.
    pub steps: i32,
    /// Observations in a step.
    pub batch: usize,
    /// Codes `S` tried for each observation, the zero code among them; at least 1.
    pub samples: usize,
    /// Weight of the best of the S codes, against the zero code's 1.
    ///
    /// Only the best bears the loss, so that the others may differ (multiple choice learning:
    /// Guzman-Rivera, Batra & Kohli, 2012).
    pub diversity: f64,
    /// Learning rate at the start; it falls to 1 % along a cosine.
    pub rate: f64,
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

impl Default for StartOptions {
    fn default() -> Self {
        Self {
            hidden: 512,
            code: 8,
            steps: 10_000,
            batch: 64,
            samples: 8,
            diversity: 1.0,
            rate: 1e-3,
            weight_decay: 1e-2,
            seed: 1,
            validate_every: 250,
            checkpoint: None,
        }
    }
}

/// Where a training stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StartProgress {
    /// Steps done.
    pub step: i32,
    /// Mean root of the loss against complete training observations, what is minimised.
    pub update: f64,
    /// Mean root of the loss of the zero code on complete validation observations.
    pub first: f64,
    /// The same, of the best of S codes.
    pub best: f64,
}

/// What a start is trained and judged on.
#[derive(Clone, Copy)]
pub struct StartData<'a> {
    /// Complete observations to train on, one for each row.
    pub training: &'a Observation,
    /// Complete observations to judge on, one for each row.
    pub validation: &'a Observation,
    /// What the start sees of either.
    pub visible: Option<&'a Visible<'a>>,
}

/// Trains a start and returns it with averaged weights.
///
/// The start sees what `visible` leaves; the loss compares `F(theta(z))` with the complete
/// observation. `report` is called after every validation; training ends early, keeping its
/// checkpoint, when it returns false. With a checkpoint in place, training goes on from there and
/// ends with the same bits as if it had never stopped.
///
/// # Errors
/// [`TrainError`].
pub fn train_start(
    options: &StartOptions,
    task: &dyn Task,
    landscape: &Landscape,
    data: StartData<'_>,
    report: &mut dyn FnMut(&StartProgress) -> bool,
) -> Result<Start, TrainError> {
    if data.training.rows() == 0 || data.validation.rows() == 0 {
        return Err(TrainError::NoObservations);
    }
    let spec = task.spec();
    let shape = StartShape { inputs: inputs(spec), code: options.code, hidden: options.hidden, z: landscape.dim() };
    let mut training = Training::start(options, task, landscape, data, shape)?;
    while training.optimizer.steps() < options.steps {
        let update = training.step()?;
        let done = training.optimizer.steps();
        if done % options.validate_every == 0 || done == options.steps {
            let progress = training.validate(update)?;
            if !update.is_finite() {
                return Err(TrainError::NotFinite { buffer: done as u32, loss: update, rate: options.rate });
            }
            training.keep()?;
            if !report(&progress) {
                break;
            }
        }
    }
    Ok(Start::new(network(&training.optimizer.averaged())?, shape)?)
}

/// Everything that survives a step.
struct Training<'a> {
    options: &'a StartOptions,
    task: &'a dyn Task,
    landscape: &'a Landscape,
    data: StartData<'a>,
    network: Perceptron,
    optimizer: AdamW,
}

impl<'a> Training<'a> {
    fn start(
        options: &'a StartOptions,
        task: &'a dyn Task,
        landscape: &'a Landscape,
        data: StartData<'a>,
        shape: StartShape,
    ) -> Result<Self, TrainError> {
        let config = AdamWConfig { weight_decay: options.weight_decay, ..AdamWConfig::default() };
        let mut optimizer = AdamW::new(untrained(shape, options.seed, task.spec()), config);
        if let Some(path) = options.checkpoint.as_deref().filter(|path| path.exists()) {
            resume(path, options, task.spec(), landscape, &mut optimizer)?;
        }
        let network = network(optimizer.parameters())?;
        Ok(Self { options, task, landscape, data, network, optimizer })
    }

    /// Descends once on random observations; returns the loss.
    fn step(&mut self) -> Result<f64, TrainError> {
        let options = self.options;
        // Seeded by the step, so that a resumed training draws what an unbroken one would have.
        let mut random =
            StdRng::seed_from_u64(options.seed.wrapping_mul(0x9e37_79b9).wrapping_add(self.optimizer.steps() as u64));
        let rows: Vec<i64> = (0..options.batch).map(|_| random.random_range(0..self.data.training.rows())).collect();
        let complete = self.data.training.select_rows(&Tensor::from_slice(&rows));
        let losses = self.losses(&self.network, &complete, &mut random)?;
        let first = losses.select(1, 0).mean(Kind::Float);
        let best = losses.min_dim(1, false).0.mean(Kind::Float);
        let loss = (first + best * options.diversity) / (1.0 + options.diversity);
        self.optimizer.descend(&loss, self.rate());
        Ok(loss.double_value(&[]))
    }

    /// Roots of the losses of S codes for each observation, `[O, S]`; the first code is zero.
    fn losses(&self, network: &Perceptron, complete: &Observation, random: &mut StdRng) -> Result<Tensor, TrainError> {
        let (spec, samples) = (self.task.spec(), self.options.samples.max(1) as i64);
        let rows = complete.rows();
        let seen =
            self.data.visible.map_or_else(|| complete.shallow_clone(), |visible| hide(complete, visible, random));
        let each =
            Tensor::arange(rows, (Kind::Int64, spec.device)).repeat_interleave_self_int(samples, None, rows * samples);
        let input = Tensor::cat(&[features(&seen, spec).index_select(0, &each), self.codes(rows, random)], 1);
        let y_hat = self.task.forward(&self.landscape.map(&network.forward(&input)))?;
        let target = self.task.encode(&complete.select_rows(&each))?;
        let loss = self.task.objective(&y_hat, &target)?.loss;
        Ok((loss + LEAST_LOSS).sqrt().view([rows, samples]))
    }

    /// Draws codes `[O * S, C]`, zero for the first of each observation.
    fn codes(&self, rows: i64, random: &mut StdRng) -> Tensor {
        let (spec, samples, dim) = (self.task.spec(), self.options.samples.max(1) as i64, self.options.code);
        let drawn: Vec<f32> = (0..rows * samples * dim).map(|_| random.sample(StandardNormal)).collect();
        let codes = Tensor::from_slice(&drawn).view([rows, samples, dim]);
        let first = Tensor::arange(samples, (Kind::Int64, tch::Device::Cpu)).eq(0).view([1, -1, 1]);
        codes.masked_fill(&first, 0.0).view([-1, dim]).to_kind(spec.kind).to_device(spec.device)
    }

    /// Judges the averaged weights on the validation observations, always with the same gaps and codes.
    fn validate(&self, update: f64) -> Result<StartProgress, TrainError> {
        let _no_grad = tch::no_grad_guard();
        let averaged = network(&self.optimizer.averaged())?;
        let mut random = StdRng::seed_from_u64(self.options.seed);
        let losses = self.losses(&averaged, self.data.validation, &mut random)?;
        let first = losses.select(1, 0).mean(Kind::Double).double_value(&[]);
        let best = losses.min_dim(1, false).0.mean(Kind::Double).double_value(&[]);
        Ok(StartProgress { step: self.optimizer.steps(), update, first, best })
    }

    fn rate(&self) -> f64 {
        let step = f64::from(self.optimizer.steps());
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * step / f64::from(self.options.steps.max(1))).cos());
        self.options.rate * ((step + 1.0) / WARM_UP).min(1.0) * (0.01 + 0.99 * cosine)
    }

    fn keep(&self) -> Result<(), TaskError> {
        let Some(path) = &self.options.checkpoint else { return Ok(()) };
        let mut metadata = bond(self.options, self.task.spec(), self.landscape).to_vec();
        metadata.push(("updates", self.optimizer.steps().to_string()));
        weights::save(path, &self.optimizer.named("optimizer"), &metadata)
    }
}

fn network(parameters: &[Tensor]) -> Result<Perceptron, TaskError> {
    let layers = parameters.chunks(2).map(|pair| (pair[0].shallow_clone(), pair[1].shallow_clone())).collect();
    Perceptron::new(layers, SLOPE)
}

/// Draws layers as PyTorch's Linear does; leaves that collect gradients.
fn untrained(shape: StartShape, seed: u64, spec: &TaskSpec) -> Vec<Tensor> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut draw = |size: &[i64], bound: f64| {
        let values: Vec<f64> = (0..size.iter().product::<i64>()).map(|_| random.random_range(-bound..bound)).collect();
        let tensor = Tensor::from_slice(&values).view(size).to_kind(spec.kind).to_device(spec.device);
        tensor.set_requires_grad(true)
    };
    let layer = |width: &[i64]| {
        let bound = (width[0] as f64).sqrt().recip();
        [draw(&[width[1], width[0]], bound), draw(&[width[1]], bound)]
    };
    shape.widths().windows(2).flat_map(layer).collect()
}

/// What a checkpoint is bound to; one of anything else is refused.
fn bond(options: &StartOptions, spec: &TaskSpec, landscape: &Landscape) -> [(&'static str, String); 5] {
    let options = StartOptions { checkpoint: None, ..options.clone() };
    [
        ("format", CHECKPOINT.to_owned()),
        ("task", spec.name.clone()),
        ("fingerprint", spec.fingerprint.clone()),
        ("landscape", landscape.id().to_owned()),
        ("options", format!("{options:?}")),
    ]
}

fn resume(
    path: &Path,
    options: &StartOptions,
    spec: &TaskSpec,
    landscape: &Landscape,
    optimizer: &mut AdamW,
) -> Result<(), TaskError> {
    let file = Weights::open(path, spec.kind, spec.device)?;
    for (key, expected) in bond(options, spec, landscape) {
        file.expect_meta(key, &expected)?;
    }
    optimizer.restore(&file, "optimizer", file.meta("updates")?)
}
