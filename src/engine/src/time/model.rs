//! How far joints move within a time, alone and with each other.

use std::f64::consts::{PI, TAU};
use std::path::Path;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{NnError, Result};
use thalweg_task::{TaskSpec, numbers};

use super::cholesky::Cholesky;
use super::predictor::{Gap, MotionPredictor, Numeric};

/// What a file of it says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-motion-model";
/// Versions of that format: without a network, and with one. The networks of version 2 read angles as numbers.
const VERSIONS: [&str; 2] = ["1", "3"];
/// The tensors in it.
const TIMES: &str = "times";
const CHANGES: &str = "changes";
/// Most scales of time that a file may have.
const MOST_SCALES: i64 = 16;

/// Seconds over which a velocity is averaged. As the three below by trial on training and validation motion of body_pose.
pub const VELOCITY_SMOOTHING: f64 = 0.02;
/// A joint of velocity v goes on by `v GAIN t exp(-t / TIME)`: it slows down, and turns back.
const VELOCITY_GAIN: f64 = 0.9;
const VELOCITY_TIME: f64 = 0.15;
/// Share of the covariance between different joints that is believed: people differ in how joints go together.
const COMMON: f64 = 0.5;
/// Variance that readings of joints have beside their motion, squared radians or metres: (1.8 degrees)^2. A guess.
const RIDGE: f64 = 1e-3;
/// Activity, the squared changes of the joints that are seen over what is usual, scales variances: as that of a
/// t-distribution of so many degrees of freedom that has seen so many independent changes. Guesses.
const FREEDOM: f64 = 2.0;
const INDEPENDENT: f64 = 10.0;

/// Share of it that a joint is taken to have: the covariance is that of all motion, of which little is fast. By trial on
/// validation motion with noise of 5 degrees, of 1, 0.3, 0.1, 0.03 and 0.01: less is better there, and worse for a slow
/// tracker from 0.03 on.
const USUAL: f64 = 0.1;
/// Least spectral density of a joint's acceleration, squared radians or metres by cubic seconds. A guess.
const LEAST_DRIVE: f64 = 1.0;

/// Covariances of changes of position within a time.
///
/// Net of [`displacement`], a change over `t` seconds has mean zero and covariance
/// `D(t) = sum_c D_c (1 - (1 + t / T_c) exp(-t / T_c))`, `[J, J]`: it grows with t squared at first, and ends at twice the
/// variance of the pose. The diagonal is how the uncertainty of each joint grows; the rest says how joints move together.
///
/// A [`MotionPredictor`] beside it, where there is one, takes the place of what follows in closed form.
#[derive(Clone, Debug)]
pub struct MotionModel {
    joints: usize,
    /// `T_c`, seconds.
    times: Vec<f64>,
    /// `D_c`, each `[J, J]`, squared radians or metres.
    changes: Vec<Vec<f64>>,
    predictor: Option<MotionPredictor>,
    /// The same, packed.
    numeric: Option<Arc<Numeric>>,
    id: String,
}

/// What is likely of some joints.
#[derive(Clone, Debug, Default)]
pub(super) struct Likely {
    /// Change of each since it was seen last.
    pub(super) change: Vec<f64>,
    /// Variance of each.
    pub(super) variance: Vec<f64>,
}

/// How far a joint goes on at `velocity`, per second, within `seconds`.
#[must_use]
pub fn displacement(velocity: f64, seconds: f64) -> f64 {
    velocity * VELOCITY_GAIN * seconds * (-seconds / VELOCITY_TIME).exp()
}

/// The change between two positions, the short way round the circle where it is an angle.
#[must_use]
pub fn turned(change: f64, is_angle: bool) -> f64 {
    if is_angle && change.abs() > PI { change - TAU * (change / TAU).round() } else { change }
}

/// Which joints of a task turn; the others slide.
#[must_use]
pub fn angles(spec: &TaskSpec) -> Vec<bool> {
    spec.joints.iter().map(|joint| joint.unit == "rad").collect()
}

