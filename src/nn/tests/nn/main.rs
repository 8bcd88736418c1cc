//! Perceptrons, their optimiser and their files.

#![allow(clippy::unwrap_used)]

mod adamw;
mod files;
mod initial;
mod perceptron;
mod training;
mod weights;

use tch::{Kind, Tensor};

/// All values of a tensor, in order.
fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().view(-1)).unwrap()
}

/// A tensor of this shape from a list of values.
fn tensor(values: &[f32], shape: &[i64]) -> Tensor {
    Tensor::from_slice(values).view(shape)
}
