//! Fits how far joints move within a time, in closed form.

use tch::Tensor;
use thalweg::motion::Motion;
use thalweg_engine::time::{MotionModel, VELOCITY_SMOOTHING, angles, displacement, turned};
use thalweg_task::{TaskSpec, numbers};

use crate::error::TrainError;

/// Scales of time of the model, seconds: from a frame of motion capture to as long as clips last.
const TIMES: [f64; 5] = [0.06, 0.2, 0.6, 2.0, 8.0];
/// Times within which changes are measured, seconds.
const LAGS: [f64; 17] =
    [0.033, 0.067, 0.1, 0.133, 0.2, 0.267, 0.367, 0.5, 0.667, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.667, 10.0];
/// Slower clips say nothing about velocities.
const LEAST_FPS: f64 = 15.0;
/// Frames in which a velocity is still to be learned.
pub(super) const LEARNING: i64 = 3;
/// Rounds in which each scale is fitted to what the others leave.
const ROUNDS: usize = 40;

/// What the fit saw, and how well it fits.
#[derive(Clone, Debug)]
pub struct MotionFit {
    /// The model.
    pub model: MotionModel,
    /// For each time: seconds, pairs of frames, root of the mean squared change of a joint as measured and as the model has
    /// it, radians or metres.
    pub lags: Vec<(f64, i64, f64, f64)>,
}

/// Fits a model of motion to recorded motion: covariances of changes over some times, net of how far velocity leads, as a
/// sum of few scales of time, each positive semidefinite.
///
/// # Errors
/// [`TrainError::TooLittleMotion`] when no motion at `LEAST_FPS` or more lasts for the longest of some times.
pub fn fit_motion_model(motions: &[Motion], spec: &TaskSpec) -> Result<MotionFit, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let is_angle = angles(spec);
    let fast = tracks(motions, &is_angle);
    let measured: Vec<(f64, i64, Tensor)> = LAGS.iter().filter_map(|lag| covariance(&fast, *lag)).collect();
    if measured.len() < TIMES.len() {
        return Err(TrainError::TooLittleMotion { times: measured.len(), expected: TIMES.len() });
    }
    let changes = fit(&measured);
    let model = MotionModel::new(&TIMES, &changes)?;
    let joints = spec.joints.len();
    let root = |total: f64| (total / joints as f64).sqrt();
    let lags = measured.iter().map(|(lag, count, covariance)| {
        let modelled: f64 = (0..joints).map(|joint| model.variance(joint, *lag)).sum();
        (*lag, *count, root(covariance.trace().double_value(&[])), root(modelled))
    });
    Ok(MotionFit { lags: lags.collect(), model })
}

/// A motion, its angles without jumps, and its velocities as a stream would know them.
pub(super) struct Track {
    pub(super) fps: f64,
    /// `[T, J]`.
    pub(super) positions: Tensor,
    /// `[T, J]`, per second.
    pub(super) velocities: Tensor,
}

/// Motions that are fast enough, as tracks.
pub(super) fn tracks(motions: &[Motion], is_angle: &[bool]) -> Vec<Track> {
    motions.iter().filter(|motion| motion.fps >= LEAST_FPS).map(|motion| Track::of(motion, is_angle)).collect()
}

impl Track {
    fn of(motion: &Motion, is_angle: &[bool]) -> Self {
        let joints = is_angle.len();
        let mut positions: Vec<f64> = numbers(&motion.joints);
        let mut velocities = vec![0.0; positions.len()];
        let share = 1.0 - (-1.0 / (motion.fps * VELOCITY_SMOOTHING)).exp();
        for place in joints..positions.len() {
            let change = turned(positions[place] - positions[place - joints], is_angle[place % joints]);
            positions[place] = positions[place - joints] + change;
            let before = velocities[place - joints];
            velocities[place] = before + share * (change * motion.fps - before);
        }
        let tensor = |values: &[f64]| Tensor::from_slice(values).view([-1, joints as i64]);
        Self { fps: motion.fps, positions: tensor(&positions), velocities: tensor(&velocities) }
    }

    /// Changes within so many frames, net of how far velocity leads; none where the motion is shorter.
    ///
    /// The first frames, in which a velocity is still to be learned, are left out.
    fn changes(&self, frames: i64) -> Option<Tensor> {
        let count = self.positions.size()[0] - frames - LEARNING;
        (count > 0).then(|| {
            let at = |first| self.positions.narrow(0, first, count);
            let way = displacement(1.0, frames as f64 / self.fps);
            at(LEARNING + frames) - at(LEARNING) - self.velocities.narrow(0, LEARNING, count) * way
        })
    }
}

