//! One recorded solve, as far as a training needs it.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index::sample;
use thalweg_task::TaskSpec;

use super::guess;
use thalweg_record::{Solve, Trace};
use thalweg_task::Seen;

/// Most points of one recorded descent that are kept: a guess, against hours of recorded steps in memory.
const POINTS: usize = 16;

/// One recorded solve.
#[derive(Debug)]
pub(super) struct Entry {
    /// What was seen.
    pub(super) seen: Seen,
    /// Points of its descent that are to be visited again, `[P, Z]`, flat; none on another landscape.
    pub(super) points: Vec<f32>,
    /// Steps that it had time for.
    pub(super) steps: u32,
    /// Hypotheses.
    pub(super) hypotheses: usize,
    /// Loss of the best hypothesis.
    pub(super) loss: f64,
    /// What the best hypothesis says of what was not seen, and how far the others agree; none where the
    /// solve had not settled.
    pub(super) guess: Option<(Seen, f64)>,
}

impl Entry {
    /// Takes what is needed; none when nothing was seen.
    ///
    /// Of what a tracker saw of a body anywhere, joints serve and places do not: those are in the tracker's frame, by its own
    /// names, which a task without that tracker would take for its own points.
    pub(super) fn of(solve: &Solve, spec: &TaskSpec, landscape: (&str, i64)) -> Option<Self> {
        let is_read = spec.points.as_ref().is_some_and(|points| points.tracker.is_some());
        if solve.answer.roots.is_empty() || is_read {
            return Self::of_own(solve, spec, landscape);
        }
        let seen = Seen { points: Vec::new(), confidence: Vec::new(), ..solve.seen.clone() };
        Self::of_own(&Solve { seen, ..solve.clone() }, spec, landscape)
    }

    fn of_own(solve: &Solve, spec: &TaskSpec, (landscape, dim): (&str, i64)) -> Option<Self> {
        let Seen { joints, image, points, .. } = &solve.seen;
        let pixels = image.iter().flat_map(|image| &image.data);
        let is_blind = joints.iter().all(|value| value.is_nan())
            && pixels.copied().all(f32::is_nan)
            && points.as_flattened().iter().all(|value| value.is_nan());
        if is_blind {
            return None;
        }
        Some(Self {
            seen: solve.seen.clone(),
            points: if solve.answer.landscape == landscape { points_of(solve, dim) } else { Vec::new() },
            steps: solve.answer.statistics.steps,
            hypotheses: solve.answer.losses.len(),
            loss: solve.answer.losses.first().copied().unwrap_or(f64::INFINITY),
            guess: guess::settled(solve).then(|| guess::unseen(solve, spec)).flatten(),
        })
    }
}

impl Entry {
    /// Memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        let seen = |seen: &Seen| {
            let pixels = seen.image.as_ref().map_or(0, |image| image.data.len());
            8 * seen.joints.len() + 4 * (pixels + 3 * seen.points.len())
        };
        let all = size_of::<Self>() + seen(&self.seen) + self.guess.as_ref().map_or(0, |(guess, _)| seen(guess));
        (all + 4 * self.points.len()) as u64
    }
}

/// Where the descent ended and, with recorded steps, some of its points: `[P, Z]`, flat.
fn points_of(solve: &Solve, dim: i64) -> Vec<f32> {
    let Ok(dim) = usize::try_from(dim) else { return Vec::new() };
    let all = solve.trace.as_ref().map_or(&solve.z, |Trace { z, .. }| z);
    if dim == 0 || solve.z.len() != dim * solve.answer.losses.len() || !all.len().is_multiple_of(dim) {
        return Vec::new();
    }
    let count = all.len() / dim;
    let mut random = StdRng::seed_from_u64(solve.index);
    let chosen = sample(&mut random, count, POINTS.min(count)).into_vec();
    chosen.into_iter().flat_map(|point| &all[point * dim..(point + 1) * dim]).copied().collect()
}

#[cfg(test)]
mod tests {
    use thalweg::Registry;
    use thalweg_engine::Answer;
    use thalweg_task::{LoadOptions, Root};

    use super::*;

    #[test]
    fn places_that_a_tracker_saw_are_not_those_of_a_task_without_it() {
        let task = Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it needs no file");
        let root =
            Root { position: [0.0, 0.0, 2.0], rotation: [0.0, 0.0, 0.0, 1.0], scale: 1.0, is_seen: true, misfit: 0.0 };
        let solve = |joints: &[f64], roots: Vec<Root>| Solve {
            seen: Seen { joints: joints.to_vec(), points: vec![[0.1, 0.2, 2.0]; 3], ..Seen::default() },
            answer: Answer {
                joints: vec![vec![0.1, 0.2, 0.3]],
                losses: vec![1.0],
                weights: vec![1.0],
                roots,
                ..Answer::default()
            },
            ..Solve::default()
        };
        let of = |solve: &Solve| Entry::of(solve, task.spec(), ("identity", 3));
        let own = of(&solve(&[0.1, f64::NAN, 0.3], Vec::new())).expect("seen");
        assert_eq!(own.seen.points.len(), 3);
        let tracked = of(&solve(&[0.1, f64::NAN, 0.3], vec![root])).expect("joints were seen");
        assert!(tracked.seen.points.is_empty() && tracked.seen.joints[1].is_nan(), "{:?}", tracked.seen);
        assert!(of(&solve(&[], vec![root])).is_none(), "nothing that serves was seen");
    }
}
