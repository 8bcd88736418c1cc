//! Stochastic gradient descent with explicit state.

#![allow(clippy::let_underscore_must_use, reason = "tch's in-place operations return a second handle")]

use tch::{Tensor, no_grad};
use thalweg_nn::weights::Weights;

use crate::TrainError;

/// Descent with Nesterov's momentum (Sutskever et al., 2013, as PyTorch has it).
#[derive(Debug)]
pub(super) struct Momentum {
    momentum: f64,
    weight_decay: f64,
    steps: u64,
    parameters: Vec<Tensor>,
    decays: Vec<bool>,
    velocities: Vec<Tensor>,
}

impl Momentum {
    /// Prepares to train leaf tensors that require gradients; each comes with whether it decays.
    pub(super) fn new(parameters: Vec<(Tensor, bool)>, momentum: f64, weight_decay: f64) -> Self {
        let velocities = parameters.iter().map(|(parameter, _)| parameter.detach().zeros_like()).collect();
        let (parameters, decays) = parameters.into_iter().unzip();
        Self { momentum, weight_decay, steps: 0, parameters, decays, velocities }
    }

    /// Moves every parameter against the gradient of `loss`, a scalar.
    pub(super) fn descend(&mut self, loss: &Tensor, rate: f64) {
        let gradients = Tensor::run_backward(&[loss], &self.parameters, false, false);
        self.steps += 1;
        no_grad(|| {
            let decays = self.decays.iter().map(|decays| if *decays { self.weight_decay } else { 0.0 });
            let each = self.parameters.iter_mut().zip(&mut self.velocities).zip(&gradients).zip(decays);
            for (((parameter, velocity), gradient), decay) in each {
                let gradient = gradient + &*parameter * decay;
                let _ = velocity.g_mul_scalar_(self.momentum).g_add_(&gradient);
                let _ = parameter.g_sub_(&((gradient + &*velocity * self.momentum) * rate));
            }
        });
    }

    /// Steps done so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Names the whole state, for a checkpoint.
    pub(super) fn named(&self) -> Vec<(String, Tensor)> {
        let name = |group: &'static str| {
            move |(index, tensor): (usize, &Tensor)| (format!("{group}.{index}"), tensor.detach())
        };
        let parameters = self.parameters.iter().enumerate().map(name("parameter"));
        parameters.chain(self.velocities.iter().enumerate().map(name("velocity"))).collect()
    }

    /// Takes the whole state back from a checkpoint made after `steps` steps.
    pub(super) fn restore(&mut self, file: &Weights, steps: u64) -> Result<(), TrainError> {
        for (group, tensors) in [("parameter", &mut self.parameters), ("velocity", &mut self.velocities)] {
            for (index, tensor) in tensors.iter_mut().enumerate() {
                let saved = file.tensor(&format!("{group}.{index}"), &tensor.size())?;
                no_grad(|| tensor.f_copy_(&saved)).map_err(thalweg_nn::NnError::Torch)?;
            }
        }
        self.steps = steps;
        Ok(())
    }
}
