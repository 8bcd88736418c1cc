//! Matrices packed for products with few rows.

use pulp::{Arch, Simd, WithSimd};

use super::buffer::Buffer;
use super::real::Real;

/// Registers side by side in a panel. With eight rows, two registers each are sixteen running sums,
/// which hide the latency of the additions and leave room for operands.
pub(super) const ABREAST: usize = 2;
/// Rows and columns are padded to whole groups of so many, and to whole panels.
pub(crate) const GROUP: usize = 16;
/// Registers that a processor must have for sixteen running sums.
pub(super) const MANY_REGISTERS: usize = 32;

/// A matrix `[inputs, outputs]` in panels of a few columns, each stored row by row.
///
/// Rows and columns are padded with zeros. A product with the matrix reads it once from front to
/// back; a product with its transpose ([`super::dots`]) reads the same numbers.
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

/// Asks how many registers this processor has.
struct Registers;

impl WithSimd for Registers {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::REGISTER_COUNT
    }
}

/// Whether there are registers for sixteen running sums.
pub(super) fn has_many_registers(arch: Arch) -> bool {
    arch.dispatch(Registers) >= MANY_REGISTERS
}

impl<T: Real> Panels<T> {
    /// Allocates an `[inputs, outputs]` matrix of zeros.
    pub(crate) fn zeros(arch: Arch, inputs: usize, outputs: usize) -> Self {
        let width = arch.dispatch(Width::<T>(std::marker::PhantomData));
        let unit = width.max(GROUP);
        let stride = (inputs.next_multiple_of(unit) + GROUP) * width;
        let data = Buffer::zeros(stride * outputs.next_multiple_of(unit) / width);
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
        let (inputs, outputs, width, stride) = (self.inputs, self.outputs, self.width, self.stride());
        for (panel, rows) in self.data.chunks_exact_mut(stride).enumerate() {
            let first = panel * width;
            for (input, row) in rows.chunks_exact_mut(width).take(inputs).enumerate() {
                let columns = first..outputs.min(first + width);
                row.iter_mut().zip(columns).for_each(|(place, output)| *place = entry(input, output));
            }
        }
    }

    /// Number of rows, without the padding.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of columns, without the padding.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns of a panel.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Number of rows with the padding: what a row of a product with the transpose takes.
    pub(super) fn rows(&self) -> usize {
        self.inputs.next_multiple_of(self.width.max(GROUP))
    }

    /// Number of columns with the padding: what a row of a product takes.
    pub(crate) fn padded(&self) -> usize {
        self.outputs.next_multiple_of(self.width.max(GROUP))
    }

    /// Numbers from the start of a panel to that of the next one.
    ///
    /// A group of rows more than there are: the same rows of panels a power of two apart would compete
    /// for the same few lines of the cache.
    pub(crate) fn stride(&self) -> usize {
        (self.rows() + GROUP) * self.width
    }

    /// All numbers, panel after panel, `[rows, width]` each at the start of its stride.
    pub(super) fn data(&self) -> &[T] {
        &self.data
    }

    /// As [`Panels::data`], to write; what is padding has to stay zero.
    pub(crate) fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The panels, `[rows, width]` each, and then some padding.
    pub(crate) fn panels(&self) -> impl Iterator<Item = &[T]> {
        self.data.chunks_exact(self.stride())
    }

    /// Copies the matrix, without the padding, row by row.
    pub(crate) fn unpack(&self, out: &mut [T]) {
        for (input, out) in out.chunks_exact_mut(self.outputs).enumerate() {
            for (panel, out) in self.panels().zip(out.chunks_mut(self.width)) {
                out.copy_from_slice(&panel[input * self.width..][..out.len()]);
            }
        }
    }

    /// Entry (input, output).
    pub(crate) fn at(&self, input: usize, output: usize) -> T {
        self.data[self.place(input, output)]
    }

    /// As [`Panels::at`], to write.
    pub(crate) fn at_mut(&mut self, input: usize, output: usize) -> &mut T {
        let place = self.place(input, output);
        &mut self.data[place]
    }

    fn place(&self, input: usize, output: usize) -> usize {
        output / self.width * self.stride() + input * self.width + output % self.width
    }
}
