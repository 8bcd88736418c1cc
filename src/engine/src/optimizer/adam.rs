//! Adam: first-order descent with a step size for each coordinate.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::error::EngineError;
use crate::evaluation::row_index;

/// Below this share of itself the rate does not decay. A guess: finer steps are lost in the noise.
pub(crate) const LEAST_DECAY: f64 = 0.01;

/// Options of Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Step size alpha in units of `z`, whose standard deviation is 1; above 0. The default is
    /// the one that the shipped landscapes were trained at; Liu et al. (2023) have 0.1.
    pub rate: f64,
    /// Decay of the first moment, in `[0, 1)`; default from the paper.
    pub beta1: f64,
    /// Decay of the second moment, in `[0, 1)`; default from the paper.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0; default from the paper.
    pub epsilon: f64,
    /// What the rate is multiplied by after each step of a solve, in `(0, 1]`; it never falls below
    /// a hundredth of `rate`. With the default, 1, it stays.
    pub decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { rate: 0.2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 1.0 }
    }
}

/// The least rate and epsilon: less is zero as a 32 bit float, or squares to it.
const LEAST: f64 = 1e-15;
/// The greatest rate and epsilon: a step of so many deviations of the latent leads nowhere.
const GREATEST: f64 = 1e3;

impl AdamConfig {
    pub(crate) fn validate(&self) -> Result<(), EngineError> {
        for (option, value) in [("adam.rate", self.rate), ("adam.epsilon", self.epsilon)] {
            if !(LEAST..=GREATEST).contains(&value) {
                return Err(EngineError::option(option, &value, format!("a number from {LEAST:e} to {GREATEST}")));
            }
        }
        for (option, value) in [("adam.beta1", self.beta1), ("adam.beta2", self.beta2)] {
            if !(0.0..1.0).contains(&value) {
                return Err(EngineError::option(option, &value, "a number in [0, 1)"));
            }
        }
        if !(self.decay > 0.0 && self.decay <= 1.0) {
            return Err(EngineError::option("adam.decay", &self.decay, "a number in (0, 1]"));
        }
        Ok(())
    }

    /// Gives the factor on the rate after `elapsed` steps of a solve: `max(decay^elapsed, 0.01)`.
    pub(crate) fn decay_at(&self, elapsed: i32) -> f64 {
        self.decay.powi(elapsed).max(LEAST_DECAY)
    }

    /// Gives `alpha`, negative, and `epsilon` for step `t` of a row, corrected for the moments' start.
    ///
    /// `-alpha sqrt(1 - beta2^t) / (1 - beta1^t)` and `epsilon sqrt(1 - beta2^t)`.
    pub(crate) fn corrected(&self, t: i32) -> (f64, f64) {
        let root = (1.0 - self.beta2.powi(t)).sqrt();
        (-self.rate * root / (1.0 - self.beta1.powi(t)), self.epsilon * root)
    }
}

/// Moments and step counts of K independent descents.
#[derive(Debug)]
pub struct AdamState {
    /// First moment m, `[K, Z]`.
    first: Tensor,
    /// Second moment v, `[K, Z]`.
    second: Tensor,
    /// Steps that each row has done since it was started.
    steps: Vec<i32>,
    /// Steps that the solve has done.
    elapsed: i32,
}

impl Clone for AdamState {
    /// Takes a snapshot; the tensors are shared, for they never change.
    fn clone(&self) -> Self {
        let (first, second) = (self.first.shallow_clone(), self.second.shallow_clone());
        Self { first, second, steps: self.steps.clone(), elapsed: self.elapsed }
    }
}

impl AdamState {
    /// Starts K descents from `z`, `[K, Z]`.
    #[must_use]
    pub fn new(z: &Tensor) -> Self {
        Self { first: z.zeros_like(), second: z.zeros_like(), steps: vec![0; z.size()[0] as usize], elapsed: 0 }
    }

    /// Moves `z`, `[K, Z]`, against its gradient, `[K, Z]`; returns the state after it and the new `z`.
    ///
    /// Kingma and Ba (2015), algorithm 1, with the bias corrections drawn out of the root as at
    /// the end of their section 2; epsilon is scaled along, so that the result is that of
    /// algorithm 1. Each row corrects by its own step count.
    pub fn step(&self, config: &AdamConfig, z: &Tensor, gradient: &Tensor) -> (Self, Tensor) {
        let first = self.first.lerp(gradient, 1.0 - config.beta1);
        let second = self.second.lerp(&gradient.square(), 1.0 - config.beta2);
        let steps: Vec<i32> = self.steps.iter().map(|steps| steps.saturating_add(1)).collect();
        let (rate, epsilon) = corrections(config, &steps, config.decay_at(self.elapsed), z);
        let z = z.addcmul(&(&first / (second.sqrt() + epsilon)), &rate);
        (Self { first, second, steps, elapsed: self.elapsed.saturating_add(1) }, z)
    }

    /// Starts the marked rows afresh.
    pub fn reset(&mut self, rows: &[bool]) {
        let marked: Vec<usize> = (0..rows.len()).filter(|&row| rows[row]).collect();
        let index = row_index(&marked, self.first.device());
        self.first = self.first.index_fill(0, &index, 0.0);
        self.second = self.second.index_fill(0, &index, 0.0);
        marked.iter().for_each(|&row| self.steps[row] = 0);
    }
}

/// Gives the corrected rate, negative and decayed, and epsilon of each row, each `[K, 1]`.
fn corrections(config: &AdamConfig, steps: &[i32], decay: f64, like: &Tensor) -> (Tensor, Tensor) {
    let rate = steps.iter().map(|&t| config.corrected(t).0 * decay);
    let epsilon = steps.iter().map(|&t| config.corrected(t).1);
    let both: Vec<f64> = rate.chain(epsilon).collect();
    let both = Tensor::from_slice(&both).to_kind(like.kind()).to_device(like.device()).view([2, -1, 1]);
    (both.get(0), both.get(1))
}
