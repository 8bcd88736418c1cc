//! What a task says of what an engine has found, beside what was seen.

use tch::Tensor;
use thalweg_task::{Observation, Reconstruction, Root};

use super::Engine;
use crate::error::EngineError;

impl Engine {
    /// Finds the root of each row of F's output, `[K, ..Y]`, for the present observation; see
    /// [`thalweg_task::Task::roots`].
    ///
    /// Rows are those of a solution: of one observation in any order, of an observation of K rows in theirs.
    ///
    /// # Errors
    /// [`EngineError::NotBegun`] without an observation; what the task refuses.
    pub fn roots(&self, y_hat: &Tensor) -> Result<Vec<Root>, EngineError> {
        let session = self.session.as_ref().ok_or(EngineError::NotBegun)?;
        Ok(self.task.roots(y_hat, &session.target)?)
    }

    /// How much better the mirror image of an observation's points fits the stored poses of the start than the points do:
    /// the logarithm of the ratio of both misfits, each of the pose that fits best, as it lies best.
    ///
    /// Below 0 for a body as it is; above 0 where left and right are swapped, as in a mirror image. Of one frame it is a
    /// hint, so take a mean of many. None where the start has no examples, the task's points have a frame of their own, or
    /// too few are seen as places to tell how the body is turned. Changes nothing of a solve, before or after.
    pub fn handedness(&mut self, obs: &Observation) -> Option<f64> {
        self.proposer.as_mut()?.handedness(obs)
    }

    /// Renders rows of F's output, `[K, ..Y]`, for the present observation; see [`thalweg_task::Task::render_seen`].
    ///
    /// Rows are as in [`Engine::roots`].
    ///
    /// # Errors
    /// As [`Engine::roots`].
    pub fn rendered(&self, y_hat: &Tensor) -> Result<Reconstruction, EngineError> {
        let session = self.session.as_ref().ok_or(EngineError::NotBegun)?;
        Ok(self.task.render_seen(y_hat, &session.target)?)
    }
}
