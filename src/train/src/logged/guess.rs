//! Pseudo-truth: what a node found where it saw nothing, taken for true with care.
//!
//! The rule. A solve's best hypothesis stands for the truth of what was not seen only when
//!
//! 1. the solve had settled: it ended because it had converged, or over the last half of its recorded steps
//!    its best loss fell by less than [`FALL`];
//! 2. it explains what was seen at least as well as the median of all recorded solves that are trained on.
//!
//! Its weight, against one for what was seen, is `pseudo_weight * exp(-(d / s)^2)`: `d` is the root of the mean
//! squared distance of the other hypotheses from the best, weighted as they are published, in what was not seen,
//! and `s` is [`SPREAD`] radians or [`REACH`] metres. Where hypotheses disagree the observation leaves freedom,
//! and one of them is no truth.
//!
//! Self-training with confident targets only, after Lee, "Pseudo-Label" (ICML workshop, 2013).

use std::f64::consts::PI;

use tch::Tensor;
use thalweg_task::TaskSpec;

use super::entry::Entry;
use crate::PseudoTruth;
use thalweg_engine::{Answer, StopReason};
use thalweg_record::{Solve, Trace};
use thalweg_task::Seen;
use thalweg_task::percentile;

/// Fall of the best loss over the last half of a descent below which it had settled: a guess.
const FALL: f64 = 0.05;
/// Disagreement of joints at which a guess weighs 1/e, radians: a guess, about the error of the best methods on
/// hidden limbs (docs/evaluation.md).
const SPREAD: f64 = 0.2;
/// Disagreement of points at which a guess weighs 1/e, metres: a guess.
const REACH: f64 = 0.05;
/// Fewest recorded moments from which a fall is told.
const MOMENTS: usize = 4;
/// Weight below which a guess is none.
const LEAST: f64 = 1e-3;

/// Whether a solve had gone as far as it would.
pub(super) fn settled(solve: &Solve) -> bool {
    let converged = matches!(solve.answer.stop, Some(StopReason::Converged | StopReason::Tolerance));
    converged || solve.trace.as_ref().is_some_and(|trace| has_levelled(trace, solve.answer.losses.len()))
}

fn has_levelled(trace: &Trace, hypotheses: usize) -> bool {
    let moments: Vec<f64> =
        trace.loss.chunks(hypotheses.max(1)).map(|loss| loss.iter().copied().fold(f64::INFINITY, f64::min)).collect();
    if moments.len() < MOMENTS {
        return false;
    }
    let least = |moments: &[f64]| moments.iter().copied().fold(f64::INFINITY, f64::min);
    let (before, end) = (least(&moments[..moments.len() / 2]), least(&moments));
    end >= (1.0 - FALL) * before
}

/// What the best hypothesis says of joints and points that were not seen, and how far the others agree, in (0, 1].
///
/// None when everything was seen.
pub(super) fn unseen(solve: &Solve, spec: &TaskSpec) -> Option<(Seen, f64)> {
    let Answer { joints, points, weights, .. } = &solve.answer;
    let (joints, points) = (joints.concat(), points.concat().concat());
    let (joints, turns) = fill(&solve.seen.joints, &joints, weights, |joint, apart| {
        let is_angle = spec.joints.get(joint).is_none_or(|joint| joint.unit == "rad");
        if is_angle { (apart + PI).rem_euclid(2.0 * PI) - PI } else { apart }
    })?;
    let seen: Vec<f64> = solve.seen.points.as_flattened().iter().map(|value| f64::from(*value)).collect();
    let (points, metres) = fill(&seen, &points, weights, |_, apart| apart)?;
    let is_guessed = joints.iter().chain(&points).any(|value| !value.is_nan());
    let points: Vec<f32> = points.into_iter().map(|value| value as f32).collect();
    let agreement = (-(turns / SPREAD).powi(2) - (metres / REACH).powi(2)).exp();
    is_guessed.then(|| (Seen { joints, points: points.as_chunks().0.to_vec(), ..Seen::default() }, agreement))
}

