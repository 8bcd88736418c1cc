//! Where silent joints are, as a network has learned it from motion.

mod numeric;

use std::f64::consts::TAU;

use tch::{Kind, Tensor};
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{Perceptron, Result};

use crate::landscape::SLOPE;
pub(super) use numeric::{Gap, Numeric};

/// Most that an age counts, seconds: later nobody knows what a joint was about.
pub const LONGEST_GAP: f64 = 60.0;
/// Number of features that tell an age.
const AGES: i64 = 4;
/// Scales of time of three of them, seconds; the fourth is the logarithm.
const AGE_SCALES: [f64; 3] = [0.1, 0.5, 2.0];
/// Least age that is told apart, seconds.
const LEAST_AGE: f64 = 1e-3;
/// Features are cut off at so many usual deviations.
const FARTHEST: f64 = 5.0;
/// Bounds of the logarithm of what the network makes of a variance.
const LOG_VARIANCE: [f64; 2] = [-8.0, 3.0];
/// The tensors of its file.
const SCALES: [&str; 3] = ["predictor.mean", "predictor.spread", "predictor.speed"];
const LAYERS: &str = "predictor";
/// Number of layers, and the greatest width of those within: a wider one takes longer than a robot may wait.
const DEPTH: usize = 3;
const WIDEST: i64 = 4096;

/// Gaps in streams: what was seen in the frame in which some joints were seen last, and what is seen now.
#[derive(Debug)]
pub struct Gaps {
    /// Positions when the joints were seen last, radians or metres, `[B, J]`; NaN where a joint was silent then.
    pub then: Tensor,
    /// Velocities in that frame, per second, `[B, J]`.
    pub velocity_then: Tensor,
    /// Positions now, `[B, J]`; NaN where a joint is silent.
    pub now: Tensor,
    /// Velocities now, `[B, J]`.
    pub velocity_now: Tensor,
    /// Seconds in between, `[B, 1]`.
    pub seconds: Tensor,
}

/// What joints are like: the network's features are relative to it.
#[derive(Debug)]
pub struct Usual {
    /// Mean position, radians or metres, `[J]`.
    pub mean: Tensor,
    /// Deviation of positions, `[J]`.
    pub spread: Tensor,
    /// Deviation of velocities, `[J]`.
    pub speed: Tensor,
}

/// A network from a gap to where the silent joints are now.
///
/// A perceptron `[B, 10 J + 4] -> [B, 2 J]`. Its outputs are in units of the [`super::MotionModel`]: how far each joint has
/// gone beyond where its velocity led, over the usual change within that time, and the logarithm of how the variance that is
/// left compares with the usual one. So a young gap is bridged by velocity alone, whatever the network has learned.
#[derive(Debug)]
pub struct MotionPredictor {
    network: Perceptron,
    usual: Usual,
    /// One where a joint turns, zero where it slides, `[J]`.
    turns: Tensor,
}

impl Clone for Usual {
    /// A second handle on the same tensors.
    fn clone(&self) -> Self {
        let Self { mean, spread, speed } = self;
        Self { mean: mean.shallow_clone(), spread: spread.shallow_clone(), speed: speed.shallow_clone() }
    }
}

impl Clone for MotionPredictor {
    /// A second handle on the same weights.
    fn clone(&self) -> Self {
        let Self { network, usual, turns } = self;
        Self { network: network.shallow_clone(), usual: usual.clone(), turns: turns.shallow_clone() }
    }
}

impl MotionPredictor {
    /// Joins a network with what it was trained for: `is_angle` says which joints turn, `[J]`. Single precision, on the CPU.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError::Shape`] when the network has other inputs or outputs than the joints ask for.
    pub fn new(network: Perceptron, usual: Usual, is_angle: &[bool]) -> Result<Self> {
        let joints = is_angle.len() as i64;
        let parameters = network.parameters();
        let (first, last) = (&parameters[0], &parameters[parameters.len() - 1]);
        for (what, tensor, place, expected) in [
            ("first layer of a motion predictor", first, 1, Self::inputs(joints)),
            ("last layer of a motion predictor", last, 0, Self::outputs(joints)),
        ] {
            if tensor.size()[place] != expected {
                let expected = format!("{expected} for {joints} joints");
                return Err(thalweg_nn::NnError::Shape { what, expected, got: tensor.size() });
            }
        }
        let turns: Vec<f32> = is_angle.iter().map(|turns| f32::from(u8::from(*turns))).collect();
        Ok(Self { network, usual, turns: Tensor::from_slice(&turns) })
    }

    /// Number of features for so many joints.
    #[must_use]
    pub const fn inputs(joints: i64) -> i64 {
        10 * joints + AGES
    }

    /// Number of outputs for so many joints.
    #[must_use]
    pub const fn outputs(joints: i64) -> i64 {
        2 * joints
    }