impl MotionModel {
    /// Takes scales `T_c`, seconds, and `D_c`, `[C, J, J]`.
    ///
    /// # Errors
    /// [`NnError::Shape`] when they do not belong together.
    pub fn new(times: &[f64], changes: &Tensor) -> Result<Self> {
        let count = times.len() as i64;
        let joints = changes.size().get(1).copied().unwrap_or(0);
        if changes.size() != [count, joints, joints] {
            let (expected, got) = (format!("[{count}, J, J]"), changes.size());
            return Err(NnError::Shape { what: "changes", expected, got });
        }
        let id = weights::fingerprint(&Self::named(times, changes));
        let changes = (0..count).map(|scale| numbers(&changes.get(scale))).collect();
        Ok(Self { joints: joints as usize, times: times.to_vec(), changes, predictor: None, numeric: None, id })
    }

    /// Adds a network that was trained beside it, for the same joints.
    #[must_use]
    pub fn with_predictor(self, predictor: MotionPredictor) -> Self {
        let id = format!("{}-{}", self.id, predictor.id());
        let numeric = Numeric::new(&predictor).map(Arc::new);
        Self { predictor: Some(predictor), numeric, id, ..self }
    }

    /// The network beside it.
    #[must_use]
    pub fn predictor(&self) -> Option<&MotionPredictor> {
        self.predictor.as_ref()
    }

    /// Reads one that was made for the joints of a task.
    ///
    /// # Errors
    /// [`NnError`], saying what was expected and what came.
    pub fn load(path: &Path, spec: &TaskSpec) -> Result<Self> {
        let file = Weights::open(path, Kind::Float, Device::Cpu)?;
        file.expect_meta("format", FORMAT)?;
        let version: String = file.meta("version")?;
        if !VERSIONS.contains(&version.as_str()) {
            return Err(file.refuse(format!("expected version {}, got '{version}'", VERSIONS.join(" or "))));
        }
        let has_network = version == VERSIONS[1];
        file.expect_meta("joints", &joints(spec))?;
        let network: Vec<String> = MotionPredictor::names().filter(|_| has_network).collect();
        file.expect_names([TIMES, CHANGES].into_iter().chain(network.iter().map(String::as_str)))?;
        let times = file.rows(TIMES, 1)?;
        let (count, joints) = (times.size()[0], spec.joints.len() as i64);
        let times: Vec<f64> = numbers(&times);
        if !(1..=MOST_SCALES).contains(&count) || !times.iter().all(|time| (1e-3..=1e6).contains(time)) {
            return Err(
                file.refuse(format!("expected 1 to {MOST_SCALES} times of 0.001 s to 1000000 s, got {times:?}"))
            );
        }
        let model = Self::new(&times, &file.tensor(CHANGES, &[count, joints, joints])?)?;
        if has_network { Ok(model.with_predictor(MotionPredictor::load(&file, &angles(spec))?)) } else { Ok(model) }
    }

    /// Writes it in single precision; `how` says how it was made.
    ///
    /// # Errors
    /// [`NnError::Io`].
    pub fn save(&self, path: &Path, spec: &TaskSpec, how: &[(&str, String)]) -> Result<()> {
        let size = self.joints as i64;
        let changes: Vec<Tensor> = self.changes.iter().map(|c| Tensor::from_slice(c).view([size, size])).collect();
        let mut tensors = Self::named(&self.times, &Tensor::stack(&changes, 0));
        tensors.extend(self.predictor().map(MotionPredictor::named).unwrap_or_default());
        let version = VERSIONS[usize::from(self.predictor.is_some())].to_owned();
        let mut metadata = vec![("format", FORMAT.to_owned()), ("version", version), ("joints", joints(spec))];
        metadata.extend_from_slice(how);
        weights::save(path, &tensors, &metadata)
    }

    fn named(times: &[f64], changes: &Tensor) -> Vec<(String, Tensor)> {
        let times = Tensor::from_slice(times).view([-1, 1]).to_kind(Kind::Float);
        vec![(TIMES.to_owned(), times), (CHANGES.to_owned(), changes.to_kind(Kind::Float))]
    }

    /// Tells versions apart.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Number J of joints.
    #[must_use]
    pub fn joints(&self) -> usize {
        self.joints
    }

