//! The loop over buffers.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg_task::weights::{self, Weights};
use thalweg_task::{AdamW, AdamWConfig, Observation, Perceptron, Task, TaskError, TaskSpec};

use super::buffer::{ReplayBuffer, Trace};
use super::observations::{Visible, hide};
use crate::clock::ManualClock;
use crate::engine::{AdamConfig, Budget, Cadence, Engine, EngineConfig, EngineError, Optimizer};
use crate::landscape::{Landscape, LandscapeError, LandscapeShape, SLOPE};

/// Format of a checkpoint, in its metadata.
const CHECKPOINT: &str = "thalweg-landscape-checkpoint";

/// What a training of theta is told. Names after Liu et al. (2023), Algorithm 1.
#[derive(Clone, Debug, Serialize)]
pub struct ThetaOptions {
    /// Dimension `Z` of the landscape.
    pub z: i64,
    /// Width of theta's two hidden layers.
    pub hidden: i64,
    /// How often a buffer is collected and theta updated, `B` in the paper.
    pub buffers: u32,
    /// Descents in a buffer, `N`.
    pub descents: usize,
    /// Steps of a descent, `T`.
    pub steps: u32,
    /// Learning rate of z, lambda_z: Adam, as the engine uses it.
    pub rate_z: f64,
    /// Learning rate of theta at the start, lambda_theta; it falls to 1 % along a cosine.
    pub rate_theta: f64,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// Points in one update of theta.
    pub batch: usize,
    /// Decay of the exponential average of theta; the average is what is kept.
    pub average: f64,
    /// Seed of everything random.
    pub seed: u64,
    /// A trained landscape to start from instead of random weights; it has its own `z` and `hidden`.
    #[serde(skip)]
    pub start: Option<PathBuf>,
    /// Where to keep the state that a resumed training starts from; none is kept without.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
}

impl Default for ThetaOptions {
    /// The paper's weight decay; T, N and B for minutes on one core instead of hours on GPUs.
    ///
    /// The paper's rates are 0.1 for z and 0.005 for theta. With 10 steps a descent at 0.1 stays
    /// near its start: after 40 buffers, 0.5 left 45 % less loss on held-out body poses
    /// (`thalweg measure`, nothing hidden, 10 steps), and 0.5 was also the best rate to solve with.
    fn default() -> Self {
        Self {
            z: 128,
            hidden: 512,
            buffers: 300,
            descents: 2048,
            steps: 10,
            rate_z: 0.5,
            rate_theta: 0.002,
            weight_decay: 0.1,
            batch: 512,
            average: 0.999,
            seed: 1,
            start: None,
            checkpoint: None,
        }
    }
}

/// Where a training stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ThetaProgress {
    /// Buffers done.
    pub buffer: u32,
    /// Mean loss at the first point of the descents, as the descents saw it.
    pub first: f64,
    /// Mean loss at their last point.
    pub last: f64,
    /// Mean loss of the updates, against the complete observations.
    pub update: f64,
}

/// Why a training could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// There is nothing to train on.
    #[error("no observations to train on")]
    NoObservations,
    /// The loss is not finite.
    #[error("the loss became {loss} in buffer {buffer}; lower rate_theta (it was {rate})")]
    NotFinite {
        /// The buffer.
        buffer: u32,
        /// What came.
        loss: f64,
        /// Learning rate at the start.
        rate: f64,
    },
    /// The task refused something, or a file could not be read or written.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The engine refused something.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The landscape could not be built.
    #[error(transparent)]
    Landscape(#[from] LandscapeError),
}

