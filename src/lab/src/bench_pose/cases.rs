//! Poses to solve for, and what of them is seen.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index;
use tch::{Kind, Tensor};
use thalweg_body_pose::rotation::{axis_angle_from_matrix, matrix_from_axis_angle};
use thalweg_body_pose::skeleton::JOINTS;
use thalweg_body_pose::{joint_angles, rotations_from_angles};
use thalweg_task::{Masked, Observation};

use super::masks;

/// Poses, true and whole.
#[derive(Debug)]
pub(super) struct Poses {
    /// Joint angles as they are observed, `[N, 63]`, radians.
    pub(super) angles: Tensor,
    /// Rotations relative to the parent, double precision, `[N, 21, 3, 3]`.
    pub(super) rotations: Tensor,
}

impl Poses {
    /// Reads rotation vectors, `[N * 63]`, radians.
    pub(super) fn from_vectors(vectors: &[f32]) -> Self {
        let double = Tensor::from_slice(vectors).view([-1, JOINTS as i64, 3]).to_kind(Kind::Double);
        Self { angles: joint_angles(vectors), rotations: matrix_from_axis_angle(&double) }
    }

    /// Takes joint angles, `[N, 63]`, radians.
    pub(super) fn from_angles(angles: &Tensor) -> Self {
        Self { angles: angles.shallow_clone(), rotations: rotations_from_angles(&angles.to_kind(Kind::Double)) }
    }

    /// How many there are.
    pub(super) fn count(&self) -> i64 {
        self.angles.size()[0]
    }

    /// Draws poses without repetition.
    pub(super) fn sample(&self, count: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let all = self.count() as usize;
        let picked: Vec<i64> =
            index::sample(&mut random, all, count.min(all)).into_iter().map(|row| row as i64).collect();
        self.select(&Tensor::from_slice(&picked))
    }

    /// Frames of one clip at another rate, at most so many, rotations turned on evenly in between.
    pub(super) fn stream(&self, span: Span, hz: f64, frames: usize) -> Self {
        let last = (span.count - 1) as f64;
        let count = ((last / span.fps * hz).floor() as usize + 1).min(frames);
        let at = |frame: usize| (frame as f64 / hz * span.fps).min(last);
        let before: Vec<i64> =
            (0..count).map(|frame| (at(frame).floor() as i64).min((span.count - 2).max(0))).collect();
        let part: Vec<f64> = (0..count).zip(&before).map(|(frame, before)| at(frame) - *before as f64).collect();
        let from = Tensor::from_slice(&before) + span.start;
        let to = (&from + 1).clamp_max((span.start + span.count - 1) as f64);
        let part = Tensor::from_slice(&part).view([-1, 1, 1]);
        let (from, to) =
            (self.rotations.index_select(0, &from), self.rotations.index_select(0, &to.to_kind(Kind::Int64)));
        let turn = axis_angle_from_matrix(&from.transpose(-1, -2).matmul(&to));
        let rotations = from.matmul(&matrix_from_axis_angle(&(turn * part)));
        Self { angles: angles(&rotations), rotations }
    }

    fn select(&self, rows: &Tensor) -> Self {
        Self { angles: self.angles.index_select(0, rows), rotations: self.rotations.index_select(0, rows) }
    }
}

/// A clip within poses: frames that follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    /// Its first pose.
    pub(super) start: i64,
    /// Its poses, at least one.
    pub(super) count: i64,
    /// Frames a second.
    pub(super) fps: f64,
}

impl Span {
    /// Lists clips of so many poses each, one after the other; empty ones are left out.
    pub(super) fn follow(clips: impl Iterator<Item = (usize, f64)>) -> Vec<Self> {
        let mut start = 0;
        let span = |(count, fps): (usize, f64)| {
            let span = Self { start, count: count as i64, fps };
            start += span.count;
            span
        };
        clips.map(span).filter(|span| span.count > 0).collect()
    }

    /// From the first pose to the last.
    pub(super) fn seconds(&self) -> f64 {
        (self.count - 1) as f64 / self.fps
    }
}

/// Reads the joint angles off rotations `[N, 21, 3, 3]`.
fn angles(rotations: &Tensor) -> Tensor {
    let vectors = axis_angle_from_matrix(rotations).to_kind(Kind::Float).contiguous().view(-1);
    let vectors = Vec::<f32>::try_from(vectors).expect("a flat tensor of floats is a list of floats");
    joint_angles(&vectors)
}

/// Poses of which some joints are hidden.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) poses: Poses,
    /// Boolean `[P, 21]`.
    pub(super) hidden: Tensor,
}

impl Case {
    /// Hides joints by a mask's name.
    pub(super) fn new(poses: Poses, mask: &str, seed: u64) -> anyhow::Result<Self> {
        let hidden = masks::hidden(mask, poses.count(), seed)?;
        Ok(Self { poses, hidden })
    }

    /// What is seen, one row for each pose.
    pub(super) fn observation(&self) -> Observation {
        let visible = self.hidden.logical_not().unsqueeze(-1).expand([-1, -1, 3], false).flatten(1, 2);
        let joints = Masked::new(&self.poses.angles).hide(&visible);
        Observation { joints: Some(joints), ..Observation::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thalweg_body_pose::rotation::geodesic;

    /// Poses whose every joint is turned about x, further each frame by 0.3 radians.
    fn turning(count: usize) -> Poses {
        let frame = |frame: usize| [0.3 * frame as f32, 0.0, 0.0].repeat(JOINTS);
        Poses::from_vectors(&(0..count).flat_map(frame).collect::<Vec<_>>())
    }

    #[test]
    fn a_stream_turns_on_evenly_within_its_clip() {
        let spans = Span::follow([(2, 30.0), (0, 30.0), (4, 30.0)].into_iter());
        assert_eq!(spans, [Span { start: 0, count: 2, fps: 30.0 }, Span { start: 2, count: 4, fps: 30.0 }]);
        let stream = turning(6).stream(spans[1], 60.0, 100);
        // From pose 2 to pose 5, twice as fine.
        assert_eq!(stream.count(), 7);
        for frame in 0..7 {
            let truth = Poses::from_vectors(&[0.6 + 0.15 * frame as f32, 0.0, 0.0].repeat(JOINTS));
            let apart = geodesic(&stream.rotations.narrow(0, frame, 1), &truth.rotations).max().double_value(&[]);
            assert!(apart < 1e-6, "frame {frame}: {apart}");
            let difference = (stream.angles.narrow(0, frame, 1) - &truth.angles).abs().max().double_value(&[]);
            assert!(difference < 1e-5, "frame {frame}: {difference}");
        }
        assert_eq!(turning(6).stream(spans[1], 60.0, 3).count(), 3);
        assert_eq!(turning(3).stream(Span { start: 2, count: 1, fps: 30.0 }, 60.0, 5).count(), 1);
    }

    #[test]
    fn hidden_joints_are_not_observed() {
        let case = Case::new(turning(2), "legs", 1).expect("the legs are a group");
        assert_eq!(case.observation().observed(), 2 * 3 * (JOINTS as i64 - 8));
    }
}
