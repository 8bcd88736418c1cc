//! Rows of derivatives of what is compared where the transform was searched for: rays, and a cloud.

use thalweg_task::{KinematicTree, PULLS, Similarity};

use super::comparison::{Derivative, SIX};
use super::places::{PLACE, TURNED, Turns, dot};
use super::root::{Fitted, rows_of};
use super::rotation::{Frame, Vector, cross, plus, scaled};
use crate::native::kernels::real::Real;

/// Lists, from row `next` on, how the residuals of rays change, two for each that is moved by a joint; gives the row behind
/// them. `by_transform` gets their derivatives by the transform.
pub(super) fn ray_rows<T: Real>(
    tree: &KinematicTree,
    fitted: &Fitted<T>,
    (turns, entry): (Turns<'_, T>, &impl Fn(usize, usize) -> T),
    (rows, mut next): (&mut Vec<Derivative<T>>, usize),
    by_transform: &mut Vec<[f64; Similarity::FREEDOM]>,
) -> usize {
    let Some((_, fit)) = fitted.last_search() else { return next };
    for (place, pair) in fitted.rays().filter(|(place, _)| tree.parents[*place].is_some()) {
        let by_own = fit.by_own(pair).map(|row| row.map(T::of));
        for inner in std::iter::successors(tree.parents[place], |parent| tree.parents[*parent]) {
            let spin = Frame::new(turns.six(0, inner), turns.least_length).spin();
            let arm = std::array::from_fn(|axis| entry(place, PLACE + axis) - entry(inner, PLACE + axis));
            let sweeps: [Vector<T>; 3] = std::array::from_fn(|about| {
                cross(&std::array::from_fn(|axis| entry(inner, TURNED + 3 * axis + about)), &arm)
            });
            for (at, by_own) in by_own[..2].iter().enumerate() {
                let mut by_raw = [T::ZERO; SIX];
                for (sweep, spin) in sweeps.iter().zip(&spin) {
                    by_raw = plus(&by_raw, &scaled(spin, dot(*sweep, *by_own)));
                }
                rows.push(Derivative { row: next + at, first: SIX * inner, count: SIX, by_raw });
            }
        }
        by_transform.extend_from_slice(&fit.columns_of(pair)[..2]);
        next += 2;
    }
    next
}

/// Lists, from row `next` on, rows whose squares sum up to those of the points of the cloud that was fitted last: for each
/// capsule as many as its ends have coordinates, and one, see [`thalweg_task::SurfaceFit`]. `by_transform` gets their
/// derivatives by the transform.
pub(super) fn cloud_rows<T: Real>(
    tree: &KinematicTree,
    fitted: &Fitted<T>,
    (turns, entry): (Turns<'_, T>, &impl Fn(usize, usize) -> T),
    (rows, mut next): (&mut Vec<Derivative<T>>, usize),
    by_transform: &mut Vec<[f64; Similarity::FREEDOM]>,
) {
    let (Some((found, fit)), Some(surface)) = (fitted.last_search(), &tree.surface) else { return };
    let size = T::of(fit.scale());
    for (capsule, of) in surface.capsules.iter().enumerate() {
        let [from, to] = of.ends;
        let moments = found.moments(capsule);
        // What hangs on the root is moved by nothing.
        if !moments.is_there || tree.parents[to].is_none() {
            continue;
        }
        let own = rows_of(&moments.square);
        let own = || own.iter().filter(|v| v.iter().any(|entry| *entry != 0.0));
        for inner in std::iter::successors(tree.parents[to], |parent| tree.parents[*parent]) {
            let spin = Frame::new(turns.six(0, inner), turns.least_length).spin();
            let arms = [from, to].map(|end| {
                std::array::from_fn::<T, 3, _>(|axis| entry(end, PLACE + axis) - entry(inner, PLACE + axis))
            });
            let sweeps: [[Vector<T>; 2]; 3] = std::array::from_fn(|about| {
                let axis = std::array::from_fn(|axis| entry(inner, TURNED + 3 * axis + about));
                [cross(&axis, &arms[0]), cross(&axis, &arms[1])]
            });
            for (place, v) in own().enumerate() {
                let mut by_raw = [T::ZERO; SIX];
                for (sweep, spin) in sweeps.iter().zip(&spin) {
                    let along: f64 = sweep.as_flattened().iter().zip(v).map(|(sweep, v)| sweep.wide() * v).sum();
                    by_raw = plus(&by_raw, &scaled(spin, size * T::of(along)));
                }
                rows.push(Derivative { row: next + place, first: SIX * inner, count: SIX, by_raw });
            }
        }
        let lift = found.lift(capsule, fit);
        let by = |v: &[f64; PULLS]| lift.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum());
        by_transform.extend(own().map(by));
        next += own().count();
    }
}
