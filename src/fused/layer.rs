//! One dense layer, packed once for both directions.

use std::sync::Arc;

use pulp::Arch;
use thalweg_task::Perceptron;

use super::buffer::Buffer;
use super::comparison::numbers;
use super::dots::Dots;
use super::finish::Finish;
use super::panels::Panels;
use super::product::{Product, Rows};
use super::real::Real;
use super::spread::Left;

/// One dense layer: `y = rectify(x W' + b)`.
///
/// The weights are kept once, for a step of few rows is bound by reading them, and a second copy would push
/// the first out of the cache. The longer side runs along the columns: sums along a row are cheap when long.
#[derive(Debug)]
pub(super) struct Layer<T> {
    /// `[in, out]`, or `[out, in]` where that is turned.
    pub(super) weights: Panels<T>,
    pub(super) is_turned: bool,
    /// Where its inputs lie, for [`super::spread`].
    pub(super) inputs_at: Vec<usize>,
    /// `[padded out]`.
    pub(super) bias: Buffer<T>,
    /// Slope of the rectifier below zero; one where none follows.
    pub(super) slope: T,
}

impl<T: Real> Layer<T> {
    /// Packs the layers of a perceptron.
    pub(super) fn pack(arch: Arch, perceptron: &Perceptron) -> Vec<Arc<Self>> {
        let parameters = perceptron.parameters();
        let count = parameters.len() / 2;
        let layer = |(index, pair): (usize, &[tch::Tensor])| {
            let slope = if index + 1 < count { T::of(perceptron.slope()) } else { T::ONE };
            Arc::new(Self::new(arch, &pair[0], &pair[1], slope))
        };
        parameters.chunks_exact(2).enumerate().map(layer).collect()
    }

    /// Packs a weight, `[out, in]`, and a bias, `[out]`.
    fn new(arch: Arch, weight: &tch::Tensor, bias: &tch::Tensor, slope: T) -> Self {
        let size: Vec<usize> = weight.size().into_iter().map(|size| size as usize).collect();
        let (outputs, inputs) = (size[0], size[1]);
        let (weight, values) = (numbers::<T>(weight), numbers::<T>(bias));
        let is_turned = outputs < inputs;
        let weights = if is_turned {
            Panels::pack(arch, outputs, inputs, |output, input| weight[output * inputs + input])
        } else {
            Panels::pack(arch, inputs, outputs, |input, output| weight[output * inputs + input])
        };
        let padded = if is_turned { weights.rows() } else { weights.padded() };
        let mut bias = Buffer::zeros(padded);
        bias[..outputs].copy_from_slice(&values);
        let inputs_at = (0..inputs).map(|input| Left::place(&weights, is_turned, input)).collect();
        Self { weights, is_turned, inputs_at, bias, slope }
    }

    pub(super) fn inputs(&self) -> usize {
        if self.is_turned { self.weights.outputs() } else { self.weights.inputs() }
    }

    pub(super) fn outputs(&self) -> usize {
        if self.is_turned { self.weights.inputs() } else { self.weights.outputs() }
    }

    /// Number of inputs with the padding.
    pub(super) fn padded_inputs(&self) -> usize {
        if self.is_turned { self.weights.padded() } else { self.weights.rows() }
    }

    /// Number of outputs with the padding.
    pub(super) fn padded_outputs(&self) -> usize {
        if self.is_turned { self.weights.rows() } else { self.weights.padded() }
    }

    /// Weight from an input to an output.
    pub(super) fn at(&self, input: usize, output: usize) -> T {
        if self.is_turned { self.weights.at(output, input) } else { self.weights.at(input, output) }
    }

    /// The weights as a factor of a [`super::spread::Spread`], from all inputs to outputs.
    pub(super) fn forth(&self) -> Left<'_, T> {
        Left { panels: &self.weights, is_turned: self.is_turned, inputs: &self.inputs_at }
    }

    /// Multiplies rows of inputs, `[R, padded in]`, with the weights: rows of outputs, `[R, padded out]`.
    pub(super) fn forward<F: Finish<T>>(&self, arch: Arch, rows: Rows<'_, T>, out: &mut [T], finish: F) {
        multiply(arch, &self.weights, self.is_turned, rows, out, finish);
    }

    /// Multiplies rows of outputs, `[R, padded out]`, with the weights' transpose, `[R, padded in]`.
    pub(super) fn backward<F: Finish<T>>(&self, arch: Arch, rows: Rows<'_, T>, out: &mut [T], finish: F) {
        multiply(arch, &self.weights, !self.is_turned, rows, out, finish);
    }
}

/// Multiplies rows with panels, or with their transpose.
fn multiply<T: Real, F: Finish<T>>(
    arch: Arch,
    panels: &Panels<T>,
    by_transpose: bool,
    rows: Rows<'_, T>,
    out: &mut [T],
    finish: F,
) {
    if by_transpose {
        arch.dispatch(Dots { rows, panels, out, finish });
    } else {
        arch.dispatch(Product { rows, panels, out, finish });
    }
}