    /// Reads it from the file of a motion model for the joints of a task.
    pub(super) fn load(file: &Weights, is_angle: &[bool]) -> Result<Self> {
        let joints = is_angle.len() as i64;
        let [mean, spread, speed] = SCALES.map(|name| file.tensor(name, &[joints]));
        let usual = Usual { mean: mean?, spread: spread?, speed: speed? };
        for (name, scale) in SCALES.iter().zip([&usual.mean, &usual.spread, &usual.speed]).skip(1) {
            if scale.gt(0.0).all().int64_value(&[]) == 0 {
                return Err(file.refuse(format!("tensor {name}: expected numbers above 0")));
            }
        }
        let hidden = file.rows(&format!("{LAYERS}.0.weight"), Self::inputs(joints))?.size()[0];
        if !(1..=WIDEST).contains(&hidden) {
            return Err(file.refuse(format!("tensor {LAYERS}.0.weight: expected 1 to {WIDEST} rows, got {hidden}")));
        }
        let widths = [Self::inputs(joints), hidden, hidden, Self::outputs(joints)];
        Self::new(Perceptron::load(file, LAYERS, &widths, SLOPE)?, usual, is_angle)
    }

    /// Names of the tensors in a file.
    pub(super) fn names() -> impl Iterator<Item = String> {
        SCALES.iter().map(|name| (*name).to_owned()).chain(Perceptron::names(LAYERS, DEPTH))
    }

    /// The tensors, as they are stored.
    pub(super) fn named(&self) -> Vec<(String, Tensor)> {
        let Usual { mean, spread, speed } = &self.usual;
        let scales = SCALES.iter().zip([mean, spread, speed]);
        let scales = scales.map(|(name, scale)| ((*name).to_owned(), scale.shallow_clone()));
        scales.chain(self.network.named(LAYERS)).map(|(name, tensor)| (name, tensor.detach())).collect()
    }

    /// Tells versions apart.
    #[must_use]
    pub fn id(&self) -> String {
        weights::fingerprint(&self.named())
    }

    /// What the network sees of gaps, `[B, 10 J + 4]`. Angles are told by sine and cosine, so that nothing jumps where one
    /// passes the far side of the circle.
    pub fn features(&self, gaps: &Gaps) -> Tensor {
        let Gaps { then, velocity_then, now, velocity_now, seconds } = gaps;
        let (known, seen) = (then.isnan().logical_not(), now.isnan().logical_not());
        let both = known.logical_and(&seen);
        let where_true = |value: Tensor, mask: &Tensor| {
            let within = value.clamp(-FARTHEST, FARTHEST);
            within.where_self(mask, &within.zeros_like())
        };
        let Usual { mean, spread, speed } = &self.usual;
        let age = seconds.clamp(LEAST_AGE, LONGEST_GAP);
        let places = [(then - mean, &known), (now - mean, &seen), (now - then, &both)];
        let mut all: Vec<Tensor> = places
            .iter()
            .flat_map(|(change, mask)| {
                let (across, along) = self.around(change);
                [where_true(across / spread, mask), where_true(along, mask)]
            })
            .collect();
        all.extend([
            where_true(velocity_then / speed, &known),
            where_true(velocity_now / speed, &seen),
            known.to_kind(Kind::Float),
            seen.to_kind(Kind::Float),
            age.log(),
        ]);
        all.extend(AGE_SCALES.map(|scale| (-&age / scale).exp()));
        Tensor::cat(&all, 1)
    }

    /// Sine, and cosine less one, of changes of angle; the change and zero where a joint slides.
    fn around(&self, change: &Tensor) -> (Tensor, Tensor) {
        let slides = 1.0 - &self.turns;
        (change.sin() * &self.turns + change * &slides, (change.cos() - 1.0) * &self.turns)
    }

    /// What the network makes of features, `[B, 10 J + 4]`: how far each joint has gone in usual changes, and the logarithm of
    /// its variance in usual ones, `[B, J]` each.
    pub fn forward(&self, features: &Tensor) -> (Tensor, Tensor) {
        let out = self.network.forward(features);
        let joints = self.turns.size()[0];
        let [least, most] = LOG_VARIANCE;
        (out.narrow(1, 0, joints), out.narrow(1, joints, joints).clamp(least, most))
    }

    /// The short way round the circle, where a joint turns.
    pub fn turned(&self, change: &Tensor) -> Tensor {
        change - (change / TAU).round() * TAU * &self.turns
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tch::Device;
    use thalweg_nn::initial;
    use thalweg_task::numbers;

    /// Rows of numbers as a tensor `[1, N]` of what the network computes in.
    fn row(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).view([1, -1]).to_kind(Kind::Float).to_device(Device::Cpu)
    }

    /// For three joints, of which the last one slides.
    pub(in crate::time) fn predictor() -> MotionPredictor {
        let mut random = StdRng::seed_from_u64(4);
        let widths = [MotionPredictor::inputs(3), 8, 8, MotionPredictor::outputs(3)];
        let parameters = initial::linear(&widths, &mut random, (Kind::Float, Device::Cpu));
        let ones = || Tensor::ones([3], (Kind::Float, Device::Cpu));
        let usual = Usual { mean: ones() * 0.5, spread: ones(), speed: ones() * 2.0 };
        let network = Perceptron::from_parameters(&parameters, SLOPE).expect("layers that fit");
        MotionPredictor::new(network, usual, &[true, true, false]).expect("three joints")
    }

