//! Random numbers as tensors.
//!
//! From a generator of the caller's: that of libtorch is one for the whole process, so what it gives depends on what else
//! runs.

use rand::Rng;
use rand::distr::{Distribution, StandardUniform};
use rand::rngs::StdRng;
use rand_distr::StandardNormal;
use tch::Tensor;

/// Draws from `N(0, 1)`; `size` in double precision on the CPU.
pub fn normal(random: &mut StdRng, size: &[i64]) -> Tensor {
    draw(random, size, StandardNormal)
}

/// Draws evenly from `[0, 1)`; `size` in double precision on the CPU.
pub fn uniform(random: &mut StdRng, size: &[i64]) -> Tensor {
    draw(random, size, StandardUniform)
}

fn draw(random: &mut StdRng, size: &[i64], from: impl Distribution<f64>) -> Tensor {
    let values: Vec<f64> = (0..size.iter().product()).map(|_| random.sample(&from)).collect();
    Tensor::from_slice(&values).view(size)
}
