//! The training of a landscape together with steps of its own: Algorithm 1 with a fixed start and whitened steps.
//!
//! Where every descent begins at the same `z_0`, `z_1` is a function of the observation alone, and theta can learn to read
//! it. The map is anchored there, `theta(z) = Q z + [h(z) - h(0) - J_h(0) z]` with a frozen Q: while h learns, the first
//! step stays what it is. docs/landscape.md explains, with figures.

mod batch;
mod unrolled;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tch::{Device, Kind, Tensor};
use thalweg_engine::landscape::anchor::{self, anchored};
use thalweg_engine::landscape::{Landscape, LandscapeError, LandscapeShape, SLOPE, Steps, draw_codes, offset_of_gaps};
use thalweg_nn::weights::Weights;
use thalweg_nn::{AdamW, AdamWConfig, Checkpoint, CosineRate, Learner, Perceptron, State, Training, initial};
use thalweg_task::{Observation, Target, Task, draws};

use super::augmented::Augmenter;
use super::checkpoint::binding;
use super::whitening::{Measured, Whitening};
use super::{Data, Masks, OwnStepsOptions, ThetaOptions, ThetaProgress, TrainError, hide};
use batch::{Batch, has_gaps, spread};

/// Rows whose gradient is taken at once.
const ROWS: i64 = 512;
/// Seed of the gaps of held-out observations: the same in every training.
const HELD_OUT_SEED: u64 = 0x7374_6570;
/// Names of what a checkpoint holds beside optimizer and whitening.
const FROZEN: [&str; 3] = ["frozen.lift", "frozen.codes", "frozen.gaps"];
const BEST: &str = "best";

/// Trains a landscape with own steps; options have [`ThetaOptions::own`]. See [`super::train`].
pub(super) fn train(
    options: &ThetaOptions,
    own: &OwnStepsOptions,
    task: Box<dyn Task>,
    data: &Data,
    report: &mut dyn FnMut(&ThetaProgress) -> bool,
) -> Result<Landscape, TrainError> {
    let anchored = Anchored::begin(options, own, task.as_ref())?;
    let binding = binding("own steps", options, task.spec(), data, &anchored.first);
    let checkpoint = options.checkpoint.as_ref().map(|path| Checkpoint::new(path, binding));
    options.validate_ranks(options.collection.descents / own.hypotheses)?;
    let rounds = Training {
        seed: options.seed,
        report_every: u64::from(options.validation.every.max(1)),
        checkpoint,
        ranks: options.ranks.clone(),
    };
    let mut learner = StepsLearner::new(options, own, task, data, anchored);
    rounds.resume(&mut learner)?;
    rounds.run(&mut learner, report)?;
    learner.result()
}

/// What stays while h learns.
#[derive(Debug)]
struct Anchored {
    /// What training starts from, for its identity.
    first: Landscape,
    /// h: weights and biases of its layers but the last bias, which the anchor takes away.
    leaves: Vec<Tensor>,
    /// Q, `[X, Z]`.
    lift: Tensor,
    /// B, `[C, Z]`.
    codes: Tensor,
    /// E, `[M, Z]`.
    gaps: Tensor,
    /// M of the landscape that is trained on.
    metrics: Option<Tensor>,
    /// Its examples.
    exemplars: Option<Tensor>,
}

