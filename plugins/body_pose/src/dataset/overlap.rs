//! Frames that are nearly the same: by the mean angle between the rotations of their joints.
//!
//! Three tests in turn, each a lower bound of the next, decide quickly. `|a|` is the angle of a
//! rotation, so `|a| - |b| <= angle(a, b)`: frames are sorted by the sum of their joints' angles,
//! and only those whose sum is near are looked at; of these only those whose angles are near joint
//! by joint; of these the mean angle is taken.

use nalgebra::UnitQuaternion;

use super::{Clip, Source, Split};
use crate::kinematics::from_axis_angle;
use crate::skeleton::JOINTS;

/// Below this mean angle between joints a test frame counts as seen in training, degrees.
pub const LEAK_DEGREES: f64 = 1.0;

#[derive(Clone, Debug)]
struct Frame {
    /// Sum of `sizes`, radians.
    sum: f32,
    /// Angle of each joint from rest, radians.
    sizes: [f32; JOINTS],
    turns: [[f32; 4]; JOINTS],
    clip: usize,
}

impl Frame {
    fn new(pose: &[[f32; 3]; JOINTS], clip: usize) -> Self {
        let turns = from_axis_angle(pose).map(|turn| UnitQuaternion::cast::<f32>(turn).coords.into());
        let sizes = pose.map(|[x, y, z]| (x * x + y * y + z * z).sqrt());
        Self { sum: sizes.iter().sum(), sizes, turns, clip }
    }

    /// Sum of the angles between the joints, radians, if it is below `limit`.
    fn distance(&self, other: &Self, limit: f32) -> Option<f32> {
        let bound: f32 = self.sizes.iter().zip(&other.sizes).map(|(a, b)| (a - b).abs()).sum();
        if bound >= limit {
            return None;
        }
        let mut sum = 0.0;
        for (a, b) in self.turns.iter().zip(&other.turns) {
            // The chord, not the cosine: near zero the arc cosine of single precision is noise.
            let square = |sign: f32| a.iter().zip(b).map(|(a, b)| (a - sign * b) * (a - sign * b)).sum::<f32>();
            sum += 4.0 * (0.5 * square(1.0).min(square(-1.0)).sqrt()).min(1.0).asin();
            if sum >= limit {
                return None;
            }
        }
        Some(sum)
    }
}

/// Frames of many clips, to be searched.
#[derive(Clone, Debug)]
pub struct Frames {
    sorted: Vec<Frame>,
}

impl Frames {
    /// Takes every `stride`-th frame of the clips, each with a number of the caller's.
    pub fn new<'a>(clips: impl Iterator<Item = (usize, &'a Clip)>, stride: usize) -> Self {
        let of_clip = |(number, clip): (usize, &'a Clip)| {
            clip.poses.iter().step_by(stride).map(move |pose| Frame::new(pose, number))
        };
        let mut sorted: Vec<Frame> = clips.flat_map(of_clip).collect();
        sorted.sort_by(|a, b| a.sum.total_cmp(&b.sum));
        Self { sorted }
    }

    /// The nearest frame below a mean angle of `degrees`: that angle, degrees, and its clip's number.
    ///
    /// Only clips whose number is `wanted` are looked at.
    #[must_use]
    pub fn nearest(
        &self,
        pose: &[[f32; 3]; JOINTS],
        degrees: f64,
        wanted: impl Fn(usize) -> bool,
    ) -> Option<(f64, usize)> {
        let frame = Frame::new(pose, 0);
        let mut limit = degrees.to_radians() as f32 * JOINTS as f32;
        let first = self.sorted.partition_point(|other| other.sum < frame.sum - limit);
        let mut best = None;
        let last = frame.sum + limit;
        for other in self.sorted[first..].iter().take_while(|other| other.sum <= last) {
            if !wanted(other.clip) {
                continue;
            }
            if let Some(distance) = frame.distance(other, limit) {
                best = Some((distance, other.clip));
                limit = distance;
                if distance < 1e-4 {
                    break;
                }
            }
        }
        best.map(|(sum, clip)| (f64::from(sum / JOINTS as f32).to_degrees(), clip))
    }
}

