//! Which joint lies: how badly each fits what the others say, over time.

use thalweg_task::{Masked, TaskSpec, numbers};

use super::model::{angles, turned};
use super::surprise::{Poses, SurpriseModel};

const SECOND: f64 = 1e9;

/// Seconds without a frame, or back, after which all is forgotten.
const LONGEST_SILENCE: f64 = 10.0;
/// Seconds below which a frame is passed over: encoders are read more often than bodies move.
const SHORTEST: f64 = 0.03;
/// Seconds above which two frames say nothing about velocity.
const LONGEST: f64 = 0.25;
/// Share of a pose in the mean misfit: it goes over so many poses. Of 10, 20 and 40 s of motion by trial on training
/// motion of the G1; what is found sooner is found by how lively joints are.
const POSES: f64 = 300.0;
/// A pose counts that is so far from the last that counted, in spreads of joints (root mean square), and so many seconds
/// later: a robot at rest gives no evidence. Guesses.
const MOVED: f64 = 0.1;
const APART: f64 = 0.1;
/// Seconds over which squared velocities are averaged: of 1, 2, 5 and 10 the best on training motion of the G1.
const LIVELY: f64 = 1.0;
/// Added to squared velocities, in squares of what is usual: below it a joint is at rest. A guess.
const REST: f64 = 1e-3;
/// Seconds for which a joint must be beyond its limit before it is told.
const PATIENCE: f64 = 0.5;

/// What is odd about a joint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Its positions are not those that the other joints go with.
    Misfit,
    /// It moves more than a joint does while the others move so.
    Restless,
    /// It moves less.
    Still,
}

/// A joint that has been odd for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect {
    /// Its place among the joints of the task.
    pub joint: usize,
    /// How odd, see [`Watch::take`].
    pub surprise: f64,
    /// In what way.
    pub oddity: Oddity,
}

/// What a joint's readings came to; NaN where nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// Misfit averaged over poses, standard deviations.
    pub misfit: f64,
    /// Natural logarithm of how lively it is beside the others.
    pub lively: f64,
}

/// Compares each joint with what the others say, frame after frame.
#[derive(Clone, Debug)]
pub struct Watch {
    model: SurpriseModel,
    is_angle: Vec<bool>,
    /// Joints that were seen last, and the precision of their positions.
    seen: (Vec<usize>, Option<Vec<f64>>),
    /// Stamp and positions of the last frame that was taken.
    before: Option<(i64, Vec<f64>)>,
    /// Stamp and positions of the last that counted as a pose.
    counted: Option<(i64, Vec<f64>)>,
    misfits: Vec<f64>,
    energies: Vec<f64>,
    /// Mean square of all misfits of the last frame.
    distance: f64,
    surprise: Vec<f64>,
    /// In what way each joint is odd most, where that is known.
    oddities: Vec<Option<Oddity>>,
    /// Since when each joint is beyond its limit, ns.
    since: Vec<Option<i64>>,
}

impl Watch {
    /// Begins for the joints of a task; none where the model is for another number of them.
    #[must_use]
    pub fn new(model: SurpriseModel, spec: &TaskSpec) -> Option<Self> {
        let count = spec.joints.len();
        let fits = [model.poses.mean.len(), model.speed.len(), model.centre.len(), model.limits.len()] == [count; 4]
            && model.poses.covariance.len() == count * count;
        let mut watch = Self {
            is_angle: angles(spec),
            seen: (Vec::new(), None),
            before: None,
            counted: None,
            misfits: Vec::new(),
            energies: Vec::new(),
            distance: f64::NAN,
            surprise: Vec::new(),
            oddities: Vec::new(),
            since: Vec::new(),
            model,
        };
        watch.forget();
        fits.then_some(watch)
    }

    /// Forgets all that was seen, as after a jump of the clock.
    pub fn forget(&mut self) {
        let count = self.is_angle.len();
        (self.before, self.counted, self.distance) = (None, None, f64::NAN);
        (self.misfits, self.energies) = (vec![0.0; count], vec![1.0; count]);
        (self.surprise, self.oddities, self.since) = (vec![f64::NAN; count], vec![None; count], vec![None; count]);
    }

    /// Goes on with a frame that does not follow the last one: of another recording, for trials.
    pub fn cut(&mut self) {
        (self.before, self.counted) = (None, None);
    }

    /// Goes by other poses, for trials.
    pub fn set_poses(&mut self, poses: Poses) {
        self.model.poses = poses;
        self.seen = (Vec::new(), None);
    }

    /// Takes what was read of joints, `[1, J]`, where they are still `seen`: a [`super::Timeline`] smooths the noise away by
    /// which a joint may be told. Else as [`Watch::take`].
    pub fn take_readings(&mut self, stamp: i64, readings: &Masked, seen: &Masked) -> &[f64] {
        self.take(stamp, &numbers::<f64>(&readings.hide(seen.observed()).with_nan()))
    }

