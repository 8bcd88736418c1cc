//! Products of a few rows with a packed matrix.

use pulp::{Simd, WithSimd};

use super::finish::Finish;
use super::panels::{ABREAST, MANY_REGISTERS, Panels};
use super::real::Real;

/// Panels that are read side by side where the rows are few: their sums hide the latency of an addition.
const TOGETHER: usize = 4;

/// Rows of a matrix: `count` of them, each `stride` after the one before.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

/// A product of rows, `[R, inputs]`, with panels, into rows of `out`, `[R, padded]`.
///
/// Each result is summed up input by input, whatever the number of rows: its bits do not depend on which rows go
/// together.
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
        let (count, padded) = (panels.padded() / panels.width(), panels.padded());
        let data = T::registers::<S>(panels.data());
        let shape = (panels.inputs(), panels.stride() / T::lanes::<S>(), padded);
        for first in (0..count).step_by(TOGETHER) {
            let group = first..count.min(first + TOGETHER);
            let mut row = 0;
            while row < rows.count {
                let block = Block { rows, row, data, shape };
                row += match rows.count - row {
                    8.. if S::REGISTER_COUNT >= MANY_REGISTERS => {
                        block.each::<S, F, 8>(simd, group.clone(), out, finish)
                    }
                    4.. => block.each::<S, F, 4>(simd, group.clone(), out, finish),
                    2.. if group.len() == TOGETHER && S::REGISTER_COUNT >= MANY_REGISTERS => {
                        block.run::<S, F, 2, TOGETHER>(simd, first, out, finish)
                    }
                    2.. => block.each::<S, F, 2>(simd, group.clone(), out, finish),
                    _ if group.len() == TOGETHER => block.run::<S, F, 1, TOGETHER>(simd, first, out, finish),
                    _ => block.each::<S, F, 1>(simd, group.clone(), out, finish),
                };
            }
        }
    }
}

/// A few rows of a product.
#[derive(Clone, Copy)]
struct Block<'a, T, L> {
    rows: Rows<'a, T>,
    /// The first row.
    row: usize,
    /// All panels.
    data: &'a [L],
    /// Inputs, registers from one panel to the next, padded outputs.
    shape: (usize, usize, usize),
}

impl<T: Real, L: Copy> Block<'_, T, L> {
    /// Computes `R` rows in panels one after the other, and tells that it were so many.
    #[inline(always)]
    fn each<S: Simd, F: Finish<T>, const R: usize>(
        self,
        simd: S,
        panels: std::ops::Range<usize>,
        out: &mut [T],
        finish: F,
    ) -> usize
    where
        T: Real<Lanes<S> = L>,
    {
        for panel in panels {
            self.run::<S, F, R, 1>(simd, panel, out, finish);
        }
        R
    }

    /// Computes `R` rows in `P` panels together, and tells that it were so many rows.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "iterated over, the sums would leave the registers: a third as fast"
    )]
    fn run<S: Simd, F: Finish<T>, const R: usize, const P: usize>(
        self,
        simd: S,
        panel: usize,
        out: &mut [T],
        finish: F,
    ) -> usize
    where
        T: Real<Lanes<S> = L>,
    {
        let (inputs, stride, padded) = self.shape;
        let weights: [&[[L; ABREAST]]; P] = std::array::from_fn(|index| {
            let weights = &self.data[(panel + index) * stride..][..inputs * ABREAST];
            &weights.as_chunks::<ABREAST>().0[..inputs]
        });
        let left: [&[T]; R] =
            std::array::from_fn(|row| &self.rows.data[(self.row + row) * self.rows.stride..][..inputs]);
        let mut sums = [[[T::splat(simd, T::ZERO); ABREAST]; R]; P];
        for input in 0..inputs {
            let left = left.map(|row| row[input]);
            for (panel, sums) in sums.iter_mut().enumerate() {
                accumulate::<S, T, R>(simd, sums, &weights[panel][input], left);
            }
        }
        for row in 0..R {
            let start = (self.row + row) * padded;
            let place = &mut T::registers_mut::<S>(&mut out[start..start + padded])[panel * ABREAST..][..P * ABREAST];
            for (register, place) in place.iter_mut().enumerate() {
                let sum = sums[register / ABREAST][row][register % ABREAST];
                *place = finish.finish(simd, sum, *place, self.row + row, panel * ABREAST + register);
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
