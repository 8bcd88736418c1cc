//! The loop over buffers.

use std::collections::VecDeque;
use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use tch::{Kind, Tensor};
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{AdamW, AdamWConfig, Perceptron};
use thalweg_task::{Task, TaskSpec};

use super::buffer::{ReplayBuffer, Trace};
use super::checkpoint::Bond;
use super::descents::{Aim, loss_of_best};
use super::online::ThroughTheta;
use super::validation::Validation;
use super::{Data, Masks, ThetaOptions, TrainError};
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
pub type Load = dyn Fn() -> thalweg_task::Result<Box<dyn Task>>;

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
    load: &Load,
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
    let mut training = Training::start(options, load, data)?;
    while !options.finish && !training.is_over() {
        let progress = training.one_buffer()?;
        if !progress.update.is_finite() {
            let (buffer, loss, rate) = (progress.buffer, progress.update, options.update.rate_theta);
            return Err(TrainError::NotFinite { buffer, loss, rate });
        }
        training.save()?;
        if !report(&progress) {
            break;
        }
    }
    training.result()
}

/// Everything that survives a buffer.
struct Training<'a> {
    options: &'a ThetaOptions,
    load: &'a Load,
    task: Box<dyn Task>,
    data: Data,
    masks: Masks,
    theta: Perceptron,
    optimizer: AdamW,
    /// The collections that the next update will see again, oldest first.
    kept: VecDeque<Collection>,
    validation: Option<Validation>,
    bond: Bond,
    done: u32,
}

/// The points of one collection, and what makes them anew: a checkpoint keeps that instead.
struct Collection {
    buffer: u32,
    theta: Vec<Tensor>,
    points: ReplayBuffer,
}

impl<'a> Training<'a> {
    fn start(options: &'a ThetaOptions, load: &'a Load, data: &Data) -> Result<Self, TrainError> {
        let task = load()?;
        let initial = initial(options, task.spec())?;
        let bond = Bond::new("theta", options, task.spec(), data, &initial);
        let (weight_decay, average) = (options.update.weight_decay, options.update.average);
        let config = AdamWConfig { weight_decay, average, ..AdamWConfig::default() };
        let optimizer = AdamW::new(leaves(&initial), config);
        let theta = perceptron(optimizer.parameters())?;
        let (data, masks) = (data.on(task.spec()), Masks::new(&options.masks, task.spec()));
        let validation = data.held_out.as_ref().filter(|_| options.validation.every > 0);
        let validation = validation.map(|held_out| Validation::new(options, held_out, &masks, task.as_ref()));
        let kept = VecDeque::new();
        let mut training = Self { options, load, task, data, masks, theta, optimizer, kept, validation, bond, done: 0 };
        if let Some(path) = options.checkpoint.as_deref().filter(|path| path.exists()) {
            training.resume(path)?;
        }
        Ok(training)
    }

    fn is_over(&self) -> bool {
        let patience = self.options.validation.patience;
        self.done >= self.options.buffers || self.validation.as_ref().is_some_and(|v| v.is_exhausted(patience))
    }

    /// Collects and updates, then validates where it is time.
    fn one_buffer(&mut self) -> Result<ThetaProgress, TrainError> {
        let (aim, mut random) = self.aim(self.done);
        let (first, last, update) =
            if self.options.update.online { self.online(&aim, &mut random)? } else { self.offline(&aim, &mut random)? };
        self.done += 1;
        let held_out = self.validate()?;
        let best = self.validation.as_ref().and_then(Validation::best);
        let (best, best_buffer) = (best.map(|best| best.loss), best.map(|best| best.buffer));
        Ok(ThetaProgress { buffer: self.done, first, last, update, held_out, best, best_buffer })
    }

    /// Draws what a buffer's descents go towards; the generator then deals the points out.
    ///
    /// Seeded by the buffer, so that a resumed training draws what an unbroken one would have.
    fn aim(&self, buffer: u32) -> (Aim, StdRng) {
        let Self { options, data, masks, task, .. } = self;
        let mut random = StdRng::seed_from_u64(options.seed.wrapping_mul(0x9e37_79b9).wrapping_add(u64::from(buffer)));
        let aim = Aim::draw(&options.collection, &data.training, task.spec(), masks, &mut random);
        (aim, random)
    }

