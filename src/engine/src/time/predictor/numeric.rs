//! The network on plain numbers, for one gap at a time: tensors for so little cost more than the arithmetic.

use tch::Tensor;
use thalweg_task::numbers;

use super::{AGE_SCALES, FARTHEST, LEAST_AGE, LOG_VARIANCE, LONGEST_GAP, MotionPredictor};
use crate::native::Chain;

/// One gap in a stream, as [`super::Gaps`] has many; each `[J]`.
#[derive(Clone, Copy, Debug)]
pub(in crate::time) struct Gap<'a> {
    /// Positions when the joints were seen last, radians or metres; NaN where a joint was silent then.
    pub(in crate::time) then: &'a [f64],
    /// Velocities in that frame, per second.
    pub(in crate::time) velocity_then: &'a [f64],
    /// Positions now; NaN where a joint is silent.
    pub(in crate::time) now: &'a [f64],
    /// Velocities now.
    pub(in crate::time) velocity_now: &'a [f64],
    /// Seconds in between.
    pub(in crate::time) seconds: f64,
}

/// A [`MotionPredictor`], packed.
#[derive(Debug)]
pub(in crate::time) struct Numeric {
    network: Chain<f32>,
    joints: Vec<Joint>,
}

/// What one joint is like, see [`super::Usual`].
#[derive(Debug)]
struct Joint {
    mean: f64,
    spread: f64,
    speed: f64,
    turns: bool,
}

impl Numeric {
    /// Packs a predictor; none where its network has no layers.
    pub(in crate::time) fn new(predictor: &MotionPredictor) -> Option<Self> {
        let list = |tensor: &Tensor| numbers::<f64>(tensor);
        let (usual, turns) = (&predictor.usual, list(&predictor.turns));
        let scales = list(&usual.mean).into_iter().zip(list(&usual.spread)).zip(list(&usual.speed));
        let joint = |(((mean, spread), speed), turns)| Joint { mean, spread, speed, turns: turns != 0.0 };
        Some(Self { network: Chain::new(&predictor.network)?, joints: scales.zip(turns).map(joint).collect() })
    }

    /// As [`MotionPredictor::forward`] of [`MotionPredictor::features`]: how far each joint has gone in usual changes, and the
    /// logarithm of its variance in usual ones, `[J]` each.
    pub(in crate::time) fn forward(&self, gap: &Gap<'_>) -> (Vec<f64>, Vec<f64>) {
        let out = self.network.forward(1, |_, features| self.fill(gap, features));
        let (way, log_variance) = out.split_at(self.joints.len());
        let [least, most] = LOG_VARIANCE;
        let within = |log: &f32| f64::from(*log).clamp(least, most);
        (way.iter().copied().map(f64::from).collect(), log_variance.iter().map(within).collect())
    }

    /// Writes the features, `[10 J + 4]`, in the order of [`MotionPredictor::features`].
    fn fill(&self, gap: &Gap<'_>, features: &mut [f32]) {
        let count = self.joints.len();
        let age = gap.seconds.clamp(LEAST_AGE, LONGEST_GAP);
        let (of_joints, of_age) = features.split_at_mut(10 * count);
        for (index, joint) in self.joints.iter().enumerate() {
            let (then, now) = (gap.then[index], gap.now[index]);
            let changes = [then - joint.mean, now - joint.mean, now - then].map(|change| joint.around(change));
            let (known, seen) = (!then.is_nan(), !now.is_nan());
            let velocities = [(gap.velocity_then[index], known), (gap.velocity_now[index], seen)]
                .map(|(velocity, is_told)| within(velocity / joint.speed, is_told));
            let told = [known, seen].map(|is_told| f32::from(u8::from(is_told)));
            let all = changes.as_flattened().iter().chain(&velocities).chain(&told);
            all.enumerate().for_each(|(kind, value)| of_joints[kind * count + index] = *value);
        }
        let ages = [age.ln()].into_iter().chain(AGE_SCALES.map(|scale| (-age / scale).exp()));
        of_age.iter_mut().zip(ages).for_each(|(feature, age)| *feature = age as f32);
    }
}

impl Joint {
    /// Sine in usual deviations, and cosine less one, of a change of angle; the change and zero where a joint slides. Zeros
    /// where the change is not known.
    fn around(&self, change: f64) -> [f32; 2] {
        let (across, along) = if self.turns { (change.sin(), change.cos() - 1.0) } else { (change, 0.0) };
        [within(across / self.spread, !change.is_nan()), within(along, !change.is_nan())]
    }
}

/// A feature within its bounds; zero where nobody has told it.
fn within(value: f64, is_told: bool) -> f32 {
    if is_told { value.clamp(-FARTHEST, FARTHEST) as f32 } else { 0.0 }
}
