//! What a start reads of an observation, as numbers of order one.

use tch::Tensor;
use thalweg_task::{JointSpec, Kinds, Masked, Observation, TaskSpec};

/// What a start may read of this task's observations: all that is observed, or joints alone.
///
/// A start that learned from joints serves as well where the task is told to observe points, too.
pub fn readings(spec: &TaskSpec) -> impl Iterator<Item = Kinds> + use<> {
    let all = spec.observes();
    [all, Kinds { joints: all.joints, ..Kinds::default() }].into_iter()
}

/// The kinds that are read, in the order of their features.
fn chosen(reads: Kinds) -> impl Iterator<Item = &'static str> {
    let kinds = [("joints", reads.joints), ("points", reads.points), ("image", reads.image)];
    kinds.into_iter().filter(|(_, is_read)| *is_read).map(|(kind, _)| kind)
}

/// Number of features `D` of what is read of an observation of this task.
#[must_use]
pub fn inputs(spec: &TaskSpec, reads: Kinds) -> i64 {
    let entries = |kind| spec.shape_of(kind).map_or(0, |shape| shape.iter().product::<i64>());
    let is_turning = |joint: &&JointSpec| spec.reads_joints && reads.joints && is_angle(joint);
    spec.joints.iter().filter(is_turning).count() as i64 + 2 * chosen(reads).map(entries).sum::<i64>()
}

/// Encodes what is read of an observation, `[O, D]`: values of order one, zero where unobserved, and which were
/// observed.
///
/// Angles come as sine and cosine, so that the two sides of a half turn are neighbours; other
/// joints in parts of their range, points in metres, pixels from -1 to 1.
pub fn features(obs: &Observation, spec: &TaskSpec, reads: Kinds) -> Tensor {
    let obs = obs.to(spec.kind, spec.device);
    let rows = obs.rows();
    let mut parts = Vec::new();
    for kind in chosen(reads) {
        let Some(shape) = spec.shape_of(kind) else { continue };
        let field = obs.fields().find(|(name, _)| *name == kind).map(|(_, field)| field);
        let absent = || Masked::new(&Tensor::full([&[rows][..], &shape].concat(), f64::NAN, (spec.kind, spec.device)));
        let field = field.map_or_else(absent, Masked::shallow_clone);
        let seen = field.observed().to_kind(spec.kind).flatten(1, -1);
        let value = field.value().flatten(1, -1);
        match kind {
            "joints" => parts.extend(joint_features(&value, &seen, &spec.joints)),
            "image" => parts.push((value * 2.0 - 1.0) * &seen),
            _ => parts.push(value),
        }
        parts.push(seen);
    }
    Tensor::cat(&parts, 1)
}

/// Joint values `[O, J]`: angles as sine and cosine, the others in parts of their range.
fn joint_features(value: &Tensor, seen: &Tensor, joints: &[JointSpec]) -> Vec<Tensor> {
    let places = |angles: bool| -> Tensor {
        let chosen = joints.iter().enumerate().filter(|(_, joint)| is_angle(joint) == angles);
        Tensor::from_slice(&chosen.map(|(place, _)| place as i64).collect::<Vec<_>>()).to_device(value.device())
    };
    let column = |of: &dyn Fn(&JointSpec) -> f64| {
        let values: Vec<f64> = joints.iter().map(of).collect();
        Tensor::from_slice(&values).to_kind(value.kind()).to_device(value.device())
    };
    let (turning, sliding) = (places(true), places(false));
    let (angle, observed) = (value.index_select(1, &turning), seen.index_select(1, &turning));
    let middle = column(&|joint| f64::midpoint(joint.lower, joint.upper));
    let half = column(&|joint| (0.5 * (joint.upper - joint.lower)).max(f64::EPSILON));
    let scaled = ((value - middle) / half * seen).index_select(1, &sliding);
    vec![angle.sin() * &observed, angle.cos() * &observed, scaled]
}

fn is_angle(joint: &JointSpec) -> bool {
    joint.unit == "rad"
}

#[cfg(test)]
mod tests {
    use super::super::tests::{JOINTS, spec};
    use super::*;

    #[test]
    fn features_are_sine_cosine_range_and_what_was_seen() {
        let obs = Observation::of_joints(&Tensor::from_slice(&[0.5, 2.0, f64::NAN, 2.0]).view([2, 2]));
        let got: Vec<f64> = Vec::try_from(features(&obs, &spec(), JOINTS).view(-1)).expect("numbers");
        let expected = [0.5_f64.sin(), 0.5_f64.cos(), 0.5, 1.0, 1.0, 0.0, 0.0, 0.5, 0.0, 1.0];
        assert_eq!(got.len() as i64, 2 * inputs(&spec(), JOINTS));
        assert!(got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-12), "{got:?}");
    }
}
