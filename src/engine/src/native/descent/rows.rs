//! K points that descend side by side, and the best that each has met, as plain numbers.

use std::sync::Arc;

use tch::Tensor;

use super::shard::{Progress, Shard, Span};
use crate::descent::Beginning;
use crate::error::EngineError;
use crate::evaluation::Point;
use crate::hypotheses::{SPAWN_ATTEMPTS, Status};
use crate::native::{EncodedTarget, Model, Real, Team, read};
use crate::optimizer::Optimizer;
use crate::sampler::Sampler;
use crate::solution::Statistics;

/// Threads that move a shard each.
pub(super) type Shards<T> = Team<Shard<T>>;

/// A descent: all rows, dealt out to the threads of a team. What comes out does not depend on how many there are.
#[derive(Debug)]
pub(crate) struct RowDescent<T> {
    model: Arc<Model<T>>,
    team: Arc<Shards<T>>,
    /// Whether one observation is explained by all rows.
    is_shared: bool,
    /// In the order of the rows.
    shards: Vec<Shard<T>>,
    /// Points from outside, `[K, Z]`.
    given: Vec<T>,
    /// Present and least loss of each row.
    loss: Vec<f64>,
    best_loss: Vec<f64>,
    statistics: Statistics,
}

impl<T: Real> RowDescent<T> {
    /// Evaluates starting points; those that are not finite are drawn again.
    pub(super) fn start(
        (model, team): (&Arc<Model<T>>, &Arc<Shards<T>>),
        encoded: EncodedTarget<T>,
        spare: Option<Self>,
        Beginning { z, own, linearised, .. }: Beginning<'_>,
        optimizer: &Optimizer,
        sampler: &mut Sampler,
    ) -> Result<Self, EngineError> {
        let hypotheses = z.size()[0] as usize;
        let (is_shared, encoded, parts) = (encoded.is_shared(), Arc::new(encoded), team.size().min(hypotheses));
        let span = |index| Span::part(hypotheses, parts, index);
        let fits = |spare: &Self| {
            let mut shards = spare.shards.iter().enumerate();
            spare.shards.len() == parts && shards.all(|(index, shard)| shard.fits(model, optimizer, span(index)))
        };
        let (model, team, statistics) = (Arc::clone(model), Arc::clone(team), Statistics::default());
        let mut descent = match spare.filter(fits) {
            Some(Self { shards, given, loss, best_loss, .. }) => {
                let shards = shards.into_iter().map(|shard| shard.renewed(&encoded, optimizer)).collect();
                Self { model, team, is_shared, shards, given, loss, best_loss, statistics }
            }
            None => {
                let shard = |index| Shard::new(&model, &encoded, optimizer, span(index));
                let shards = (0..parts).map(shard).collect();
                let (given, loss) = (vec![T::ZERO; hypotheses * model.dim()], vec![0.0; hypotheses]);
                Self { model, team, is_shared, shards, given, best_loss: loss.clone(), loss, statistics }
            }
        };
        descent.recall(linearised);
        if let Some(own) = own {
            descent.take_in(own.offset(), |shard| &mut shard.offset);
            descent.shards.iter_mut().for_each(|shard| shard.begin_own_steps(own.is_all()));
        }
        descent.take_in(z, |shard| &mut shard.current.z);
        descent.each(Shard::evaluate);
        descent.find_finite(optimizer, sampler)?;
        descent.shards.iter_mut().for_each(|shard| shard.begin_best());
        descent.tell_losses();
        Ok(descent)
    }

    /// Has the method's memory belong to points `z`, `[K, Z]`; to none where there are none, or others than K.
    fn recall(&mut self, z: Option<&Tensor>) {
        let z = z.filter(|z| z.numel() == self.given.len());
        if let Some(z) = z {
            self.take_in(z, |shard| &mut shard.trial.z);
        }
        for shard in &mut self.shards {
            shard.recall(z.is_some());
        }
    }

    /// The points that the method's memory belongs to, `[K, Z]`; none where it has none of some row.
    pub(super) fn linearised(&self) -> Option<Tensor> {
        let mut points = Vec::new();
        let are_whole = self.shards.iter().all(|shard| shard.tell_points(&mut points));
        are_whole.then(|| rows_of(&points, &[self.model.dim() as i64]))
    }

    /// Has every thread do the same with its shard, an evaluation of all rows.
    fn each(&mut self, work: fn(&mut Shard<T>)) {
        self.team.each(&mut self.shards, work);
        self.statistics.evaluations += 1;
    }

    /// As [`RowDescent::each`], here, and only where rows are marked.
    fn each_marked(&mut self, work: impl Fn(&mut Shard<T>)) {
        self.shards.iter_mut().filter(|shard| shard.is_marked()).for_each(work);
    }

    /// Deals points out.
    fn take_in(&mut self, z: &Tensor, place: impl Fn(&mut Shard<T>) -> &mut Vec<T>) {
        read(z, &mut self.given);
        let mut rest = &self.given[..];
        for shard in &mut self.shards {
            let place = place(shard);
            let (mine, others) = rest.split_at(place.len());
            place.copy_from_slice(mine);
            rest = others;
        }
    }

