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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
    /// the last `patience` steps; a landscape's own steps are done first. With one observation for
    /// each row, the mean of the rows' best losses counts.
    pub tolerance: Option<f64>,
    /// Steps over which `tolerance` looks back, at least 1. None: 50 steps of Adam, and one of
    /// Levenberg-Marquardt, apart from those that it has refused, of which three in a row end the
    /// solve. Guesses, but for the one step: on validation streams a tolerance of 0.03 and less
    /// costs nothing (docs/streams.md).
    pub patience: Option<u32>,
}

/// How many steps a [`Budget::tolerance`] looks back on, where a budget does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// So many.
    Steps(u32),
    /// Those until one was accepted: what Levenberg-Marquardt refuses it tries again nearer by, so a loss that did not fall
    /// says nothing about how far there is to go.
    Accepted,
}

impl Patience {
    /// Refused steps that end a solve.
    const REFUSED: u32 = 3;

    /// Whether the best losses have not fallen enough of late.
    fn is_over(self, scores: &[f64], tolerance: f64) -> bool {
        let refused = scores.windows(2).rev().take_while(|pair| pair[1] >= pair[0]).count();
        let steps = match self {
            Self::Steps(steps) => steps as usize,
            Self::Accepted => (refused + 1).min(Self::REFUSED as usize),
        };
        let Some(before) = scores.len().checked_sub(steps + 1) else { return false };
        let (old, new) = (scores[before], scores[scores.len() - 1]);
        old - new <= tolerance * old
    }

    /// The most steps that may be done before it is asked again.
    pub(crate) fn least(self) -> u32 {
        match self {
            Self::Steps(steps) => steps,
            Self::Accepted => 1,
        }
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
        if let Some(patience) = self.patience.filter(|patience| *patience < 1) {
            return Err(EngineError::option("patience", &patience, "at least 1"));
        }
        Ok(())
    }

    /// How far back a tolerance looks, which is `usual` where nothing else is said.
    pub(crate) fn patience(&self, usual: Patience) -> Patience {
        self.patience.map_or(usual, Patience::Steps)
    }

    /// Says whether a solve ends here, before its next step.
    ///
    /// `scores`: the best loss at the start and after each step, of which the first `own` were the
    /// landscape's own; `ready`: when the next step would be over, from the start of the solve;
    /// `usual`: how far back a tolerance looks with this optimizer.
    pub(crate) fn stop(&self, scores: &[f64], ready: Duration, (own, usual): (usize, Patience)) -> Option<StopReason> {
        let steps = scores.len() - 1;
        if self.steps.is_some_and(|limit| steps >= limit as usize) {
            return Some(StopReason::Steps);
        }
        if self.deadline.is_some_and(|deadline| ready > deadline) {
            return Some(StopReason::Deadline);
        }
        let scores = scores.get(own..)?;
        self.patience(usual).is_over(scores, self.tolerance?).then_some(StopReason::Tolerance)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(scores: &[f64], own: usize, usual: Patience) -> bool {
        let stop = Budget::of_tolerance(0.01).stop(scores, Duration::ZERO, (own, usual));
        assert!(matches!(stop, None | Some(StopReason::Tolerance)));
        stop.is_some()
    }

    #[test]
    fn one_accepted_step_that_hardly_helps_ends_levenberg_marquardt() {
        let ends = |scores: &[f64]| ends(scores, 0, Patience::Accepted);
        assert!(!ends(&[1.0]) && !ends(&[1.0, 0.9]) && ends(&[1.0, 0.995]));
        assert!(!ends(&[1.0, 1.0]) && !ends(&[1.0, 0.9, 0.9, 0.9]), "refused steps say nothing");
        assert!(!ends(&[1.0, 1.0, 0.9]) && ends(&[1.0, 1.0, 0.995]) && ends(&[1.0, 0.995, 0.995]));
        assert!(ends(&[1.0, 0.9, 0.9, 0.9, 0.9]), "but for three of them");
    }

    #[test]
    fn steps_of_a_landscape_are_done_first() {
        let flat = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        assert!(!ends(&flat[..4], 2, Patience::Steps(2)) && ends(&flat[..5], 2, Patience::Steps(2)));
        assert!(!ends(&[1.0, 0.999], 2, Patience::Accepted) && !ends(&[1.0, 0.999, 0.999], 2, Patience::Accepted));
        assert!(ends(&[1.0, 0.5, 0.4, 0.399], 2, Patience::Accepted));
    }
}
