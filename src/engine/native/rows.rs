//! K points that descend side by side, and the best that each has met, as plain numbers.

use std::sync::Arc;

use tch::Tensor;

use super::method::Method;
use crate::engine::error::EngineError;
use crate::engine::evaluation::Point;
use crate::engine::hypotheses::{SPAWN_ATTEMPTS, Status};
use crate::engine::optimizer::Optimizer;
use crate::engine::sampler::Sampler;
use crate::engine::solution::Statistics;
use crate::fused::{Aim, Batch, Model, Real, Workspace, read};

/// Whether a row has a finite loss and gradient.
pub(super) fn is_finite<T>(batch: &Batch<T>, row: usize) -> bool {
    batch.loss[row].is_finite() && batch.slope[row].is_finite()
}

/// A descent: its points, its method, its best. Rows never interact.
#[derive(Debug)]
pub(crate) struct Descent<T> {
    model: Arc<Model<T>>,
    aim: Aim<T>,
    current: Batch<T>,
    trial: Batch<T>,
    best: Best<T>,
    method: Method<T>,
    statistics: Statistics,
    work: Workspace<T>,
    /// One flag for each row, for whatever is asked of the rows just now.
    marks: Vec<bool>,
}

/// The best point of each row.
#[derive(Clone, Debug)]
struct Best<T> {
    z: Vec<T>,
    x: Vec<T>,
    raw: Vec<T>,
    loss: Vec<f64>,
}

impl<T: Real> Best<T> {
    fn take(&mut self, other: &Batch<T>, row: usize) {
        let rows = self.loss.len();
        copy_row(&mut self.z, &other.z, rows, row);
        copy_row(&mut self.x, &other.x, rows, row);
        copy_row(&mut self.raw, &other.raw, rows, row);
        self.loss[row] = other.loss[row];
    }
}

/// Copies one of `rows` rows.
fn copy_row<T: Copy>(mine: &mut [T], theirs: &[T], rows: usize, row: usize) {
    let width = mine.len() / rows;
    mine[row * width..][..width].copy_from_slice(&theirs[row * width..][..width]);
}

/// Copies row `from` over row `to`.
fn repeat_row<T: Copy>(values: &mut [T], rows: usize, from: usize, to: usize) {
    let width = values.len() / rows;
    values.copy_within(from * width..(from + 1) * width, to * width);
}

/// Takes over row `row` of `theirs`.
fn take_row<T: Real>(mine: &mut Batch<T>, theirs: &Batch<T>, row: usize) {
    let rows = mine.loss.len();
    let pairs = [
        (&mut mine.z, &theirs.z),
        (&mut mine.x, &theirs.x),
        (&mut mine.raw, &theirs.raw),
        (&mut mine.gradient, &theirs.gradient),
        (&mut mine.by_x, &theirs.by_x),
    ];
    pairs.into_iter().for_each(|(mine, theirs)| copy_row(mine, theirs, rows, row));
    if let (Some(mine), Some(theirs)) = (mine.linear.get_mut(row), theirs.linear.get(row)) {
        mine.take(theirs);
    }
    (mine.loss[row], mine.slope[row]) = (theirs.loss[row], theirs.slope[row]);
}

impl<T: Real> Descent<T> {
    /// Evaluates starting points `z`, `[K, Z]`; those that are not finite are drawn again.
    pub(super) fn start(
        model: &Arc<Model<T>>,
        aim: Aim<T>,
        spare: Option<Self>,
        z: &Tensor,
        optimizer: &Optimizer,
        sampler: &mut Sampler,
    ) -> Result<Self, EngineError> {
        let rows = z.size()[0] as usize;
        let fits = |spare: &Self| {
            let is_linear = spare.current.linear.len() == rows;
            spare.marks.len() == rows && is_linear == optimizer.needs_residual() && Arc::ptr_eq(&spare.model, model)
        };
        let (mut current, trial, best, mut work, method, marks) = match spare.filter(fits) {
            Some(Self { current, trial, best, work, method, marks, .. }) => {
                (current, trial, best, work, Some(method), marks)
            }
            None => {
                let batch = || Method::batch(optimizer, model, rows);
                let best = Best { z: Vec::new(), x: Vec::new(), raw: Vec::new(), loss: Vec::new() };
                (batch(), batch(), best, model.workspace(), None, vec![false; rows])
            }
        };
        read(z, &mut current.z);
        let method = Method::start(method, optimizer, model, &aim, rows);
        model.evaluate(&aim, &mut current, &mut work);
        let (model, statistics) = (Arc::clone(model), Statistics { evaluations: 1, ..Statistics::default() });
        let mut descent = Self { model, aim, current, trial, best, method, statistics, work, marks };
        descent.find_finite(sampler)?;
        let Batch { z, x, raw, loss, .. } = &descent.current;
        let best = &mut descent.best;
        best.z.clone_from(z);
        best.x.clone_from(x);
        best.raw.clone_from(raw);
        best.loss.clone_from(loss);
        Ok(descent)
    }