impl Anchored {
    /// Draws h, Q and B, or takes those of a trained landscape.
    fn begin(options: &ThetaOptions, own: &OwnStepsOptions, task: &dyn Task) -> Result<Self, TrainError> {
        let spec = task.spec();
        let place = (spec.kind, spec.device);
        if let Some(path) = &options.start {
            let first = Landscape::trained(path, spec)?;
            let (Some(perceptron), Some(steps)) = (first.perceptron(), first.steps()) else {
                return Err(LandscapeError::NoSteps { id: first.id().to_owned() }.into());
            };
            let lift = anchor::lift_of(perceptron)?;
            let mut leaves = perceptron.parameters();
            leaves.truncate(anchor::LEAVES);
            let leaves = initial::leaves(leaves.iter().map(Tensor::copy).collect());
            let [codes, gaps, metric] = [steps.codes(), steps.gaps(), steps.metric()].map(Tensor::shallow_clone);
            let exemplars = steps.exemplars().map(Tensor::shallow_clone);
            return Ok(Self { leaves, lift, codes, gaps, metrics: Some(metric), exemplars, first });
        }
        let mut random = thalweg_nn::generator(options.seed, u64::MAX);
        let shape = LandscapeShape { z: options.z, x: spec.latent, hidden: options.hidden };
        let first = Landscape::random(&shape, options.seed, spec.kind, spec.device)?;
        let mut leaves = first.perceptron().map(Perceptron::parameters).unwrap_or_default();
        leaves.truncate(anchor::LEAVES);
        let leaves = initial::leaves(leaves.iter().map(Tensor::copy).collect());
        let (x, rows) = (spec.latent, spec.latent + own.codes);
        if rows >= options.z {
            return Err(TrainError::option("z", &options.z, format!("more than X + codes = {rows}")));
        }
        let (orthonormal, _) = Tensor::linalg_qr(&draws::normal(&mut random, &[options.z, rows]), "reduced");
        let orthonormal = orthonormal.transpose(0, 1);
        // Unit vectors in what Q and B leave: they tell the three apart, and there may be more joints than directions.
        let gaps = draws::normal(&mut random, &[spec.joints.len() as i64, options.z]);
        let gaps = &gaps - gaps.matmul(&orthonormal.transpose(0, 1)).matmul(&orthonormal);
        let gaps = &gaps / gaps.square().sum_dim_intlist(1, true, Kind::Double).sqrt();
        let place = |tensor: Tensor| tensor.contiguous().to_kind(place.0).to_device(place.1);
        let lift = place(orthonormal.narrow(0, 0, x) * own.lift);
        let (codes, gaps) = (place(orthonormal.narrow(0, x, own.codes) * own.code_scale), place(gaps * own.gap_scale));
        Ok(Self { first, leaves, lift, codes, gaps, metrics: None, exemplars: None })
    }
}

/// What came of the descents of a buffer.
struct Descended {
    /// `z_1 .. z_T`, `[G * K, Z]` each.
    points: Vec<Tensor>,
    /// What was met at each step.
    measured: Vec<Measured>,
    /// Mean loss before each step.
    losses: Vec<f64>,
}

/// A landscape that learns, a buffer in each round.
struct StepsLearner<'a> {
    options: &'a ThetaOptions,
    own: &'a OwnStepsOptions,
    task: Box<dyn Task>,
    data: Data,
    masks: Masks,
    augmenter: Option<Augmenter>,
    optimizer: AdamW,
    lift: Tensor,
    codes: Tensor,
    gaps: Tensor,
    exemplars: Option<Tensor>,
    whitening: Whitening,
    held_out: Option<Batch>,
    done: u32,
    best: Option<(f64, u32, Vec<Tensor>, Tensor)>,
    /// Validations since the best one.
    stale: u32,
    /// Mean losses at the first and at the last point of the last descents.
    descents: (f64, f64),
}

impl<'a> StepsLearner<'a> {
    fn new(
        options: &'a ThetaOptions,
        own: &'a OwnStepsOptions,
        task: Box<dyn Task>,
        data: &Data,
        anchored: Anchored,
    ) -> Self {
        let (weight_decay, average) = (options.update.weight_decay, options.update.average);
        let optimizer = AdamW::new(anchored.leaves, AdamWConfig { weight_decay, average, ..AdamWConfig::default() });
        let (data, masks) = (data.on(task.spec()), Masks::new(&options.masks, task.spec()));
        let augmenter = Augmenter::new(options.augmentation, &data.training, task.spec());
        let whitening = Whitening::new(own, anchored.metrics);
        let mut learner = Self {
            options,
            own,
            task,
            data,
            masks,
            augmenter,
            optimizer,
            lift: anchored.lift,
            codes: anchored.codes,
            gaps: anchored.gaps,
            exemplars: anchored.exemplars,
            whitening,
            held_out: None,
            done: 0,
            best: None,
            stale: 0,
            descents: (f64::NAN, f64::NAN),
        };
        learner.held_out = learner.hold_out();
        learner
    }