/// Trains a landscape and returns the average of theta.
///
/// `load` gives the task anew (the engine takes one, the update another). `observations` are
/// complete, one per row. `visible` hides joints from the descents. `report` is called after
/// every buffer; training ends early, keeping its checkpoint, when it returns false.
///
/// # Errors
/// [`TrainError`].
pub fn train(
    options: &ThetaOptions,
    load: &Load,
    observations: &Observation,
    visible: Option<&Visible<'_>>,
    report: &mut dyn FnMut(&ThetaProgress) -> bool,
) -> Result<Landscape, TrainError> {
    if observations.rows() == 0 {
        return Err(TrainError::NoObservations);
    }
    let mut training = Training::start(options, load, observations, visible)?;
    while training.done < options.buffers {
        let progress = training.one_buffer()?;
        if !progress.update.is_finite() {
            let (buffer, loss, rate) = (progress.buffer, progress.update, options.rate_theta);
            return Err(TrainError::NotFinite { buffer, loss, rate });
        }
        training.keep()?;
        if !report(&progress) {
            break;
        }
    }
    landscape(&training.optimizer.averaged())
}

/// Gives a task anew.
pub type Load = dyn Fn() -> thalweg_task::Result<Box<dyn Task>>;

/// Everything that survives a buffer.
struct Training<'a> {
    options: &'a ThetaOptions,
    load: &'a Load,
    task: Box<dyn Task>,
    observations: &'a Observation,
    visible: Option<&'a Visible<'a>>,
    theta: Perceptron,
    optimizer: AdamW,
    done: u32,
}

impl<'a> Training<'a> {
    fn start(
        options: &'a ThetaOptions,
        load: &'a Load,
        observations: &'a Observation,
        visible: Option<&'a Visible<'a>>,
    ) -> Result<Self, TrainError> {
        let task = load()?;
        let device = task.spec().device;
        let config = AdamWConfig { weight_decay: options.weight_decay, average: options.average, ..Default::default() };
        let mut optimizer = AdamW::new(leaves(&initial(options, task.spec())?), config);
        let done = match options.checkpoint.as_deref().filter(|path| path.exists()) {
            Some(path) => resume(path, options, task.as_ref(), &mut optimizer, device)?,
            None => 0,
        };
        let theta = perceptron(optimizer.parameters())?;
        Ok(Self { options, load, task, observations, visible, theta, optimizer, done })
    }

    /// Collects one buffer with theta fixed, then updates theta with z fixed.
    fn one_buffer(&mut self) -> Result<ThetaProgress, TrainError> {
        let options = self.options;
        // Seeded by the buffer, so that a resumed training draws what an unbroken one would have.
        let mut random =
            StdRng::seed_from_u64(options.seed.wrapping_mul(0x9e37_79b9).wrapping_add(u64::from(self.done)));
        let rows: Vec<i64> = (0..options.descents).map(|_| random.random_range(0..self.observations.rows())).collect();
        let rows = Tensor::from_slice(&rows).to_device(self.task.spec().device);
        let (buffer, first, last) = self.collect(&rows, &mut random)?;
        let update = self.update(&buffer, &mut random)?;
        self.done += 1;
        Ok(ThetaProgress { buffer: self.done, first, last, update })
    }

    /// Descends from random points with theta as it is; returns the buffer, first and last mean loss.
    fn collect(&self, rows: &Tensor, random: &mut StdRng) -> Result<(ReplayBuffer, f64, f64), TrainError> {
        let complete = self.observations.select_rows(rows);
        let seen = self.visible.map_or_else(|| complete.shallow_clone(), |visible| hide(&complete, visible, random));
        let config = engine_config(self.options, random.random());
        let mut engine = Engine::new((self.load)()?, landscape(self.optimizer.parameters())?, config)?;
        let trace = Trace::default();
        engine.add_observer(Cadence::Always, Box::new(trace.clone()));
        let budget = Budget { steps: Some(self.options.steps), ..Budget::default() };
        let last = mean(&engine.solve(&seen, &budget, &ManualClock::default())?.loss);
        let (moments, first) = trace.take();
        Ok((ReplayBuffer::new(&moments, rows), mean(&first), last))
    }

