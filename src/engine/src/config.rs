//! The engine's options.

use serde::{Deserialize, Serialize};

use super::backend::BackendChoice;
use super::error::EngineError;
use super::optimizer::Optimizer;
use super::report::ReportConfig;

/// Threads beyond which a number is a mistake; the parameter `threads` has the same limit.
const MOST_THREADS: usize = 64;

/// Weight beyond which a number is a mistake: nothing of an observation is left beside it, and sums of 32 bit floats may
/// overflow.
const GREATEST_WEIGHT: f64 = 1e6;

/// How the engine searches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Number K of hypotheses, at least 1. The default is a guess.
    pub hypotheses: usize,
    /// How `z` moves.
    pub optimizer: Optimizer,
    /// Whether a new observation starts from the last one's best points.
    pub warm_start: bool,
    /// How many of the K are drawn anew at a warm start, in place of the worst; below K.
    ///
    /// They keep the search from being stuck in the minimum it found first. The default is a
    /// guess. With a start nothing is drawn: each hypothesis is offered what the start proposes for its code.
    pub fresh: usize,
    /// Weight lambda, at least 0, of the standard normal prior of `x`: `lambda |x|^2 / X` is added
    /// to what is minimised, and to the losses that are published. With a start, its pull takes this place.
    /// The default is the best for the bundled motion out of 0, 0.03, 0.1 and 0.3.
    pub prior_weight: f64,
    /// Weight, at least 0, by which an amortised start pulls `x` to what it proposes: times the share of the
    /// observation that is hidden, times `|x - proposal|^2 / X`. Without a start it does nothing. The default
    /// is the best for body_pose out of 0.03, 0.1, 0.3 and 1 (docs/evaluation.md).
    pub start_weight: f64,
    /// Seconds, at least 0, within which what a start pulls hypotheses to follows what it proposes, where the observation
    /// says what time makes likely ([`crate::time`]): an exponential average, so that what is hidden does not jitter.
    /// Otherwise it does nothing. The default is a guess.
    pub continuity: f64,
    /// How joints are reported that are silent, where the observation says what time makes likely.
    pub report: ReportConfig,
    /// Seed of the engine's own random numbers.
    pub seed: u64,
    /// Threads, at least 1, that hypotheses are split over where the engine runs natively; its own and others that
    /// sleep between solves. Solutions have the same bits with any number.
    pub threads: usize,
    /// What evaluates and steps; both backends give the same up to rounding.
    pub backend: BackendChoice,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            hypotheses: 8,
            optimizer: Optimizer::default(),
            warm_start: true,
            fresh: 2,
            prior_weight: 0.03,
            start_weight: 1.0,
            continuity: 0.3,
            report: ReportConfig::default(),
            seed: 0,
            threads: 1,
            backend: BackendChoice::default(),
        }
    }
}

impl EngineConfig {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`EngineError::Option`] about the first one outside.
    pub fn validate(&self) -> Result<(), EngineError> {
        if self.hypotheses < 1 {
            return Err(EngineError::option("hypotheses", &self.hypotheses, "at least 1"));
        }
        if self.fresh >= self.hypotheses {
            let expected = format!("less than hypotheses = {}", self.hypotheses);
            return Err(EngineError::option("fresh", &self.fresh, expected));
        }
        if !(1..=MOST_THREADS).contains(&self.threads) {
            return Err(EngineError::option("threads", &self.threads, format!("1 to {MOST_THREADS}")));
        }
        let numbers =
            [("prior_weight", self.prior_weight), ("start_weight", self.start_weight), ("continuity", self.continuity)];
        for (option, weight) in numbers {
            if !(0.0..=GREATEST_WEIGHT).contains(&weight) {
                return Err(EngineError::option(option, &weight, format!("a number from 0 to {GREATEST_WEIGHT}")));
            }
        }
        self.report.validate()?;
        self.optimizer.validate()
    }
}
