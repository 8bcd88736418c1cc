//! One dense layer, packed once for both directions.

use std::sync::Arc;

use pulp::Arch;
use thalweg_nn::Perceptron;

use super::buffer::Buffer;
use super::dots::Dots;
use super::finish::Finish;
use super::panels::{Panels, has_many_registers};
use super::product::{Product, Rows};
use super::real::Real;
use super::spread::Left;
use thalweg_task::numbers;

/// Which products a layer is packed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directions {
    /// With the weights only.
    Forward,
    /// With the weights and with their transpose.
    Both,
}

/// One dense layer: `y = rectify(x W' + b)`.
///
/// Where registers are many, the weights are kept once, for a step of few rows is bound by reading them, and a second
/// copy would push the first out of the cache; the longer side runs along the columns, for sums along a row are cheap when
/// long. Where they are few (AVX2), such sums wait for each other: eight rows take 1.4 times their arithmetic, against 1.15
/// with a transposed copy.
#[derive(Debug)]
pub(crate) struct Layer<T> {
    /// `[in, out]`, or `[out, in]` where that is turned.
    weights: Panels<T>,
    is_turned: bool,
    /// The weights transposed, where there is such a copy.
    transposed: Option<Panels<T>>,
    /// Where its inputs lie, for [`super::spread`].
    pub(crate) inputs_at: Vec<usize>,
    /// `[padded out]`.
    pub(crate) bias: Buffer<T>,
    /// Slope of the rectifier below zero; one where none follows.
    pub(crate) slope: T,
}

impl<T: Real> Layer<T> {
    /// Packs the layers of a perceptron.
    pub(crate) fn pack(arch: Arch, perceptron: &Perceptron, directions: Directions) -> Vec<Arc<Self>> {
        let parameters = perceptron.parameters();
        let count = parameters.len() / 2;
        let layer = |(index, pair): (usize, &[tch::Tensor])| {
            let slope = if index + 1 < count { T::of(perceptron.slope()) } else { T::ONE };
            Arc::new(Self::new(arch, (&pair[0], &pair[1]), slope, directions))
        };
        parameters.chunks_exact(2).enumerate().map(layer).collect()
    }

    /// Packs a weight, `[out, in]`, and a bias, `[out]`.
    pub(crate) fn new(
        arch: Arch,
        (weight, bias): (&tch::Tensor, &tch::Tensor),
        slope: T,
        directions: Directions,
    ) -> Self {
        let size: Vec<usize> = weight.size().into_iter().map(|size| size as usize).collect();
        let (outputs, inputs) = (size[0], size[1]);
        let (weight, values) = (numbers::<T>(weight), numbers::<T>(bias));
        let forth = || Panels::pack(arch, inputs, outputs, |input, output| weight[output * inputs + input]);
        let back = || Panels::pack(arch, outputs, inputs, |output, input| weight[output * inputs + input]);
        let is_single = has_many_registers(arch);
        let is_turned = is_single && outputs < inputs;
        let weights = if is_turned { back() } else { forth() };
        let transposed = (!is_single && directions == Directions::Both).then(back);
        let padded = if is_turned { weights.rows() } else { weights.padded() };
        let mut bias = Buffer::zeros(padded);
        bias[..outputs].copy_from_slice(&values);
        let inputs_at = (0..inputs).map(|input| Left::place(&weights, is_turned, input)).collect();
        Self { weights, is_turned, transposed, inputs_at, bias, slope }
    }

    pub(crate) fn inputs(&self) -> usize {
        if self.is_turned { self.weights.outputs() } else { self.weights.inputs() }
    }

    pub(crate) fn outputs(&self) -> usize {
        if self.is_turned { self.weights.inputs() } else { self.weights.outputs() }
    }

    /// Number of inputs with the padding.
    pub(crate) fn padded_inputs(&self) -> usize {
        if self.is_turned { self.weights.padded() } else { self.weights.rows() }
    }

    /// Number of outputs with the padding.
    pub(crate) fn padded_outputs(&self) -> usize {
        if self.is_turned { self.weights.rows() } else { self.weights.padded() }
    }

    /// Weight from an input to an output.
    pub(crate) fn at(&self, input: usize, output: usize) -> T {
        if self.is_turned { self.weights.at(output, input) } else { self.weights.at(input, output) }
    }

    /// The weights as a factor of a [`super::spread::Spread`], from all inputs to outputs.
    pub(crate) fn forth(&self) -> Left<'_, T> {
        Left { panels: &self.weights, is_turned: self.is_turned, inputs: &self.inputs_at }
    }

    /// Multiplies rows of inputs, `[R, padded in]`, with the weights: rows of outputs, `[R, padded out]`.
    pub(crate) fn forward<F: Finish<T>>(&self, arch: Arch, rows: Rows<'_, T>, out: &mut [T], finish: F) {
        if self.is_turned {
            arch.dispatch(Dots { rows, panels: &self.weights, out, finish });
        } else {
            arch.dispatch(Product { rows, panels: &self.weights, out, finish });
        }
    }

    /// Multiplies rows of outputs, `[R, padded out]`, with the weights' transpose, `[R, padded in]`.
    pub(crate) fn backward<F: Finish<T>>(&self, arch: Arch, rows: Rows<'_, T>, out: &mut [T], finish: F) {
        match self.transposed.as_ref().or(self.is_turned.then_some(&self.weights)) {
            Some(panels) => arch.dispatch(Product { rows, panels, out, finish }),
            None => arch.dispatch(Dots { rows, panels: &self.weights, out, finish }),
        }
    }
}