    /// Held-out observations, spread evenly, with gaps and codes that stay.
    fn hold_out(&self) -> Option<Batch> {
        let held_out = self.data.held_out.as_ref().filter(|_| self.options.validation.every > 0)?;
        let (all, rows) = (held_out.rows(), held_out.rows().min(self.options.validation.rows as i64));
        let index: Vec<i64> = (0..rows).map(|row| row * all / rows).collect();
        let index = Tensor::from_slice(&index).to_device(held_out_device(held_out));
        let mut random = thalweg_nn::generator(HELD_OUT_SEED, 0);
        let both = self.hidden(held_out.select_rows(&index), &mut random);
        Some(self.batch(both, index, &mut random))
    }

    /// Observations and what is seen of them.
    fn hidden(&self, complete: Observation, random: &mut StdRng) -> (Observation, Observation) {
        let seen = hide(&complete, &self.masks, random);
        (complete, seen)
    }

    fn batch(&self, (complete, seen): (Observation, Observation), rows: Tensor, random: &mut StdRng) -> Batch {
        let hypotheses = self.own.hypotheses;
        let codes: Vec<Tensor> = (0..rows.size()[0]).map(|_| draw_codes(hypotheses, self.own.codes, random)).collect();
        let codes = Tensor::cat(&codes, 0).to_kind(self.codes.kind()).to_device(self.codes.device());
        let has_gaps = has_gaps(&complete, &seen).to_device(self.codes.device());
        let of_gaps =
            offset_of_gaps(&seen, &self.gaps).index_select(0, &spread(rows.size()[0], hypotheses as i64, &self.codes));
        let offset = codes.matmul(&self.codes) + of_gaps;
        let size = [rows.size()[0], self.codes.size()[1]];
        let start = if self.own.start_scale > 0.0 {
            (draws::normal(random, &size) * self.own.start_scale).to_kind(offset.kind()).to_device(offset.device())
        } else {
            Tensor::zeros(size, (offset.kind(), offset.device()))
        };
        Batch { complete, seen, rows, has_gaps, start, offset }
    }

    /// Draws the observations of a buffer, some of them changed.
    fn draw(&self, random: &mut StdRng) -> Batch {
        let training = &self.data.training;
        let count = (self.options.collection.descents / self.own.hypotheses).max(1);
        let rows: Vec<i64> = (0..count).map(|_| random.random_range(0..training.rows())).collect();
        let rows = Tensor::from_slice(&rows).to_device(self.task.spec().device);
        let complete = training.select_rows(&rows);
        let both = match &self.augmenter {
            Some(augmenter) => augmenter.apply(&complete, &self.masks, random),
            None => self.hidden(complete, random),
        };
        self.batch(both, rows, random)
    }

    /// Descends with theta fixed, each rank towards its share of the observations; gives the points of all.
    fn descend_together(&self, theta: &Perceptron, batch: &Batch) -> Result<Descended, TrainError> {
        let (ranks, groups) = (&self.options.ranks, batch.groups());
        if ranks.size() == 1 {
            return self.descend(theta, batch, &|mean| Ok(mean.shallow_clone()));
        }
        let part = batch.part(&ranks.share(groups), self.own.hypotheses);
        let Descended { points, measured, losses } = self.descend(theta, &part, &|mean| ranks.mean(mean, groups))?;
        let join = |z: &Tensor| ranks.join(z, groups, self.own.hypotheses);
        let points = points.iter().map(join).collect::<Result<_, _>>()?;
        Ok(Descended { points, measured, losses: ranks.means(&losses, groups)? })
    }

