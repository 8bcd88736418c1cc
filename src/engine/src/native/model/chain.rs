//! A perceptron's outputs alone, natively.

use std::sync::Arc;

use pulp::Arch;
use thalweg_nn::Perceptron;

use crate::native::kernels::buffer::Buffer;
use crate::native::kernels::finish::Rectify;
use crate::native::kernels::layer::{Directions, Layer};
use crate::native::kernels::product::Rows;
use crate::native::kernels::real::Real;
use crate::native::kernels::vectors::vectors;

/// Rows that go through all layers together.
const TILE: usize = 32;

/// A perceptron, packed.
#[derive(Debug)]
pub(crate) struct Chain<T> {
    arch: Arch,
    layers: Vec<Arc<Layer<T>>>,
}

impl<T: Real> Chain<T> {
    /// Packs a perceptron; none when it has no layers.
    pub(crate) fn new(perceptron: &Perceptron) -> Option<Self> {
        let arch = vectors();
        let layers = Layer::pack(arch, perceptron, Directions::Forward);
        (!layers.is_empty()).then_some(Self { arch, layers })
    }

    /// Maps rows `[K, in]`, given by `fill` one by one, to `[K, out]`.
    pub(crate) fn forward(&self, rows: usize, mut fill: impl FnMut(usize, &mut [T])) -> Vec<T> {
        let (inputs, outputs) = (self.layers[0].inputs(), self.layers[self.layers.len() - 1].outputs());
        let widest = self.layers.iter().map(|layer| layer.padded_inputs().max(layer.padded_outputs())).max();
        let zeros = || Buffer::zeros(TILE.min(rows) * widest.unwrap_or(0));
        let (mut from, mut to) = (zeros(), zeros());
        let mut result = vec![T::ZERO; rows * outputs];
        for (tile, result) in result.chunks_mut(TILE * outputs).enumerate() {
            let count = result.len() / outputs;
            let mut stride = self.layers[0].padded_inputs();
            for (row, place) in from.chunks_exact_mut(stride).take(count).enumerate() {
                place[inputs..].fill(T::ZERO);
                fill(tile * TILE + row, &mut place[..inputs]);
            }
            for layer in &self.layers {
                let finish = Rectify { bias: &layer.bias, slope: layer.slope };
                layer.forward(self.arch, Rows { data: &from, stride, count }, &mut to, finish);
                stride = layer.padded_outputs();
                std::mem::swap(&mut from, &mut to);
            }
            let rows = from.chunks_exact(stride).zip(result.chunks_exact_mut(outputs));
            rows.for_each(|(from, result)| result.copy_from_slice(&from[..outputs]));
        }
        result
    }
}