    /// Coordinate descent: z with theta fixed, then theta with z fixed.
    ///
    /// Returns first and last mean loss of the descents, and that of the updates.
    fn offline(&mut self, aim: &Aim, random: &mut StdRng) -> Result<(f64, f64, f64), TrainError> {
        let theta = self.optimizer.parameters().iter().map(|tensor| tensor.detach().copy()).collect();
        let (collection, losses) = self.collect(self.done, theta, aim)?;
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
    fn collect(&self, buffer: u32, theta: Vec<Tensor>, aim: &Aim) -> Result<(Collection, Vec<f64>), TrainError> {
        let options = &self.options.collection;
        let moments = aim.descend(options, (self.load)()?, landscape(&theta)?)?;
        let from = usize::from(!options.start_points && moments.z.len() > 1);
        let points = ReplayBuffer::new(&moments.z[from..], &aim.rows, options.best_of);
        Ok((Collection { buffer, theta, points }, moments.loss))
    }

    /// Moves z and theta by turns, step by step: the ablation.
    fn online(&mut self, aim: &Aim, random: &mut StdRng) -> Result<(f64, f64, f64), TrainError> {
        let (options, theta) = (&self.options.collection, perceptron(self.optimizer.parameters())?);
        let z = self.optimizer.parameters()[0].size()[1];
        let task = ThroughTheta::new((self.load)()?, theta, z);
        let mut engine = aim.engine(options, Box::new(task), Landscape::identity(z))?;
        let trace = Trace::default();
        engine.add_observer(Cadence::Always, Box::new(trace.clone()));
        engine.begin(&aim.seen)?;
        let (mut losses, mut updates) = (Vec::new(), Vec::new());
        for step in 0..=options.steps {
            if step > 0 {
                engine.refine()?;
            }
            let moments = trace.take();
            losses.extend(moments.loss);
            if step > 0 || options.start_points {
                let points = ReplayBuffer::new(&moments.z, &aim.rows, options.best_of);
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
            let target = self.task.encode(&self.data.training.select_rows(&rows))?;
            let y_hat = self.task.forward(&self.theta.forward(&z))?;
            let mut loss = loss_of_best(self.task.as_ref(), &y_hat, &target, best_of)?;
            if let Some(pseudo) = &self.data.pseudo {
                loss += pseudo.loss(self.task.as_ref(), &y_hat, &rows)?;
            }
            self.optimizer.descend(&loss, rate);
            // Summed where it is: reading a number waits for the device.
            total += loss.detach();
            updates += 1;
        }
        Ok(total.double_value(&[]) / f64::from(updates))
    }

    fn rate(&self) -> f64 {
        let along = f64::from(self.done) / f64::from(self.options.buffers.max(1));
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * along).cos());
        let end = self.options.update.rate_end;
        self.options.update.rate_theta * (end + (1.0 - end) * cosine)
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
        validation.judge(loss, done, average);
        Ok(Some(loss))
    }

    fn result(&self) -> Result<Landscape, TrainError> {
        match self.validation.as_ref().and_then(Validation::best) {
            Some(best) => landscape(best.average()),
            None => landscape(&self.optimizer.averaged()),
        }
    }

    fn save(&self) -> thalweg_nn::Result<()> {
        let Some(path) = &self.options.checkpoint else { return Ok(()) };
        let mut metadata = self.bond.metadata();
        let mut tensors = self.optimizer.named("optimizer");
        let kept: Vec<u32> = self.kept.iter().map(|collection| collection.buffer).collect();
        for Collection { buffer, theta, .. } in &self.kept {
            tensors.extend(theta.iter().enumerate().map(|(index, t)| (kept_name(*buffer, index), t.shallow_clone())));
        }
        if let Some(validation) = &self.validation {
            tensors.extend(validation.named());
            metadata.extend(validation.metadata());
        }
        metadata.extend([
            ("buffers", self.done.to_string()),
            ("updates", self.optimizer.steps().to_string()),
            ("kept", kept.len().to_string()),
        ]);
        weights::save(path, &tensors, &metadata)
    }

    /// Takes a checkpoint up; the points of kept collections are made anew, by the same descents.
    fn resume(&mut self, path: &Path) -> Result<(), TrainError> {
        let spec = self.task.spec();
        let file = Weights::open(path, spec.kind, spec.device)?;
        self.bond.check(&file)?;
        self.optimizer.restore(&file, "optimizer", file.meta("updates")?)?;
        self.done = file.meta("buffers")?;
        if let Some(validation) = &mut self.validation {
            validation.restore(&file, self.optimizer.parameters())?;
        }
        let kept: u32 = file.meta("kept")?;
        for buffer in self.done.saturating_sub(kept)..self.done {
            let like = self.optimizer.parameters().iter().enumerate();
            let theta = like.map(|(index, like)| file.tensor(&kept_name(buffer, index), &like.size()));
            let theta = theta.collect::<Result<Vec<_>, _>>()?;
            let (collection, _) = self.collect(buffer, theta, &self.aim(buffer).0)?;
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

fn perceptron(parameters: &[Tensor]) -> thalweg_nn::Result<Perceptron> {
    let layers = parameters.chunks(2).map(|pair| (pair[0].shallow_clone(), pair[1].shallow_clone())).collect();
    Perceptron::new(layers, SLOPE)
}

fn landscape(parameters: &[Tensor]) -> Result<Landscape, TrainError> {
    Ok(Landscape::from_perceptron(&perceptron(parameters)?)?)
}