    /// Takes the positions `[J]` of a frame, radians or metres, NaN where unobserved; `stamp`: nanoseconds, above zero.
    ///
    /// Returns how surprising each joint is, `[J]`: 1 is what held-out motion of the robot exceeds once an hour at most,
    /// of all joints together. NaN where a joint is unobserved or not judged, or nothing is known yet.
    pub fn take(&mut self, stamp: i64, positions: &[f64]) -> &[f64] {
        let elapsed = self.before.as_ref().map(|(before, _)| (stamp as f64 - *before as f64) / SECOND);
        let is_mine = positions.len() == self.is_angle.len() && stamp > 0;
        if !is_mine || elapsed.is_some_and(|elapsed| !(0.0..=LONGEST_SILENCE).contains(&elapsed)) {
            self.forget();
        }
        if !is_mine || elapsed.is_some_and(|elapsed| (0.0..SHORTEST).contains(&elapsed)) {
            return &self.surprise;
        }
        self.compare(stamp, positions);
        self.feel(elapsed.unwrap_or(f64::INFINITY), positions);
        self.before = Some((stamp, positions.to_vec()));
        self.judge(stamp, positions);
        &self.surprise
    }

    /// How surprising each joint was at the last frame, as [`Watch::take`] returned it.
    #[must_use]
    pub fn surprise(&self) -> &[f64] {
        &self.surprise
    }

    /// Averages misfits, where the pose counts.
    fn compare(&mut self, stamp: i64, positions: &[f64]) {
        let poses = &self.model.poses;
        let seen: Vec<usize> =
            (0..positions.len()).filter(|&joint| positions[joint].is_finite() && poses.variance(joint) > 0.0).collect();
        if seen.len() < 2 {
            return;
        }
        if self.seen.0 != seen || self.seen.1.is_none() {
            self.seen = (seen.clone(), poses.precision(&seen));
        }
        let Some(precision) = &self.seen.1 else { return };
        let (misfits, distance) = poses.misfits(&seen, precision, positions);
        self.distance = distance;
        let counts = self.counted.as_ref().is_none_or(|(last, at)| {
            let ways = seen.iter().map(|&joint| (positions[joint] - at[joint]).powi(2) / poses.variance(joint));
            let (count, sum) =
                ways.filter(|way| way.is_finite()).fold((0.0, 0.0), |(n, sum), way| (n + 1.0, sum + way));
            (stamp - last) as f64 >= APART * SECOND && (count == 0.0 || sum >= MOVED * MOVED * count)
        });
        if counts {
            for (&joint, misfit) in seen.iter().zip(misfits) {
                self.misfits[joint] += (misfit - self.misfits[joint]) / POSES;
            }
            self.counted = Some((stamp, positions.to_vec()));
        }
    }

    /// Averages squared velocities.
    fn feel(&mut self, elapsed: f64, positions: &[f64]) {
        let Some((_, before)) = self.before.as_ref().filter(|_| elapsed <= LONGEST) else { return };
        let share = 1.0 - (-elapsed / LIVELY).exp();
        for joint in 0..positions.len() {
            let way = turned(positions[joint] - before[joint], self.is_angle[joint]);
            let velocity = way / elapsed / self.model.speed[joint];
            if velocity.is_finite() {
                self.energies[joint] += share * (velocity * velocity - self.energies[joint]);
            }
        }
    }

    /// What the frames so far say of each joint; NaN of one that is not in `positions`.
    fn evidence(&self, positions: &[f64]) -> Vec<Evidence> {
        let is_felt = |joint: usize| positions[joint].is_finite() && self.model.speed[joint] > 0.0;
        let felt = (0..positions.len()).filter(|&joint| is_felt(joint));
        let (count, sum) = felt.fold((0.0, 0.0), |(count, sum), joint| (count + 1.0, sum + self.energies[joint]));
        let of = |joint: usize| {
            let fits = positions[joint].is_finite() && self.model.poses.variance(joint) > 0.0;
            let own = self.energies[joint];
            let others = (sum - own) / (count - 1.0);
            Evidence {
                misfit: if fits { self.misfits[joint] } else { f64::NAN },
                lively: if is_felt(joint) && count > 1.0 { ((own + REST) / (others + REST)).ln() } else { f64::NAN },
            }
        };
        (0..positions.len()).map(of).collect()
    }

    /// What was seen so far says of each joint of the last frame, `[J]`; empty before the first.
    #[must_use]
    pub fn told(&self) -> Vec<Evidence> {
        self.before.as_ref().map_or_else(Vec::new, |(_, positions)| self.evidence(positions))
    }

    /// Squared Mahalanobis distance of the last frame by the number of its joints; NaN before the first.
    #[must_use]
    pub fn distance(&self) -> f64 {
        self.distance
    }

    fn judge(&mut self, stamp: i64, positions: &[f64]) {
        for (joint, evidence) in self.evidence(positions).iter().enumerate() {
            let sign = self.signs(joint, *evidence);
            self.surprise[joint] = sign.map_or(f64::NAN, |(surprise, _)| surprise);
            self.oddities[joint] = sign.map(|(_, oddity)| oddity);
            let since = self.since[joint].unwrap_or(stamp);
            self.since[joint] = (self.surprise[joint] > 1.0).then_some(since);
        }
    }