    /// Descends with theta fixed; `mean` takes a mean over the rows of `batch` to that over those of all ranks.
    fn descend(
        &self,
        theta: &Perceptron,
        batch: &Batch,
        mean: &dyn Fn(&Tensor) -> thalweg_nn::Result<Tensor>,
    ) -> Result<Descended, TrainError> {
        let target = self.task.encode(&batch.seen)?;
        let (groups, hypotheses) = (batch.rows.size()[0], self.own.hypotheses as i64);
        let each = spread(groups, hypotheses, &self.codes);
        let target_of_each = target.rows(&each);
        let mut z = batch.start.shallow_clone();
        let (mut points, mut measured, mut losses) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..self.whitening.steps() {
            let target = if step == 0 { &target } else { &target_of_each };
            let leaf = z.detach().set_requires_grad(true);
            let x = theta.forward(&leaf);
            let (by_x, loss) = self.slope(&x.detach(), target)?;
            losses.push(loss);
            let turn = |metric: &Tensor| derivative_through(&x, &by_x.matmul(metric), &leaf);
            let mean_square = |metric: &Tensor| {
                turn(metric).map_or(f64::NAN, |step| step.square().mean(Kind::Double).double_value(&[]))
            };
            let one = self.whitening.measure(step, &by_x, mean_square, mean)?;
            let moved = leaf.detach() - turn(&one.metric)?;
            z = if step == 0 { moved.index_select(0, &each) + &batch.offset } else { moved };
            points.push(z.shallow_clone());
            measured.push(one);
        }
        Ok(Descended { points, measured, losses })
    }

    /// `dL/dx` at `x`, `[B, X]`, and the mean L; some rows at a time, since an objective may keep much of each.
    fn slope(&self, x: &Tensor, target: &Target) -> Result<(Tensor, f64), TrainError> {
        let rows = Tensor::arange(x.size()[0], (Kind::Int64, x.device()));
        let (mut slopes, mut total) = (Vec::new(), 0.0);
        for part in rows.split(ROWS, 0) {
            let leaf = x.index_select(0, &part).set_requires_grad(true);
            let loss = self.task.objective(&self.task.forward(&leaf)?, &target.rows(&part))?.loss;
            total += loss.sum(Kind::Double).double_value(&[]);
            slopes.push(derivative(&loss.sum(loss.kind()), &leaf)?);
        }
        Ok((Tensor::cat(&slopes, 0), total / rows.size()[0].max(1) as f64))
    }

    /// theta of h: anchored, but for the ablation.
    fn theta(&self, leaves: &[Tensor]) -> Result<Perceptron, TrainError> {
        if self.own.is_anchored {
            return Ok(anchored(leaves, &self.lift)?);
        }
        let last_bias = Tensor::zeros([self.lift.size()[0]], (self.lift.kind(), self.lift.device()));
        let parameters: Vec<Tensor> = leaves.iter().chain([&last_bias]).map(Tensor::shallow_clone).collect();
        Ok(Perceptron::from_parameters(&parameters, SLOPE)?.with_skip(self.lift.shallow_clone())?)
    }

    /// The root of L against everything, `[G, S]`, and what F gives there: at points `z`, `[G * S, Z]`, S of each of
    /// the observations `index`.
    fn roots(
        &self,
        theta: &Perceptron,
        z: &Tensor,
        batch: &Batch,
        index: &Tensor,
    ) -> Result<(Tensor, Tensor), TrainError> {
        let groups = index.size()[0];
        let each = z.size()[0] / groups.max(1);
        let target = self.task.encode(&batch.complete.select_rows(index))?;
        let y_hat = self.task.forward(&theta.forward(z))?;
        let loss = self.task.objective(&y_hat, &target.rows(&spread(groups, each, &self.codes)))?.loss;
        Ok(((loss + 1e-6).sqrt().view([-1, each]), y_hat))
    }

