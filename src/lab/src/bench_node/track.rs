//! The joints that are published: a motion with its arms hidden.

use std::path::Path;
use std::time::Duration;

use crate::eval::metrics::Visibility;
use anyhow::Context;
use tch::{Kind, Tensor};
use thalweg::Registry;
use thalweg::motion::Motion;
use thalweg_body_pose::skeleton;
use thalweg_task::{LoadOptions, Task};

/// Frames a second that the motion is brought to, so that no two messages at 200 Hz are alike.
const FPS: f64 = 240.0;

/// The limbs that are hidden.
const HIDDEN: &str = "arms";

/// A motion as joint positions.
pub(super) struct Track {
    /// Names of the visible joints.
    pub(super) names: Vec<String>,
    /// Their positions, frame by frame, rad.
    frames: Vec<Vec<f64>>,
}

impl Track {
    /// Renders a motion of the body_pose task.
    pub(super) fn load(models: &Path, motion: &Path) -> anyhow::Result<Self> {
        let options = LoadOptions { models: models.to_owned(), ..LoadOptions::default() };
        let task = Registry::shipped().load(thalweg_body_pose::ENTRY.name, &options)?;
        let motion = Motion::load(motion, task.spec())?;
        let hidden = skeleton::group(HIDDEN).with_context(|| format!("no group of joints named {HIDDEN}"))?;
        let seen = Vec::<bool>::try_from(Visibility::hiding(&hidden).mask().flatten(0, -1))?;
        let names = task.spec().joints.iter().map(|joint| joint.name.clone());
        let frames = render(task.as_ref(), &resample(&motion))?;
        Ok(Self {
            names: visible(names, &seen),
            frames: frames.into_iter().map(|frame| visible(frame.into_iter(), &seen)).collect(),
        })
    }

    /// Positions after some time, forth and back for ever.
    pub(super) fn at(&self, time: Duration) -> &[f64] {
        let frame = (time.as_secs_f64() * FPS) as usize;
        &self.frames[bounce(frame, self.frames.len())]
    }
}

/// Place in a line of `count` that is walked forth and back.
fn bounce(step: usize, count: usize) -> usize {
    let last = count.saturating_sub(1);
    let place = step % (2 * last).max(1);
    if place > last { 2 * last - place } else { place }
}

fn visible<T>(values: impl Iterator<Item = T>, seen: &[bool]) -> Vec<T> {
    values.zip(seen).filter_map(|(value, is_seen)| is_seen.then_some(value)).collect()
}

/// Interpolates latents `[T, X]` linearly to [`FPS`].
fn resample(motion: &Motion) -> Tensor {
    let last = motion.frames() - 1;
    let count = (last as f64 / motion.fps * FPS) as i64 + 1;
    let place = Tensor::arange(count, (Kind::Double, motion.x.device())) * (motion.fps / FPS);
    let below = place.floor().clamp(0.0, last as f64);
    let above = (&below + 1.0).clamp(0.0, last as f64);
    let weight = (&place - &below).unsqueeze(-1).to_kind(motion.x.kind());
    let rows = |index: &Tensor| motion.x.index_select(0, &index.to_kind(Kind::Int64));
    rows(&below).lerp_tensor(&rows(&above), &weight)
}

/// Joint positions `[T][J]` of latents `[T, X]`.
fn render(task: &dyn Task, x: &Tensor) -> anyhow::Result<Vec<Vec<f64>>> {
    let _no_grad = tch::no_grad_guard();
    let joints = task.render(&task.forward(x)?)?.joints.context("the task renders no joints")?;
    Ok(Vec::<Vec<f64>>::try_from(joints.to_kind(Kind::Double))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motions_go_forth_and_back() {
        let places: Vec<usize> = (0..9).map(|step| bounce(step, 4)).collect();
        assert_eq!(places, [0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert_eq!((bounce(7, 1), bounce(0, 1)), (0, 0));
    }

    #[test]
    fn latents_are_interpolated() {
        let x = Tensor::from_slice(&[0.0_f32, 8.0, 16.0]).unsqueeze(-1);
        let between = resample(&Motion { x, fps: 30.0 });
        let values = Vec::<f32>::try_from(between.flatten(0, -1)).expect("a vector");
        assert_eq!(values, (0..=16).map(|value| value as f32).collect::<Vec<_>>());
    }
}