    /// Draws broken rows again; those that stay so become copies of the best when all rows share a target.
    fn find_finite(&mut self, optimizer: &Optimizer, sampler: &mut Sampler) -> Result<(), EngineError> {
        for _ in 0..SPAWN_ATTEMPTS {
            if !self.mark_broken() {
                return Ok(());
            }
            self.draw(sampler);
            self.replace();
        }
        if !self.mark_broken() {
            return Ok(());
        }
        let finite = self.shards.iter().filter_map(|shard| Some((shard, shard.best_unmarked()?)));
        let loss = |(shard, row): &(&Shard<T>, usize)| shard.current.loss[*row];
        let best = finite.min_by(|a, b| loss(a).total_cmp(&loss(b)));
        let Some((shard, row)) = best.filter(|_| self.is_shared) else {
            let marked = |shard: &Shard<T>| shard.marks.iter().filter(|broken| **broken).count();
            let rows = self.shards.iter().map(marked).sum();
            return Err(EngineError::NothingFinite { rows, attempts: SPAWN_ATTEMPTS + 1 });
        };
        let best = shard.row(optimizer, row);
        self.each_marked(|shard| shard.fall_back(&best));
        Ok(())
    }

    /// Does one optimizer step for all rows.
    pub(super) fn step(&mut self, sampler: &mut Sampler) -> Status {
        self.each(Shard::step);
        self.statistics.steps += 1;
        if self.shards.iter().any(|shard| shard.is_marked()) {
            self.respawn(sampler);
        }
        self.tell_losses()
    }

    /// Takes rows of `z`, `[K, Z]`, where they are better than what is there.
    pub(super) fn offer(&mut self, z: &Tensor) {
        self.take_in(z, |shard| &mut shard.trial.z);
        self.each(Shard::consider);
        self.tell_losses();
    }

    /// Gives broken rows a fresh point, or, where that is broken too, the best they have had.
    fn respawn(&mut self, sampler: &mut Sampler) {
        self.each_marked(Shard::reset);
        self.draw(sampler);
        self.replace();
        if self.mark_broken() {
            self.each_marked(|shard| shard.trial.z.copy_from_slice(&shard.best.z));
            self.replace();
        }
        // Those without broken rows have judged already.
        self.shards.iter_mut().filter(|shard| shard.progress.is_none()).for_each(|shard| shard.keep_best());
    }

    /// Marks the rows that are not finite, and tells whether there are any.
    fn mark_broken(&mut self) -> bool {
        let mut broken = false;
        for shard in &mut self.shards {
            broken |= shard.mark_broken();
        }
        broken
    }

    /// Counts the marked rows, and draws candidates for all, so that a row's does not depend on which are broken.
    fn draw(&mut self, sampler: &mut Sampler) {
        let mut values = sampler.values(self.given.len());
        for shard in &mut self.shards {
            self.statistics.count_diverged(&shard.marks);
            shard.trial.z.iter_mut().zip(&mut values).for_each(|(z, value)| *z = T::of(value));
        }
    }

    /// Evaluates the marked rows of the candidates in place of what was there.
    fn replace(&mut self) {
        self.each_marked(Shard::replace);
        self.statistics.evaluations += 1;
    }

    /// Puts the shards' losses side by side; returns how all rows fared together.
    fn tell_losses(&mut self) -> Status {
        let Self { shards, loss, best_loss, .. } = self;
        let mut first = 0;
        for shard in shards.iter() {
            let span = first..first + shard.marks.len();
            loss[span.clone()].copy_from_slice(&shard.current.loss);
            best_loss[span.clone()].copy_from_slice(&shard.best.loss);
            first = span.end;
        }
        let progress = shards.iter().filter_map(|shard| shard.progress);
        let together = |one: Progress, other: Progress| Progress {
            converged: one.converged && other.converged,
            improved: one.improved || other.improved,
        };
        match progress.reduce(together) {
            Some(Progress { converged: true, .. }) => Status::Converged,
            Some(Progress { improved: true, .. }) => Status::Improved,
            _ => Status::Stalled,
        }
    }

    /// The present points, `[K, Z]`.
    pub(super) fn z(&self) -> Tensor {
        self.gather(&[self.model.dim() as i64], |shard| &shard.current.z)
    }

    /// Where theta maps the best point of each row, `[K, X]`.
    pub(super) fn best_x(&self) -> Tensor {
        self.gather(&[self.model.latent() as i64], |shard| &shard.best.x)
    }

    /// The loss of each row at the present point.
    pub(super) fn loss(&self) -> &[f64] {
        &self.loss
    }

    /// The least loss that each row has met.
    pub(super) fn best_loss(&self) -> &[f64] {
        &self.best_loss
    }

    /// The best point of each row, `[K, Z]`.
    pub(super) fn best_z(&self) -> Tensor {
        self.gather(&[self.model.dim() as i64], |shard| &shard.best.z)
    }

    /// The best points, as tensors; `output` is the shape of one row of F's output.
    pub(super) fn best(&self, output: &[i64]) -> Point {
        let outputs: Vec<T> = self.shards.iter().flat_map(|shard| self.model.outputs(&shard.best.raw)).collect();
        Point {
            z: self.best_z(),
            x: self.gather(&[self.model.latent() as i64], |shard| &shard.best.x),
            y_hat: rows_of(&outputs, output),
            loss: self.best_loss.clone(),
        }
    }

    /// Puts the shards' rows into a tensor.
    fn gather(&self, row: &[i64], values: impl Fn(&Shard<T>) -> &[T]) -> Tensor {
        match &self.shards[..] {
            [only] => rows_of(values(only), row),
            shards => rows_of(&shards.iter().flat_map(values).copied().collect::<Vec<T>>(), row),
        }
    }

    /// What it has cost.
    pub(super) fn statistics(&self) -> Statistics {
        self.statistics
    }
}

/// Puts rows into a tensor.
fn rows_of<T: Real>(values: &[T], row: &[i64]) -> Tensor {
    Tensor::from_slice(values).view([&[-1], row].concat().as_slice())
}