    /// What theta is to lower at points `z`, `[G, K, Z]`: the mean root of L of two hypotheses, `[G]`.
    ///
    /// One is hypothesis zero. Where something is hidden, the other is the best one: the first is the guess of least
    /// expected error, the others may go elsewhere (multiple choice learning: Guzman-Rivera et al., 2012). Where all is
    /// seen it is one of `other`, `[G]`, since all have to get there. The rest bears nothing and needs no gradient.
    fn outer(
        &self,
        theta: &Perceptron,
        z: &Tensor,
        batch: &Batch,
        index: &Tensor,
        other: &Tensor,
    ) -> Result<Tensor, TrainError> {
        let best = tch::no_grad(|| self.roots(theta, &z.flatten(0, 1), batch, index))?.0.argmin(1, false);
        let second = best.where_self(&batch.has_gaps.index_select(0, index), other);
        let pair =
            Tensor::stack(&[&second.zeros_like(), &second], 1).unsqueeze(-1).expand([-1, -1, z.size()[2]], false);
        let (roots, y_hat) = self.roots(theta, &z.gather(1, &pair, false).flatten(0, 1), batch, index)?;
        let mut outer = roots.mean_dim(1, false, roots.kind());
        if let Some(pseudo) = &self.data.pseudo {
            let of_zero = Tensor::arange_start_step(0, roots.numel() as i64, 2, (Kind::Int64, y_hat.device()));
            let rows = batch.rows.index_select(0, index);
            outer += pseudo.loss(self.task.as_ref(), &y_hat.index_select(0, &of_zero), &rows)?;
        }
        Ok(outer)
    }

    /// The mean root of L at points `z`, `[G * K, Z]`, of all observations of a batch: of hypothesis zero and the best one
    /// where something is hidden, of all where nothing is.
    fn score(&self, theta: &Perceptron, z: &Tensor, batch: &Batch) -> Result<f64, TrainError> {
        let all = Tensor::arange(batch.rows.size()[0], (Kind::Int64, batch.rows.device()));
        let (roots, _) = tch::no_grad(|| self.roots(theta, z, batch, &all))?;
        let both = (roots.select(1, 0) + roots.min_dim(1, false).0) * 0.5;
        Ok(both
            .where_self(&batch.has_gaps, &roots.mean_dim(1, false, roots.kind()))
            .mean(Kind::Double)
            .double_value(&[]))
    }

    /// Goes once through the points of a buffer; returns the mean loss.
    fn update(&mut self, points: &[Tensor], batch: &Batch, random: &mut StdRng) -> Result<f64, TrainError> {
        let (groups, hypotheses, rate) = (batch.rows.size()[0], self.own.hypotheses as i64, self.rate());
        let mut order: Vec<i64> = (0..groups).collect();
        order.shuffle(random);
        let count = (self.options.update.batch / self.own.hypotheses).max(1);
        let (mut total, mut updates) = (0.0, 0);
        for chunk in order.chunks(count) {
            // Drawn for all rows on every rank.
            let others: Vec<Vec<i64>> = (points.iter().zip(&self.own.weights))
                .map(|_| chunk.iter().map(|_| random.random_range(0..hypotheses)).collect())
                .collect();
            let (ranks, share) = (&self.options.ranks, self.options.ranks.share(chunk.len()));
            let theta = self.theta(self.optimizer.parameters())?;
            let index = Tensor::from_slice(&chunk[share.clone()]).to_device(batch.rows.device());
            let mut loss = Tensor::zeros([], (self.codes.kind(), self.codes.device()));
            let through = if self.own.is_unrolled && !share.is_empty() {
                self.unrolled(&theta, &batch.rows_of(&index, hypotheses))?
            } else {
                Vec::new()
            };
            for (step, ((point, weight), other)) in points.iter().zip(&self.own.weights).zip(&others).enumerate() {
                if share.is_empty() {
                    break;
                }
                let z = match through.get(step) {
                    Some(z) => z.view([-1, hypotheses, self.lift.size()[1]]),
                    None => point.view([groups, hypotheses, -1]).index_select(0, &index),
                };
                let other = Tensor::from_slice(&other[share.clone()]).to_device(batch.rows.device());
                loss += self.outer(&theta, &z, batch, &index, &other)?.mean(self.codes.kind()) * *weight;
            }
            let part = if ranks.size() > 1 { loss * ranks.fraction(chunk.len()) } else { loss };
            let part = Some(&part).filter(|_| !share.is_empty());
            total += self.optimizer.descend_together(part, rate, ranks)?.double_value(&[]);
            updates += 1;
        }
        Ok(total / f64::from(updates.max(1)))
    }

