//! Recorded motions as latents of a task: small, and complete by construction.

use std::path::Path;

use tch::Tensor;
use thalweg_nn::Result;
use thalweg_nn::weights::{self, Weights};
use thalweg_task::TaskSpec;

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

/// Frames a second that a motion may have: from one that is hardly any to the fastest cameras.
const FPS: std::ops::RangeInclusive<f64> = 0.01..=10_000.0;

impl Motion {
    /// Reads a motion and checks that it was made with this task's forward model.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError`], saying what was
    /// expected and what came.
    pub fn load(path: &Path, spec: &TaskSpec) -> Result<Self> {
        let file = Weights::open(path, spec.kind, spec.device)?;
        file.expect_meta("format", FORMAT)?;
        file.expect_meta("version", "1")?;
        file.expect_meta("task", &spec.name)?;
        file.expect_meta("fingerprint", &spec.fingerprint)?;
        let (x, fps) = (file.rows("x", spec.latent)?, file.meta("fps")?);
        if x.size()[0] == 0 || !FPS.contains(&fps) {
            let ([from, to], got) = ([FPS.start(), FPS.end()], x.size()[0]);
            return Err(file.refuse(format!("expected frames at {from} to {to} /s, got {got} at {fps}/s")));
        }
        Ok(Self { x, fps })
    }

    /// Writes the motion, bound to the task's forward model; `source` says where it comes from.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError::Io`].
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

    /// The same motion at another rate, its latents interpolated linearly.
    ///
    /// The last frame is the last that lies within the motion.
    #[must_use]
    pub fn resampled(&self, fps: f64) -> Self {
        let last = self.frames() - 1;
        let count = (last as f64 / self.fps * fps).floor() as i64 + 1;
        let at = Tensor::arange(count, (tch::Kind::Double, self.x.device())) * (self.fps / fps);
        let before = at.floor().clamp(0.0, (last - 1).max(0) as f64);
        let part = (at - &before).unsqueeze(-1).to_kind(self.x.kind());
        let from = self.x.index_select(0, &before.to_kind(tch::Kind::Int64));
        let to = self.x.index_select(0, &(before + 1.0).clamp_max(last as f64).to_kind(tch::Kind::Int64));
        Self { x: &from + part * (to - &from), fps }
    }

    /// Latent of one frame, `[1, X]`.
    pub fn frame(&self, index: i64) -> Tensor {
        self.x.narrow(0, index, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resampled_motion_passes_through_the_frames_it_was_made_of() {
        let motion = Motion { x: Tensor::from_slice(&[0.0f32, 3.0, 9.0]).view([3, 1]), fps: 30.0 };
        let fine = motion.resampled(90.0);
        let values: Vec<f32> = Vec::try_from(fine.x.view(-1)).expect("floats");
        let expected = [0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 9.0];
        assert_eq!((values.len(), fine.fps), (expected.len(), 90.0));
        assert!(values.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-5), "{values:?}");
        let still = Motion { x: Tensor::ones([1, 2], (tch::Kind::Float, tch::Device::Cpu)), fps: 30.0 };
        assert_eq!(still.resampled(100.0).frames(), 1);
    }
}
