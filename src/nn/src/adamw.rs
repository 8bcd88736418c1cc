//! AdamW with explicit state, for whoever trains weights: priors, landscapes.

#![allow(clippy::let_underscore_must_use, reason = "tch's in-place operations return a second handle")]

use tch::{Tensor, no_grad};

use crate::weights::Weights;
use crate::{NnError, Ranks, Result};

/// What AdamW is told before it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// Decoupled weight decay, per unit of learning rate.
    pub weight_decay: f64,
    /// Decay of the exponential average of the weights; 0 makes the average the weights.
    pub average: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, average: 0.999 }
    }
}

/// AdamW (Loshchilov & Hutter, 2019, algorithm 2) with an exponential average of the weights.
///
/// tch's optimisers keep their moments where nobody can save them; here everything that survives
/// a step is a named tensor, so a killed training resumes to the same bits.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    steps: i32,
    parameters: Vec<Tensor>,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    average: Vec<Tensor>,
}

impl AdamW {
    /// Prepares to train `parameters`, leaf tensors that require gradients.
    #[must_use]
    pub fn new(parameters: Vec<Tensor>, config: AdamWConfig) -> Self {
        let zeros = |parameters: &[Tensor]| parameters.iter().map(|p| p.detach().zeros_like()).collect();
        let (first, second) = (zeros(&parameters), zeros(&parameters));
        let average = parameters.iter().map(|p| p.detach().copy()).collect();
        Self { config, steps: 0, parameters, first, second, average }
    }

    /// Moves every parameter against the gradient of `loss`, a scalar.
    pub fn descend(&mut self, loss: &Tensor, rate: f64) {
        let gradients = Tensor::run_backward(&[loss], &self.parameters, false, false);
        no_grad(|| self.step(&gradients, rate));
    }

    /// Moves every parameter against the gradient of a loss that several ranks know in parts: it is the sum of their
    /// `part`s, scalars; none where a rank has no rows. Gradients and loss travel together, in one sum.
    ///
    /// Returns the loss; alone, `part` itself.
    ///
    /// # Errors
    /// [`NnError::LostRank`].
    pub fn descend_together(&mut self, part: Option<&Tensor>, rate: f64, ranks: &Ranks) -> Result<Tensor> {
        if let (Some(loss), 1) = (part, ranks.size()) {
            self.descend(loss, rate);
            return Ok(loss.detach());
        }
        let like = self.parameters.iter().map(|parameter| parameter.detach().zeros_like());
        let gradients = match part {
            Some(part) => Tensor::run_backward(&[part], &self.parameters, false, false),
            None => like.collect(),
        };
        let Some(first) = gradients.first() else {
            return Err(NnError::shape("parameters", "at least one", &Tensor::new()));
        };
        let zero = Tensor::zeros([], (first.kind(), first.device()));
        let loss = part.map_or(zero, |part| part.detach().to_kind(first.kind()));
        let flat: Vec<Tensor> = gradients.iter().map(|gradient| gradient.reshape(-1)).chain([loss.view(1)]).collect();
        let summed = ranks.sum(&Tensor::cat(&flat, 0))?;
        let mut from = 0;
        let mut next = |like: &Tensor| {
            let length = like.numel() as i64;
            from += length;
            summed.narrow(0, from - length, length).view_as(like)
        };
        let gradients: Vec<Tensor> = gradients.iter().map(&mut next).collect();
        let loss = next(&loss);
        no_grad(|| self.step(&gradients, rate));
        Ok(loss)
    }

    fn step(&mut self, gradients: &[Tensor], rate: f64) {
        let AdamWConfig { beta1, beta2, epsilon, weight_decay, .. } = self.config;
        self.steps += 1;
        let correction1 = 1.0 - beta1.powi(self.steps);
        let correction2 = 1.0 - beta2.powi(self.steps);
        for (index, gradient) in gradients.iter().enumerate() {
            let (first, second) = (&mut self.first[index], &mut self.second[index]);
            let _ = first.g_mul_scalar_(beta1).g_add_(&(gradient * (1.0 - beta1)));
            let _ = second.g_mul_scalar_(beta2).g_add_(&(gradient.square() * (1.0 - beta2)));
            let denominator = (&*second / correction2).sqrt() + epsilon;
            let change = &*first / denominator * (-rate / correction1);
            let _ = self.parameters[index].g_mul_scalar_(1.0 - rate * weight_decay).g_add_(&change);
        }
        self.update_average();
    }

    /// Warms the average up: a fixed decay would remember the random start for too long.
    fn update_average(&mut self) {
        let warm = f64::from(self.steps) / (10.0 + f64::from(self.steps));
        let decay = self.config.average.min(warm);
        for (average, parameter) in self.average.iter_mut().zip(&self.parameters) {
            let _ = average.g_mul_scalar_(decay).g_add_(&(parameter.detach() * (1.0 - decay)));
        }
    }

    /// The parameters that are trained, in their order.
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    /// Steps done so far.
    #[must_use]
    pub fn steps(&self) -> i32 {
        self.steps
    }

    /// The exponential average of the parameters, in their order.
    pub fn averaged(&self) -> Vec<Tensor> {
        self.average.iter().map(Tensor::copy).collect()
    }

    /// Names the whole state, for a checkpoint.
    #[must_use]
    pub fn named(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let groups = [
            ("parameter", &self.parameters),
            ("first", &self.first),
            ("second", &self.second),
            ("average", &self.average),
        ];
        let name = |(group, tensors): (&str, &Vec<Tensor>)| -> Vec<(String, Tensor)> {
            let entry = |(index, tensor): (usize, &Tensor)| (format!("{prefix}.{group}.{index}"), tensor.detach());
            tensors.iter().enumerate().map(entry).collect()
        };
        groups.into_iter().flat_map(name).collect()
    }

    /// Takes the whole state back from a checkpoint made after `steps` steps.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a tensor is missing or has another shape.
    pub fn restore(&mut self, weights: &Weights, prefix: &str, steps: i32) -> Result<()> {
        let groups = [
            ("parameter", &mut self.parameters),
            ("first", &mut self.first),
            ("second", &mut self.second),
            ("average", &mut self.average),
        ];
        for (group, tensors) in groups {
            for (index, tensor) in tensors.iter_mut().enumerate() {
                let saved = weights.tensor(&format!("{prefix}.{group}.{index}"), &tensor.size())?;
                no_grad(|| tensor.f_copy_(&saved)).map_err(NnError::Torch)?;
            }
        }
        self.steps = steps;
        Ok(())
    }
}
