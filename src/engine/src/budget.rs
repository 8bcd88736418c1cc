//! When a solve ends.

use std::time::Duration;

use super::error::EngineError;
use super::solution::StopReason;

/// Tells the time, from any origin; never goes back.
pub trait Clock {
    /// Time since the clock's origin.
    fn now(&self) -> Duration;
}

/// What one solve may cost; whichever limit is met first ends it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Number of steps; zero is allowed and publishes the starting points.
    pub steps: Option<u32>,
    /// Time from the call of `solve`, encoding included.
    ///
    /// No step is started that is expected to end later. The expectation is a high estimate from
    /// recent steps; before there are any, the cost of `begin` stands in.
    pub deadline: Option<Duration>,
    /// Relative decrease of the best loss, at least 0, below which it is not worth going on.
    ///
    /// Ends the solve when the best loss has fallen by no more than this fraction of itself over
    /// the last `patience` steps. With one observation for each row, the mean of the rows' best
    /// losses counts.
    pub tolerance: Option<f64>,
    /// Steps over which `tolerance` looks back, at least 1. The default, 10, is a guess.
    pub patience: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: None, deadline: None, tolerance: None, patience: 10 }
    }
}

impl Budget {
    /// Ends after a number of steps.
    #[must_use]
    pub fn of_steps(steps: u32) -> Self {
        Self { steps: Some(steps), ..Self::default() }
    }

    /// Ends before a deadline, counted from the call of `solve`.
    #[must_use]
    pub fn of_deadline(deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }

    /// Ends when the best loss hardly falls any more.
    #[must_use]
    pub fn of_tolerance(tolerance: f64) -> Self {
        Self { tolerance: Some(tolerance), ..Self::default() }
    }

    /// Checks that at least one limit is set and that limits make sense.
    ///
    /// # Errors
    /// [`EngineError::EmptyBudget`] or [`EngineError::Option`].
    pub fn validate(&self) -> Result<(), EngineError> {
        if self.steps.is_none() && self.deadline.is_none() && self.tolerance.is_none() {
            return Err(EngineError::EmptyBudget);
        }
        if let Some(tolerance) = self.tolerance.filter(|tolerance| !(tolerance.is_finite() && *tolerance >= 0.0)) {
            return Err(EngineError::option("tolerance", &tolerance, "a finite number, at least 0"));
        }
        if self.patience < 1 {
            return Err(EngineError::option("patience", &self.patience, "at least 1"));
        }
        Ok(())
    }

    /// Says whether a solve ends here, before its next step.
    ///
    /// `scores`: the best loss at the start and after each step; `ready`: when the next step
    /// would be over, from the start of the solve.
    pub(crate) fn stop(&self, scores: &[f64], ready: Duration) -> Option<StopReason> {
        let steps = scores.len() - 1;
        if self.steps.is_some_and(|limit| steps >= limit as usize) {
            return Some(StopReason::Steps);
        }
        if self.deadline.is_some_and(|deadline| ready > deadline) {
            return Some(StopReason::Deadline);
        }
        let patience = self.patience as usize;
        let tolerance = self.tolerance.filter(|_| steps >= patience)?;
        let (old, new) = (scores[steps - patience], scores[steps]);
        (old - new <= tolerance * old).then_some(StopReason::Tolerance)
    }
}

/// Expects the cost of a step: the greatest of late, slowly forgotten.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    expected: Option<Duration>,
}

impl Pace {
    /// Share of the expectation that survives a step that was faster. A guess: an outlier is
    /// forgotten within some twenty steps.
    const MEMORY: f64 = 0.95;
    /// Share that survives a solve which could not afford any step. A guess. Without it one slow
    /// step could keep the engine from ever stepping, hence from ever learning better.
    const RELIEF: f64 = 0.5;

    /// What the next step may cost; `begin` is what the evaluation before the first one did.
    pub(crate) fn expected(&self, begin: Duration) -> Duration {
        self.expected.unwrap_or(begin)
    }

    pub(crate) fn record(&mut self, cost: Duration) {
        let remembered = self.expected.map_or(Duration::ZERO, |expected| expected.mul_f64(Self::MEMORY));
        self.expected = Some(cost.max(remembered));
    }

    pub(crate) fn relieve(&mut self) {
        self.expected = self.expected.map(|expected| expected.mul_f64(Self::RELIEF));
    }
}