    /// How much of each `D_c` has come after `seconds`.
    #[must_use]
    pub fn shares(times: &[f64], seconds: f64) -> Vec<f64> {
        let share = |time: &f64| 1.0 - (1.0 + seconds / time) * (-seconds / time).exp();
        times.iter().map(share).collect()
    }

    /// Variance of a joint's own change within `seconds`.
    #[must_use]
    pub fn variance(&self, joint: usize, seconds: f64) -> f64 {
        self.covariance(&Self::shares(&self.times, seconds), joint, joint)
    }

    /// Variance of a joint's own change in the end.
    #[must_use]
    pub fn farthest(&self, joint: usize) -> f64 {
        let place = joint * self.joints + joint;
        self.changes.iter().map(|change| change[place]).sum()
    }

    /// Spectral density of a joint's acceleration, squared radians or metres by cubic seconds: of the process whose changes
    /// have this covariance, a sum of Matern processes of smoothness 3/2 (Hartikainen & Sarkka, 2010), and of that a tenth.
    #[must_use]
    pub fn drive(&self, joint: usize) -> f64 {
        let place = joint * self.joints + joint;
        let of_scale = |(time, change): (&f64, &Vec<f64>)| 2.0 * change[place] / time.powi(3);
        (self.times.iter().zip(&self.changes).map(of_scale).sum::<f64>() * USUAL).max(LEAST_DRIVE)
    }

    fn covariance(&self, shares: &[f64], one: usize, other: usize) -> f64 {
        let place = one * self.joints + other;
        shares.iter().zip(&self.changes).map(|(share, change)| share * change[place]).sum()
    }

    /// What the network, where there is one, makes of one gap: of each joint, silent or not, how far it has gone beyond its
    /// [`displacement`], and the variance of that.
    pub(super) fn predict(&self, gap: &Gap<'_>) -> Option<Likely> {
        let (way, log_variance) = self.numeric.as_ref()?.forward(gap);
        let usual = (0..self.joints).map(|joint| self.variance(joint, gap.seconds));
        let (change, variance) = usual
            .zip(way.iter().zip(log_variance))
            .map(|(usual, (way, log))| (way * usual.sqrt(), usual * log.exp()))
            .unzip();
        Some(Likely { change, variance })
    }

    /// What is likely of `silent` joints, none heard of for `seconds`, from the changes of joints `seen` since then, net of
    /// their [`displacement`].
    ///
    /// With D of all joints, V those seen and H those silent: `D_HV (D_VV + r I)^-1 change`, the conditional mean of a
    /// normal distribution, and its variances, scaled by how lively the joints are that are seen.
    pub(super) fn likely(&self, seconds: f64, (seen, changes): (&[usize], &[f64]), silent: &[usize]) -> Likely {
        let shares = Self::shares(&self.times, seconds);
        let between = |one: usize, other: usize| self.covariance(&shares, one, other) * COMMON;
        let own: Vec<f64> = silent.iter().map(|joint| self.covariance(&shares, *joint, *joint)).collect();
        let mut matrix = Vec::with_capacity(seen.len() * seen.len());
        let (mut activity, mut count) = (0.0, 0.0);
        for (row, (&joint, change)) in seen.iter().zip(changes).enumerate() {
            matrix.extend(seen.iter().map(|&other| between(joint, other)));
            let variance = self.covariance(&shares, joint, joint) + RIDGE;
            matrix[row * seen.len() + row] = variance;
            (activity, count) = (activity + change * change / variance, count + 1.0);
        }
        let Some(factor) = Cholesky::new(matrix, seen.len()).filter(|_| count > 0.0) else {
            return Likely { change: vec![0.0; silent.len()], variance: own };
        };
        let scale = (FREEDOM + INDEPENDENT * activity / count) / (FREEDOM + INDEPENDENT);
        let mut likely = Likely::default();
        for (&joint, own) in silent.iter().zip(own) {
            let beside: Vec<f64> = seen.iter().map(|&other| between(joint, other)).collect();
            let mut gain = beside.clone();
            factor.solve(&mut gain);
            let inner = |other: &[f64]| gain.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
            likely.change.push(inner(changes));
            likely.variance.push((own - inner(&beside)).max(0.0) * scale);
        }
        likely
    }
}

