//! Adam: first-order descent with a step size for each coordinate.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::engine::error::EngineError;
use crate::engine::evaluation::row_index;

/// Options of Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Step size alpha in units of `z`, whose standard deviation is 1; above 0. The default is that
    /// of Liu et al. (2023). From a cold start with few steps more is better, see `thalweg measure`.
    pub rate: f64,
    /// Decay of the first moment, in `[0, 1)`; default from the paper.
    pub beta1: f64,
    /// Decay of the second moment, in `[0, 1)`; default from the paper.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0; default from the paper.
    pub epsilon: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl AdamConfig {
    pub(crate) fn validate(&self) -> Result<(), EngineError> {
        for (option, value) in [("adam.rate", self.rate), ("adam.epsilon", self.epsilon)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(EngineError::option(option, &value, "a finite number above 0"));
            }
        }
        for (option, value) in [("adam.beta1", self.beta1), ("adam.beta2", self.beta2)] {
            if !(0.0..1.0).contains(&value) {
                return Err(EngineError::option(option, &value, "a number in [0, 1)"));
            }
        }
        Ok(())
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
}

impl Clone for AdamState {
    /// Takes a snapshot; the tensors are shared, for they never change.
    fn clone(&self) -> Self {
        let (first, second) = (self.first.shallow_clone(), self.second.shallow_clone());
        Self { first, second, steps: self.steps.clone() }
    }
}

impl AdamState {
    /// Starts K descents from `z`, `[K, Z]`.
    #[must_use]
    pub fn new(z: &Tensor) -> Self {
        Self { first: z.zeros_like(), second: z.zeros_like(), steps: vec![0; z.size()[0] as usize] }
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
        let (rate, epsilon) = corrections(config, &steps, z);
        let z = z.addcmul(&(&first / (second.sqrt() + epsilon)), &rate);
        (Self { first, second, steps }, z)
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

/// Gives `-alpha sqrt(1 - beta2^t) / (1 - beta1^t)` and `epsilon sqrt(1 - beta2^t)`, each `[K, 1]`.
fn corrections(config: &AdamConfig, steps: &[i32], like: &Tensor) -> (Tensor, Tensor) {
    let root = |t: i32| (1.0 - config.beta2.powi(t)).sqrt();
    let rate = steps.iter().map(|&t| -config.rate * root(t) / (1.0 - config.beta1.powi(t)));
    let epsilon = steps.iter().map(|&t| config.epsilon * root(t));
    let both: Vec<f64> = rate.chain(epsilon).collect();
    let both = Tensor::from_slice(&both).to_kind(like.kind()).to_device(like.device()).view([2, -1, 1]);
    (both.get(0), both.get(1))
}