/// The best row of `found`, `[K, N]`, where `seen`, `[N]`, is NaN, and how far the other rows lie from it there.
///
/// Empty when the task reads or writes none of this kind; none when sizes do not fit.
fn fill(seen: &[f64], found: &[f64], weights: &[f64], measure: impl Fn(usize, f64) -> f64) -> Option<(Vec<f64>, f64)> {
    if seen.is_empty() || found.is_empty() {
        return Some((Vec::new(), 0.0));
    }
    if found.len() != seen.len() * weights.len() {
        return None;
    }
    let best = &found[..seen.len()];
    let hidden: Vec<usize> = (0..seen.len()).filter(|place| seen[*place].is_nan()).collect();
    let squares = found.chunks(seen.len()).zip(weights).map(|(row, weight)| {
        let sum: f64 = hidden.iter().map(|place| measure(*place, row[*place] - best[*place]).powi(2)).sum();
        weight * sum / hidden.len().max(1) as f64
    });
    let apart = squares.sum::<f64>().sqrt();
    let guess = seen.iter().zip(best).map(|(seen, best)| if seen.is_nan() { *best } else { f64::NAN }).collect();
    Some((guess, apart))
}

/// The guesses of all entries that fit well enough; none when there is no such entry.
pub(super) fn of(entries: &[&Entry], spec: &TaskSpec, most: f64) -> Option<PseudoTruth> {
    let losses: Vec<f64> = entries.iter().map(|entry| entry.loss).collect();
    let median = percentile(&losses, 0.5)?;
    let weight = |entry: &Entry| {
        let agreement = entry.guess.as_ref().filter(|_| entry.loss <= median).map_or(0.0, |(_, agreement)| *agreement);
        let weight = most * agreement;
        if weight > LEAST { weight } else { 0.0 }
    };
    let weights: Vec<f64> = entries.iter().map(|entry| weight(entry)).collect();
    if weights.iter().all(|weight| *weight == 0.0) {
        return None;
    }
    let guess = super::stacked(entries.len(), spec, &|row| entries[row].guess.as_ref().map(|(seen, _)| seen));
    Some(PseudoTruth { guess, weight: Tensor::from_slice(&weights).to_kind(tch::Kind::Float) })
}

#[cfg(test)]
mod tests {
    use thalweg_task::LoadOptions;

    use super::*;
    use thalweg::Registry;

    /// Two hypotheses of planar_arm's three joints; the second joint was not seen.
    fn solve(apart: f64, losses: &[f64], stop: StopReason) -> Solve {
        Solve {
            seen: Seen { joints: vec![0.1, f64::NAN, 0.3], ..Seen::default() },
            answer: Answer {
                joints: vec![vec![0.1, 0.5, 0.3], vec![0.1, 0.5 + apart, 0.3]],
                losses: vec![1.0, 2.0],
                weights: vec![0.5, 0.5],
                stop: Some(stop),
                ..Answer::default()
            },
            trace: Some(Trace { z: vec![0.0; losses.len()], loss: losses.to_vec() }),
            ..Solve::default()
        }
    }

    #[test]
    fn a_descent_has_settled_when_its_best_loss_hardly_falls() {
        let falling: Vec<f64> = (0..8).flat_map(|step| [0.5_f64.powi(step), 9.0]).collect();
        let level: Vec<f64> = [9.0, 5.0, 1.01, 1.0, 1.0, 0.99].iter().flat_map(|loss| [9.0, *loss]).collect();
        assert!(!settled(&solve(0.0, &falling, StopReason::Deadline)));
        assert!(settled(&solve(0.0, &level, StopReason::Deadline)));
        assert!(settled(&solve(0.0, &falling, StopReason::Converged)), "the engine has said so");
        assert!(!settled(&solve(0.0, &[1.0, 1.0, 1.0, 1.0], StopReason::Deadline)), "two moments tell nothing");
    }

    #[test]
    fn a_guess_says_nothing_of_what_was_seen_and_weighs_less_where_hypotheses_disagree() {
        let task = Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it needs no file");
        let of = |apart: f64| unseen(&solve(apart, &[], StopReason::Converged), task.spec()).expect("a guess");
        let (seen, agreement) = of(0.0);
        assert!(seen.joints[0].is_nan() && seen.joints[2].is_nan(), "{:?}", seen.joints);
        assert_eq!((seen.joints[1], agreement), (0.5, 1.0));
        // Half the weight lies SPREAD * sqrt(2) away.
        let (_, agreement) = of(SPREAD * 2.0_f64.sqrt());
        assert!((agreement - (-1.0_f64).exp()).abs() < 1e-12, "{agreement}");
        let (_, agreement) = of(2.0 * PI);
        assert!((agreement - 1.0).abs() < 1e-12, "a full turn is no distance: {agreement}");
    }

    #[test]
    fn where_all_was_seen_nothing_is_guessed() {
        let task = Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it needs no file");
        let whole = Solve {
            seen: Seen { joints: vec![0.1, 0.2, 0.3], ..Seen::default() },
            ..solve(0.0, &[], StopReason::Converged)
        };
        assert!(unseen(&whole, task.spec()).is_none());
    }
}
