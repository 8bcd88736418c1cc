//! Learns an amortised start for a task on a landscape.

use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::Weights;
use thalweg_nn::{
    AdamW, AdamWConfig, Augmentation, Checkpoint, CosineRate, Learner, Perceptron, Ranks, State, Training, initial,
};
use thalweg_task::{Kinds, Observation, Task, TaskSpec};

use super::augmented::Augmenter;
use super::checkpoint::binding;
use super::observations::hide;
use super::{Data, MaskOptions, Masks, TrainError};
use thalweg_engine::landscape::{Landscape, SLOPE};
use thalweg_engine::start::{Start, StartShape, features, inputs, readings};

/// Added to a loss under the root, so that its slope stays finite at zero.
const LEAST_LOSS: f64 = 1e-6;

/// Steps over which the rate rises.
const WARM_UP: u32 = 500;

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
    /// How observations of joints are changed before the start learns from them.
    pub augmentation: Augmentation,
    /// What the start does not see.
    pub masks: MaskOptions,
    /// Learning rate at the start; it falls to 1 % along a cosine.
    pub rate: f64,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// Seed of everything random.
    pub seed: u64,
    /// Steps between two validations (and checkpoints).
    pub validate_every: i32,
    /// Held-out observations in a validation, spread evenly over those that there are.
    pub validation_rows: i64,
    /// Where to keep the state that a resumed training starts from; none is kept without.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
    /// The processes that train together, each on its share of a step's observations.
    #[serde(skip)]
    pub ranks: Ranks,
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
            augmentation: Augmentation::default(),
            masks: MaskOptions { whole: 0.15, limbs: 0.5, joints: 0.25, end_effectors: 0.1 },
            rate: 1e-3,
            weight_decay: 1e-2,
            seed: 1,
            validate_every: 250,
            validation_rows: 512,
            checkpoint: None,
            ranks: Ranks::alone(),
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

/// Trains a start and returns it with averaged weights.
///
/// The start sees what the masks leave; the loss compares `F(theta(z))` with the complete
/// observation. Without held-out observations it is judged on the training ones. `report` is called after every validation; training ends early, keeping its
/// checkpoint, when it returns false. With a checkpoint in place, training goes on from there and
/// ends with the same bits as if it had never stopped.
///
/// # Errors
/// [`TrainError`].
pub fn train_start(
    options: &StartOptions,
    task: &dyn Task,
    landscape: &Landscape,
    data: &Data,
    report: &mut dyn FnMut(&StartProgress) -> bool,
) -> Result<Start, TrainError> {
    let spec = task.spec();
    let data = data.on(spec);
    let held_out = data.held_out.as_ref().unwrap_or(&data.training);
    for (what, obs) in [("training", &data.training), ("held-out", held_out)] {
        if obs.rows() == 0 {
            return Err(TrainError::NoObservations { what });
        }
    }
    let validation = held_out.select_rows(&spread(held_out.rows(), options.validation_rows, spec.device));
    let shape = shape(options, spec, &data.training, landscape.dim());
    let checkpoint = options.checkpoint.as_ref();
    let rounds = Training {
        seed: options.seed,
        report_every: options.validate_every.unsigned_abs().into(),
        checkpoint: checkpoint.map(|path| Checkpoint::new(path, binding("start", options, spec, &data, landscape))),
        ranks: options.ranks.clone(),
    };
    let mut learner = StartLearner::untrained(options, (task, landscape), [&data.training, &validation], shape)?;
    rounds.resume(&mut learner)?;
    rounds.run(&mut learner, report)?;
    Ok(Start::new(network(&learner.optimizer.averaged())?, shape)?)
}

/// Reads no kind that the observations lack, where there is a choice.
fn shape(options: &StartOptions, spec: &TaskSpec, training: &Observation, z: i64) -> StartShape {
    let has = |name: &str| training.fields().any(|(kind, _)| kind == name);
    let has_all = |reads: &Kinds| (!reads.joints || has("joints")) && (!reads.points || has("points"));
    let reads = readings(spec).find(has_all).unwrap_or_else(|| spec.observes());
    StartShape { reads, inputs: inputs(spec, reads), code: options.code, hidden: options.hidden, z }
}

