//! What was seen of each joint last, and what that makes likely now.

use std::collections::BTreeMap;
use std::sync::Arc;

use tch::Kind;
use thalweg_task::{Expected, Masked, Observation, TaskSpec};

use super::alpha_beta::AlphaBeta;
use super::model::{Likely, MotionModel, angles, displacement, turned};
use super::predictor::Gap;

const SECOND: f64 = 1e9;

/// Seconds without any frame, or back, after which all is forgotten.
const LONGEST_SILENCE: f64 = 10.0;
/// A joint is silent when nothing came of it for so many of its usual periods ..
const PERIODS: f64 = 1.5;
/// .. or seconds, as long as it has no usual period.
const FIRST_PERIOD: f64 = 0.05;
/// Groups of joints that fell silent at the same time for which joints that move along are asked; the largest come
/// first. For each of the others its own last position must do. Bounds the work: a group costs some 50 microseconds.
const MOST_GROUPS: usize = 4;
/// Seconds within which what is expected follows what the joints that are seen say: where those move fast, as in a jump,
/// the network turns a joint by 20 degrees between two frames. By trial on validation motion, where it costs no accuracy.
const FOLLOWING: f64 = 0.05;
/// What an observed joint may be off: (1.3 degrees)^2. The larger, the more an expected joint counts beside those that are
/// seen. By trial on validation motion, where ten times as much makes joints that are seen 0.4 degrees worse and hidden ones
/// no better, and leaves nothing of the differences between hypotheses.
const SEEN_VARIANCE: f64 = 5e-4;

/// Keeps what was seen of each joint, and says what is likely of those that are silent.
///
/// Carries nothing into the engine but observations: what it expects is recorded with them.
#[derive(Debug)]
pub struct Timeline {
    model: MotionModel,
    /// Whether each joint turns; the others slide.
    is_angle: Vec<bool>,
    /// What each joint reaches.
    limits: Vec<[f64; 2]>,
    /// See [`MotionModel::drive`].
    drives: Vec<f64>,
    joints: Vec<Option<Sighting>>,
    /// Stamp of the last frame, nanoseconds.
    stamp: Option<i64>,
    frames: u64,
    /// What an observed joint may be off.
    seen_variance: f64,
    /// How far each joint is expected to have gone, beyond where its velocity led; none where it is seen.
    gone: Vec<Option<f64>>,
    /// Variance of each joint's last prediction; zero where it is seen, infinite where nothing is known.
    variance: Vec<f64>,
}

/// What was known when a frame came.
#[derive(Debug)]
struct Frame {
    index: u64,
    stamp: i64,
    /// NaN where silent.
    positions: Vec<f64>,
    velocities: Vec<f64>,
}

/// The last that was seen of a joint.
#[derive(Clone, Debug)]
struct Sighting {
    stamp: i64,
    position: f64,
    /// Per second.
    velocity: f64,
    filter: AlphaBeta,
    frame: Arc<Frame>,
}

impl Timeline {
    /// Begins for the joints of a task; none where the model is for another number of them.
    #[must_use]
    pub fn new(model: MotionModel, spec: &TaskSpec) -> Option<Self> {
        let count = spec.joints.len();
        let is_angle = angles(spec);
        let limits = spec.joints.iter().map(|joint| [joint.lower, joint.upper]).collect();
        let (joints, gone, variance) = (vec![None; count], vec![None; count], vec![f64::INFINITY; count]);
        if model.joints() != count {
            return None;
        }
        let drives = (0..count).map(|joint| model.drive(joint)).collect();
        let (stamp, frames, seen_variance) = (None, 0, SEEN_VARIANCE);
        Some(Self { model, is_angle, limits, drives, joints, stamp, frames, seen_variance, gone, variance })
    }

    /// The model it goes by.
    #[must_use]
    pub fn model(&self) -> &MotionModel {
        &self.model
    }

    /// Variance of what was expected of each joint at the last frame, squared radians or metres: zero where it was seen,
    /// infinite where it never was.
    #[must_use]
    pub fn variance(&self) -> &[f64] {
        &self.variance
    }

    /// The variance that an observed joint is taken to have, squared radians or metres.
    #[must_use]
    pub fn seen_variance(&self) -> f64 {
        self.seen_variance
    }

