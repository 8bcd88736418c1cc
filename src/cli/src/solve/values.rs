//! Scalars of the best hypothesis beside what was seen and what was there.

use std::f32::consts::{PI, TAU};

use tch::Tensor;
use thalweg_task::{Masked, TaskSpec, mean, numbers};

use super::answer::Answer;
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
pub(super) fn joints(spec: &TaskSpec, problem: &Problem, answer: &Answer) -> Vec<Scalar> {
    let truth = problem.truth.as_ref().and_then(|truth| truth.joints.as_ref());
    let names = spec.joints.iter().map(|joint| (joint.name.clone(), joint.unit.clone()));
    let best = answer.found.joints.first().map_or(&[][..], Vec::as_slice);
    scalars(names, best, problem.obs.joints.as_ref(), truth)
}

/// Lists the coordinates of the points of the best hypothesis; none where they have no names.
pub(super) fn points(spec: &TaskSpec, problem: &Problem, answer: &Answer) -> Vec<Scalar> {
    let axes = |name: &String| ["x", "y", "z"].map(|axis| (format!("{name} {axis}"), "m".to_owned()));
    let names = spec.points.iter().flat_map(|points| &points.names).flat_map(axes);
    let truth = problem.truth.as_ref().and_then(|truth| truth.points.as_ref());
    // What is seen of a ray is no coordinate.
    let has_rays = spec.points.as_ref().is_some_and(|points| points.rays);
    let whole = |seen: &Masked| seen.hide(&seen.observed().all_dim(-1, true));
    let seen = problem.obs.points.as_ref().map(|seen| if has_rays { whole(seen) } else { seen.shallow_clone() });
    scalars(names, best_points(answer).as_flattened(), seen.as_ref(), truth)
}

/// Mean distance of the best hypothesis' points from the truth, metres, where both are known.
pub(super) fn point_error(problem: &Problem, answer: &Answer) -> Option<f64> {
    let truth: Vec<f64> = numbers(problem.truth.as_ref()?.points.as_ref()?);
    let distance = |(best, truth): (&[f64; 3], &[f64; 3])| {
        best.iter().zip(truth).map(|(best, truth)| (best - truth).powi(2)).sum::<f64>().sqrt()
    };
    let distances: Vec<f64> = best_points(answer).iter().zip(truth.as_chunks().0).map(distance).collect();
    mean(&distances)
}

/// Points of the best hypothesis, where the body stands when that is found out.
fn best_points(answer: &Answer) -> Vec<[f64; 3]> {
    let points = answer.found.points.first().cloned().unwrap_or_default();
    match answer.found.roots.first() {
        Some(root) => points.into_iter().map(|point| root.place(point)).collect(),
        None => points,
    }
}

fn scalars(
    names: impl Iterator<Item = (String, String)>,
    best: &[f64],
    seen: Option<&Masked>,
    truth: Option<&Tensor>,
) -> Vec<Scalar> {
    let seen: Option<Vec<f32>> = seen.map(|seen| numbers(&seen.with_nan()));
    let truth: Option<Vec<f32>> = truth.map(numbers);
    let at = |list: &Option<Vec<f32>>, place: usize| {
        list.as_ref().and_then(|list| list.get(place).copied()).filter(|value| !value.is_nan())
    };
    let scalar = |(place, ((name, unit), value)): (usize, ((String, String), &f64))| Scalar {
        name,
        unit,
        value: *value as f32,
        seen: at(&seen, place),
        truth: at(&truth, place),
    };
    names.zip(best).enumerate().map(scalar).collect()
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
