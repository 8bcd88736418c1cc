//! Products of a few rows with the transpose of a packed matrix.

use pulp::{Simd, WithSimd};

use super::finish::Finish;
use super::panels::{ABREAST, GROUP, Panels};
use super::product::Rows;
use super::real::Real;

/// A product of rows, `[R, padded]`, with the transpose of panels, into rows of `out`, `[R, rows]`.
///
/// The rows' padding has to be zero. Each result is a sum along a row of the matrix, kept as a register of partial
/// sums until the end; sixteen registers are then added up together. For processors that have more than sixteen.
pub(super) struct Dots<'a, T, F> {
    pub(super) rows: Rows<'a, T>,
    pub(super) panels: &'a Panels<T>,
    pub(super) out: &'a mut [T],
    pub(super) finish: F,
}

impl<T: Real, F: Finish<T>> WithSimd for Dots<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, panels, out, finish } = self;
        let (width, padded) = (panels.rows(), panels.padded());
        let stride = panels.stride() / T::lanes::<S>();
        let data = T::registers::<S>(panels.data());
        for first in (0..width).step_by(GROUP) {
            let mut row = 0;
            while row < rows.count {
                let strip = Strip { rows, row, data, first, stride, width, padded };
                row += match rows.count - row {
                    4.. => strip.run::<S, F, 4, 4>(simd, out, finish),
                    2.. => strip.run::<S, F, 2, 8>(simd, out, finish),
                    _ => strip.run::<S, F, 1, 16>(simd, out, finish),
                };
            }
        }
    }
}

/// A few rows of a product, and a group of its columns.
struct Strip<'a, T, L> {
    rows: Rows<'a, T>,
    /// The first row.
    row: usize,
    /// All panels.
    data: &'a [L],
    /// The first column of the result.
    first: usize,
    /// Registers from one panel to the next.
    stride: usize,
    /// Padded rows of the matrix.
    width: usize,
    /// Padded columns of the matrix.
    padded: usize,
}

impl<T: Real, L: Copy> Strip<'_, T, L> {
    /// Computes `R` rows, `I` columns at a time, and tells that it were so many rows.
    #[inline(always)]
    fn run<S: Simd, F: Finish<T>, const R: usize, const I: usize>(self, simd: S, out: &mut [T], finish: F) -> usize
    where
        T: Real<Lanes<S> = L>,
    {
        let left: [&[[L; ABREAST]]; R] = std::array::from_fn(|row| {
            let row = &self.rows.data[(self.row + row) * self.rows.stride..][..self.padded];
            T::registers::<S>(row).as_chunks::<ABREAST>().0
        });
        let mut results = [[T::ZERO; GROUP]; R];
        for piece in (0..GROUP).step_by(I) {
            let mut sums = [[T::splat(simd, T::ZERO); R]; I];
            let start = (self.first + piece) * ABREAST;
            for (panel, weights) in self.data.chunks_exact(self.stride).enumerate() {
                let (weights, _) = weights[start..start + I * ABREAST].as_chunks::<ABREAST>();
                let Some(weights) = weights.first_chunk::<I>() else { break };
                accumulate::<S, T, R, I>(simd, &mut sums, weights, left.map(|row| row[panel]));
            }
            let sums = T::add_up(simd, sums);
            for (index, sums) in sums.iter().enumerate() {
                results.iter_mut().zip(sums).for_each(|(results, sum)| results[piece + index] = *sum);
            }
        }
        for (row, results) in results.iter().enumerate() {
            let row = self.row + row;
            let place = T::registers_mut::<S>(&mut out[row * self.width + self.first..][..GROUP]);
            for (register, (place, sum)) in place.iter_mut().zip(T::registers::<S>(results)).enumerate() {
                let column = self.first / T::lanes::<S>() + register;
                *place = finish.finish(simd, *sum, *place, row, column);
            }
        }
        R
    }
}

/// Adds the products of a register pair of each row with those of some rows of the matrix.
#[inline(always)]
fn accumulate<S: Simd, T: Real, const R: usize, const I: usize>(
    simd: S,
    sums: &mut [[T::Lanes<S>; R]; I],
    weights: &[[T::Lanes<S>; ABREAST]; I],
    left: [[T::Lanes<S>; ABREAST]; R],
) {
    for (sums, weights) in sums.iter_mut().zip(weights) {
        for (register, weight) in weights.iter().enumerate() {
            for (sum, left) in sums.iter_mut().zip(&left) {
                *sum = T::times_plus(simd, left[register], *weight, *sum);
            }
        }
    }
}
