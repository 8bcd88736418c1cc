//! Some of the rows of a descent, which one thread moves: points, method, best.

use std::sync::Arc;

use super::method::Method;
use crate::native::{Batch, EncodedTarget, Model, Real, Workspace};
use crate::optimizer::Optimizer;

/// Whether a row has a finite loss and gradient.
pub(super) fn is_finite<T>(batch: &Batch<T>, row: usize) -> bool {
    batch.loss[row].is_finite() && batch.slope[row].is_finite()
}

/// Which rows a shard has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    /// The first one.
    pub(super) first: usize,
    /// How many there are.
    pub(super) rows: usize,
    /// Number K of all rows.
    pub(super) hypotheses: usize,
}

impl Span {
    /// Part `index` when all rows are dealt out to `parts` as evenly as can be.
    pub(super) fn part(hypotheses: usize, parts: usize, index: usize) -> Self {
        let bound = |index: usize| hypotheses * index / parts;
        Self { first: bound(index), rows: bound(index + 1) - bound(index), hypotheses }
    }
}

/// Rows that are evaluated and moved together. Rows never interact.
#[derive(Debug)]
pub(crate) struct Shard<T> {
    model: Arc<Model<T>>,
    encoded: Arc<EncodedTarget<T>>,
    span: Span,
    pub(super) current: Batch<T>,
    pub(super) trial: Batch<T>,
    pub(super) best: Best<T>,
    method: Method<T>,
    work: Workspace<T>,
    /// One flag for each row, for whatever is asked of the rows just now.
    pub(super) marks: Vec<bool>,
    /// How the rows fared; that is open while one is broken.
    pub(super) progress: Option<Progress>,
    /// Which of theta's own steps comes next; beyond their number none does.
    own: usize,
    /// Whether nothing follows them.
    is_all_own: bool,
    /// What is added to `z` after the first of them, `[rows, Z]`.
    pub(super) offset: Vec<T>,
}

/// How rows fared in a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Whether none can go further.
    pub(super) converged: bool,
    /// Whether any has a new best.
    pub(super) improved: bool,
}

/// The best point of each row.
#[derive(Clone, Debug)]
pub(super) struct Best<T> {
    pub(super) z: Vec<T>,
    pub(super) x: Vec<T>,
    pub(super) raw: Vec<T>,
    pub(super) loss: Vec<f64>,
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

/// Takes over row `from` of `theirs` as row `row`.
fn take_row<T: Real>(mine: &mut Batch<T>, row: usize, theirs: &Batch<T>, from: usize) {
    let rows = mine.loss.len();
    let pairs = [
        (&mut mine.z, &theirs.z),
        (&mut mine.x, &theirs.x),
        (&mut mine.raw, &theirs.raw),
        (&mut mine.gradient, &theirs.gradient),
        (&mut mine.by_x, &theirs.by_x),
    ];
    for (mine, theirs) in pairs {
        let width = mine.len() / rows;
        mine[row * width..][..width].copy_from_slice(&theirs[from * width..][..width]);
    }
    if let (Some(mine), Some(theirs)) = (mine.linear.get_mut(row), theirs.linear.get(from)) {
        mine.take(theirs);
    }
    (mine.loss[row], mine.slope[row]) = (theirs.loss[from], theirs.slope[from]);
    mine.fits[row] = theirs.fits[from];
}

impl<T: Real> Shard<T> {
    /// Allocates rows, with the method in the state in which a descent starts.
    pub(super) fn new(
        model: &Arc<Model<T>>,
        encoded: &Arc<EncodedTarget<T>>,
        optimizer: &Optimizer,
        span: Span,
    ) -> Self {
        let batch = || Method::batch(optimizer, model, span);
        let method = Method::start(None, optimizer, model, encoded, span);
        let best = Best { z: Vec::new(), x: Vec::new(), raw: Vec::new(), loss: Vec::new() };
        let (current, trial, work, marks) = (batch(), batch(), model.workspace(), vec![false; span.rows]);
        let offset = vec![T::ZERO; span.rows * model.dim()];
        let (model, encoded) = (Arc::clone(model), Arc::clone(encoded));
        let (progress, own, is_all_own) = (None, usize::MAX, false);
        Self { model, encoded, span, current, trial, best, method, work, marks, progress, own, is_all_own, offset }
    }

    /// Uses the memory of a shard that has ended, where it fits.
    pub(super) fn renewed(self, encoded: &Arc<EncodedTarget<T>>, optimizer: &Optimizer) -> Self {
        let method = Method::start(Some(self.method), optimizer, &self.model, encoded, self.span);
        Self { encoded: Arc::clone(encoded), method, progress: None, own: usize::MAX, ..self }
    }

    /// Whether its memory serves these rows with this model and optimizer.
    pub(super) fn fits(&self, model: &Arc<Model<T>>, optimizer: &Optimizer, span: Span) -> bool {
        self.span == span
            && self.current.linear.is_empty() != optimizer.needs_residual()
            && Arc::ptr_eq(&self.model, model)
    }

    /// Begins with theta's own steps, from [`Shard::offset`].
    pub(super) fn begin_own_steps(&mut self, is_all: bool) {
        (self.own, self.is_all_own) = (0, is_all);
    }

    /// Evaluates the present points.
    pub(super) fn evaluate(&mut self) {
        self.model.evaluate(&self.encoded, &mut self.current, &mut self.work, self.own);
    }

