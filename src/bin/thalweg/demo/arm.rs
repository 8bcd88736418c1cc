//! One of the rivals: an engine with its landscape.

use std::time::Duration;

use tch::Tensor;
use thalweg::engine::{AdamConfig, Budget, Clock, Engine, EngineConfig, Optimizer};
use thalweg::landscape::Landscape;
use thalweg_task::{Observation, Task};

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
    pub(super) steps: u32,
    /// Time from the observation to the ranked answer.
    pub(super) elapsed: Duration,
}

impl Arm {
    pub(super) fn new(
        name: &'static str,
        task: Box<dyn Task>,
        landscape: Landscape,
        rate: f64,
        config: &EngineConfig,
    ) -> anyhow::Result<Self> {
        let optimizer = Optimizer::Adam(AdamConfig { rate, ..AdamConfig::default() });
        let engine = Engine::new(task, landscape, EngineConfig { optimizer, ..config.clone() })?;
        Ok(Self { name, rate, engine })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
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
        Ok(Answer { rotations, loss, steps: solution.statistics.steps, elapsed })
    }
}
