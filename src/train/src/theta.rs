//! The training of a landscape, buffer by buffer.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::Weights;
use thalweg_nn::{
    AdamW, AdamWConfig, Checkpoint, CosineRate, Learner, Perceptron, State, Training, generator, initial,
};
use thalweg_task::{Task, TaskSpec};

use super::buffer::{ReplayBuffer, TrajectoryRecorder};
use super::checkpoint::binding;
use super::descents::{DescentTargets, loss_of_best};
use super::online::ThroughTheta;
use super::validation::Validation;
use super::{Data, Masks, OwnStepsOptions, ThetaOptions, TrainError, UpdateOptions};
use thalweg_engine::Cadence;
use thalweg_engine::landscape::{Landscape, LandscapeError, LandscapeShape, SLOPE};

/// Where a training stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ThetaProgress {
    /// Buffers done.
    pub buffer: u32,
    /// Mean loss at the first point of the descents, as the descents saw it.
    pub first: f64,
    /// Mean loss at their last point.
    pub last: f64,
    /// Mean loss of the updates, against the complete observations.
    pub update: f64,
    /// Mean loss on held-out observations, with the average of theta, where it was just measured.
    pub held_out: Option<f64>,
    /// The least of them so far.
    pub best: Option<f64>,
    /// The buffer after which that was.
    pub best_buffer: Option<u32>,
}

/// Gives a task anew.
pub type LoadTask = dyn Fn() -> thalweg_task::Result<Box<dyn Task>>;

/// Trains a landscape and returns the best average of theta, or the last one without validation.
///
/// `load` gives the task anew (each engine takes one, the update another). `report` is called
/// after every buffer; training ends early, keeping its checkpoint, when it returns false. With a
/// checkpoint in place, training goes on from there and ends with the same bits, on a CPU, as if
/// it had never stopped.
///
/// # Errors
/// [`TrainError`].
pub fn train(
    options: &ThetaOptions,
    load: &LoadTask,
    data: &Data,
    report: &mut dyn FnMut(&ThetaProgress) -> bool,
) -> Result<Landscape, TrainError> {
    options.validate()?;
    if options.collection.best_of > 1 && (data.visited.is_some() || data.pseudo.is_some()) {
        return Err(TrainError::option("best_of", &options.collection.best_of, "1 with what a running node recorded"));
    }
    for (what, obs) in [("training", Some(&data.training)), ("held-out", data.held_out.as_ref())] {
        if obs.is_some_and(|obs| obs.rows() == 0) {
            return Err(TrainError::NoObservations { what });
        }
    }
    let task = load()?;
    if let Some(own) = own_steps(options, task.spec())? {
        return super::own_steps::train(options, &own, task, data, report);
    }
    options.validate_ranks(options.collection.descents / options.collection.best_of)?;
    let initial = first_landscape(options, task.spec())?;
    let checkpoint = options.checkpoint.as_ref();
    let rounds = Training {
        seed: options.seed,
        report_every: 1,
        checkpoint: checkpoint
            .map(|path| Checkpoint::new(path, binding("theta", options, task.spec(), data, &initial))),
        ranks: options.ranks.clone(),
    };
    let mut learner = ThetaLearner::new(options, load, task, data, &initial)?;
    rounds.resume(&mut learner)?;
    rounds.run(&mut learner, report)?;
    learner.result()
}

/// The steps to train for: those that are asked for, or those of the landscape that training starts from.
fn own_steps(options: &ThetaOptions, spec: &TaskSpec) -> Result<Option<OwnStepsOptions>, LandscapeError> {
    if let (None, Some(path)) = (&options.own, &options.start) {
        return Ok(Landscape::trained(path, spec)?.steps().map(OwnStepsOptions::like));
    }
    Ok(options.own.clone())
}

/// A landscape that learns, a buffer in each round.
struct ThetaLearner<'a> {
    options: &'a ThetaOptions,
    load: &'a LoadTask,
    task: Box<dyn Task>,
    data: Data,
    masks: Masks,
    theta: Perceptron,
    optimizer: AdamW,
    /// The collections that the next update will see again, oldest first.
    kept: VecDeque<Collection>,
    validation: Option<Validation>,
    done: u32,
    /// Mean loss at the first and the last point of the last descents.
    descents: (f64, f64),
}

