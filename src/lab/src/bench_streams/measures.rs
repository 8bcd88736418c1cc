//! What is measured of a stream.

use serde::Serialize;
use tch::{Kind, Tensor};
use thalweg_body_pose::rotation::{axis_angle_from_matrix, geodesic};
use thalweg_body_pose::skeleton::JOINTS;
use thalweg_engine::INTERVALS;
use thalweg_engine::time::turned;
use thalweg_task::{mean, numbers, percentile};

use super::methods::Played;
use super::scenarios::Stream;

/// Ages of a dropout at which errors are gathered, seconds: ends of the bins.
pub(super) const AGES: [f64; 12] = [0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 1.5, 2.5, 4.0, 7.0, 12.0];
/// A switch is one where what is reported is so many times nearer to another hypothesis of before ..
const NEARER: f64 = 2.0;
/// .. and a joint, or several together, has turned by this, degrees. Less is noise: where hypotheses agree, the nearest is any.
const SWITCH_DEG: f64 = 5.0;
/// A hidden joint that turns farther between two frames, by more than what the truth does, has jumped: degrees.
const JUMP_DEG: f64 = 15.0;

/// Sums over streams.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Errors of hidden joints by age: sum, degrees, and count.
    by_age: [(f64, f64); AGES.len()],
    hidden: Vec<f64>,
    visible: Vec<f64>,
    /// Accelerations of hidden and of visible joints, rad/s^2: of the answers and of the truth.
    accelerations: [[(f64, f64); 2]; 2],
    greatest_jump: f64,
    jumps: usize,
    switches: usize,
    frames: usize,
    seconds: f64,
    milliseconds: Vec<f64>,
    /// Errors of hidden joints over their standard deviations.
    deviations: Vec<f64>,
}

/// What is reported of a method in a scenario.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measures {
    /// Mean error of hidden joints by age of the dropout, degrees; none where nothing was that old.
    pub(super) by_age_deg: Vec<Option<f64>>,
    /// Mean error of hidden joints, each age alike, degrees.
    pub(super) hidden_deg: Option<f64>,
    /// Mean error of visible joints, degrees.
    pub(super) visible_deg: Option<f64>,
    /// Mean acceleration over that of the truth: of hidden, and of visible joints.
    pub(super) jitter: [Option<f64>; 2],
    /// Farthest that a hidden joint turned between two frames, degrees.
    pub(super) greatest_jump_deg: f64,
    /// Frames in which a hidden joint jumped, a minute.
    pub(super) jumps_a_minute: f64,
    /// Frames in which another hypothesis was reported than before, a minute.
    pub(super) switches_a_minute: f64,
    /// Shares of the errors of hidden joints that lie within the intervals of 68 and 95 %; none where the method gives none.
    pub(super) coverage: Option<[f64; 2]>,
    /// How many standard deviations to each side hold 68 and 95 %: what the intervals should be.
    pub(super) multiples: [Option<f64>; 2],
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) frames: usize,
}

impl Tally {
    pub(super) fn add(&mut self, stream: &Stream, played: &Played) {
        let best: Vec<Tensor> = played.answers.iter().map(|answers| answers.narrow(0, 0, 1)).collect();
        let best = Tensor::cat(&best, 0).to_kind(Kind::Double);
        let errors: Vec<f64> = numbers(&geodesic(&best, &stream.rotations).rad2deg());
        let (ours, theirs) = (turns(&best), turns(&stream.rotations));
        for (frame, (ages, errors)) in stream.ages.iter().zip(errors.as_chunks::<JOINTS>().0).enumerate() {
            let mut has_jumped = false;
            for joint in 0..JOINTS {
                let is_hidden = ages[joint] > 0.0;
                self.error(ages[joint], errors[joint]);
                let was_alike = |back: usize| {
                    frame.checked_sub(back).is_some_and(|before| (stream.ages[before][joint] > 0.0) == is_hidden)
                };
                if was_alike(1) && is_hidden {
                    let jump = length(ours[frame - 1][joint]).to_degrees();
                    self.greatest_jump = self.greatest_jump.max(jump);
                    has_jumped |= jump > JUMP_DEG && jump > 2.0 * length(theirs[frame - 1][joint]).to_degrees();
                }
                if was_alike(1) && was_alike(2) {
                    for (who, turns) in [&ours, &theirs].into_iter().enumerate() {
                        let (now, before) = (turns[frame - 1][joint], turns[frame - 2][joint]);
                        let change: [f64; 3] = std::array::from_fn(|axis| now[axis] - before[axis]);
                        let sum = &mut self.accelerations[usize::from(!is_hidden)][who];
                        *sum = (sum.0 + length(change) * stream.rate * stream.rate, sum.1 + 1.0);
                    }
                }
            }
            self.jumps += usize::from(has_jumped);
            let is_switch = frame > 0 && is_switch(&played.answers[frame - 1], &played.answers[frame]);
            self.switches += usize::from(is_switch);
        }
        self.frames += stream.ages.len();
        self.cover(stream, played);
        self.seconds += stream.ages.len() as f64 / stream.rate;
        self.milliseconds.extend(played.seconds.iter().map(|seconds| seconds * 1e3));
    }

