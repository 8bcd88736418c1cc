//! Theta as a part of the forward model, for the ablation that changes it during a descent.

use tch::Tensor;
use thalweg_nn::Perceptron;
use thalweg_task::{Objective, Observation, Reconstruction, Result, Target, Task, TaskSpec};

/// The task whose forward model is `F(theta(z))`.
///
/// The engine descends in it by its own steps, on the identity as landscape, so its optimizer
/// keeps its moments while the trainer changes theta's weights in place between two steps. A
/// step then uses the gradient at the theta before the change: z and theta move at once, each by
/// its gradient at the same point.
pub(super) struct ThroughTheta {
    task: Box<dyn Task>,
    theta: Perceptron,
    spec: TaskSpec,
}

impl ThroughTheta {
    /// Puts theta, whose weights are shared with the trainer and which has `z` inputs, before F.
    pub(super) fn new(task: Box<dyn Task>, theta: Perceptron, z: i64) -> Self {
        let spec = TaskSpec { latent: z, ..task.spec().clone() };
        Self { task, theta, spec }
    }
}

impl Task for ThroughTheta {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.task.forward(&self.theta.forward(x))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        self.task.encode(obs)
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        self.task.objective(y_hat, target)
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.task.render(y_hat)
    }

    fn render_seen(&self, y_hat: &Tensor, target: &Target) -> Result<Reconstruction> {
        self.task.render_seen(y_hat, target)
    }
}
