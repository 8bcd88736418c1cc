//! How `z` moves, on plain numbers: the doubles of the engine's optimizers.

use pulp::{Simd, WithSimd};

use crate::engine::optimizer::{AdamConfig, LmConfig, Optimizer};
use crate::fused::{Aim, Batch, Linearisation, Model, NormalSpace, Real, Workspace};

/// What a method remembers between steps, with its options.
#[derive(Debug)]
pub(super) enum Method<T> {
    Adam(AdamConfig, Moments<T>),
    LevenbergMarquardt(LmConfig, Box<Damped<T>>),
}

/// As [`crate::engine::AdamState`].
#[derive(Debug)]
pub(super) struct Moments<T> {
    first: Vec<T>,
    second: Vec<T>,
    steps: Vec<i32>,
    elapsed: i32,
}

/// As [`crate::engine::LmState`]; each row keeps its linearisation as long as it stays where it is.
#[derive(Debug)]
pub(super) struct Damped<T> {
    damping: Vec<f64>,
    linear: Vec<Linearisation<T>>,
    space: NormalSpace<T>,
    /// Lesser one of the numbers of residuals and dimensions.
    rank: usize,
}

/// Moves one row by Adam.
struct Descend<'a, T> {
    z: &'a mut [T],
    gradient: &'a [T],
    first: &'a mut [T],
    second: &'a mut [T],
    /// One minus beta1 and beta2.
    weights: (T, T),
    rate: T,
    epsilon: T,
}

impl<T: Real> WithSimd for Descend<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { z, gradient, first, second, weights, rate, epsilon } = self;
        let moments = first.iter_mut().zip(second);
        for ((z, gradient), (first, second)) in z.iter_mut().zip(gradient).zip(moments) {
            *first += weights.0 * (*gradient - *first);
            *second += weights.1 * (*gradient * *gradient - *second);
            *z += *first / (second.root() + epsilon) * rate;
        }
    }
}

impl<T: Real> Method<T> {
    /// Makes the state in which a descent of `rows` hypotheses starts.
    pub(super) fn new(optimizer: &Optimizer, model: &Model<T>, aim: &Aim<T>, rows: usize) -> Self {
        match optimizer {
            Optimizer::Adam(config) => {
                let zeros = || vec![T::ZERO; rows * model.dim()];
                let moments = Moments { first: zeros(), second: zeros(), steps: vec![0; rows], elapsed: 0 };
                Self::Adam(*config, moments)
            }
            Optimizer::LevenbergMarquardt(config) => {
                let prior = if aim.pull().is_some() { model.latent() } else { 0 };
                let damped = Damped {
                    damping: vec![config.damping; rows],
                    linear: model.linearisations(rows),
                    space: model.normal_space(aim.residuals()),
                    rank: (aim.residuals() + prior).min(model.dim()),
                };
                Self::LevenbergMarquardt(*config, Box::new(damped))
            }
        }
    }

    /// Puts the next points into `next.z`.
    pub(super) fn propose(
        &mut self,
        model: &Model<T>,
        aim: &Aim<T>,
        at: &Batch<T>,
        next: &mut Batch<T>,
        work: &mut Workspace<T>,
    ) {
        next.z.copy_from_slice(&at.z);
        match self {
            Self::Adam(config, moments) => moments.step(config, model, at, next),
            Self::LevenbergMarquardt(_, damped) => {
                model.linearise(aim, &at.z, &mut damped.linear, work, &mut damped.space);
                let rows = next.z.chunks_exact_mut(model.dim()).zip(at.by_x.chunks_exact(model.latent()));
                for ((z, by_x), (linear, damping)) in rows.zip(damped.linear.iter().zip(&damped.damping)) {
                    damped.space.step(linear, by_x, *damping, damped.rank, z);
                }
            }
        }
    }

    /// Decides row by row whether the proposed points are taken.
    pub(super) fn judge(&mut self, before: &Batch<T>, after: &Batch<T>, accepted: &mut [bool]) {
        match self {
            Self::Adam(..) => accepted.fill(true),
            Self::LevenbergMarquardt(config, damped) => {
                for (row, accepted) in accepted.iter_mut().enumerate() {
                    *accepted = super::rows::is_finite(after, row) && after.loss[row] < before.loss[row];
                    damped.damping[row] = config.adapted(damped.damping[row], *accepted);
                    damped.linear[row].is_fresh &= !*accepted;
                }
            }
        }
    }

    /// Starts marked rows afresh.
    pub(super) fn reset(&mut self, rows: &[bool]) {
        for row in (0..rows.len()).filter(|&row| rows[row]) {
            match self {
                Self::Adam(_, moments) => {
                    let dim = moments.first.len() / rows.len();
                    let span = row * dim..(row + 1) * dim;
                    moments.first[span.clone()].fill(T::ZERO);
                    moments.second[span].fill(T::ZERO);
                    moments.steps[row] = 0;
                }
                Self::LevenbergMarquardt(config, damped) => {
                    damped.damping[row] = config.damping;
                    damped.linear[row].is_fresh = false;
                }
            }
        }
    }

    /// Whether the method has no step left for a row.
    pub(super) fn is_exhausted(&self, row: usize) -> bool {
        match self {
            Self::Adam(..) => false,
            Self::LevenbergMarquardt(config, damped) => damped.damping[row] >= config.max,
        }
    }
}

impl<T: Real> Moments<T> {
    fn step(&mut self, config: &AdamConfig, model: &Model<T>, at: &Batch<T>, next: &mut Batch<T>) {
        let dim = model.dim();
        let moments = self.first.chunks_exact_mut(dim).zip(self.second.chunks_exact_mut(dim)).zip(&mut self.steps);
        let points = next.z.chunks_exact_mut(dim).zip(at.gradient.chunks_exact(dim));
        let decay = config.decay_at(self.elapsed);
        for ((z, gradient), ((first, second), steps)) in points.zip(moments) {
            *steps = steps.saturating_add(1);
            let (rate, epsilon) = config.corrected(*steps);
            let weights = (T::of(1.0 - config.beta1), T::of(1.0 - config.beta2));
            let (rate, epsilon) = (T::of(rate * decay), T::of(epsilon));
            model.arch().dispatch(Descend { z, gradient, first, second, weights, rate, epsilon });
        }
        self.elapsed = self.elapsed.saturating_add(1);
    }
}
