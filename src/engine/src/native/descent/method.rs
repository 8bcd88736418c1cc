//! How `z` moves, on plain numbers: the doubles of the engine's optimizers.

use pulp::{Simd, WithSimd};

use super::shard::{Span, is_finite};
use crate::native::{Batch, EncodedTarget, Model, NormalSpace, Real, Workspace};
use crate::optimizer::{AdamConfig, LmConfig, Optimizer};

/// What a method remembers between steps, with its options.
#[derive(Debug)]
pub(super) enum Method<T> {
    Adam(AdamConfig, Moments<T>),
    LevenbergMarquardt(LmConfig, Box<Damped<T>>),
}

/// As [`crate::AdamState`].
#[derive(Debug)]
pub(super) struct Moments<T> {
    first: Vec<T>,
    second: Vec<T>,
    steps: Vec<i32>,
    elapsed: i32,
}

/// As [`crate::LmState`]; a row's linearisation is kept with the point that it belongs to.
#[derive(Debug)]
pub(super) struct Damped<T> {
    damping: Vec<f64>,
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
            *z += *first / (second.square_root() + epsilon) * rate;
        }
    }
}

impl<T: Real> Method<T> {
    /// Makes the state in which a descent of some rows starts, out of that of another where it fits.
    pub(super) fn start(
        spare: Option<Self>,
        optimizer: &Optimizer,
        model: &Model<T>,
        encoded: &EncodedTarget<T>,
        Span { rows, hypotheses, .. }: Span,
    ) -> Self {
        match (optimizer, spare) {
            (Optimizer::Adam(config), Some(Self::Adam(_, mut moments))) => {
                moments.first.fill(T::ZERO);
                moments.second.fill(T::ZERO);
                moments.steps.fill(0);
                Self::Adam(*config, Moments { elapsed: 0, ..moments })
            }
            (Optimizer::Adam(config), _) => {
                let zeros = || vec![T::ZERO; rows * model.dim()];
                let moments = Moments { first: zeros(), second: zeros(), steps: vec![0; rows], elapsed: 0 };
                Self::Adam(*config, moments)
            }
            (Optimizer::LevenbergMarquardt(config), spare) => {
                let prior = if encoded.prior().is_some() { model.latent() } else { 0 };
                let rank = (encoded.residuals() + prior).min(model.dim());
                let reuse = config.reuse;
                let fits = |space: &NormalSpace<T>| space.equations() == encoded.equations() && space.reuse() == reuse;
                let damped = match spare {
                    Some(Self::LevenbergMarquardt(_, mut damped)) if fits(&damped.space) => {
                        damped.damping.fill(config.damping);
                        damped.rank = rank;
                        damped
                    }
                    _ => {
                        let damping = vec![config.damping; rows];
                        let space = model.normal_space(encoded.equations(), (rows, hypotheses), reuse);
                        Box::new(Damped { damping, space, rank })
                    }
                };
                Self::LevenbergMarquardt(*config, damped)
            }
        }
    }

    /// Allocates points with all that the method needs to know of them.
    pub(super) fn batch(optimizer: &Optimizer, model: &Model<T>, Span { first, rows, .. }: Span) -> Batch<T> {
        if optimizer.needs_residual() { model.linear_batch(first, rows) } else { model.batch(first, rows) }
    }

    /// Puts the next points into `next.z`.
    pub(super) fn propose(
        &mut self,
        model: &Model<T>,
        encoded: &EncodedTarget<T>,
        at: &mut Batch<T>,
        next: &mut Batch<T>,
        work: &mut Workspace<T>,
    ) {
        next.z.copy_from_slice(&at.z);
        match self {
            Self::Adam(config, moments) => moments.step(config, model, at, next),
            Self::LevenbergMarquardt(_, damped) => {
                model.linearise(encoded, at, work, &mut damped.space);
                let rows = next.z.chunks_exact_mut(model.dim()).zip(at.by_x.chunks_exact(model.latent()));
                for ((z, by_x), (linear, damping)) in rows.zip(at.linear.iter().zip(&damped.damping)) {
                    damped.space.step(linear, by_x, *damping, damped.rank, z);
                }
            }
        }
    }

    /// Has what is kept of points belong to `z`, `[rows, Z]`; to none where there are none.
    pub(super) fn recall(&mut self, z: Option<&[T]>, model: &Model<T>, work: &mut Workspace<T>) {
        let Self::LevenbergMarquardt(_, damped) = self else { return };
        match z {
            Some(z) => model.hold(z, work, &mut damped.space),
            None => damped.space.forget(),
        }
    }

    /// Adds the points that something is kept of, `[rows, Z]`; tells whether of every row something is.
    pub(super) fn tell_points(&self, points: &mut Vec<T>) -> bool {
        matches!(self, Self::LevenbergMarquardt(_, damped) if damped.space.tell_points(points))
    }

    /// Decides row by row whether the proposed points are taken.
    ///
    /// A step that is refused and went by derivatives of another point says nothing of its length: it is tried once more
    /// by the point's own.
    pub(super) fn judge(&mut self, before: &mut Batch<T>, after: &Batch<T>, accepted: &mut [bool]) {
        match self {
            Self::Adam(..) => accepted.fill(true),
            Self::LevenbergMarquardt(config, damped) => {
                for (row, accepted) in accepted.iter_mut().enumerate() {
                    *accepted = is_finite(after, row) && after.loss[row] < before.loss[row];
                    if !*accepted && damped.space.refuse(row) {
                        before.linear[row].spoil();
                    } else {
                        damped.damping[row] = config.adapted(damped.damping[row], *accepted);
                    }
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