/// The points of one collection, and what makes them anew: a checkpoint keeps that instead.
struct Collection {
    buffer: u32,
    theta: Vec<Tensor>,
    points: ReplayBuffer,
}

impl<'a> ThetaLearner<'a> {
    fn new(
        options: &'a ThetaOptions,
        load: &'a LoadTask,
        task: Box<dyn Task>,
        data: &Data,
        initial: &Landscape,
    ) -> Result<Self, TrainError> {
        let (weight_decay, average) = (options.update.weight_decay, options.update.average);
        let config = AdamWConfig { weight_decay, average, ..AdamWConfig::default() };
        let optimizer = AdamW::new(leaves(initial), config);
        let theta = perceptron(optimizer.parameters())?;
        let (data, masks) = (data.on(task.spec()), Masks::new(&options.masks, task.spec()));
        let validation = data.held_out.as_ref().filter(|_| options.validation.every > 0);
        let validation = validation.map(|held_out| Validation::new(options, held_out, &masks, task.as_ref()));
        let (kept, done, descents) = (VecDeque::new(), 0, (f64::NAN, f64::NAN));
        Ok(Self { options, load, task, data, masks, theta, optimizer, kept, validation, done, descents })
    }

    /// Draws what a buffer's descents go towards; the generator then deals the points out.
    fn draw(&self, random: &mut StdRng) -> DescentTargets {
        let Self { options, data, masks, task, .. } = self;
        DescentTargets::draw(&options.collection, &data.training, task.spec(), masks, random)
    }

    /// Coordinate descent: z with theta fixed, then theta with z fixed.
    ///
    /// Returns first and last mean loss of the descents, and that of the updates.
    fn offline(&mut self, targets: &DescentTargets, random: &mut StdRng) -> Result<(f64, f64, f64), TrainError> {
        let theta = self.optimizer.parameters().iter().map(|tensor| tensor.detach().copy()).collect();
        let (collection, losses) = self.collect(self.done, theta, targets)?;
        self.kept.push_back(collection);
        let visited = self.visited();
        let buffer = ReplayBuffer::joined(visited.iter().chain(self.kept.iter().map(|collection| &collection.points)));
        let mut update = 0.0;
        for _ in 0..self.options.update.epochs {
            update += self.update(&buffer, random)? / f64::from(self.options.update.epochs);
        }
        while self.kept.len() >= self.options.collection.keep {
            self.kept.pop_front();
        }
        Ok((first(&losses), last(&losses), update))
    }

    /// What a running node has visited counts as the collection before the first one: it stays as long as that would.
    fn visited(&self) -> Option<ReplayBuffer> {
        let points = self.data.visited.as_ref().filter(|_| (self.done as usize) < self.options.collection.keep)?;
        Some(ReplayBuffer::new(std::slice::from_ref(&points.z), &points.row, 1))
    }

    /// Descends from random points with theta as given.
    fn collect(
        &self,
        buffer: u32,
        theta: Vec<Tensor>,
        targets: &DescentTargets,
    ) -> Result<(Collection, Vec<f64>), TrainError> {
        let options = &self.options.collection;
        let moments = targets.descend(options, (self.load)()?, landscape(&theta)?, &self.options.ranks)?;
        let from = usize::from(!options.start_points && moments.z.len() > 1);
        let points = ReplayBuffer::new(&moments.z[from..], &targets.rows, options.best_of);
        Ok((Collection { buffer, theta, points }, moments.loss))
    }

    /// Moves z and theta by turns, step by step: the ablation.
    fn online(&mut self, targets: &DescentTargets, random: &mut StdRng) -> Result<(f64, f64, f64), TrainError> {
        let (options, theta) = (&self.options.collection, perceptron(self.optimizer.parameters())?);
        let z = self.optimizer.parameters()[0].size()[1];
        let task = ThroughTheta::new((self.load)()?, theta, z);
        let mut engine = targets.engine(options, Box::new(task), Landscape::identity(z))?;
        let recorder = TrajectoryRecorder::default();
        engine.add_observer(Cadence::Always, Box::new(recorder.clone()));
        engine.begin(&targets.seen)?;
        let (mut losses, mut updates) = (Vec::new(), Vec::new());
        for step in 0..=options.steps {
            if step > 0 {
                engine.refine()?;
            }
            let moments = recorder.take();
            losses.extend(moments.loss);
            if step > 0 || options.start_points {
                let points = ReplayBuffer::new(&moments.z, &targets.rows, options.best_of);
                for _ in 0..self.options.update.epochs {
                    updates.push(self.update(&points, random)?);
                }
            }
        }
        Ok((first(&losses), last(&losses), updates.iter().sum::<f64>() / updates.len() as f64))
    }