/// Whether two clips may show the same person: people of different sources never are one, and one whom nobody names
/// may be anyone.
#[must_use]
pub fn may_be_one_person(a: &Clip, b: &Clip) -> bool {
    let cmu = |clip: &Clip| matches!(clip.source, Source::Cmu | Source::CmuMore);
    let pool = a.source == b.source || (cmu(a) && cmu(b));
    pool && a.subject.as_ref().zip(b.subject.as_ref()).is_none_or(|(a, b)| a == b)
}

/// A frame that is held out and nearly seen in training.
#[derive(Clone, Debug, PartialEq)]
pub struct Leak {
    /// The held-out clip.
    pub test: String,
    /// Number of the frame in it.
    pub frame: usize,
    /// The training clip.
    pub train: String,
    /// Mean angle between the joints of the two frames, degrees.
    pub degrees: f64,
}

/// Finds frames of test clips within [`LEAK_DEGREES`] of a training frame of the same person.
///
/// Looks at every `stride`-th frame of the test clips and at every training frame.
#[must_use]
pub fn leaks(clips: &[Clip], stride: usize) -> Vec<Leak> {
    let training = Frames::new(clips.iter().enumerate().filter(|(_, clip)| clip.split == Split::Train), 1);
    let mut leaks = Vec::new();
    for clip in clips.iter().filter(|clip| clip.split.is_test()) {
        for (frame, pose) in clip.poses.iter().enumerate().step_by(stride) {
            let same = |number: usize| may_be_one_person(clip, &clips[number]);
            if let Some((degrees, number)) = training.nearest(pose, LEAK_DEGREES, same) {
                leaks.push(Leak { test: clip.name.clone(), frame, train: clips[number].name.clone(), degrees });
            }
        }
    }
    leaks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pose(number: u32) -> [[f32; 3]; JOINTS] {
        std::array::from_fn(|joint| std::array::from_fn(|axis| ((number as usize * 7 + joint * 3 + axis) as f32).sin()))
    }

    fn clip(name: &str, split: Split, poses: Vec<[[f32; 3]; JOINTS]>) -> Clip {
        Clip { split, poses, ..Clip::empty(name.to_owned(), Source::CmuMore, 30.0) }
    }

    #[test]
    fn a_planted_leak_is_found_and_another_person_is_none() {
        let mut near = pose(3);
        near[4][1] += 0.1;
        let mut clips =
            vec![clip("a", Split::Train, (0..40).map(pose).collect()), clip("b", Split::Unseen, vec![pose(90), near])];
        let leaks_of = |clips: &[Clip]| leaks(clips, 1);
        let found = leaks_of(&clips);
        assert_eq!((found.len(), found[0].frame, found[0].train.as_str()), (1, 1, "a"));
        assert!((found[0].degrees - 0.1f64.to_degrees() / 21.0).abs() < 0.1, "{}", found[0].degrees);
        (clips[0].subject, clips[1].subject) = (Some("08".to_owned()), Some("35".to_owned()));
        assert!(leaks_of(&clips).is_empty());
        clips[1].subject = None;
        assert_eq!(leaks_of(&clips).len(), 1, "one whom nobody names may be anyone");
    }

    /// The bounds leave nothing out: all pairs one by one find the same.
    #[test]
    fn the_search_finds_what_all_pairs_find() {
        let clip = clip("a", Split::Train, (0..200).map(pose).collect());
        let frames = Frames::new(std::iter::once((0, &clip)), 1);
        for number in 0..20 {
            let mut wanted = pose(number);
            wanted[3][0] += 0.02 * number as f32;
            let slow = |other: &[[f32; 3]; JOINTS]| {
                let pairs = from_axis_angle(&wanted).into_iter().zip(from_axis_angle(other));
                pairs.map(|(a, b)| a.angle_to(&b)).sum::<f64>().to_degrees() / JOINTS as f64
            };
            let least = clip.poses.iter().map(slow).fold(f64::INFINITY, f64::min);
            let found = frames.nearest(&wanted, 5.0, |_| true).expect("within five degrees").0;
            assert!((found - least).abs() < 1e-2, "{found} against {least}");
        }
    }
}