/// Mean of the products of changes within `lag` seconds, `[J, J]`, and of how many pairs of frames.
fn covariance(tracks: &[Track], lag: f64) -> Option<(f64, i64, Tensor)> {
    let changes = tracks.iter().filter_map(|track| track.changes(((lag * track.fps).round() as i64).max(1)));
    let (count, sum) = changes.fold((0, None::<Tensor>), |(count, sum), change| {
        let product = change.transpose(0, 1).matmul(&change);
        (count + change.size()[0], Some(sum.map_or_else(|| product.shallow_clone(), |sum| sum + &product)))
    });
    Some((lag, count, sum? / count as f64))
}

/// `D_c`, `[C, J, J]`: least squares, each lag in proportion to how large its changes are.
fn fit(measured: &[(f64, i64, Tensor)]) -> Tensor {
    let weights: Vec<f64> = measured.iter().map(|(.., m)| m.trace().double_value(&[]).max(1e-12).powf(-0.5)).collect();
    let shares: Vec<Vec<f64>> = measured
        .iter()
        .zip(&weights)
        .map(|((lag, ..), weight)| MotionModel::shares(&TIMES, *lag).into_iter().map(|share| share * weight).collect())
        .collect();
    let targets: Vec<Tensor> = measured.iter().zip(&weights).map(|((.., m), weight)| m * *weight).collect();
    let mut scales: Vec<Tensor> = TIMES.iter().map(|_| targets[0].zeros_like()).collect();
    for _ in 0..ROUNDS {
        for scale in 0..TIMES.len() {
            let mut right = targets[0].zeros_like();
            for (target, shares) in targets.iter().zip(&shares) {
                let others = (0..TIMES.len()).filter(|other| *other != scale);
                let rest = others.fold(target.shallow_clone(), |rest, other| rest - &scales[other] * shares[other]);
                right += rest * shares[scale];
            }
            let square: f64 = shares.iter().map(|shares| shares[scale] * shares[scale]).sum();
            scales[scale] = positive(&(right / square));
        }
    }
    Tensor::stack(&scales, 0)
}

/// The nearest symmetric matrix without negative eigenvalues.
fn positive(matrix: &Tensor) -> Tensor {
    let symmetric = (matrix + matrix.transpose(0, 1)) * 0.5;
    let (values, vectors) = symmetric.linalg_eigh("L");
    (&vectors * values.clamp_min(0.0).unsqueeze(0)).matmul(&vectors.transpose(0, 1))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tch::{Device, Kind};
    use thalweg_task::{JointSpec, draws};

    pub(crate) fn spec() -> TaskSpec {
        let joint = |name: &str| JointSpec { name: name.into(), unit: "rad".into(), lower: -3.0, upper: 3.0 };
        TaskSpec {
            name: "double".into(),
            latent: 2,
            output: vec![2],
            joints: ["a", "b", "c"].map(joint).to_vec(),
            groups: Vec::new(),
            reads_joints: true,
            image: None,
            points: None,
            skeleton: None,
            classes: Vec::new(),
            convention: None,
            residual: true,
            fingerprint: "f".into(),
            device: Device::Cpu,
            kind: Kind::Double,
        }
    }

    /// Three joints for a minute: noise that returns to zero within half a second; b goes with a, c alone.
    fn motion() -> Motion {
        let noise: Vec<f64> = numbers(&draws::normal(&mut StdRng::seed_from_u64(3), &[1800, 2]));
        let (mut state, mut rows) = ([0.0; 2], Vec::new());
        for noise in noise.as_chunks::<2>().0 {
            for (state, noise) in state.iter_mut().zip(noise) {
                *state = *state * 0.935 + 0.03 * noise;
            }
            rows.extend([state[0], state[0] * 0.8, state[1]]);
        }
        Motion { joints: Tensor::from_slice(&rows).view([-1, 3]), fps: 30.0 }
    }

    #[test]
    fn variances_are_those_of_the_motion_and_joints_that_go_together_are_told() {
        let fit = fit_motion_model(&[motion()], &spec()).expect("a minute of motion");
        for (lag, pairs, measured, modelled) in &fit.lags {
            assert!((modelled / measured - 1.0).abs() < 0.35, "{lag} s, {pairs} pairs: {measured} {modelled}");
        }
        // Twice the variance of the process, 0.03^2 / (1 - 0.935^2), in the end.
        let end = fit.model.variance(0, 10.0);
        assert!((end / (2.0 * 0.0009 / 0.1258) - 1.0).abs() < 0.3, "{end}");
    }

    #[test]
    fn too_little_motion_is_told() {
        let short = Motion { joints: motion().joints.narrow(0, 0, 6), fps: 30.0 };
        let slow = Motion { joints: motion().joints, fps: 6.0 };
        assert!(matches!(fit_motion_model(&[short, slow], &spec()), Err(TrainError::TooLittleMotion { .. })));
    }
}