    /// Changes the variance that an observed joint is taken to have, squared radians or metres, above zero: the larger it is,
    /// the slower those that are silent lose weight. For trials: standard deviations go by the default.
    pub fn set_seen_variance(&mut self, variance: f64) {
        self.seen_variance = variance;
    }

    /// Forgets all that was seen, as after a jump of the clock.
    pub fn forget(&mut self) {
        self.joints.fill(None);
        self.gone.fill(None);
        self.variance.fill(f64::INFINITY);
        self.stamp = None;
    }

    /// Takes an observation of one row, and adds to it what is expected of joints that are silent. Readings that are noisy
    /// are smoothed, and those that are older than the observation go on at their velocity.
    ///
    /// `stamps`: when each joint was measured, nanoseconds, where that differs from the stamp of the observation; one that
    /// is older than its usual period counts as silent. A stamp of zero says nothing about time, and nothing is expected
    /// then. After a jump back, or `LONGEST_SILENCE` without a frame, all begins anew.
    pub fn expect(&mut self, obs: &mut Observation, stamps: Option<&[i64]>) {
        let is_mine = |joints: &Masked| joints.value().size() == [1, self.is_angle.len() as i64];
        let (Some(joints), true) = (obs.joints.as_ref().filter(|joints| is_mine(joints)), obs.stamp_nanos > 0) else {
            return self.forget();
        };
        let stamp = obs.stamp_nanos;
        let elapsed = self.stamp.map(|before| seconds_between(before, stamp));
        if elapsed.is_some_and(|elapsed| !(0.0..=LONGEST_SILENCE).contains(&elapsed)) {
            self.forget();
        }
        let mut positions: Vec<f64> = joints.numbers_with_nan();
        self.take(stamp, &mut positions, stamps);
        let elapsed = self.stamp.replace(stamp).map_or(f64::INFINITY, |before| seconds_between(before, stamp));
        let likely = self.likely((stamp, elapsed), &positions);
        if elapsed.is_finite() {
            let kind = joints.value().kind();
            obs.expected = expected(&likely, (elapsed, self.seen_variance), kind);
            obs.joints = Some(Masked::of_row(&positions, kind));
        }
    }

    /// Notes what is seen now: each joint's position, without noise as far as that is known; NaN where a reading is older than
    /// its joint's usual period.
    fn take(&mut self, stamp: i64, positions: &mut [f64], stamps: Option<&[i64]>) {
        self.frames += 1;
        let mut filters = Vec::with_capacity(positions.len());
        for (joint, position) in positions.iter_mut().enumerate() {
            let read = stamps.and_then(|stamps| stamps.get(joint)).map_or(stamp, |read| (*read).min(stamp));
            let before = self.joints[joint].as_ref();
            let is_new = position.is_finite() && before.is_none_or(|before| read > before.stamp);
            let filter = match before {
                Some(Sighting { stamp, filter, .. }) if is_new => {
                    let (seconds, drive) = (seconds_between(*stamp, read), self.drives[joint]);
                    filter.after(*position, seconds, drive, self.is_angle[joint])
                }
                Some(before) => before.filter,
                None => AlphaBeta::new(*position),
            };
            let patience = filter.period().map_or(FIRST_PERIOD, |period| PERIODS * period);
            let age = seconds_between(if is_new { read } else { before.map_or(i64::MIN, |b| b.stamp) }, stamp);
            if position.is_finite() {
                *position =
                    if age > patience { f64::NAN } else { filter.position() + displacement(filter.velocity(), age) };
            }
            filters.push((is_new, read, filter));
        }
        let velocities = filters.iter().map(|(_, _, filter)| filter.velocity()).collect();
        let frame = Arc::new(Frame { index: self.frames, stamp, positions: positions.to_vec(), velocities });
        for ((slot, position), (is_new, read, filter)) in self.joints.iter_mut().zip(&*positions).zip(filters) {
            if is_new && position.is_finite() {
                let (position, velocity, frame) = (filter.position(), filter.velocity(), Arc::clone(&frame));
                *slot = Some(Sighting { stamp: read, position, velocity, filter, frame });
            }
        }
    }

