//! How to search.

use std::time::Duration;

use clap::{Args, ValueEnum};
use thalweg::{Builder, DeviceChoice, Inverter};
use thalweg_engine::{AdamConfig, Budget, EngineConfig, LmConfig, Optimizer};
use thalweg_task::Observation;

use super::answer::Answer;
use crate::failure::InputError;

/// Steps of the descent before a timed one: libtorch's first calls are slow, and the engine learns
/// what a step costs. A guess, about 30 ms.
const WARM_UP_STEPS: u32 = 50;

/// Options of the search.
#[derive(Args)]
pub(crate) struct SearchOptions {
    /// How many hypotheses descend side by side
    #[arg(long, value_name = "K", default_value_t = hypotheses())]
    hypotheses: u32,
    /// Time for the solve, milliseconds, after a warm-up [default: 8 when no other limit is given]
    #[arg(long, value_name = "MS")]
    budget_ms: Option<f64>,
    /// Number of steps; limits may be combined, the first one met ends the solve
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// End when the best loss has fallen by no more than this fraction of itself in 10 steps
    #[arg(long, value_name = "X")]
    tolerance: Option<f64>,
    /// How hypotheses move
    #[arg(long, value_enum, default_value_t = Method::Auto)]
    optimizer: Method,
    /// Step size of Adam, in standard deviations of z [default: 0.2]
    #[arg(long)]
    rate: Option<f64>,
    /// Weight of the standard normal prior of x, where there is no start; it is added to the loss
    #[arg(long, value_name = "WEIGHT", default_value_t = EngineConfig::default().prior_weight)]
    prior_weight: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What computes: cpu, cuda, cuda:N, gpu, gpu:N, gpu:NAME (`thalweg doctor` lists them) or auto
    #[arg(long, default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
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

fn hypotheses() -> u32 {
    u32::try_from(EngineConfig::default().hypotheses).unwrap_or(u32::MAX)
}

impl SearchOptions {
    /// Tells a builder.
    ///
    /// # Errors
    /// [`InputError::RateOfLevenbergMarquardt`].
    pub(super) fn tell(&self, builder: Builder) -> Result<Builder, InputError> {
        let Self { prior_weight, seed, .. } = *self;
        let mut builder = builder.hypotheses(self.hypotheses as usize).prior_weight(prior_weight).seed(seed);
        builder = builder.device(self.device.clone());
        if let Some(optimizer) = self.optimizer()? {
            builder = builder.optimizer(optimizer);
        }
        if let Some(deadline) = self.budget_ms {
            builder = builder.deadline_ms(deadline);
        }
        if let Some(steps) = self.steps {
            builder = builder.steps(steps);
        }
        Ok(match self.tolerance {
            Some(tolerance) => builder.tolerance(tolerance),
            None => builder,
        })
    }

    /// None where the library chooses.
    fn optimizer(&self) -> Result<Option<Optimizer>, InputError> {
        match (self.optimizer, self.rate) {
            (Method::Auto, None) => Ok(None),
            (Method::Adam, None) => Ok(Some(Optimizer::default())),
            (Method::Adam | Method::Auto, Some(rate)) => {
                Ok(Some(Optimizer::Adam(AdamConfig { rate, ..AdamConfig::default() })))
            }
            (Method::Lm, None) => Ok(Some(Optimizer::LevenbergMarquardt(LmConfig::default()))),
            (Method::Lm, Some(rate)) => Err(InputError::RateOfLevenbergMarquardt(rate)),
        }
    }

    /// Says how it was searched.
    pub(super) fn words(&self, answer: &Answer) -> String {
        let (method, backend) = (&answer.method, answer.backend.name());
        format!("{method} ({backend}), {} hypotheses, seed {}", self.hypotheses, self.seed)
    }

    /// The seed of everything random.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }
}

/// Searches; against the clock after a warm-up.
///
/// # Errors
/// [`thalweg::Error`].
pub(super) fn solve(inverter: &mut Inverter, obs: &Observation) -> Result<Answer, thalweg::Error> {
    let budget = *inverter.budget();
    if budget.deadline.is_some() {
        inverter.set_budget(Budget::of_steps(WARM_UP_STEPS))?;
        inverter.solve_observation(obs)?;
        inverter.reset();
        inverter.set_budget(budget)?;
    }
    let solved = inverter.solve_observation(obs)?;
    Answer::of(solved.into_answer(), inverter)
}

/// Says what the time was limited to, and that there was a warm-up; empty without such a limit.
pub(super) fn deadline_words(budget: &Budget) -> String {
    let words = |deadline: Duration| {
        format!(" of {} ms, after a warm-up of {WARM_UP_STEPS} steps", deadline.as_secs_f64() * 1e3)
    };
    budget.deadline.map(words).unwrap_or_default()
}