/// A network that learns, a step in each round.
struct StartLearner<'a> {
    options: &'a StartOptions,
    task: &'a dyn Task,
    landscape: &'a Landscape,
    /// To train on and to judge on.
    observations: [&'a Observation; 2],
    masks: Masks,
    augmenter: Option<Augmenter>,
    network: Perceptron,
    reads: Kinds,
    optimizer: AdamW,
}

impl<'a> StartLearner<'a> {
    fn untrained(
        options: &'a StartOptions,
        (task, landscape): (&'a dyn Task, &'a Landscape),
        observations: [&'a Observation; 2],
        shape: StartShape,
    ) -> Result<Self, TrainError> {
        let (spec, mut random) = (task.spec(), StdRng::seed_from_u64(options.seed));
        let drawn = initial::linear(&shape.widths(), &mut random, (spec.kind, spec.device));
        let config = AdamWConfig { weight_decay: options.weight_decay, ..AdamWConfig::default() };
        let optimizer = AdamW::new(initial::leaves(drawn), config);
        let (network, masks) = (network(optimizer.parameters())?, Masks::new(&options.masks, spec));
        let augmenter = Augmenter::new(options.augmentation, observations[0], spec);
        Ok(Self { options, task, landscape, observations, masks, augmenter, network, reads: shape.reads, optimizer })
    }

    /// Roots of the losses of S `codes` for each observation, `[O, S]`; the first code is zero.
    fn losses(
        &self,
        network: &Perceptron,
        (complete, seen): (&Observation, &Observation),
        codes: &Tensor,
    ) -> Result<Tensor, TrainError> {
        let (spec, samples) = (self.task.spec(), self.options.samples.max(1) as i64);
        let rows = complete.rows();
        let each =
            Tensor::arange(rows, (Kind::Int64, spec.device)).repeat_interleave_self_int(samples, None, rows * samples);
        let input = Tensor::cat(&[&features(seen, spec, self.reads).index_select(0, &each), codes], 1);
        let y_hat = self.task.forward(&self.landscape.map(&network.forward(&input)))?;
        let target = self.task.encode(&complete.select_rows(&each))?;
        let loss = self.task.objective(&y_hat, &target)?.loss;
        Ok((loss + LEAST_LOSS).sqrt().view([rows, samples]))
    }

    /// What a step lowers: the mean root of the zero code and, weighted, of the best one.
    fn loss(&self, both: (&Observation, &Observation), codes: &Tensor) -> Result<Tensor, TrainError> {
        let losses = self.losses(&self.network, both, codes)?;
        let first = losses.select(1, 0).mean(Kind::Float);
        let best = losses.min_dim(1, false).0.mean(Kind::Float);
        Ok((first + best * self.options.diversity) / (1.0 + self.options.diversity))
    }

    /// Draws codes `[O * S, C]`, zero for the first of each observation.
    fn codes(&self, rows: i64, random: &mut StdRng) -> Tensor {
        let (spec, samples, dim) = (self.task.spec(), self.options.samples.max(1) as i64, self.options.code);
        let drawn: Vec<f32> = (0..rows * samples * dim).map(|_| random.sample(StandardNormal)).collect();
        let codes = Tensor::from_slice(&drawn).view([rows, samples, dim]);
        let first = Tensor::arange(samples, (Kind::Int64, Device::Cpu)).eq(0).view([1, -1, 1]);
        codes.masked_fill(&first, 0.0).view([-1, dim]).to_kind(spec.kind).to_device(spec.device)
    }

    fn rate(&self) -> f64 {
        let steps = u64::try_from(self.options.steps).unwrap_or_default();
        CosineRate { peak: self.options.rate, end: 0.01, warm_up: WARM_UP, steps }.at(self.rounds())
    }
}

impl Learner for StartLearner<'_> {
    type Progress = StartProgress;
    type Error = TrainError;

