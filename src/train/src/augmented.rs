//! Observations of joints, changed before theta learns from them.

use rand::rngs::StdRng;
use tch::Tensor;
use thalweg_nn::Augmentation;
use thalweg_task::{Masked, Observation, TaskSpec};

use super::Masks;
use super::masks::limbs;
use super::observations::hide;

/// Changes complete observations of joints: limbs change owners, angles are stretched about their mean.
#[derive(Debug)]
pub(super) struct Augmenter {
    augmentation: Augmentation,
    /// All values, `[N, J]`, and their mean, `[J]`.
    pool: Tensor,
    mean: Tensor,
    /// The part of each joint.
    parts: Vec<usize>,
    /// Limits, `[J]`.
    lower: Tensor,
    upper: Tensor,
}

impl Augmenter {
    /// None where nothing is to be changed, or what was observed is not joints alone, whole.
    pub(super) fn new(augmentation: Augmentation, training: &Observation, spec: &TaskSpec) -> Option<Self> {
        let joints = training.joints.as_ref().filter(|_| training.fields().count() == 1)?;
        if augmentation.share <= 0.0 || joints.observed().all().int64_value(&[]) == 0 {
            return None;
        }
        let pool = joints.value().shallow_clone();
        let limit = |of: fn(&thalweg_task::JointSpec) -> f64| {
            let values: Vec<f64> = spec.joints.iter().map(of).collect();
            Tensor::from_slice(&values).to_kind(pool.kind()).to_device(pool.device())
        };
        let (lower, upper) = (limit(|joint| joint.lower), limit(|joint| joint.upper));
        let mean = pool.mean_dim(0, false, pool.kind());
        Some(Self { augmentation, mean, parts: parts(spec), lower, upper, pool })
    }

    /// Changes some rows, and hides what masks hide of the others.
    ///
    /// A changed pose is shown whole: its limbs belong to others, and what is seen tells nothing of them. Returns the
    /// complete observations and what is seen of them.
    pub(super) fn apply(&self, obs: &Observation, masks: &Masks, random: &mut StdRng) -> (Observation, Observation) {
        let Some(joints) = &obs.joints else { return (obs.shallow_clone(), hide(obs, masks, random)) };
        let (value, changed) = self.augmentation.apply(joints.value(), (&self.pool, &self.mean), &self.parts, random);
        let changed = Tensor::from_slice(&changed).view([-1, 1]).to_device(value.device());
        let within = value.maximum(&self.lower).minimum(&self.upper).where_self(&changed, &value);
        let complete = Observation { joints: Some(Masked::new(&within)), ..obs.shallow_clone() };
        let hidden = hide(obs, masks, random).joints.map(|seen| seen.observed().logical_or(&changed));
        let joints = complete.joints.as_ref().zip(hidden).map(|(joints, seen)| joints.hide(&seen));
        let seen = Observation { joints, ..complete.shallow_clone() };
        (complete, seen)
    }
}

/// The part of each joint: the smallest limbs, and what belongs to none.
fn parts(spec: &TaskSpec) -> Vec<usize> {
    let limbs = limbs(spec);
    let is_smallest = |limb: &&Vec<usize>| {
        limbs.iter().all(|other| other.len() >= limb.len() || !other.iter().all(|joint| limb.contains(joint)))
    };
    let smallest: Vec<&Vec<usize>> = limbs.iter().filter(is_smallest).collect();
    let of = |joint: usize| smallest.iter().position(|limb| limb.contains(&joint)).unwrap_or(smallest.len());
    (0..spec.joints.len()).map(of).collect()
}