/// The names of a task's joints, as one text.
pub(super) fn joints(spec: &TaskSpec) -> String {
    spec.joints.iter().map(|joint| joint.name.as_str()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prior::tests::two_numbers;
    use crate::time::predictor::tests::one_change_on;
    use thalweg_task::JointSpec;

    /// Two joints that move together, and a third.
    fn model() -> MotionModel {
        let changes = Tensor::from_slice(&[1.0, 0.9, 0.0, 0.9, 1.0, 0.0, 0.0, 0.0, 0.25]).view([1, 3, 3]);
        MotionModel::new(&[0.5], &changes).expect("a model")
    }

    #[test]
    fn uncertainty_grows_with_time_and_ends() {
        let model = model();
        let variances: Vec<f64> = [0.0, 0.01, 0.1, 1.0, 100.0].iter().map(|t| model.variance(2, *t)).collect();
        assert!(variances.is_sorted() && variances[0] == 0.0, "{variances:?}");
        assert!((variances[4] - 0.25).abs() < 1e-9, "{variances:?}");
    }

    #[test]
    fn a_silent_joint_follows_what_moves_along_with_it() {
        let moved = model().likely(1.0, (&[1, 2], &[0.5, 0.0]), &[0]);
        let still = model().likely(1.0, (&[1, 2], &[0.0, 0.0]), &[0]);
        assert!((0.1..0.5).contains(&moved.change[0]) && still.change[0] == 0.0, "{moved:?} {still:?}");
        // Who sees others keep still expects the silent one to do so.
        assert!(still.variance[0] < moved.variance[0], "{moved:?} {still:?}");
        let alone = model().likely(1.0, (&[], &[]), &[0]);
        assert_eq!((alone.change, alone.variance), (vec![0.0], vec![model().variance(0, 1.0)]));
    }

    fn spec() -> TaskSpec {
        let joint =
            |(name, unit): (&str, &str)| JointSpec { name: name.into(), unit: unit.into(), lower: -3.0, upper: 3.0 };
        two_numbers([("a", "rad"), ("b", "rad"), ("c", "m")].map(joint).to_vec())
    }

    #[test]
    fn the_network_speaks_in_usual_changes() {
        let (still, now) = (&[0.0; 3], &[0.0, f64::NAN, 0.0]);
        let gap = Gap { then: still, velocity_then: still, now, velocity_now: still, seconds: 1.0 };
        assert!(model().predict(&gap).is_none());
        let likely = model().with_predictor(one_change_on()).predict(&gap).expect("a network");
        for joint in 0..3 {
            let usual = model().variance(joint, 1.0);
            assert!((likely.change[joint] - usual.sqrt()).abs() < 1e-6, "{likely:?}");
            assert!((likely.variance[joint] / usual - 2.0_f64.exp()).abs() < 1e-5, "{likely:?}");
        }
    }

    #[test]
    fn a_file_holds_the_network_and_one_without_is_read_as_before() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, model, version) in
            [("bare", model(), "1"), ("network", model().with_predictor(one_change_on()), "3")]
        {
            let path = folder.path().join(name);
            model.save(&path, &spec(), &[]).expect("it is written");
            let read = MotionModel::load(&path, &spec()).expect("it is read");
            assert_eq!((read.id(), read.predictor().is_some()), (model.id(), version == "3"));
            let file = Weights::open(&path, Kind::Float, Device::Cpu).expect("a file");
            assert_eq!(file.meta::<String>("version").expect("a version"), version);
        }
        let other = spec().joints[..2].to_vec();
        let error = MotionModel::load(&folder.path().join("network"), &two_numbers(other)).expect_err("other joints");
        assert!(error.to_string().contains("joints"), "{error}");
    }

    #[test]
    fn a_joint_slows_down_and_comes_back() {
        let way = |seconds| displacement(1.0, seconds);
        assert!(way(0.01) > 0.0 && way(0.01) < 0.01 && way(0.15) > way(0.05) && way(2.0) < 1e-4);
    }

    #[test]
    fn an_angle_turns_the_short_way() {
        assert!((turned(6.0, true) + 0.283).abs() < 1e-3);
        assert_eq!((turned(6.0, false), turned(-1.0, true)), (6.0, -1.0));
    }
}