    /// Notes how far off hidden joints are, in standard deviations, axis by axis.
    fn cover(&mut self, stream: &Stream, played: &Played) {
        let truths = stream.angles.as_chunks::<{ 3 * JOINTS }>().0;
        for ((ages, truth), [found, deviation]) in stream.ages.iter().zip(truths).zip(&played.deviations) {
            let hidden = (0..truth.len().min(deviation.len())).filter(|axis| ages[axis / 3] > 0.0);
            let off =
                |axis: usize| turned(found[axis] - truth[axis], true).abs() / deviation[axis].max(f64::MIN_POSITIVE);
            self.deviations.extend(hidden.map(off));
        }
    }

    fn error(&mut self, age: f64, error: f64) {
        if age == 0.0 {
            return self.visible.push(error);
        }
        self.hidden.push(error);
        if let Some(bin) = AGES.iter().position(|end| age <= *end + 1e-9) {
            self.by_age[bin] = (self.by_age[bin].0 + error, self.by_age[bin].1 + 1.0);
        }
    }

    pub(super) fn measures(&self) -> Measures {
        let ratio = |[ours, theirs]: [(f64, f64); 2]| (theirs.0 > 0.0).then(|| ours.0 / theirs.0);
        let a_minute = |count: usize| count as f64 * 60.0 / self.seconds.max(f64::MIN_POSITIVE);
        Measures {
            by_age_deg: self.by_age.iter().map(|(sum, count)| (*count > 0.0).then(|| sum / count)).collect(),
            hidden_deg: mean(&self.hidden),
            visible_deg: mean(&self.visible),
            jitter: self.accelerations.map(ratio),
            greatest_jump_deg: self.greatest_jump,
            jumps_a_minute: a_minute(self.jumps),
            switches_a_minute: a_minute(self.switches),
            coverage: self.coverage(),
            multiples: [0.68, 0.95].map(|share| percentile(&self.deviations, share)),
            p50_ms: percentile(&self.milliseconds, 0.5),
            p99_ms: percentile(&self.milliseconds, 0.99),
            frames: self.frames,
        }
    }

    fn coverage(&self) -> Option<[f64; 2]> {
        let within = |limit: f64| self.deviations.iter().filter(|off| **off <= limit).count() as f64;
        let count = self.deviations.len() as f64;
        (count > 0.0).then(|| INTERVALS.map(|limit| within(limit) / count))
    }
}

fn length(vector: [f64; 3]) -> f64 {
    vector.iter().map(|entry| entry * entry).sum::<f64>().sqrt()
}

/// How each joint turns from frame to frame, rotation vectors `[T - 1][21]`.
fn turns(rotations: &Tensor) -> Vec<[[f64; 3]; JOINTS]> {
    let count = rotations.size()[0] - 1;
    let (from, to) = (rotations.narrow(0, 0, count), rotations.narrow(0, 1, count));
    let flat: Vec<f64> = numbers(&axis_angle_from_matrix(&from.transpose(-1, -2).matmul(&to)));
    flat.as_chunks::<3>().0.as_chunks::<JOINTS>().0.to_vec()
}

/// Whether what is reported now, `[K, 21, 3, 3]`, is much nearer to another hypothesis of before than to the one reported then.
fn is_switch(before: &Tensor, now: &Tensor) -> bool {
    if before.size()[0] < 2 {
        return false;
    }
    let apart = (before - now.narrow(0, 0, 1)).square().flatten(1, -1).sum_dim_intlist(1, false, Kind::Double);
    // Of two rotations an angle apart, the square of the difference is 8 sin^2(angle / 2).
    let least = 8.0 * (0.5 * SWITCH_DEG.to_radians()).sin().powi(2);
    let (own, nearest) = (apart.double_value(&[0]), apart.min().double_value(&[]));
    own > least && nearest * NEARER * NEARER < own
}

#[cfg(test)]
mod tests {
    use super::*;
    use thalweg_body_pose::rotation::matrix_from_axis_angle;

    #[test]
    fn another_hypothesis_is_told_from_one_that_moves() {
        let pose = |angle: f64| {
            let vectors = Tensor::full([1, JOINTS as i64, 3], angle, (Kind::Double, tch::Device::Cpu));
            matrix_from_axis_angle(&vectors)
        };
        let both = |first, second| Tensor::cat(&[pose(first), pose(second)], 0);
        assert!(!is_switch(&both(0.1, 0.5), &both(0.2, 0.5)));
        assert!(is_switch(&both(0.1, 0.5), &both(0.5, 0.1)));
    }
}