    fn rate(&self) -> f64 {
        let (peak, end) = (self.options.update.rate_theta, self.options.update.rate_end);
        let warm_up = self.options.buffers / 15;
        CosineRate { peak, end, warm_up, steps: u64::from(self.options.buffers) }.at(u64::from(self.done))
    }

    /// Mean loss at the last point of held-out observations, with the average of theta.
    fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        let (Some(batch), Some(metrics)) = (&self.held_out, self.whitening.metrics()) else { return Ok(None) };
        let average = self.optimizer.averaged();
        let theta = self.theta(&average)?;
        let (ranks, groups) = (&self.options.ranks, batch.groups());
        let part = batch.part(&ranks.share(groups), self.own.hypotheses);
        let mut loss = f64::NAN;
        if part.groups() > 0 {
            // The metrics are known: nothing is measured together.
            let Descended { points, .. } = self.descend(&theta, &part, &|mean| Ok(mean.shallow_clone()))?;
            let last = points.last().map_or_else(Tensor::new, Tensor::shallow_clone);
            loss = self.score(&theta, &last, &part)?;
        }
        // What is kept and when training ends has to be decided alike.
        let loss = ranks.of_first(ranks.means(&[loss], groups)?[0])?;
        self.stale += 1;
        if loss.is_finite() && self.best.as_ref().is_none_or(|best| loss < best.0) {
            (self.best, self.stale) = (Some((loss, self.done, average, metrics)), 0);
        }
        Ok(Some(loss))
    }

    fn result(&self) -> Result<Landscape, TrainError> {
        let (average, metrics) = match &self.best {
            Some((_, _, average, metrics)) => (average.iter().map(Tensor::shallow_clone).collect(), Some(metrics)),
            None => (self.optimizer.averaged(), None),
        };
        let metrics = metrics.map(Tensor::shallow_clone).or_else(|| self.whitening.metrics());
        let Some(metrics) = metrics else {
            return Err(TrainError::option("buffers", &self.options.buffers, "at least 1"));
        };
        let theta = Landscape::from_perceptron(&self.theta(&average)?)?;
        let metrics = metrics.to_kind(self.codes.kind()).to_device(self.codes.device());
        let steps = Steps::new(metrics, self.codes.shallow_clone(), self.gaps.shallow_clone());
        Ok(theta.with_steps(steps.with_exemplars(self.exemplars.as_ref().map(Tensor::shallow_clone)))?)
    }
}

