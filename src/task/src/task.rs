//! The trait that a plugin implements.

use std::path::Path;

use tch::Tensor;

use crate::{DenseForm, Observation, Reconstruction, Result, Root, TaskSpec};

/// An observation in the form that the objective compares with.
///
/// Made once per observation by [`Task::encode`], so that the steps that follow do no decoding.
#[derive(Debug)]
pub struct Target {
    /// What F should produce, in the task's own layout, `[O, ..]`; zero where unobserved.
    pub value: Tensor,
    /// Weight of each entry, `[O, ..]`, zero where unobserved.
    pub weight: Tensor,
}

impl Target {
    /// A second handle on the same target.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        Self { value: self.value.shallow_clone(), weight: self.weight.shallow_clone() }
    }

    /// The rows in `rows`, an index tensor `[R]`, when there is one row for each hypothesis; the
    /// one shared row otherwise.
    #[must_use]
    pub fn rows(&self, rows: &Tensor) -> Self {
        if self.value.size()[0] == 1 {
            return self.shallow_clone();
        }
        Self { value: self.value.index_select(0, rows), weight: self.weight.index_select(0, rows) }
    }
}

/// How well each hypothesis explains the observation.
#[derive(Debug)]
pub struct Objective {
    /// `[K]`, dimensionless, not negative, smaller is better.
    pub loss: Tensor,
    /// `[K, M]` with `loss[k]` the sum of squares of row `k`, where the task has residuals.
    pub residual: Option<Tensor>,
}

impl Objective {
    /// Scores by the sum of squares of `residual`, `[K, M]`.
    #[must_use]
    pub fn of_residual(residual: Tensor) -> Self {
        let loss = residual.square().sum_dim_intlist(1, false, residual.kind());
        Self { loss, residual: Some(residual) }
    }

    /// Scores by a loss that is no sum of squares, `[K]`.
    #[must_use]
    pub fn of_loss(loss: Tensor) -> Self {
        Self { loss, residual: None }
    }
}

/// F and L of one inverse problem.
///
/// Every method is a pure function of its arguments and of what was loaded. Row `k` of a result
/// depends on row `k` of the arguments only; the engine relies on it: one backward pass gives K
/// independent gradients.
pub trait Task: Send {
    /// Describes what the task reads, writes and computes.
    fn spec(&self) -> &TaskSpec;

    /// Applies the forward model F.
    ///
    /// `x`: `[K, X]`. Returns `[K, ..Y]`, differentiable in `x`.
    ///
    /// # Errors
    /// [`crate::TaskError::Shape`] when `x` is not `[K, X]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor>;

    /// Checks an observation and brings it into the form that the objective compares with.
    ///
    /// Unobserved entries get weight zero. The rows `O` of the observation are kept.
    ///
    /// # Errors
    /// As [`Observation::validate`].
    fn encode(&self, obs: &Observation) -> Result<Target>;

    /// Scores each hypothesis against the observation.
    ///
    /// `y_hat`: `[K, ..Y]`; `target` has one row, or `K` rows. Unobserved entries contribute
    /// nothing.
    ///
    /// # Errors
    /// [`crate::TaskError::Shape`] when rows do not fit.
    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective>;

    /// Turns F's output `[K, ..Y]` into what is published: as much of it as F alone tells.
    ///
    /// # Errors
    /// [`crate::TaskError::Shape`] when `y_hat` is not `[K, ..Y]`.
    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction>;

    /// Turns F's output `[K, ..Y]` into what is published, where what was seen is part of it; `target` has one row, or `K`
    /// rows. As [`Task::render`] where it is not.
    ///
    /// # Errors
    /// As [`Task::objective`].
    fn render_seen(&self, y_hat: &Tensor, _target: &Target) -> Result<Reconstruction> {
        self.render(y_hat)
    }

    /// Places the points of joints at positions `[K, J]`, in the order of [`TaskSpec::joints`]: `[K, P, 3]`, metres in the
    /// task's frame; none where joints alone do not say.
    ///
    /// # Errors
    /// [`crate::TaskError::Shape`] when `joints` is not `[K, J]`.
    fn points_of(&self, _joints: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }

    /// Finds where the root of each row of F's output, `[K, ..Y]`, is, and how large the body, so that it comes nearest
    /// to what was seen; `target` has one row, or `K` rows. Empty where the task's points are in the frame of the root.
    ///
    /// # Errors
    /// As [`Task::objective`].
    fn roots(&self, _y_hat: &Tensor, _target: &Target) -> Result<Vec<Root>> {
        Ok(Vec::new())
    }

    /// Describes F and L as dense layers under a sum of squares, where they are.
    ///
    /// The engine then evaluates them on a CPU without libtorch, several times faster; `forward` and
    /// `objective` must compute the same.
    fn dense(&self) -> Option<DenseForm<'_>> {
        None
    }

    /// The folder of what was trained for this task alone (a landscape, a start), where that is not the folder of all
    /// weights.
    fn folder(&self) -> Option<&Path> {
        None
    }

    /// The URDF of the robot whose joints these are, where the task brings its own.
    fn robot_description(&self) -> Option<&str> {
        None
    }
}