    fn gap(then: [f64; 3], now: [f64; 3], seconds: f64) -> Gaps {
        let velocity = row(&[1.0, 2.0, 3.0]);
        Gaps {
            then: row(&then),
            now: row(&now),
            velocity_now: velocity.copy(),
            velocity_then: velocity,
            seconds: row(&[seconds]),
        }
    }

    /// The same, with weights such that every joint has gone one usual change, with e^2 times the usual variance.
    pub(in crate::time) fn one_change_on() -> MotionPredictor {
        let predictor = predictor();
        let tiny = |tensor: &Tensor| tensor.full_like(1e-9);
        let mut parameters: Vec<Tensor> = predictor.network.parameters().iter().map(tiny).collect();
        parameters[5] = Tensor::from_slice(&[1.0_f32, 1.0, 1.0, 2.0, 2.0, 2.0]);
        let network = Perceptron::from_parameters(&parameters, SLOPE).expect("layers that fit");
        MotionPredictor { network, ..predictor }
    }

    #[test]
    fn what_is_not_seen_is_no_feature() {
        let nan = f64::NAN;
        let features = predictor().features(&gap([0.5, nan, 1.5], [nan, 0.7, 2.0], 1.0));
        let features: Vec<f64> = numbers(&features);
        let (sine, cosine) = 0.2_f64.sin_cos();
        let expected = [
            [0.0, 0.0, 1.0], // then
            [0.0, 0.0, 0.0],
            [0.0, sine, 1.5], // now
            [0.0, cosine - 1.0, 0.0],
            [0.0, 0.0, 0.5], // change
            [0.0, 0.0, 0.0],
            [0.5, 0.0, 1.5], // velocity then
            [0.0, 1.0, 1.5], // velocity now
            [1.0, 0.0, 1.0], // known then
            [0.0, 1.0, 1.0], // seen now
        ];
        assert_eq!(features.len() as i64, MotionPredictor::inputs(3));
        for (place, (got, expected)) in features.iter().zip(expected.as_flattened()).enumerate() {
            assert!((got - expected).abs() < 1e-6, "feature {place}: {got}, expected {expected}");
        }
        assert!((features[30]).abs() < 1e-6, "the logarithm of a second");
    }

    #[test]
    fn plain_numbers_come_to_what_tensors_do() {
        let (predictor, random) = (predictor(), &mut StdRng::seed_from_u64(5));
        let numeric = Numeric::new(&predictor).expect("it has layers");
        for age in [0.0, 0.02, 0.7, 3.0, 100.0] {
            let mut some = |share: f64| -> [f64; 3] {
                std::array::from_fn(|_| {
                    let value = random.random_range(-7.0..7.0);
                    if random.random_bool(share) { f64::NAN } else { value }
                })
            };
            let (then, now, velocity_then, velocity_now) = (some(0.3), some(0.3), some(0.0), some(0.0));
            let gap = Gap {
                then: &then,
                velocity_then: &velocity_then,
                now: &now,
                velocity_now: &velocity_now,
                seconds: age,
            };
            let gaps = Gaps {
                then: row(&then),
                velocity_then: row(&velocity_then),
                now: row(&now),
                velocity_now: row(&velocity_now),
                seconds: row(&[age]),
            };
            let (way, log_variance) = predictor.forward(&predictor.features(&gaps));
            let expected = [numbers::<f64>(&way), numbers(&log_variance)].concat();
            let (way, log_variance) = numeric.forward(&gap);
            let got = [way, log_variance].concat();
            assert_eq!(got.len(), expected.len());
            let pairs = got.iter().zip(&expected);
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5), "{age} s: {:?}", pairs.collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_jumps_where_an_angle_passes_the_far_side_of_the_circle() {
        let predictor = predictor();
        let features = |angle| predictor.features(&gap([0.5, 0.5, 1.5], [0.5, angle, 2.0], 1.0));
        let far = 0.5 + TAU / 2.0;
        let change = (features(far + 1e-3) - features(far - 1e-3)).abs().max().double_value(&[]);
        assert!(change < 3e-3, "{change}");
        assert!(features(far + TAU).allclose(&features(far), 1e-5, 1e-5, false));
    }

    #[test]
    fn joints_that_turn_go_the_short_way_and_those_that_slide_do_not() {
        let change: Vec<f64> = numbers(&predictor().turned(&row(&[6.0, -6.0, 6.0])));
        let expected = [6.0 - TAU, TAU - 6.0, 6.0];
        assert!(change.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{change:?}");
    }

    #[test]
    fn a_network_for_other_joints_is_refused() {
        let predictor = predictor();
        let error = MotionPredictor::new(predictor.network, predictor.usual, &[true; 4]).expect_err("four joints");
        assert!(error.to_string().contains("44 for 4 joints"), "{error}");
    }
}
