//! What a task says of what an engine has found, beside what was seen.

use tch::Tensor;
use thalweg_task::{Reconstruction, Root};

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
