//! Recorded motions as latents of a task: small, and complete by construction.

use std::path::Path;

use tch::Tensor;
use thalweg_task::weights::{self, Weights};
use thalweg_task::{Result, TaskSpec};

/// What a motion file says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-motion";

/// A motion: one latent for each frame.
#[derive(Debug)]
pub struct Motion {
    /// Latents `[T, X]`; the truth of frame t is `F(x[t])`.
    pub x: Tensor,
    /// Frames a second.
    pub fps: f64,
}

impl Motion {
    /// Reads a motion and checks that it was made with this task's forward model.
    ///
    /// # Errors
    /// [`thalweg_task::TaskError::Io`] or [`thalweg_task::TaskError::Weights`], saying what was
    /// expected and what came.
    pub fn load(path: &Path, spec: &TaskSpec) -> Result<Self> {
        let file = Weights::open(path, spec.kind, spec.device)?;
        file.expect_meta("format", FORMAT)?;
        file.expect_meta("version", "1")?;
        file.expect_meta("task", &spec.name)?;
        file.expect_meta("fingerprint", &spec.fingerprint)?;
        let (x, fps) = (file.rows("x", spec.latent)?, file.meta("fps")?);
        if x.size()[0] == 0 || !(f64::is_finite(fps) && fps > 0.0) {
            return Err(file.refuse(format!("expected frames at a positive rate, got {} at {fps}/s", x.size()[0])));
        }
        Ok(Self { x, fps })
    }

    /// Writes the motion, bound to the task's forward model; `source` says where it comes from.
    ///
    /// # Errors
    /// [`thalweg_task::TaskError::Io`].
    pub fn save(&self, path: &Path, spec: &TaskSpec, source: &str) -> Result<()> {
        let metadata = [
            ("format", FORMAT.to_owned()),
            ("version", "1".to_owned()),
            ("task", spec.name.clone()),
            ("fingerprint", spec.fingerprint.clone()),
            ("fps", self.fps.to_string()),
            ("source", source.to_owned()),
        ];
        weights::save(path, &[("x".to_owned(), self.x.shallow_clone())], &metadata)
    }

    /// How many frames there are.
    #[must_use]
    pub fn frames(&self) -> i64 {
        self.x.size()[0]
    }

    /// Latent of one frame, `[1, X]`.
    pub fn frame(&self, index: i64) -> Tensor {
        self.x.narrow(0, index, 1)
    }
}
