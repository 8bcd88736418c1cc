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
    pub(super) fn of(solve: &Solve, spec: &TaskSpec, (landscape, dim): (&str, i64)) -> Option<Self> {
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
