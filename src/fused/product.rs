//! Products of a few rows with a packed matrix.

use pulp::{Simd, WithSimd};

use super::finish::Finish;
use super::panels::{ABREAST, MANY_REGISTERS, Panels};
use super::real::Real;

/// Rows of a matrix: `count` of them, each `stride` after the one before.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

/// A product of rows, `[R, inputs]`, with panels, into rows of `out`, `[R, padded]`.
pub(crate) struct Product<'a, T, F> {
    pub(crate) rows: Rows<'a, T>,
    pub(crate) panels: &'a Panels<T>,
    pub(crate) out: &'a mut [T],
    pub(crate) finish: F,
}

impl<T: Real, F: Finish<T>> WithSimd for Product<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, panels, out, finish } = self;
        let (inputs, padded) = (panels.inputs(), panels.padded());
        let data = T::registers::<S>(panels.data());
        for (index, panel) in data.chunks_exact(panels.stride() / T::lanes::<S>()).enumerate() {
            let panel = &panel[..inputs * ABREAST];
            let mut row = 0;
            while row < rows.count {
                let block = Block { rows, row, panel, column: index * ABREAST, padded };
                row += match rows.count - row {
                    8.. if S::REGISTER_COUNT >= MANY_REGISTERS => block.run::<S, F, 8, 1>(simd, out, finish),
                    4.. => block.run::<S, F, 4, 2>(simd, out, finish),
                    2.. => block.run::<S, F, 2, 2>(simd, out, finish),
                    _ => block.run::<S, F, 1, 4>(simd, out, finish),
                };
            }
        }
    }
}

/// A few rows of a product within one panel.
struct Block<'a, T, L> {
    rows: Rows<'a, T>,
    /// The first row.
    row: usize,
    /// `[inputs, ABREAST]` registers.
    panel: &'a [L],
    /// The panel's first register in a row of the result.
    column: usize,
    padded: usize,
}

impl<T: Real, L: Copy> Block<'_, T, L> {
    /// Computes `R` rows, and tells that it were so many.
    ///
    /// The inputs are dealt out to `U` sets of running sums, that few rows, too, are enough of
    /// them to hide the latency of an addition.
    #[inline(always)]
    fn run<S: Simd, F: Finish<T>, const R: usize, const U: usize>(self, simd: S, out: &mut [T], finish: F) -> usize
    where
        T: Real<Lanes<S> = L>,
    {
        let (weights, _) = self.panel.as_chunks::<ABREAST>();
        let inputs = weights.len();
        let left: [&[T]; R] =
            std::array::from_fn(|row| &self.rows.data[(self.row + row) * self.rows.stride..][..inputs]);
        let mut sums = [[[T::splat(simd, T::ZERO); ABREAST]; R]; U];
        let mut input = 0;
        while input + U <= inputs {
            for (unroll, sums) in sums.iter_mut().enumerate() {
                accumulate::<S, T, R>(simd, sums, &weights[input + unroll], left.map(|row| row[input + unroll]));
            }
            input += U;
        }
        for input in input..inputs {
            accumulate::<S, T, R>(simd, &mut sums[0], &weights[input], left.map(|row| row[input]));
        }
        for row in 0..R {
            let start = (self.row + row) * self.padded;
            let place = &mut T::registers_mut::<S>(&mut out[start..start + self.padded])[self.column..][..ABREAST];
            for (register, place) in place.iter_mut().enumerate() {
                let parts = sums.iter().map(|set| set[row][register]);
                let sum = parts.reduce(|sum, part| T::plus(simd, sum, part)).unwrap_or(*place);
                *place = finish.finish(simd, sum, *place, self.row + row, self.column + register);
            }
        }
        R
    }
}

/// Adds the products of one input of each row with its weights.
#[inline(always)]
fn accumulate<S: Simd, T: Real, const R: usize>(
    simd: S,
    sums: &mut [[T::Lanes<S>; ABREAST]; R],
    weights: &[T::Lanes<S>; ABREAST],
    left: [T; R],
) {
    for (sums, left) in sums.iter_mut().zip(left) {
        let left = T::splat(simd, left);
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum = T::times_plus(simd, left, *weight, *sum);
        }
    }
}
