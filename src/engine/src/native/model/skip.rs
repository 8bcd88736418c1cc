//! The linear map beside theta's layers, natively.

use pulp::Arch;
use tch::Tensor;

use crate::native::kernels::buffer::Buffer;
use crate::native::kernels::finish::Store;
use crate::native::kernels::layer::{Directions, Layer};
use crate::native::kernels::product::Rows;
use crate::native::kernels::real::Real;

/// `x += S z`, and back `dL/dz += S' dL/dx`.
#[derive(Debug)]
pub(super) struct Skip<T>(Layer<T>);

/// Rows on both sides, `[TILE, padded]`: the strides of theta's layers need not be those of S.
#[derive(Debug)]
pub(super) struct SkipSpace<T> {
    inputs: Buffer<T>,
    outputs: Buffer<T>,
}

impl<T: Real> Skip<T> {
    /// Packs S, `[X, Z]`.
    pub(super) fn new(arch: Arch, skip: &Tensor) -> Self {
        let bias = Tensor::zeros([skip.size()[0]], (skip.kind(), skip.device()));
        Self(Layer::new(arch, (skip, &bias), T::ONE, Directions::Both))
    }

    pub(super) fn space(&self, rows: usize) -> SkipSpace<T> {
        let zeros = |width: usize| Buffer::zeros(rows * width);
        SkipSpace { inputs: zeros(self.0.padded_inputs()), outputs: zeros(self.0.padded_outputs()) }
    }

    /// Adds `S z` to each row of `x`, rows of `stride`; `z` is `[R, Z]`.
    pub(super) fn forward(&self, arch: Arch, z: &[T], space: &mut SkipSpace<T>, (x, stride): (&mut [T], usize)) {
        let (padded, out) = (self.0.padded_inputs(), self.0.padded_outputs());
        let rows = z.chunks_exact(self.0.inputs()).zip(space.inputs.chunks_exact_mut(padded));
        let count = rows.map(|(z, mine)| mine[..z.len()].copy_from_slice(z)).count();
        self.0.forward(arch, Rows { data: &space.inputs, stride: padded, count }, &mut space.outputs, Store);
        add(space.outputs.chunks_exact(out).take(count), x.chunks_exact_mut(stride), self.0.outputs());
    }

    /// Adds `S' dL/dx` to each row of `gradient`, `[R, Z]`, from rows of `dL/dx` of `stride`.
    pub(super) fn backward(
        &self,
        arch: Arch,
        (by_x, stride): (&[T], usize),
        space: &mut SkipSpace<T>,
        gradient: &mut [T],
    ) {
        let (padded, out, outputs) = (self.0.padded_inputs(), self.0.padded_outputs(), self.0.outputs());
        let count = gradient.len() / self.0.inputs();
        let rows = by_x.chunks_exact(stride).zip(space.outputs.chunks_exact_mut(out)).take(count);
        rows.for_each(|(by_x, mine)| mine[..outputs].copy_from_slice(&by_x[..outputs]));
        self.0.backward(arch, Rows { data: &space.outputs, stride: out, count }, &mut space.inputs, Store);
        let dim = self.0.inputs();
        add(space.inputs.chunks_exact(padded).take(count), gradient.chunks_exact_mut(dim), dim);
        // What is padding must stay zero.
        space.inputs.chunks_exact_mut(padded).for_each(|row| row[dim..].fill(T::ZERO));
        space.outputs.chunks_exact_mut(out).for_each(|row| row[outputs..].fill(T::ZERO));
    }

    /// Entry of S.
    pub(super) fn at(&self, z: usize, x: usize) -> T {
        self.0.at(z, x)
    }
}

/// Adds the first `width` entries of rows to others.
fn add<'a, T: Real>(from: impl Iterator<Item = &'a [T]>, to: impl Iterator<Item = &'a mut [T]>, width: usize) {
    from.zip(to).for_each(|(from, to)| to.iter_mut().zip(&from[..width]).for_each(|(to, from)| *to += *from));
}
