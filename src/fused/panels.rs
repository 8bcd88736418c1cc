//! Matrices packed for products with few rows, and those products.

use pulp::{Arch, Simd, WithSimd};

use super::buffer::Buffer;
use super::real::Real;

/// Registers side by side in a panel. With eight rows, two registers each are sixteen running sums,
/// which hide the latency of the additions and leave room for operands.
const ABREAST: usize = 2;
/// Registers that a processor must have for blocks of eight rows; of four otherwise.
const MANY_REGISTERS: usize = 32;

/// A matrix `[inputs, outputs]` in panels of a few columns, each stored row by row.
///
/// A product reads it once from front to back. Columns are padded with zeros to whole panels.
#[derive(Debug)]
pub(crate) struct Panels<T> {
    inputs: usize,
    outputs: usize,
    width: usize,
    data: Buffer<T>,
}

/// Asks how wide a panel is on this processor.
struct Width<T>(std::marker::PhantomData<T>);

impl<T: Real> WithSimd for Width<T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        ABREAST * T::lanes::<S>()
    }
}

impl<T: Real> Panels<T> {
    /// Allocates an `[inputs, outputs]` matrix of zeros.
    pub(crate) fn zeros(arch: Arch, inputs: usize, outputs: usize) -> Self {
        let width = arch.dispatch(Width::<T>(std::marker::PhantomData));
        let data = Buffer::zeros(inputs * outputs.div_ceil(width) * width);
        Self { inputs, outputs, width, data }
    }

    /// Packs the matrix whose entry (input, output) is `entry(input, output)`.
    pub(crate) fn pack(arch: Arch, inputs: usize, outputs: usize, entry: impl Fn(usize, usize) -> T) -> Self {
        let mut panels = Self::zeros(arch, inputs, outputs);
        panels.fill(entry);
        panels
    }

    /// Packs another matrix of the same shape.
    pub(crate) fn fill(&mut self, entry: impl Fn(usize, usize) -> T) {
        let Self { inputs, outputs, width, ref mut data } = *self;
        for (panel, rows) in data.chunks_exact_mut(inputs * width).enumerate() {
            let first = panel * width;
            for (input, row) in rows.chunks_exact_mut(width).enumerate() {
                let columns = first..outputs.min(first + width);
                row.iter_mut().zip(columns).for_each(|(place, output)| *place = entry(input, output));
            }
        }
    }

    /// Number of rows.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of columns, without the padding.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of columns with the padding: what a row of a product takes.
    pub(crate) fn padded(&self) -> usize {
        self.outputs.div_ceil(self.width) * self.width
    }

    /// Copies row `input` to `row`, `[padded]`.
    pub(crate) fn row(&self, input: usize, row: &mut [T]) {
        for (panel, piece) in row.chunks_exact_mut(self.width).enumerate() {
            let start = (panel * self.inputs + input) * self.width;
            piece.copy_from_slice(&self.data[start..start + self.width]);
        }
    }
}

/// What becomes of each entry of a product before it is stored.
pub(crate) trait Finish<T: Real>: Copy {
    /// Turns `sum`, of register column `column` in row `row`, into what is stored in place of `old`.
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, old: T::Lanes<S>, row: usize, column: usize) -> T::Lanes<S>;
}

/// Stores the product.
#[derive(Clone, Copy)]
pub(crate) struct Store;

impl<T: Real> Finish<T> for Store {
    #[inline(always)]
    fn finish<S: Simd>(self, _: S, sum: T::Lanes<S>, _: T::Lanes<S>, _: usize, _: usize) -> T::Lanes<S> {
        sum
    }
}

/// Adds a bias, `[padded]`, and applies a leaky rectifier; slope one is none.
#[derive(Clone, Copy)]
pub(crate) struct Rectify<'a, T> {
    pub(crate) bias: &'a [T],
    pub(crate) slope: T,
}

impl<T: Real> Finish<T> for Rectify<'_, T> {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, _: T::Lanes<S>, _: usize, column: usize) -> T::Lanes<S> {
        let value = T::plus(simd, sum, T::registers::<S>(self.bias)[column]);
        T::greater(simd, value, T::times(simd, value, T::splat(simd, self.slope)))
    }
}

/// Multiplies by the rectifier's derivative, told from its result that is overwritten.
#[derive(Clone, Copy)]
pub(crate) struct Gate<T> {
    pub(crate) slope: T,
}

impl<T: Real> Finish<T> for Gate<T> {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, old: T::Lanes<S>, _: usize, _: usize) -> T::Lanes<S> {
        T::choose(simd, old, sum, T::times(simd, sum, T::splat(simd, self.slope)))
    }
}

/// Multiplies by the rectifier's derivative, told from one result, `[padded]`, for all rows.
#[derive(Clone, Copy)]
pub(crate) struct GateBy<'a, T> {
    pub(crate) result: &'a [T],
    pub(crate) slope: T,
}

impl<T: Real> Finish<T> for GateBy<'_, T> {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, sum: T::Lanes<S>, _: T::Lanes<S>, _: usize, column: usize) -> T::Lanes<S> {
        let old = T::registers::<S>(self.result)[column];
        T::choose(simd, old, sum, T::times(simd, sum, T::splat(simd, self.slope)))
    }
}

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
        let (inputs, padded) = (panels.inputs, panels.padded());
        let data = T::registers::<S>(&panels.data);
        for (index, panel) in data.chunks_exact(inputs * ABREAST).enumerate() {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, so that sums are exact.
    fn entry(row: usize, column: usize) -> f32 {
        ((row * 7 + column * 3) % 11) as f32 - 5.0
    }

    #[test]
    fn products_are_exact_for_every_number_of_rows() {
        let arch = Arch::new();
        for (inputs, outputs) in [(1, 1), (3, 33), (32, 64), (45, 100)] {
            let panels = Panels::pack(arch, inputs, outputs, entry);
            for count in 1..20 {
                let stride = inputs + 2;
                let data: Vec<f32> = (0..count * stride).map(|index| entry(index / stride, index % stride)).collect();
                let mut out = vec![f32::NAN; count * panels.padded()];
                let rows = Rows { data: &data, stride, count };
                arch.dispatch(Product { rows, panels: &panels, out: &mut out, finish: Store });
                for (row, got) in out.chunks_exact(panels.padded()).enumerate() {
                    for (column, got) in got.iter().enumerate() {
                        let sum: f32 = (0..inputs).map(|input| entry(row, input) * entry(input, column)).sum();
                        let expected = if column < outputs { sum } else { 0.0 };
                        assert_eq!(*got, expected, "{inputs} x {outputs}, row {row}, column {column}");
                    }
                }
            }
        }
    }
}