    /// Goes once through the points; returns the mean loss.
    fn update(&mut self, points: &ReplayBuffer, random: &mut StdRng) -> Result<f64, TrainError> {
        let (rate, best_of) = (self.rate(), self.options.collection.best_of);
        let mut total = Tensor::zeros([], (Kind::Double, self.task.spec().device));
        let mut updates = 0;
        for (z, rows) in points.batches(self.options.update.batch / best_of, random) {
            let loss = self.share_of_loss(&z, &rows)?;
            // Summed where it is: reading a number waits for the device.
            total += self.optimizer.descend_together(loss.as_ref(), rate, &self.options.ranks)?;
            updates += 1;
        }
        Ok(total.double_value(&[]) / f64::from(updates))
    }

    /// This rank's part of the mean loss at points `z`, `[B * S, Z]`, towards `rows`, `[B]`; none where it has no share.
    fn share_of_loss(&self, z: &Tensor, rows: &Tensor) -> Result<Option<Tensor>, TrainError> {
        let (ranks, best_of) = (&self.options.ranks, self.options.collection.best_of);
        let count = rows.size()[0] as usize;
        let share = ranks.share(count);
        if share.is_empty() {
            return Ok(None);
        }
        let rows = rows.narrow(0, share.start as i64, share.len() as i64);
        let z = z.narrow(0, (share.start * best_of) as i64, (share.len() * best_of) as i64);
        let target = self.task.encode(&self.data.training.select_rows(&rows))?;
        let y_hat = self.task.forward(&self.theta.forward(&z))?;
        let mut loss = loss_of_best(self.task.as_ref(), &y_hat, &target, best_of)?;
        if let Some(pseudo) = &self.data.pseudo {
            loss += pseudo.loss(self.task.as_ref(), &y_hat, &rows)?;
        }
        Ok(Some(if ranks.size() > 1 { loss * ranks.fraction(count) } else { loss }))
    }

    fn rate(&self) -> f64 {
        let UpdateOptions { rate_theta: peak, rate_end: end, .. } = self.options.update;
        CosineRate { peak, end, warm_up: 0, steps: u64::from(self.options.buffers) }.at(u64::from(self.done))
    }

    /// Measures on held-out observations every so often, and in the end.
    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        let (options, done) = (self.options, self.done);
        let Some(validation) = self.validation.as_mut() else { return Ok(None) };
        if !done.is_multiple_of(options.validation.every) && done != options.buffers {
            return Ok(None);
        }
        let average = self.optimizer.averaged();
        let loss = validation.measure(options, (self.load)()?, landscape(&average)?)?;
        // What is kept and when training ends has to be decided alike.
        let loss = options.ranks.of_first(loss)?;
        validation.judge(loss, done, average);
        Ok(Some(loss))
    }

    fn result(&self) -> Result<Landscape, TrainError> {
        match self.validation.as_ref().and_then(Validation::best) {
            Some(best) => landscape(best.average()),
            None => landscape(&self.optimizer.averaged()),
        }
    }

    /// The collection of an earlier buffer, made anew by the same descents.
    fn collect_again(&self, buffer: u32, theta: Vec<Tensor>) -> Result<Collection, TrainError> {
        let targets = self.draw(&mut generator(self.options.seed, u64::from(buffer)));
        Ok(self.collect(buffer, theta, &targets)?.0)
    }
}

