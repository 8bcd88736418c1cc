//! Recorded motions: joint positions as they were measured.

use std::ops::Range;
use std::path::Path;

use tch::{Kind, Tensor};
use thalweg_nn::Result;
use thalweg_nn::weights::{self, Weights};
use thalweg_task::{Observation, TaskSpec};

/// What a motion file says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-motion";
/// Version of that format: the first one held latents of a forward model.
const VERSION: &str = "2";
/// The tensor in it.
const JOINTS: &str = "joints";

/// A motion: the positions of all joints of a task in each frame. No forward model has touched them.
#[derive(Debug)]
pub struct Motion {
    /// Positions `[T, J]` of the task's joints, in its order and units.
    pub joints: Tensor,
    /// Frames a second.
    pub fps: f64,
}

/// Frames a second that a motion may have: from one that is hardly any to the fastest cameras.
const FPS: std::ops::RangeInclusive<f64> = 0.01..=10_000.0;

impl Motion {
    /// Reads a motion and checks that it is one of this task's joints.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError`], saying what was expected and what came.
    pub fn load(path: &Path, spec: &TaskSpec) -> Result<Self> {
        let file = Weights::open(path, spec.kind, spec.device)?;
        file.expect_meta("format", FORMAT)?;
        file.expect_meta("version", VERSION)?;
        file.expect_meta("task", &spec.name)?;
        let (joints, fps) = (file.rows(JOINTS, spec.joints.len() as i64)?, file.meta("fps")?);
        if joints.size()[0] == 0 || !FPS.contains(&fps) {
            let ([from, to], got) = ([FPS.start(), FPS.end()], joints.size()[0]);
            return Err(file.refuse(format!("expected frames at {from} to {to} /s, got {got} at {fps}/s")));
        }
        Ok(Self { joints, fps })
    }

    /// Writes the motion in half precision, 0.06 degrees at most for an angle; `source` says where it comes from.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError::Io`].
    pub fn save(&self, path: &Path, spec: &TaskSpec, source: &str) -> Result<()> {
        let metadata = [
            ("format", FORMAT.to_owned()),
            ("version", VERSION.to_owned()),
            ("task", spec.name.clone()),
            ("fps", self.fps.to_string()),
            ("source", source.to_owned()),
        ];
        weights::save(path, &[(JOINTS.to_owned(), self.joints.to_kind(Kind::Half))], &metadata)
    }

    /// Names the clips that a motion of `frames` frames was put together from, and says where each lies; one without a
    /// name where the file does not tell.
    ///
    /// # Errors
    /// As [`Motion::load`].
    pub fn clips(path: &Path, frames: i64) -> Result<Vec<(String, Range<i64>)>> {
        let source: String = Weights::open(path, Kind::Float, tch::Device::Cpu)?.meta("source")?;
        let mut end = 0;
        let clip = |text: &str| {
            let (name, range) = text.split_once(':')?;
            let (first, last) = range.split_once('-')?;
            let begin = end;
            end += last.parse::<i64>().ok()? - first.parse::<i64>().ok()?;
            Some((name.to_owned(), begin..end))
        };
        let clips: Option<Vec<_>> = source.split_whitespace().map(clip).collect();
        let whole = || vec![(String::new(), 0..frames)];
        Ok(clips.filter(|_| end == frames).unwrap_or_else(whole))
    }

    /// How many frames there are.
    #[must_use]
    pub fn frames(&self) -> i64 {
        self.joints.size()[0]
    }

    /// The same motion at another rate, positions interpolated linearly.
    ///
    /// The last frame is the last that lies within the motion.
    #[must_use]
    pub fn resampled(&self, fps: f64) -> Self {
        let last = self.frames() - 1;
        let count = (last as f64 / self.fps * fps).floor() as i64 + 1;
        let at = Tensor::arange(count, (Kind::Double, self.joints.device())) * (self.fps / fps);
        let before = at.floor().clamp(0.0, (last - 1).max(0) as f64);
        let part = (at - &before).unsqueeze(-1).to_kind(self.joints.kind());
        let from = self.joints.index_select(0, &before.to_kind(Kind::Int64));
        let to = self.joints.index_select(0, &(before + 1.0).clamp_max(last as f64).to_kind(Kind::Int64));
        Self { joints: &from + part * (to - &from), fps }
    }

    /// Positions in one frame, `[1, J]`.
    pub fn frame(&self, index: i64) -> Tensor {
        self.joints.narrow(0, index, 1)
    }

    /// One frame as an observation of all joints, stamped with its time in the motion.
    pub fn observation(&self, index: i64) -> Observation {
        let stamp_nanos = (index as f64 / self.fps * 1e9) as i64;
        Observation { stamp_nanos, ..Observation::of_joints(&self.frame(index)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resampled_motion_passes_through_the_frames_it_was_made_of() {
        let motion = Motion { joints: Tensor::from_slice(&[0.0f32, 3.0, 9.0]).view([3, 1]), fps: 30.0 };
        let fine = motion.resampled(90.0);
        let values: Vec<f32> = Vec::try_from(fine.joints.view(-1)).expect("floats");
        let expected = [0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 9.0];
        assert_eq!((values.len(), fine.fps), (expected.len(), 90.0));
        assert!(values.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-5), "{values:?}");
        let still = Motion { joints: Tensor::ones([1, 2], (tch::Kind::Float, tch::Device::Cpu)), fps: 30.0 };
        assert_eq!(still.resampled(100.0).frames(), 1);
    }
}