impl Learner for StepsLearner<'_> {
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
        self.options.finish || self.done >= self.options.buffers || (patience > 0 && self.stale >= patience)
    }

    fn round(&mut self, random: &mut StdRng) -> Result<f64, TrainError> {
        let batch = self.draw(random);
        let frozen: Vec<Tensor> = self.optimizer.parameters().iter().map(Tensor::detach).collect();
        let Descended { points, measured, losses } = self.descend_together(&self.theta(&frozen)?, &batch)?;
        self.whitening.learn(&measured);
        let mut update = 0.0;
        for _ in 0..self.options.update.epochs {
            update += self.update(&points, &batch, random)? / f64::from(self.options.update.epochs);
        }
        self.done += 1;
        let of = |loss: Option<&f64>| loss.copied().unwrap_or(f64::NAN);
        self.descents = (of(losses.first()), of(losses.last()));
        Ok(update)
    }

    fn judge(&mut self, update: f64) -> Result<ThetaProgress, TrainError> {
        let held_out = self.validate()?;
        let (best, best_buffer) = (self.best.as_ref().map(|best| best.0), self.best.as_ref().map(|best| best.1));
        let (first, last) = self.descents;
        Ok(ThetaProgress { buffer: self.done, first, last, update, held_out, best, best_buffer })
    }

    fn diverged(&self, loss: f64) -> TrainError {
        TrainError::NotFinite { buffer: self.done, loss, rate: self.options.update.rate_theta }
    }

    fn state(&self) -> State {
        let mut tensors = self.optimizer.named("optimizer");
        tensors.extend(self.whitening.named());
        let frozen = FROZEN.into_iter().zip([&self.lift, &self.codes, &self.gaps]);
        tensors.extend(frozen.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())));
        let (mut best_loss, mut best_buffer) = (f64::INFINITY, 0);
        if let Some((loss, buffer, average, metrics)) = &self.best {
            (best_loss, best_buffer) = (*loss, *buffer);
            let average = average.iter().chain([metrics]).enumerate();
            tensors.extend(average.map(|(index, tensor)| (format!("{BEST}.{index}"), tensor.shallow_clone())));
        }
        let metadata = vec![
            ("buffers", self.done.to_string()),
            ("updates", self.optimizer.steps().to_string()),
            ("stale", self.stale.to_string()),
            ("best_loss", best_loss.to_string()),
            ("best_buffer", best_buffer.to_string()),
        ];
        State { tensors, metadata }
    }

    fn restore(&mut self, file: &Weights) -> Result<(), TrainError> {
        self.optimizer.restore(file, "optimizer", file.meta("updates")?)?;
        (self.done, self.stale) = (file.meta("buffers")?, file.meta("stale")?);
        let latent = self.lift.size()[0];
        self.whitening.restore(file, latent)?;
        for (name, tensor) in FROZEN.into_iter().zip([&mut self.lift, &mut self.codes, &mut self.gaps]) {
            *tensor = file.tensor(name, &tensor.size())?;
        }
        let (loss, buffer): (f64, u32) = (file.meta("best_loss")?, file.meta("best_buffer")?);
        if loss.is_finite() {
            let like = self.optimizer.parameters().iter().map(Tensor::size).enumerate();
            let average = like.map(|(index, size)| file.tensor(&format!("{BEST}.{index}"), &size));
            let average = average.collect::<Result<Vec<_>, _>>()?;
            let steps = self.whitening.steps() as i64;
            let metrics = file.tensor(&format!("{BEST}.{}", average.len()), &[steps, latent, latent])?;
            self.best = Some((loss, buffer, average, metrics));
        }
        Ok(())
    }
}

fn held_out_device(obs: &Observation) -> Device {
    obs.fields().next().map_or(Device::Cpu, |(_, field)| field.value().device())
}

fn derivative(value: &Tensor, by: &Tensor) -> Result<Tensor, TrainError> {
    let gradient = Tensor::f_run_backward(&[value], &[by], true, false).map_err(thalweg_task::TaskError::from)?;
    gradient.into_iter().next().ok_or_else(|| TrainError::option("gradient", &"none", "one"))
}

/// `J' c`, row by row: J is that of `x`, `[B, X]`, by `z`, the cotangents c `[B, X]`.
fn derivative_through(x: &Tensor, cotangent: &Tensor, z: &Tensor) -> Result<Tensor, TrainError> {
    derivative(&(x * cotangent).sum(x.kind()), z)
}
