//! One of the rivals: an engine with its landscape.

use std::time::Duration;

use tch::Tensor;
use thalweg_engine::{Budget, Clock, Engine, EngineConfig};
use thalweg_task::{Observation, Task};

use super::method::Method;

/// An engine under the name by which it is reported.
pub(super) struct Arm {
    name: &'static str,
    rate: f64,
    engine: Engine,
}

/// What an arm answers to one observation.
pub(super) struct Answer {
    /// `[K, 21, 3, 3]`, best first.
    pub(super) rotations: Tensor,
    /// Loss of the best hypothesis.
    pub(super) loss: f64,
    /// Steps done, each for all hypotheses.
    pub(super) steps: f64,
    /// Time from the observation to the ranked answer.
    pub(super) elapsed: Duration,
}

impl Arm {
    /// # Errors
    /// As [`Method::engine`].
    pub(super) fn new(method: &Method, task: Box<dyn Task>, config: &EngineConfig) -> anyhow::Result<Self> {
        Ok(Self { name: method.name, rate: method.rate, engine: method.engine(task, config)? })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Says how it descends, and what computes: fused, or tch.
    pub(super) fn describe(&self) -> String {
        let (optimizer, backend) = (self.engine.config().optimizer.name(), self.engine.backend());
        format!("{}: {optimizer} by {}", self.name, backend.name())
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Forgets all observations, so that the next one is a cold start.
    pub(super) fn reset(&mut self) {
        self.engine.reset();
    }

    pub(super) fn solve(&mut self, obs: &Observation, budget: &Budget, clock: &dyn Clock) -> anyhow::Result<Answer> {
        let start = clock.now();
        let solution = self.engine.solve(obs, budget, clock)?;
        let elapsed = clock.now().saturating_sub(start);
        let loss = solution.loss.first().copied().unwrap_or(f64::INFINITY);
        let rotations = solution.y_hat.shallow_clone();
        Ok(Answer { rotations, loss, steps: f64::from(solution.statistics.steps), elapsed })
    }
}

impl Answer {
    /// A second handle on the same answer.
    #[cfg(feature = "ros")]
    pub(super) fn shallow_clone(&self) -> Self {
        Self { rotations: self.rotations.shallow_clone(), ..*self }
    }
}