    /// Has the method's memory belong to the points in `trial.z`, or to none.
    pub(super) fn recall(&mut self, any: bool) {
        self.method.recall(any.then_some(&self.trial.z), &self.model, &mut self.work);
    }

    /// See [`Method::tell_points`].
    pub(super) fn tell_points(&self, points: &mut Vec<T>) -> bool {
        self.method.tell_points(points)
    }

    /// Begins the best with the present points.
    pub(super) fn begin_best(&mut self) {
        let (Batch { z, x, raw, loss, .. }, best) = (&self.current, &mut self.best);
        best.z.clone_from(z);
        best.x.clone_from(x);
        best.raw.clone_from(raw);
        best.loss.clone_from(loss);
    }

    /// Does one optimizer step; broken rows are marked, and then the best is not judged yet.
    pub(super) fn step(&mut self) {
        if self.own < self.model.own_steps() {
            self.own_step();
        } else {
            let Self { model, encoded, current, trial, method, work, marks, .. } = self;
            method.propose(model, encoded, current, trial, work);
            model.evaluate(encoded, trial, work, usize::MAX);
            method.judge(current, trial, marks);
        }
        let Self { current, trial, marks, .. } = self;
        if marks.iter().all(|&accepted| accepted) {
            std::mem::swap(current, trial);
        } else {
            (0..marks.len()).filter(|&row| marks[row]).for_each(|row| take_row(current, row, trial, row));
        }
        self.progress = None;
        if !self.mark_broken() {
            self.keep_best();
        }
    }

    /// Proposes what the next of theta's own steps leads to; all rows take it.
    fn own_step(&mut self) {
        let Self { model, encoded, current, trial, work, marks, own, is_all_own, offset, .. } = self;
        let entries = trial.z.iter_mut().zip(&current.z).zip(&current.gradient);
        entries.for_each(|((next, z), gradient)| *next = *z - *gradient);
        if *own == 0 {
            trial.z.iter_mut().zip(offset).for_each(|(next, offset)| *next += *offset);
        }
        *own += 1;
        if *is_all_own && *own == model.own_steps() {
            model.evaluate_losses(encoded, trial, work);
        } else {
            model.evaluate(encoded, trial, work, *own);
        }
        marks.fill(true);
    }

    /// Takes the points in `trial.z`, row by row, where they are better than the present ones.
    pub(super) fn consider(&mut self) {
        let Self { model, encoded, current, trial, work, marks, own, .. } = self;
        model.evaluate(encoded, trial, work, *own);
        for (row, mark) in marks.iter_mut().enumerate() {
            *mark = is_finite(trial, row) && trial.loss[row] < current.loss[row];
            if *mark {
                take_row(current, row, trial, row);
            }
        }
        self.keep_best();
    }

    /// Marks the rows that are not finite, and tells whether there are any.
    pub(super) fn mark_broken(&mut self) -> bool {
        let current = &self.current;
        self.marks.iter_mut().enumerate().for_each(|(row, mark)| *mark = !is_finite(current, row));
        self.is_marked()
    }

    /// Whether any row is marked.
    pub(super) fn is_marked(&self) -> bool {
        self.marks.contains(&true)
    }

    /// Starts the method of marked rows afresh.
    pub(super) fn reset(&mut self) {
        self.method.reset(&self.marks);
    }

    /// Evaluates the marked rows of `trial.z` in place of what was there; the others keep their bits.
    pub(super) fn replace(&mut self) {
        let Self { model, encoded, current, trial, work, marks, own, .. } = self;
        for row in (0..marks.len()).filter(|&row| !marks[row]) {
            copy_row(&mut trial.z, &current.z, marks.len(), row);
        }
        model.evaluate(encoded, trial, work, *own);
        (0..marks.len()).filter(|&row| marks[row]).for_each(|row| take_row(current, row, trial, row));
    }

    /// The best of the rows that are not marked, by loss.
    pub(super) fn best_unmarked(&self) -> Option<usize> {
        let finite = (0..self.marks.len()).filter(|&row| !self.marks[row]);
        finite.min_by(|&a, &b| self.current.loss[a].total_cmp(&self.current.loss[b]))
    }

    /// Copies one row.
    pub(super) fn row(&self, optimizer: &Optimizer, row: usize) -> Batch<T> {
        let mut one = Method::batch(optimizer, &self.model, Span { first: 0, rows: 1, hypotheses: 1 });
        take_row(&mut one, 0, &self.current, row);
        one
    }

    /// Puts a row in place of all that are marked.
    pub(super) fn fall_back(&mut self, to: &Batch<T>) {
        let Self { current, marks, .. } = self;
        (0..marks.len()).filter(|&row| marks[row]).for_each(|row| take_row(current, row, to, 0));
    }

    /// Keeps what is better than the best so far, and tells how the rows fared.
    pub(super) fn keep_best(&mut self) {
        let mut progress = Progress { converged: true, improved: false };
        for row in 0..self.marks.len() {
            if is_finite(&self.current, row) && self.current.loss[row] < self.best.loss[row] {
                self.best.take(&self.current, row);
                progress.improved = true;
            }
            progress.converged &= self.is_converged(row);
        }
        self.progress = Some(progress);
    }

    /// Whether a unit step down the gradient would change the loss by less than its rounding.
    fn is_converged(&self, row: usize) -> bool {
        let flat = self.current.slope[row].sqrt() <= T::EPSILON * self.current.loss[row];
        flat || self.method.is_exhausted(row)
    }
}
