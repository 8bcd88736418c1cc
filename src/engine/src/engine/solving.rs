//! The loop over steps.

use std::time::Duration;

use thalweg_task::Observation;

use super::{Engine, Session};
use crate::budget::{Budget, Clock};
use crate::error::EngineError;
use crate::hypotheses::Status;
use crate::observer::Event;
use crate::own_steps::OwnSteps;
use crate::solution::{Solution, StopReason};

/// Share of what is left of a deadline that a GPU may fill at once: what was expected is not what comes.
const FILLED: f64 = 0.9;

impl Engine {
    /// Takes an observation and refines until the budget ends: the loop over steps.
    ///
    /// # Errors
    /// [`EngineError::EmptyBudget`], [`EngineError::Option`], or as [`Engine::begin`] and
    /// [`Engine::refine`].
    pub fn solve(&mut self, obs: &Observation, budget: &Budget, clock: &dyn Clock) -> Result<&Solution, EngineError> {
        budget.validate()?;
        let start = clock.now();
        self.look_ahead(budget, 0, Duration::ZERO);
        self.begin(obs)?;
        let begin = clock.now().saturating_sub(start);
        self.record_beginning(begin);
        let mut scores = vec![self.score()];
        let own = self.session.as_ref().and_then(|session| session.own.as_ref()).map_or(0, OwnSteps::count);
        let patience = self.config.optimizer.patience();
        let stop = loop {
            let before = clock.now();
            let elapsed = before.saturating_sub(start);
            let is_done = self.is_ahead();
            let ready = if is_done { elapsed } else { elapsed + self.pace.expected(begin) };
            if let Some(stop) = budget.stop(&scores, ready, (own, patience)) {
                break stop;
            }
            self.look_ahead(budget, scores.len() as u32 - 1, elapsed);
            let status = self.refine()?;
            if !is_done {
                self.pace.record(clock.now().saturating_sub(before) / self.ahead.max(1));
            }
            scores.push(self.score());
            if status == Status::Converged {
                break StopReason::Converged;
            }
        };
        // Only where it was the expectation that forbade the step, and not begin alone.
        if stop == StopReason::Deadline && scores.len() == 1 && budget.deadline.is_some_and(|limit| begin < limit) {
            self.pace.relieve();
        }
        self.finish(stop)
    }

    /// Decides how many steps a GPU may do at once, `done` steps and `elapsed` after the start of a solve: all that the
    /// budget leaves, as far as they are expected to fit. Who looks at steps wants them one by one.
    fn look_ahead(&mut self, budget: &Budget, done: u32, elapsed: Duration) {
        if self.gpu_model().is_none() || self.observers.see_steps() {
            self.ahead = 0;
            return;
        }
        let left = budget.steps.map_or(u32::MAX, |limit| limit.saturating_sub(done));
        let patience = budget.tolerance.map_or(u32::MAX, |_| budget.patience(self.config.optimizer.patience()).least());
        let fit = budget.deadline.map_or(u32::MAX, |deadline| {
            let left = deadline.saturating_sub(elapsed).mul_f64(FILLED);
            // Before anything was measured, one step tells what they cost.
            let expected = self.pace.expected(left);
            (left.as_secs_f64() / expected.as_secs_f64().max(1e-9)) as u32
        });
        self.ahead = left.min(patience).min(fit);
    }

    /// Notes what steps cost that were done along with the beginning.
    fn record_beginning(&mut self, begin: Duration) {
        if self.is_ahead() {
            self.pace.record(begin / (self.ahead + 1));
        }
    }

    /// Whether the next step has been done already.
    fn is_ahead(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.descent.is_ahead())
    }

    fn score(&self) -> f64 {
        self.session.as_ref().map_or(f64::INFINITY, Session::score)
    }

    fn finish(&mut self, stop: StopReason) -> Result<&Solution, EngineError> {
        self.ahead = 0;
        let session = self.session.as_mut().ok_or(EngineError::NotBegun)?;
        (session.stop, session.solution) = (Some(stop), None);
        let _no_grad = tch::no_grad_guard();
        let solution = session.solution(self.landscape.id(), &self.task.spec().output);
        self.observers.notify(&Event::End { solution }, true);
        Ok(solution)
    }
}