    fn update(&mut self, buffer: &ReplayBuffer, random: &mut StdRng) -> Result<f64, TrainError> {
        let batches = buffer.batches(self.options.batch, random);
        let mut total = 0.0;
        for (z, rows) in &batches {
            let target = self.task.encode(&self.observations.select_rows(rows))?;
            let y_hat = self.task.forward(&self.theta.forward(z))?;
            let loss = self.task.objective(&y_hat, &target)?.loss.mean(Kind::Float);
            self.optimizer.descend(&loss, self.rate());
            total += loss.double_value(&[]);
        }
        Ok(total / batches.len() as f64)
    }

    fn rate(&self) -> f64 {
        let along = f64::from(self.done) / f64::from(self.options.buffers.max(1));
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * along).cos());
        self.options.rate_theta * (0.01 + 0.99 * cosine)
    }

    fn keep(&self) -> Result<(), TaskError> {
        let Some(path) = &self.options.checkpoint else { return Ok(()) };
        let metadata = [
            ("format", CHECKPOINT.to_owned()),
            ("task", self.task.spec().name.clone()),
            ("fingerprint", self.task.spec().fingerprint.clone()),
            ("options", resumable(self.options)),
            ("buffers", self.done.to_string()),
            ("updates", self.optimizer.steps().to_string()),
        ];
        weights::save(path, &self.optimizer.named("optimizer"), &metadata)
    }
}

fn mean(loss: &[f64]) -> f64 {
    loss.iter().sum::<f64>() / loss.len() as f64
}

fn engine_config(options: &ThetaOptions, seed: u64) -> EngineConfig {
    EngineConfig {
        hypotheses: options.descents,
        optimizer: Optimizer::Adam(AdamConfig { rate: options.rate_z, ..AdamConfig::default() }),
        warm_start: false,
        fresh: 0,
        seed,
        ..EngineConfig::default()
    }
}

/// The landscape that training starts from.
fn initial(options: &ThetaOptions, spec: &TaskSpec) -> Result<Landscape, LandscapeError> {
    if let Some(path) = &options.start {
        return Landscape::trained(path, spec);
    }
    let shape = LandscapeShape { z: options.z, x: spec.latent, hidden: options.hidden };
    Landscape::random(&shape, options.seed, spec.kind, spec.device)
}

/// The weights of a landscape as leaves that collect gradients.
fn leaves(landscape: &Landscape) -> Vec<Tensor> {
    let parameters = landscape.perceptron().map(Perceptron::parameters).unwrap_or_default();
    parameters.iter().map(|tensor| tensor.copy().set_requires_grad(true)).collect()
}

fn perceptron(parameters: &[Tensor]) -> Result<Perceptron, TaskError> {
    let layers = parameters.chunks(2).map(|pair| (pair[0].shallow_clone(), pair[1].shallow_clone())).collect();
    Perceptron::new(layers, SLOPE)
}

fn landscape(parameters: &[Tensor]) -> Result<Landscape, TrainError> {
    Ok(Landscape::from_perceptron(&perceptron(parameters)?)?)
}

fn resume(
    path: &Path,
    options: &ThetaOptions,
    task: &dyn Task,
    optimizer: &mut AdamW,
    device: Device,
) -> Result<u32, TaskError> {
    let file = Weights::open(path, task.spec().kind, device)?;
    file.expect_meta("format", CHECKPOINT)?;
    file.expect_meta("task", &task.spec().name)?;
    file.expect_meta("fingerprint", &task.spec().fingerprint)?;
    file.expect_meta("options", &resumable(options))?;
    optimizer.restore(&file, "optimizer", file.meta("updates")?)?;
    file.meta("buffers")
}

/// The options that decide the result; a checkpoint of other ones is refused.
fn resumable(options: &ThetaOptions) -> String {
    let all = ThetaOptions { checkpoint: None, ..options.clone() };
    format!("{all:?}")
}