    /// Position and variance of each joint that is silent and was seen before; NaN for the others. `elapsed`: seconds since
    /// the frame before.
    fn likely(&mut self, (stamp, elapsed): (i64, f64), positions: &[f64]) -> Vec<f64> {
        let following = 1.0 - (-elapsed / FOLLOWING).exp();
        let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (joint, sighting) in self.joints.iter().enumerate() {
            let is_silent = positions[joint].is_nan();
            self.variance[joint] = if is_silent { f64::INFINITY } else { 0.0 };
            self.gone[joint] = self.gone[joint].filter(|_| is_silent);
            if let Some(sighting) = sighting.as_ref().filter(|_| is_silent) {
                groups.entry(sighting.frame.index).or_default().push(joint);
            }
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        // Stable, so that of groups of one size the older comes first.
        groups.sort_by_key(|joints| std::cmp::Reverse(joints.len()));
        let mut values = vec![f64::NAN; positions.len()];
        for (rank, silent) in groups.iter().enumerate() {
            let Some(Sighting { frame, .. }) = self.joints[silent[0]].clone() else { continue };
            let seconds = seconds_between(frame.stamp, stamp);
            let likely = self.likely_of((&frame, silent), seconds, positions, rank < MOST_GROUPS);
            for ((&joint, change), variance) in silent.iter().zip(likely.change).zip(likely.variance) {
                if let Some(Sighting { position, velocity, .. }) = &self.joints[joint] {
                    let [lower, upper] = self.limits[joint];
                    // What was seen beyond the limits is not bent back.
                    let (lower, upper) = (lower.min(*position), upper.max(*position));
                    let before = self.gone[joint].unwrap_or(change);
                    let gone = *self.gone[joint].insert(before + following * (change - before));
                    values[joint] = (position + displacement(*velocity, seconds) + gone).clamp(lower, upper);
                    // However lively the others are, it goes no farther than joints do in the end.
                    let farthest = self.model.farthest(joint);
                    let variance = variance * farthest / (variance + farthest).max(f64::MIN_POSITIVE);
                    self.variance[joint] = variance;
                }
            }
        }
        values.into_iter().zip(&self.variance).flat_map(|(value, variance)| [value, *variance]).collect()
    }

    /// What is likely of joints that were seen last in a frame: by the network, or in closed form.
    ///
    /// Where nobody `is_asked`, by how they move alone.
    fn likely_of(
        &self,
        (frame, silent): (&Frame, &[usize]),
        seconds: f64,
        positions: &[f64],
        is_asked: bool,
    ) -> Likely {
        if let Some(all) = is_asked.then(|| self.predict(frame, seconds, positions)).flatten() {
            let of = |values: &[f64]| silent.iter().map(|&joint| values[joint]).collect();
            return Likely { change: of(&all.change), variance: of(&all.variance) };
        }
        let (seen, changes) = self.changes(frame, seconds, positions, is_asked);
        self.model.likely(seconds, (&seen, &changes), silent)
    }

    /// What the network makes of what was seen in a frame and is seen now; none where there is no network.
    fn predict(&self, frame: &Frame, seconds: f64, positions: &[f64]) -> Option<Likely> {
        let velocities: Vec<f64> =
            self.joints.iter().map(|sighting| sighting.as_ref().map_or(0.0, |sighting| sighting.velocity)).collect();
        self.model.predict(&Gap {
            then: &frame.positions,
            velocity_then: &frame.velocities,
            now: positions,
            velocity_now: &velocities,
            seconds,
        })
    }

    /// How the joints that are seen have changed since a frame, net of where their velocity led.
    fn changes(&self, frame: &Frame, seconds: f64, positions: &[f64], is_asked: bool) -> (Vec<usize>, Vec<f64>) {
        let change = |joint: usize| {
            let change = turned(positions[joint] - frame.positions[joint], self.is_angle[joint]);
            change - displacement(frame.velocities[joint], seconds)
        };
        let all = (0..positions.len()).filter(|_| is_asked).map(|joint| (joint, change(joint)));
        all.filter(|(_, change)| change.is_finite()).unzip()
    }
}

/// What is expected, from pairs of position and variance; none where nothing is.
fn expected(likely: &[f64], (elapsed, seen): (f64, f64), kind: Kind) -> Option<Expected> {
    let pairs = likely.as_chunks::<2>().0;
    if pairs.iter().all(|[value, _]| value.is_nan()) {
        return None;
    }
    let (values, weights): (Vec<f64>, Vec<f64>) =
        pairs.iter().map(|[value, variance]| (*value, seen / (seen + variance))).unzip();
    Expected::of_row(&values, &weights, kind, elapsed).ok()
}

/// The variance of what is expected of a joint that counts so much, above zero: see [`Timeline`].
pub(crate) fn variance_of_weight(weight: f64) -> f64 {
    SEEN_VARIANCE * (1.0 - weight) / weight
}

fn seconds_between(earlier: i64, later: i64) -> f64 {
    (later as f64 - earlier as f64) / SECOND
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prior::tests::two_numbers;
    use tch::Tensor;
    use thalweg_task::JointSpec;
    use thalweg_task::numbers;

    const FRAME: i64 = 10_000_000;

    fn timeline() -> Timeline {
        let joint = |name: &str| JointSpec { name: name.into(), unit: "rad".into(), lower: -3.0, upper: 3.0 };
        let spec = two_numbers(["a", "b"].map(joint).to_vec());
        let changes = Tensor::from_slice(&[0.5, 0.3, 0.3, 0.5]).view([1, 2, 2]);
        Timeline::new(MotionModel::new(&[0.3], &changes).expect("a model"), &spec).expect("two joints")
    }

    /// Shows two joints at a frame; what is then said to be seen of them.
    fn seen(timeline: &mut Timeline, frame: i64, joints: [f64; 2], stamps: Option<&[i64]>) -> [f64; 2] {
        let row = Tensor::from_slice(&joints).view([1, 2]);
        let mut obs = Observation { stamp_nanos: frame * FRAME, ..Observation::of_joints(&row) };
        timeline.expect(&mut obs, stamps);
        let seen: Vec<f64> = obs.joints.map(|joints| numbers(&joints.with_nan())).expect("joints");
        [seen[0], seen[1]]
    }

    /// Shows two joints at a frame; what is expected of them: position and weight.
    fn show(timeline: &mut Timeline, frame: i64, joints: [f64; 2], stamps: Option<&[i64]>) -> Option<[f64; 4]> {
        let row = Tensor::from_slice(&joints).view([1, 2]);
        let mut obs = Observation { stamp_nanos: frame * FRAME, ..Observation::of_joints(&row) };
        timeline.expect(&mut obs, stamps);
        obs.expected.map(|expected| {
            let [a, b] = [expected.value(), expected.weight()].map(numbers::<f64>);
            [a[0], a[1], b[0], b[1]]
        })
    }

    #[test]
    fn a_joint_that_falls_silent_loses_weight_with_age_and_goes_on_for_a_while() {
        let mut timeline = timeline();
        (1..=50).for_each(|frame| assert_eq!(show(&mut timeline, frame, [0.01 * frame as f64, 0.2], None), None));
        let first = show(&mut timeline, 51, [f64::NAN, 0.2], None).expect("of the first");
        assert!(first[0] > 0.5 && first[0] < 0.52 && first[2] > 0.5, "{first:?}");
        assert_eq!([first[1], first[3]], [0.0, 0.0]);
        let weights: Vec<f64> =
            [52, 60, 100, 500].map(|frame| show(&mut timeline, frame, [f64::NAN, 0.2], None).expect("still")[2]).into();
        assert!(weights.is_sorted_by(|a, b| a > b) && weights[3] > 0.0, "{weights:?}");
        assert_eq!(show(&mut timeline, 501, [0.3, 0.2], None), None);
    }

    #[test]
    fn what_is_expected_follows_slowly_what_others_say() {
        let changes = Tensor::from_slice(&[0.5, 0.3, 0.0, 0.3, 0.5, 0.0, 0.0, 0.0, 0.5]).view([1, 3, 3]);
        let joint = |name: &str| JointSpec { name: name.into(), unit: "rad".into(), lower: -3.0, upper: 3.0 };
        let spec = two_numbers(["a", "b", "c"].map(joint).to_vec());
        let mut timeline = Timeline::new(MotionModel::new(&[0.3], &changes).expect("a model"), &spec).expect("three");
        let mut show = |frame: i64, joints: [f64; 3]| {
            let row = Tensor::from_slice(&joints).view([1, 3]);
            let mut obs = Observation { stamp_nanos: frame * FRAME, ..Observation::of_joints(&row) };
            timeline.expect(&mut obs, None);
            obs.expected.map(|expected| numbers::<f64>(expected.value())[0])
        };
        (1..=50).for_each(|frame| assert_eq!(show(frame, [0.0; 3]), None));
        (51..100).for_each(|frame| assert_eq!(show(frame, [f64::NAN, 0.0, 0.0]), Some(0.0)));
        let ways: Vec<f64> =
            [100, 101, 130].map(|frame| show(frame, [f64::NAN, 1.0, 0.0]).expect("it is silent")).into();
        assert!(ways[0] > 0.0 && ways[0] < ways[1] && ways[1] < 0.6 * ways[2], "{ways:?}");
        assert_eq!(show(131, [0.3, 1.0, 0.0]), None);
    }

    #[test]
    fn a_slow_tracker_is_no_dropout() {
        let mut timeline = timeline();
        for frame in 1..=100 {
            let slow = frame / 10 * 10;
            let stamps = [slow.max(1) * FRAME, frame * FRAME];
            let expected = show(&mut timeline, frame, [0.1, 0.2], Some(&stamps));
            assert!(frame < 30 || expected.is_none(), "frame {frame}: {expected:?}");
        }
        let stamps = [100 * FRAME, 120 * FRAME];
        assert!(show(&mut timeline, 120, [0.1, 0.2], Some(&stamps)).is_some());
    }

    #[test]
    fn what_a_slow_tracker_read_goes_on_until_it_reads_again() {
        let mut timeline = timeline();
        for frame in 1..=105 {
            let slow = (frame / 10 * 10).max(1);
            let stamps = [slow * FRAME, frame * FRAME];
            let [position, fast] = seen(&mut timeline, frame, [0.01 * slow as f64, 0.2], Some(&stamps));
            assert_eq!(fast, 0.2);
            let late = frame - slow;
            assert!(late > 0 || position == 0.01 * slow as f64, "frame {frame}: a new reading is what was read");
            if frame > 60 && late > 0 {
                assert!(position > 0.01 * slow as f64 && position < 0.01 * frame as f64, "frame {frame}: {position}");
            }
        }
    }

    #[test]
    fn noise_is_smoothed_and_nothing_else_is() {
        let mut timeline = timeline();
        for frame in 1..=200_i64 {
            // As regular as noise can be.
            let noise = if frame % 2 == 0 { 0.1 } else { -0.1 };
            let steady = 0.01 * frame as f64;
            let [noisy, smooth] = seen(&mut timeline, frame, [0.5 + noise, steady], None);
            assert_eq!(smooth, steady, "frame {frame}");
            assert!(frame < 100 || (noisy - 0.5).abs() < 0.05, "frame {frame}: {noisy}");
        }
        let held = show(&mut timeline, 201, [f64::NAN, 2.01], None).expect("of the first");
        assert!((held[0] - 0.5).abs() < 0.05, "{held:?}");
    }

    #[test]
    fn a_jump_of_time_a_long_silence_and_a_stamp_of_zero_begin_anew() {
        for jump in [40, 50 + 1001, 0] {
            let mut timeline = timeline();
            (1..=50).for_each(|frame| assert_eq!(show(&mut timeline, frame, [0.5, 0.2], None), None));
            assert_eq!(show(&mut timeline, jump, [f64::NAN, 0.2], None), None, "{jump}");
            assert_eq!(show(&mut timeline, jump + 1, [f64::NAN, 0.2], None), None, "{jump}");
        }
    }

    #[test]
    fn a_position_that_wraps_is_no_jump() {
        let mut timeline = timeline();
        let angle = |frame: i64| turned(3.0 + 0.01 * frame as f64, true);
        (1..=50).for_each(|frame| assert_eq!(show(&mut timeline, frame, [angle(frame), 0.0], None), None));
        let expected = show(&mut timeline, 51, [f64::NAN, 0.0], None).expect("of the first");
        assert!(turned(expected[0] - angle(51), true).abs() < 0.02, "{expected:?}");
    }
}
