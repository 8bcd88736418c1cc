//! How to search, and the search itself.

use std::time::Duration;

use clap::{Args, ValueEnum};
use thalweg::Choice;
use thalweg::clock::SystemClock;
use thalweg_engine::{AdamConfig, Backend, Budget, Clock, Engine, EngineConfig, EngineError, LmConfig, Optimizer};
use thalweg_task::{Observation, Task};

use super::answer::Answer;
use crate::failure::InputError;

/// Time that a solve gets when no limit is given.
const DEFAULT_BUDGET: Duration = Duration::from_millis(10);

/// Steps of the descent before a timed one: libtorch's first calls are slow, and the engine learns
/// what a step costs. A guess, about 30 ms.
const WARM_UP_STEPS: u32 = 50;

/// Most hypotheses that are accepted; a guess at a mistyped number.
const MOST_HYPOTHESES: i64 = 65_536;

/// Options of the search.
#[derive(Args)]
pub(crate) struct SearchOptions {
    /// How many hypotheses descend side by side
    #[arg(long, value_name = "K", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=MOST_HYPOTHESES))]
    hypotheses: u32,
    /// Time for the solve, milliseconds, after a warm-up [default: 10 when no other limit is given]
    #[arg(long, value_name = "MS", value_parser = parse_milliseconds)]
    budget_ms: Option<Duration>,
    /// Number of steps; limits may be combined, the first one met ends the solve
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// End when the best loss has fallen by no more than this fraction of itself in 10 steps
    #[arg(long, value_name = "X")]
    tolerance: Option<f64>,
    /// How hypotheses move
    #[arg(long, value_enum, default_value_t = Method::Auto)]
    optimizer: Method,
    /// Step size of Adam, in standard deviations of z [default: 0.1]
    #[arg(long)]
    rate: Option<f64>,
    /// Weight of the standard normal prior of x, added to the loss
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    prior_weight: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// How hypotheses move.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// lm where it runs natively and no rate is given, else adam
    Auto,
    /// First order, for every task
    Adam,
    /// Levenberg-Marquardt, for tasks with residuals
    Lm,
}

fn parse_milliseconds(text: &str) -> Result<Duration, String> {
    let millis: f64 = text.parse().map_err(|error| format!("{error}"))?;
    let duration = Duration::try_from_secs_f64(millis / 1e3).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("expected more than 0".to_owned()) } else { Ok(duration) }
}

impl SearchOptions {
    /// The engine's options for one solve: nothing to start warm from.
    ///
    /// # Errors
    /// [`InputError::RateOfLevenbergMarquardt`].
    pub(super) fn engine_config(&self) -> Result<EngineConfig, InputError> {
        let (hypotheses, optimizer) = (self.hypotheses as usize, self.optimizer()?);
        let Self { prior_weight, seed, .. } = *self;
        Ok(EngineConfig {
            hypotheses,
            optimizer,
            prior_weight,
            seed,
            fresh: 0,
            warm_start: false,
            ..EngineConfig::default()
        })
    }

    fn optimizer(&self) -> Result<Optimizer, InputError> {
        match (self.optimizer, self.rate) {
            (Method::Adam | Method::Auto, rate) => {
                let default = AdamConfig::default();
                Ok(Optimizer::Adam(AdamConfig { rate: rate.unwrap_or(default.rate), ..default }))
            }
            (Method::Lm, None) => Ok(Optimizer::LevenbergMarquardt(LmConfig::default())),
            (Method::Lm, Some(rate)) => Err(InputError::RateOfLevenbergMarquardt(rate)),
        }
    }

    fn budget(&self) -> Budget {
        let unlimited = self.budget_ms.is_none() && self.steps.is_none() && self.tolerance.is_none();
        let deadline = self.budget_ms.or(unlimited.then_some(DEFAULT_BUDGET));
        Budget { steps: self.steps, deadline, tolerance: self.tolerance, ..Budget::default() }
    }

    /// Searches.
    ///
    /// # Errors
    /// [`EngineError`].
    pub(super) fn solve(
        &self,
        task: Box<dyn Task>,
        choice: Choice,
        config: EngineConfig,
        obs: &Observation,
    ) -> Result<Answer, EngineError> {
        let has_residual = task.spec().residual;
        let mut engine = Engine::new(task, choice.landscape, config)?;
        if self.is_automatic() && has_residual && engine.backend() == Backend::Fused {
            engine.set_optimizer(Optimizer::LevenbergMarquardt(LmConfig::default()))?;
        }
        if let Some(start) = choice.start {
            engine.set_start(start)?;
        }
        let (clock, budget) = (SystemClock::default(), self.budget());
        budget.validate()?;
        if budget.deadline.is_some() {
            engine.solve(obs, &Budget::of_steps(WARM_UP_STEPS), &clock)?;
            engine.reset();
        }
        let start = clock.now();
        let solution = engine.solve(obs, &budget, &clock)?;
        let elapsed = clock.now().saturating_sub(start);
        let mut answer = Answer::unrendered(solution, elapsed);
        answer.backend = engine.backend();
        answer.method = match &engine.config().optimizer {
            Optimizer::Adam(adam) => format!("adam, rate {}", adam.rate),
            other @ Optimizer::LevenbergMarquardt(_) => other.name().to_owned(),
        };
        answer.rendered_by(engine.task())
    }

    /// Says how it was searched.
    pub(super) fn words(&self, answer: &Answer) -> String {
        let (method, backend) = (&answer.method, answer.backend.name());
        format!("{method} ({backend}), {} hypotheses, seed {}", self.hypotheses, self.seed)
    }

    fn is_automatic(&self) -> bool {
        self.optimizer == Method::Auto && self.rate.is_none()
    }

    /// Says what the time was limited to, and that there was a warm-up.
    pub(super) fn deadline_words(&self) -> Option<String> {
        let deadline = self.budget().deadline?;
        Some(format!(" of {} ms, after a warm-up of {WARM_UP_STEPS} steps", deadline.as_secs_f64() * 1e3))
    }
}
