//! K points that descend side by side, and the best that each has met.

use tch::Tensor;

use super::error::EngineError;
use super::evaluation::{Evaluation, Point, Problem, choose, row_mask};
use super::optimizer::{Optimizer, State};
use super::sampler::Sampler;
use super::solution::Statistics;

/// How many starting points a row may try before it gives up. A guess.
pub(crate) const SPAWN_ATTEMPTS: u32 = 8;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// At least one hypothesis has found a better point.
    Improved,
    /// No hypothesis has found a better point; a further step may.
    Stalled,
    /// No hypothesis can go further.
    ///
    /// Each row's gradient is lost in the rounding of its loss, or its step was refused at the
    /// greatest damping.
    Converged,
}

/// The state of a descent. Rows never interact.
#[derive(Clone, Debug)]
pub(crate) struct Hypotheses {
    pub(crate) current: Evaluation,
    pub(crate) best: Point,
    pub(crate) statistics: Statistics,
    state: State,
    /// Which of the landscape's own steps comes next; beyond their number none does.
    own: usize,
}

impl Hypotheses {
    /// Evaluates starting points `z`, `[K, Z]`; those that are not finite are drawn again.
    ///
    /// A row without any finite point becomes a copy of the best other row when all rows share
    /// one observation.
    ///
    /// # Errors
    /// [`EngineError::NothingFinite`] when that cannot be.
    pub(crate) fn start(
        problem: &Problem<'_>,
        z: &Tensor,
        optimizer: &Optimizer,
        sampler: &mut Sampler,
    ) -> Result<Self, EngineError> {
        let mut statistics = Statistics { evaluations: 1, ..Statistics::default() };
        let mut current = problem.evaluate(z, 0)?;
        for _ in 0..SPAWN_ATTEMPTS {
            let broken = current.broken();
            if !broken.contains(&true) {
                break;
            }
            statistics.count_diverged(&broken);
            let drawn = sampler.draw(broken.len(), z.size()[1]);
            replace((problem, 0), &mut current, &broken, &drawn, &mut statistics)?;
        }
        if current.broken().contains(&true) {
            current = copy_best_over_broken(&current, problem.target.value.size()[0] == 1)?;
        }
        let best = current.point.clone();
        let state = optimizer.start(&best.z);
        Ok(Self { current, best, statistics, state, own: 0 })
    }

    /// Takes rows of `z`, `[K, Z]`, where they are better than what is there.
    pub(crate) fn offer(&mut self, problem: &Problem<'_>, z: &Tensor) -> Result<(), EngineError> {
        let trial = problem.evaluate(z, self.own)?;
        let better = |row: usize| trial.is_finite(row) && trial.point.loss[row] < self.current.point.loss[row];
        let better: Vec<bool> = (0..trial.slope.len()).map(better).collect();
        self.current.take(&trial, &better);
        self.statistics.evaluations += 1;
        self.keep_best();
        Ok(())
    }

    /// Does one optimizer step for all rows. Leaves everything as it was on error.
    pub(crate) fn step(&mut self, problem: &Problem<'_>, sampler: &mut Sampler) -> Result<Status, EngineError> {
        let own = problem.own.filter(|own| self.own < own.count());
        let next = if own.is_some() { self.own + 1 } else { self.own };
        let (mut state, z) = match own {
            Some(own) => (self.state.clone(), own.next(self.own, &self.current)),
            None => self.state.propose(problem, &self.current)?,
        };
        let trial = problem.evaluate(&z, next)?;
        let accepted = if own.is_some() { vec![true; trial.slope.len()] } else { state.judge(&self.current, &trial) };
        let mut current = self.current.clone();
        current.take(&trial, &accepted);
        let mut statistics = self.statistics;
        (statistics.steps, statistics.evaluations) = (statistics.steps + 1, statistics.evaluations + 1);
        let broken = current.broken();
        if broken.contains(&true) {
            statistics.count_diverged(&broken);
            self.respawn((problem, next), &mut current, &broken, sampler, &mut statistics)?;
            state.reset(&broken);
        }
        (self.current, self.state, self.statistics, self.own) = (current, state, statistics, next);
        Ok(self.keep_best())
    }

    /// Gives broken rows a fresh point, or, where that is broken too, the best they have had.
    fn respawn(
        &self,
        problem: (&Problem<'_>, usize),
        current: &mut Evaluation,
        broken: &[bool],
        sampler: &mut Sampler,
        statistics: &mut Statistics,
    ) -> Result<(), EngineError> {
        let drawn = sampler.draw(broken.len(), self.best.z.size()[1]);
        replace(problem, current, broken, &drawn, statistics)?;
        let broken = current.broken();
        if broken.contains(&true) {
            replace(problem, current, &broken, &self.best.z, statistics)?;
        }
        Ok(())
    }

    fn keep_best(&mut self) -> Status {
        let rows = 0..self.best.loss.len();
        let better = |row| self.current.is_finite(row) && self.current.point.loss[row] < self.best.loss[row];
        let improved: Vec<bool> = rows.clone().map(better).collect();
        self.best.take(&self.current.point, &improved);
        if rows.into_iter().all(|row| self.is_converged(row)) {
            return Status::Converged;
        }
        if improved.contains(&true) { Status::Improved } else { Status::Stalled }
    }

    /// Whether a unit step down the gradient would change the loss by less than its rounding.
    fn is_converged(&self, row: usize) -> bool {
        let rounding = match self.current.gradient.kind() {
            tch::Kind::Double => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        };
        let flat = self.current.slope[row].sqrt() <= rounding * self.current.point.loss[row];
        flat || self.state.is_exhausted(row)
    }
}

/// Evaluates the rows of `candidate`, `[K, Z]`, that are marked, in place of what was there.
///
/// The other rows are evaluated along but keep their bits: a batch of another size might be
/// summed in another order. The problem comes with the step that is next.
fn replace(
    (problem, step): (&Problem<'_>, usize),
    current: &mut Evaluation,
    rows: &[bool],
    candidate: &Tensor,
    statistics: &mut Statistics,
) -> Result<(), EngineError> {
    let z = choose(&row_mask(rows, candidate.device()), candidate, &current.point.z);
    let trial = problem.evaluate(&z, step)?;
    current.take(&trial, rows);
    statistics.evaluations += 1;
    Ok(())
}

fn copy_best_over_broken(current: &Evaluation, shared: bool) -> Result<Evaluation, EngineError> {
    let broken = current.broken();
    let finite = (0..broken.len()).filter(|&row| !broken[row]);
    let best = finite.min_by(|&a, &b| current.point.loss[a].total_cmp(&current.point.loss[b]));
    let Some(best) = best.filter(|_| shared) else {
        let rows = broken.iter().filter(|broken| **broken).count();
        return Err(EngineError::NothingFinite { rows, attempts: SPAWN_ATTEMPTS + 1 });
    };
    let order: Vec<usize> = (0..broken.len()).map(|row| if broken[row] { best } else { row }).collect();
    Ok(current.select(&order))
}
