//! The joints that are published: a motion with its arms hidden.

use std::path::Path;
use std::time::Duration;

use crate::eval::metrics::Visibility;
use anyhow::Context;
use tch::Kind;
use thalweg::Registry;
use thalweg::motion::Motion;
use thalweg_body_pose::skeleton;
use thalweg_task::LoadOptions;

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
        let frames = Vec::<Vec<f64>>::try_from(motion.resampled(FPS).joints.to_kind(Kind::Double))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motions_go_forth_and_back() {
        let places: Vec<usize> = (0..9).map(|step| bounce(step, 4)).collect();
        assert_eq!(places, [0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert_eq!((bounce(7, 1), bounce(0, 1)), (0, 0));
    }
}
