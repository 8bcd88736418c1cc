//! Scalars of the best hypothesis beside what was seen and what was there.

use std::f32::consts::{PI, TAU};

use tch::Tensor;
use thalweg_task::{Masked, TaskSpec};

use super::answer::{Answer, values};
use super::problem::Problem;

/// One joint position, or one coordinate of a point.
pub(super) struct Scalar {
    /// Name of the joint, or of the point and the axis.
    pub(super) name: String,
    /// `rad` or `m`.
    pub(super) unit: String,
    /// What the best hypothesis says.
    pub(super) value: f32,
    /// What was seen, if it was.
    pub(super) seen: Option<f32>,
    /// What was there, if that is known.
    pub(super) truth: Option<f32>,
}

impl Scalar {
    /// How far the hypothesis is from `other`; on the circle for angles.
    pub(super) fn distance_to(&self, other: f32) -> f32 {
        let difference = self.value - other;
        if self.unit == "rad" { ((difference + PI).rem_euclid(TAU) - PI).abs() } else { difference.abs() }
    }
}

/// Lists the joints of the best hypothesis.
pub(super) fn joints(spec: &TaskSpec, problem: &Problem, answer: &Answer) -> anyhow::Result<Vec<Scalar>> {
    let truth = problem.truth.as_ref().and_then(|truth| truth.joints.as_ref());
    let names = spec.joints.iter().map(|joint| (joint.name.clone(), joint.unit.clone())).collect();
    scalars(names, answer.reconstruction.joints.as_ref(), problem.obs.joints.as_ref(), truth)
}

/// Lists the coordinates of the points of the best hypothesis; none where they have no names.
pub(super) fn points(spec: &TaskSpec, problem: &Problem, answer: &Answer) -> anyhow::Result<Vec<Scalar>> {
    let Some(points) = &spec.points else { return Ok(Vec::new()) };
    let axes = |name: &String| ["x", "y", "z"].map(|axis| (format!("{name} {axis}"), "m".to_owned()));
    let names = points.names.iter().flat_map(axes).collect();
    let truth = problem.truth.as_ref().and_then(|truth| truth.points.as_ref());
    scalars(names, answer.reconstruction.points.as_ref(), problem.obs.points.as_ref(), truth)
}

/// Mean distance of the best hypothesis' points from the truth, metres, where both are known.
pub(super) fn point_error(problem: &Problem, answer: &Answer) -> Option<f64> {
    let truth = problem.truth.as_ref()?.points.as_ref()?;
    let best = answer.reconstruction.points.as_ref()?.narrow(0, 0, 1);
    let distance = (best - truth).square().sum_dim_intlist(-1, false, truth.kind()).sqrt();
    Some(distance.mean(truth.kind()).double_value(&[]))
}

fn scalars(
    names: Vec<(String, String)>,
    best: Option<&Tensor>,
    seen: Option<&Masked>,
    truth: Option<&Tensor>,
) -> anyhow::Result<Vec<Scalar>> {
    let Some(best) = best else { return Ok(Vec::new()) };
    let best = values(&best.get(0))?;
    let seen = seen.map(|seen| values(&seen.with_nan())).transpose()?;
    let truth = truth.map(values).transpose()?;
    let at = |list: &Option<Vec<f32>>, place: usize| {
        list.as_ref().and_then(|list| list.get(place).copied()).filter(|value| !value.is_nan())
    };
    let scalar =
        |(place, ((name, unit), value))| Scalar { name, unit, value, seen: at(&seen, place), truth: at(&truth, place) };
    Ok(names.into_iter().zip(best).enumerate().map(scalar).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(unit: &str, value: f32) -> Scalar {
        Scalar { name: "a".to_owned(), unit: unit.to_owned(), value, seen: None, truth: None }
    }

    #[test]
    fn angles_are_compared_on_the_circle() {
        assert!((scalar("rad", 3.1).distance_to(-3.1) - (TAU - 6.2)).abs() < 1e-5);
        assert!((scalar("rad", 7.0 * PI).distance_to(PI)).abs() < 1e-5);
        assert!((scalar("m", 3.1).distance_to(-3.1) - 6.2).abs() < 1e-6);
    }
}