    fn place(&self) -> (Kind, Device) {
        (self.task.spec().kind, self.task.spec().device)
    }

    fn rounds(&self) -> u64 {
        self.optimizer.steps() as u64
    }

    fn is_over(&self) -> bool {
        self.optimizer.steps() >= self.options.steps
    }

    /// Descends once on random observations.
    fn round(&mut self, random: &mut StdRng) -> Result<f64, TrainError> {
        let options = self.options;
        let rows: Vec<i64> = (0..options.batch).map(|_| random.random_range(0..self.observations[0].rows())).collect();
        let rows = Tensor::from_slice(&rows).to_device(self.task.spec().device);
        let complete = self.observations[0].select_rows(&rows);
        let (complete, seen) = match &self.augmenter {
            Some(augmenter) => augmenter.apply(&complete, &self.masks, random),
            None => (complete.shallow_clone(), hide(&complete, &self.masks, random)),
        };
        // Drawn for all rows on every rank.
        let codes = self.codes(complete.rows(), random);
        let share = options.ranks.share(options.batch);
        if options.ranks.size() == 1 {
            let loss = self.loss((&complete, &seen), &codes)?;
            self.optimizer.descend(&loss, self.rate());
            return Ok(loss.double_value(&[]));
        }
        let part = if share.is_empty() {
            None
        } else {
            let samples = options.samples.max(1);
            let place = (Kind::Int64, self.task.spec().device);
            let rows = Tensor::arange_start(share.start as i64, share.end as i64, place);
            let codes = codes.narrow(0, (share.start * samples) as i64, (share.len() * samples) as i64);
            let loss = self.loss((&complete.select_rows(&rows), &seen.select_rows(&rows)), &codes)?;
            Some(loss * options.ranks.fraction(options.batch))
        };
        let loss = self.optimizer.descend_together(part.as_ref(), self.rate(), &options.ranks)?;
        Ok(loss.double_value(&[]))
    }

    fn compared_every(&self) -> u64 {
        u64::from(self.options.validate_every.unsigned_abs().max(1))
    }

    /// Judges the averaged weights on the validation observations, always with the same gaps and codes.
    fn judge(&mut self, update: f64) -> Result<StartProgress, TrainError> {
        let _no_grad = tch::no_grad_guard();
        let averaged = network(&self.optimizer.averaged())?;
        let mut random = StdRng::seed_from_u64(self.options.seed);
        let complete = self.observations[1];
        let seen = hide(complete, &self.masks, &mut random);
        let codes = self.codes(complete.rows(), &mut random);
        let losses = self.losses(&averaged, (complete, &seen), &codes)?;
        let first = losses.select(1, 0).mean(Kind::Double).double_value(&[]);
        let best = losses.min_dim(1, false).0.mean(Kind::Double).double_value(&[]);
        Ok(StartProgress { step: self.optimizer.steps(), update, first, best })
    }

    fn diverged(&self, loss: f64) -> TrainError {
        TrainError::NotFinite { buffer: self.optimizer.steps() as u32, loss, rate: self.options.rate }
    }

    fn state(&self) -> State {
        State {
            tensors: self.optimizer.named("optimizer"),
            metadata: vec![("updates", self.optimizer.steps().to_string())],
        }
    }

    fn restore(&mut self, file: &Weights) -> Result<(), TrainError> {
        Ok(self.optimizer.restore(file, "optimizer", file.meta("updates")?)?)
    }
}

fn network(parameters: &[Tensor]) -> thalweg_nn::Result<Perceptron> {
    Perceptron::from_parameters(parameters, SLOPE)
}

/// Spreads `count` rows evenly over `rows`, an index.
fn spread(rows: i64, count: i64, device: Device) -> Tensor {
    let count = count.clamp(1, rows);
    (Tensor::arange(count, (Kind::Int64, device)) * rows).divide_scalar_mode(count, "floor")
}
