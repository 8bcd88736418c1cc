//! First weights, drawn from a seeded generator.
//!
//! A seed must give the same weights in every version, for landscapes are named by it and trainings resume from it.
//! Therefore each function says how it rounds, and draws number by number: weight before bias, layer by layer.

use rand::Rng;
use rand::distr::Uniform;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};

/// Weight and bias of dense layers, in turn, as PyTorch's `Linear` draws them: from `U(-1/sqrt(in), 1/sqrt(in))`.
///
/// `widths`: input, hidden widths, output. Drawn in double precision.
#[must_use]
pub fn linear(widths: &[i64], random: &mut StdRng, (kind, device): (Kind, Device)) -> Vec<Tensor> {
    each_layer(widths, |shape, inputs| {
        let bound = (inputs as f64).sqrt().recip();
        let values: Vec<f64> = (0..count(shape)).map(|_| random.random_range(-bound..bound)).collect();
        Tensor::from_slice(&values).view(shape).to_kind(kind).to_device(device)
    })
}

/// The same, drawn in single precision from the closed interval.
#[must_use]
pub fn linear_single(widths: &[i64], random: &mut StdRng, device: Device) -> Vec<Tensor> {
    each_layer(widths, |shape, inputs| {
        let bound = (inputs as f32).sqrt().recip();
        let range = Uniform::new_inclusive(-bound, bound).expect("the bound is positive and finite");
        let values: Vec<f32> = (0..count(shape)).map(|_| random.sample(range)).collect();
        Tensor::from_slice(&values).view(shape).to_device(device)
    })
}

/// Shape and inputs of weight and bias of each layer, in turn.
fn each_layer(widths: &[i64], mut draw: impl FnMut(&[i64], i64) -> Tensor) -> Vec<Tensor> {
    let layer = |pair: &[i64]| [draw(&[pair[1], pair[0]], pair[0]), draw(&[pair[1]], pair[0])];
    widths.windows(2).flat_map(layer).collect()
}

/// A tensor of numbers within `bound`, drawn in double precision and rounded to single.
///
/// A bound of zero gives zeros, and takes as many numbers from the generator.
pub fn uniform(shape: &[i64], bound: f64, random: &mut StdRng, (kind, device): (Kind, Device)) -> Tensor {
    let values: Vec<f32> = (0..count(shape)).map(|_| (bound * random.random_range(-1.0..1.0)) as f32).collect();
    Tensor::from_slice(&values).view(shape).to_kind(kind).to_device(device)
}

/// The bound that keeps the scale of a signal through a layer of weights `[out, in, ..]` and a leaky rectifier
/// (He et al., "Delving Deep into Rectifiers", 2015, eq. 15).
#[must_use]
pub fn he_bound(shape: &[i64], slope: f64) -> f64 {
    let inputs: i64 = shape.iter().skip(1).product();
    (6.0 / ((1.0 + slope * slope) * inputs as f64)).sqrt()
}

/// The same tensors as leaves that collect gradients, for an optimiser.
#[must_use]
pub fn leaves(parameters: Vec<Tensor>) -> Vec<Tensor> {
    parameters.into_iter().map(|parameter| parameter.set_requires_grad(true)).collect()
}

fn count(shape: &[i64]) -> i64 {
    shape.iter().product()
}