    /// Draws broken rows again; those that stay so become copies of the best when all rows share a target.
    fn find_finite(&mut self, sampler: &mut Sampler) -> Result<(), EngineError> {
        for _ in 0..SPAWN_ATTEMPTS {
            if !self.mark_broken() {
                return Ok(());
            }
            self.statistics.count_diverged(&self.marks);
            self.draw(sampler);
            self.replace();
        }
        if !self.mark_broken() {
            return Ok(());
        }
        let finite = (0..self.marks.len()).filter(|&row| !self.marks[row]);
        let best = finite.min_by(|&a, &b| self.current.loss[a].total_cmp(&self.current.loss[b]));
        let Some(best) = best.filter(|_| self.aim.is_shared()) else {
            let rows = self.marks.iter().filter(|broken| **broken).count();
            return Err(EngineError::NothingFinite { rows, attempts: SPAWN_ATTEMPTS + 1 });
        };
        let Self { current: Batch { z, x, raw, loss, gradient, by_x, slope, linear }, marks, .. } = self;
        for row in (0..marks.len()).filter(|&row| marks[row]) {
            if !linear.is_empty() {
                linear[row] = linear[best].clone();
            }
            let values = [&mut *z, x, raw, gradient, by_x];
            values.into_iter().for_each(|values| repeat_row(values, marks.len(), best, row));
            (loss[row], slope[row]) = (loss[best], slope[best]);
        }
        Ok(())
    }

    /// Does one optimizer step for all rows.
    pub(super) fn step(&mut self, sampler: &mut Sampler) -> Status {
        let Self { model, aim, current, trial, method, work, marks, .. } = self;
        method.propose(model, aim, current, trial, work);
        method.evaluate(model, aim, current, trial, work);
        method.judge(current, trial, marks);
        if marks.iter().all(|&accepted| accepted) {
            std::mem::swap(current, trial);
        } else {
            (0..marks.len()).filter(|&row| marks[row]).for_each(|row| take_row(current, trial, row));
        }
        (self.statistics.steps, self.statistics.evaluations) =
            (self.statistics.steps + 1, self.statistics.evaluations + 1);
        if self.mark_broken() {
            self.respawn(sampler);
        }
        self.keep_best()
    }

    /// Takes rows of `z`, `[K, Z]`, where they are better than what is there.
    pub(super) fn offer(&mut self, z: &Tensor) {
        read(z, &mut self.trial.z);
        let Self { model, aim, current, trial, work, marks, .. } = self;
        model.evaluate(aim, trial, work);
        for (row, mark) in marks.iter_mut().enumerate() {
            *mark = is_finite(trial, row) && trial.loss[row] < current.loss[row];
            if *mark {
                take_row(current, trial, row);
            }
        }
        self.statistics.evaluations += 1;
        self.keep_best();
    }

    /// Gives broken rows a fresh point, or, where that is broken too, the best they have had.
    fn respawn(&mut self, sampler: &mut Sampler) {
        self.statistics.count_diverged(&self.marks);
        self.method.reset(&self.marks);
        self.draw(sampler);
        self.replace();
        if self.mark_broken() {
            self.trial.z.copy_from_slice(&self.best.z);
            self.replace();
        }
    }

    /// Marks the rows that are not finite, and tells whether there are any.
    fn mark_broken(&mut self) -> bool {
        let current = &self.current;
        self.marks.iter_mut().enumerate().for_each(|(row, mark)| *mark = !is_finite(current, row));
        self.marks.contains(&true)
    }

    /// Draws candidates for all rows, so that a row's does not depend on which others are broken.
    fn draw(&mut self, sampler: &mut Sampler) {
        let values = sampler.values(self.trial.z.len());
        self.trial.z.iter_mut().zip(values).for_each(|(z, value)| *z = T::of(value));
    }

    /// Evaluates the marked rows of `trial.z` in place of what was there; the others keep their bits.
    fn replace(&mut self) {
        let Self { model, aim, current, trial, work, marks, .. } = self;
        for row in (0..marks.len()).filter(|&row| !marks[row]) {
            copy_row(&mut trial.z, &current.z, marks.len(), row);
        }
        model.evaluate(aim, trial, work);
        (0..marks.len()).filter(|&row| marks[row]).for_each(|row| take_row(current, trial, row));
        self.statistics.evaluations += 1;
    }

    fn keep_best(&mut self) -> Status {
        let mut improved = false;
        let mut converged = true;
        for row in 0..self.marks.len() {
            if is_finite(&self.current, row) && self.current.loss[row] < self.best.loss[row] {
                self.best.take(&self.current, row);
                improved = true;
            }
            converged &= self.is_converged(row);
        }
        match (converged, improved) {
            (true, _) => Status::Converged,
            (false, true) => Status::Improved,
            (false, false) => Status::Stalled,
        }
    }

    /// Whether a unit step down the gradient would change the loss by less than its rounding.
    fn is_converged(&self, row: usize) -> bool {
        let flat = self.current.slope[row].sqrt() <= T::EPSILON * self.current.loss[row];
        flat || self.method.is_exhausted(row)
    }

    /// The present points, `[K, Z]`.
    pub(super) fn z(&self) -> Tensor {
        rows_of(&self.current.z, &[self.model.dim() as i64])
    }

    /// The loss of each row at the present point.
    pub(super) fn loss(&self) -> &[f64] {
        &self.current.loss
    }

    /// The least loss that each row has met.
    pub(super) fn best_loss(&self) -> &[f64] {
        &self.best.loss
    }

    /// The best point of each row, `[K, Z]`.
    pub(super) fn best_z(&self) -> Tensor {
        rows_of(&self.best.z, &[self.model.dim() as i64])
    }

    /// The best points, as tensors; `output` is the shape of one row of F's output.
    pub(super) fn best(&self, output: &[i64]) -> Point {
        let Best { z, x, raw, loss } = &self.best;
        Point {
            z: rows_of(z, &[self.model.dim() as i64]),
            x: rows_of(x, &[self.model.latent() as i64]),
            y_hat: rows_of(&self.model.outputs(raw), output),
            loss: loss.clone(),
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