    /// The greatest of what is odd about a joint.
    fn signs(&self, joint: usize, evidence: Evidence) -> Option<(f64, Oddity)> {
        let [misfit, more, less] = self.model.limits[joint];
        let lively = evidence.lively - self.model.centre[joint];
        let signs = [
            (evidence.misfit.abs() / misfit, Oddity::Misfit),
            (lively / more, Oddity::Restless),
            (-lively / less, Oddity::Still),
        ];
        signs.into_iter().filter(|(sign, _)| sign.is_finite()).max_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// Joints that have been beyond their limits for half a second, the most surprising first.
    #[must_use]
    pub fn suspects(&self) -> Vec<Suspect> {
        let Some((now, _)) = self.before else { return Vec::new() };
        let suspect = |joint: usize| {
            let is_long = (now as f64 - self.since[joint]? as f64) >= PATIENCE * SECOND;
            let oddity = self.oddities[joint].filter(|_| is_long)?;
            Some(Suspect { joint, surprise: self.surprise[joint], oddity })
        };
        let mut suspects: Vec<Suspect> = (0..self.since.len()).filter_map(suspect).collect();
        suspects.sort_by(|a, b| b.surprise.total_cmp(&a.surprise));
        suspects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prior::tests::two_numbers;
    use tch::Tensor;
    use thalweg_task::JointSpec;

    const FRAME: i64 = 40_000_000;

    /// Three joints that go together.
    fn pose(frame: i64) -> [f64; 3] {
        let time = frame as f64 * 0.04;
        let both = (2.0 * time).sin() + 0.5 * (3.1 * time).sin();
        [both, 0.8 * both + 0.1 * (5.0 * time).sin(), -0.5 * both + 0.1 * (4.1 * time).cos()]
    }

    fn watch() -> Watch {
        let joint = |name: &str| JointSpec { name: name.into(), unit: "rad".into(), lower: -3.0, upper: 3.0 };
        let spec = two_numbers(["a", "b", "c"].map(joint).to_vec());
        let rows: Vec<f64> = (0..2000).flat_map(pose).collect();
        let poses = Poses::of(&Tensor::from_slice(&rows).view([-1, 3]), &[true; 3]);
        let model =
            SurpriseModel { poses, speed: vec![2.0; 3], centre: vec![0.0; 3], limits: vec![[0.7, 2.5, 3.5]; 3] };
        Watch::new(model, &spec).expect("three joints")
    }

    /// Shows so many frames, the joints as `change` has them; what is suspected in the end.
    fn show(watch: &mut Watch, frames: std::ops::Range<i64>, change: impl Fn(i64, &mut [f64; 3])) -> Vec<Suspect> {
        for frame in frames {
            let mut positions = pose(frame);
            change(frame, &mut positions);
            watch.take((frame + 1) * FRAME, &positions);
        }
        watch.suspects()
    }

    #[test]
    fn a_joint_that_is_offset_stuck_or_noisy_is_found_and_nothing_else_is() {
        let mut honest = watch();
        assert_eq!(show(&mut honest, 0..3000, |_, _| {}), []);
        let first = |suspects: Vec<Suspect>| suspects.first().map(|suspect| (suspect.joint, suspect.oddity));
        let offset = show(&mut honest.clone(), 3000..6000, |_, joints| joints[1] += 0.3);
        assert_eq!(first(offset), Some((1, Oddity::Misfit)));
        let stuck = show(&mut honest.clone(), 3000..3200, |_, joints| joints[0] = 0.2);
        assert_eq!(first(stuck), Some((0, Oddity::Still)));
        let noisy = |frame: i64, joints: &mut [f64; 3]| joints[2] += if frame % 2 == 0 { 0.3 } else { -0.3 };
        assert_eq!(first(show(&mut honest, 3000..3200, noisy)), Some((2, Oddity::Restless)));
    }

    #[test]
    fn rest_is_no_evidence_and_joints_that_are_not_seen_are_not_judged() {
        let mut watch = watch();
        show(&mut watch, 0..500, |_, _| {});
        assert_eq!(show(&mut watch, 500..9000, |_, joints| *joints = [1.2, 0.4, -0.2]), []);
        let surprise = watch.take(9001 * FRAME, &[0.1, f64::NAN, 0.0]).to_vec();
        assert!(surprise[1].is_nan() && surprise[0].is_finite() && surprise[2].is_finite(), "{surprise:?}");
        let alone = watch.take(9002 * FRAME, &[f64::NAN, 0.1, f64::NAN]).to_vec();
        assert!(alone[0].is_nan() && alone[2].is_nan(), "{alone:?}");
    }

    #[test]
    fn a_jump_of_time_begins_anew_and_other_joints_are_none_of_its_business() {
        for stamp in [0, 3 * FRAME, 900 * FRAME] {
            let mut watch = watch();
            show(&mut watch, 0..200, |_, joints| joints[1] += 1.0);
            watch.take(stamp, &pose(3));
            assert!(watch.misfits.iter().all(|misfit| misfit.abs() < 0.01), "{stamp}: {:?}", watch.misfits);
        }
        assert!(watch().take(FRAME, &[0.0; 2]).iter().all(|surprise| surprise.is_nan()));
    }
}
