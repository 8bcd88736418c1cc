//! One of the rivals: an engine with its landscape.

use std::time::Duration;

use tch::{Kind, Tensor};
use thalweg_body_pose::rotations_from_angles;
use thalweg_engine::time::Timeline;
use thalweg_engine::{Answer as Found, Budget, Clock, Engine, EngineConfig};
use thalweg_task::{Observation, Task};

use super::method::Method;

/// An engine under the name by which it is reported.
pub(super) struct Arm {
    name: &'static str,
    rate: f64,
    engine: Engine,
    /// None where time does not count.
    timeline: Option<Timeline>,
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
    pub(super) fn new(
        method: &Method,
        task: Box<dyn Task>,
        config: &EngineConfig,
        timeline: Option<Timeline>,
    ) -> anyhow::Result<Self> {
        Ok(Self { name: method.name, rate: method.rate, engine: method.engine(task, config)?, timeline })
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
        self.timeline.iter_mut().for_each(Timeline::forget);
    }

    pub(super) fn solve(&mut self, obs: &Observation, budget: &Budget, clock: &dyn Clock) -> anyhow::Result<Answer> {
        let start = clock.now();
        let mut obs = obs.shallow_clone();
        if let Some(timeline) = &mut self.timeline {
            timeline.expect(&mut obs, None);
        }
        let solution = self.engine.solve(&obs, budget, clock)?;
        let loss = solution.loss.first().copied().unwrap_or(f64::INFINITY);
        let steps = f64::from(solution.statistics.steps);
        let elapsed = clock.now().saturating_sub(start);
        let found = Found::of(&mut self.engine, elapsed)?;
        let angles =
            Tensor::from_slice(&found.joints.concat()).to_kind(Kind::Float).view([found.joints.len() as i64, -1]);
        Ok(Answer { rotations: rotations_from_angles(&angles), loss, steps, elapsed })
    }
}

impl Answer {
    /// A second handle on the same answer.
    #[cfg(feature = "ros")]
    pub(super) fn shallow_clone(&self) -> Self {
        Self { rotations: self.rotations.shallow_clone(), ..*self }
    }
}
