//! Products of a few rows with a packed matrix.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::fetch::fetch;
use super::finish::Finish;
use super::panels::{ABREAST, MANY_REGISTERS, Panels};
use super::real::Real;

/// Panels that are read side by side where the rows are few: their sums hide the latency of an addition.
const TOGETHER: usize = 4;
/// Inputs between two times that something is fetched: within, nothing stands in the way of the arithmetic.
const STRETCH: usize = 16;
/// Rows from which on fetching ahead pays, for processors with few registers. Beside the arithmetic of four and more
/// rows such processors look ahead less far than the memory is away; fewer rows keep them busy with reading anyway.
const FETCHING: usize = 6;

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
        let shape = (panels.inputs(), panels.stride() / T::lanes::<S>(), padded);
        let has_many = S::REGISTER_COUNT >= MANY_REGISTERS;
        let fetches = !has_many && rows.count >= FETCHING;
        let block = Block { rows, row: 0, data: T::registers::<S>(panels.data()), shape, fetches };
        // What is fetched ahead is one panel, so that is when it has to be wanted.
        let together = if fetches { 1 } else { TOGETHER };
        for first in (0..count).step_by(together) {
            let group = first..count.min(first + together);
            let mut row = 0;
            while row < rows.count {
                let block = Block { row, ..block };
                row += if has_many {
                    block.many(simd, group.clone(), out, finish)
                } else {
                    block.few(simd, group.clone(), out, finish)
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
    /// Whether the next panel is fetched while one is used.
    fetches: bool,
}

impl<T: Real, L: Copy> Block<'_, T, L> {
    /// Computes as many rows as many registers can take, and tells how many.
    #[inline(always)]
    fn many<S: Simd, F: Finish<T>>(self, simd: S, panels: Range<usize>, out: &mut [T], finish: F) -> usize
    where
        T: Real<Lanes<S> = L>,
    {
        match self.rows.count - self.row {
            8.. => self.each::<S, F, 8, 1>(simd, panels, out, finish),
            4.. => self.each::<S, F, 4, 1>(simd, panels, out, finish),
            2.. if panels.len() == TOGETHER => self.each::<S, F, 2, TOGETHER>(simd, panels, out, finish),
            2.. => self.each::<S, F, 2, 1>(simd, panels, out, finish),
            _ if panels.len() == TOGETHER => self.each::<S, F, 1, TOGETHER>(simd, panels, out, finish),
            _ => self.each::<S, F, 1, 1>(simd, panels, out, finish),
        }
    }

    /// As [`Block::many`], with sixteen registers: twelve sums leave room for operands. Eight rows go as four and four.
    #[inline(always)]
    fn few<S: Simd, F: Finish<T>>(self, simd: S, panels: Range<usize>, out: &mut [T], finish: F) -> usize
    where
        T: Real<Lanes<S> = L>,
    {
        match self.rows.count - self.row {
            6 | 9.. => self.each::<S, F, 6, 1>(simd, panels, out, finish),
            4.. => self.each::<S, F, 4, 1>(simd, panels, out, finish),
            3 if panels.len() == 1 => self.each::<S, F, 3, 1>(simd, panels, out, finish),
            2.. if panels.len() == TOGETHER => self.each::<S, F, 2, 2>(simd, panels, out, finish),
            2.. => self.each::<S, F, 2, 1>(simd, panels, out, finish),
            _ if panels.len() == TOGETHER => self.each::<S, F, 1, TOGETHER>(simd, panels, out, finish),
            _ => self.each::<S, F, 1, 1>(simd, panels, out, finish),
        }
    }

    /// Computes `R` rows, `P` of the panels at a time, and tells that it were so many rows.
    #[inline(always)]
    fn each<S: Simd, F: Finish<T>, const R: usize, const P: usize>(
        self,
        simd: S,
        panels: Range<usize>,
        out: &mut [T],
        finish: F,
    ) -> usize
    where
        T: Real<Lanes<S> = L>,
    {
        for panel in panels.step_by(P) {
            self.run::<S, F, R, P>(simd, panel, out, finish);
        }
        R
    }

    /// Computes `R` rows in `P` panels together.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "iterated over, the sums would leave the registers: a third as fast"
    )]
    fn run<S: Simd, F: Finish<T>, const R: usize, const P: usize>(self, simd: S, panel: usize, out: &mut [T], finish: F)
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
        let wanted = self.wanted(panel + P, R);
        let mut wanted = wanted.chunks(wanted.len().div_ceil(inputs.div_ceil(STRETCH)).max(1));
        for first in (0..inputs).step_by(STRETCH) {
            wanted.next().into_iter().for_each(fetch);
            for input in first..inputs.min(first + STRETCH) {
                let left = left.map(|row| row[input]);
                for (panel, sums) in sums.iter_mut().enumerate() {
                    accumulate::<S, T, R>(simd, sums, &weights[panel][input], left);
                }
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
    }

    /// The share of a panel that is fetched with `rows` of all rows.
    #[inline(always)]
    fn wanted(&self, panel: usize, rows: usize) -> &[L] {
        let (inputs, stride, _) = self.shape;
        let next = self.data.get(panel * stride..).filter(|next| self.fetches && !next.is_empty());
        let share = |row: usize| inputs * ABREAST * row / self.rows.count;
        next.map_or(&[], |next| &next[share(self.row)..share(self.row + rows)])
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