impl Learner for ThetaLearner<'_> {
    type Progress = ThetaProgress;
    type Error = TrainError;

    fn place(&self) -> (Kind, Device) {
        (self.task.spec().kind, self.task.spec().device)
    }

    fn rounds(&self) -> u64 {
        u64::from(self.done)
    }

    fn is_over(&self) -> bool {
        let patience = self.options.validation.patience;
        let is_exhausted = self.validation.as_ref().is_some_and(|validation| validation.is_exhausted(patience));
        self.options.finish || self.done >= self.options.buffers || is_exhausted
    }

    /// Collects and updates.
    fn round(&mut self, random: &mut StdRng) -> Result<f64, TrainError> {
        let targets = self.draw(random);
        let (first, last, update) =
            if self.options.update.online { self.online(&targets, random)? } else { self.offline(&targets, random)? };
        self.done += 1;
        self.descents = (first, last);
        Ok(update)
    }

    /// Validates where it is time.
    fn judge(&mut self, update: f64) -> Result<ThetaProgress, TrainError> {
        let held_out = self.validate()?;
        let best = self.validation.as_ref().and_then(Validation::best);
        let (best, best_buffer) = (best.map(|best| best.loss), best.map(|best| best.buffer));
        let (first, last) = self.descents;
        Ok(ThetaProgress { buffer: self.done, first, last, update, held_out, best, best_buffer })
    }

    fn diverged(&self, loss: f64) -> TrainError {
        TrainError::NotFinite { buffer: self.done, loss, rate: self.options.update.rate_theta }
    }

    fn state(&self) -> State {
        let mut tensors = self.optimizer.named("optimizer");
        for Collection { buffer, theta, .. } in &self.kept {
            tensors.extend(theta.iter().enumerate().map(|(index, t)| (kept_name(*buffer, index), t.shallow_clone())));
        }
        let mut metadata = vec![
            ("buffers", self.done.to_string()),
            ("updates", self.optimizer.steps().to_string()),
            ("kept", self.kept.len().to_string()),
        ];
        if let Some(validation) = &self.validation {
            tensors.extend(validation.named());
            metadata.extend(validation.metadata());
        }
        State { tensors, metadata }
    }

    /// The points of kept collections are not in a checkpoint, for they can be made anew.
    fn restore(&mut self, file: &Weights) -> Result<(), TrainError> {
        self.optimizer.restore(file, "optimizer", file.meta("updates")?)?;
        self.done = file.meta("buffers")?;
        if let Some(validation) = &mut self.validation {
            validation.restore(file, self.optimizer.parameters())?;
        }
        let kept: u32 = file.meta("kept")?;
        for buffer in self.done.saturating_sub(kept)..self.done {
            let like = self.optimizer.parameters().iter().enumerate();
            let theta = like.map(|(index, like)| file.tensor(&kept_name(buffer, index), &like.size()));
            let collection = self.collect_again(buffer, theta.collect::<Result<Vec<_>, _>>()?)?;
            self.kept.push_back(collection);
        }
        Ok(())
    }
}

fn kept_name(buffer: u32, index: usize) -> String {
    format!("kept.{buffer}.{index}")
}

fn first(losses: &[f64]) -> f64 {
    losses.first().copied().unwrap_or(f64::NAN)
}

fn last(losses: &[f64]) -> f64 {
    losses.last().copied().unwrap_or(f64::NAN)
}

/// The landscape that training starts from.
fn first_landscape(options: &ThetaOptions, spec: &TaskSpec) -> Result<Landscape, LandscapeError> {
    if let Some(path) = &options.start {
        return Landscape::trained(path, spec);
    }
    let shape = LandscapeShape { z: options.z, x: spec.latent, hidden: options.hidden };
    Landscape::random(&shape, options.seed, spec.kind, spec.device)
}

/// The weights of a landscape as leaves that collect gradients.
fn leaves(landscape: &Landscape) -> Vec<Tensor> {
    let parameters = landscape.perceptron().map(Perceptron::parameters).unwrap_or_default();
    initial::leaves(parameters.iter().map(Tensor::copy).collect())
}

fn perceptron(parameters: &[Tensor]) -> thalweg_nn::Result<Perceptron> {
    Perceptron::from_parameters(parameters, SLOPE)
}

fn landscape(parameters: &[Tensor]) -> Result<Landscape, TrainError> {
    Ok(Landscape::from_perceptron(&perceptron(parameters)?)?)
}
