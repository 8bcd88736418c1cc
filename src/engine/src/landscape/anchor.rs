//! A map whose value and derivative at `z = 0` do not depend on what it has learned.
//!
//! `theta(z) = Q z + [h(z) - h(0) - J_h(0) z]`, h three dense layers, Q a frozen matrix. Multiplied out it is h with
//! another last bias and a linear map beside it, `theta(z) = h(z) + S z`, which is what a landscape holds.

use tch::Tensor;
use thalweg_nn::Perceptron;

use super::{LandscapeError, SLOPE};

/// Weights and biases of h that anchored maps depend on: the last bias is taken away.
pub const LEAVES: usize = 5;

/// theta of h and Q, `[X, Z]`; differentiable in both.
///
/// `leaves`: weight and bias of the first and the second layer, weight of the third.
///
/// # Errors
/// [`LandscapeError::Layers`] when these are not [`LEAVES`], [`LandscapeError::File`] when they do not fit.
pub fn anchored(leaves: &[Tensor], lift: &Tensor) -> Result<Perceptron, LandscapeError> {
    let [w1, b1, w2, b2, w3] = leaves else { return Err(LandscapeError::Layers { got: leaves.len().div_ceil(2) }) };
    let b3 = -linear(&rectify(&linear(&rectify(b1), w2, b2)), w3, &Tensor::zeros_like(&w3.select(1, 0)));
    let parameters = [w1, b1, w2, b2, w3, &b3].map(Tensor::shallow_clone);
    let perceptron = Perceptron::from_parameters(&parameters, SLOPE)?;
    Ok(perceptron.with_skip(lift - slope_at_origin(leaves)?)?)
}

/// Q, `[X, Z]`: the derivative of a map at `z = 0`.
///
/// # Errors
/// As [`anchored`].
pub fn lift_of(perceptron: &Perceptron) -> Result<Tensor, LandscapeError> {
    let parameters = perceptron.parameters();
    let slope = slope_at_origin(&parameters[..LEAVES.min(parameters.len())])?;
    Ok(match perceptron.skip() {
        Some(skip) => slope + skip,
        None => slope,
    })
}

/// `J_h(0)`, `[X, Z]`.
fn slope_at_origin(leaves: &[Tensor]) -> Result<Tensor, LandscapeError> {
    let [w1, b1, w2, b2, w3] = leaves else { return Err(LandscapeError::Layers { got: leaves.len().div_ceil(2) }) };
    let gate = |value: &Tensor| (value.gt(0.0).to_kind(value.kind()) * (1.0 - SLOPE) + SLOPE).unsqueeze(1);
    let first = w2.matmul(&(w1 * gate(b1)));
    Ok(w3.matmul(&(first * gate(&linear(&rectify(b1), w2, b2)))))
}

fn linear(value: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
    weight.matmul(value) + bias
}

fn rectify(value: &Tensor) -> Tensor {
    value.maximum(&(value * SLOPE))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tch::{Device, Kind};
    use thalweg_task::draws;

    use super::*;

    #[test]
    fn value_and_derivative_at_the_origin_are_those_of_the_anchor() {
        let mut random = StdRng::seed_from_u64(3);
        let mut draw = |size: &[i64]| draws::normal(&mut random, size);
        let leaves = [draw(&[7, 4]), draw(&[7]), draw(&[6, 7]), draw(&[6]), draw(&[3, 6])];
        let lift = draw(&[3, 4]);
        let theta = anchored(&leaves, &lift).expect("widths fit");
        let zero = Tensor::zeros([1, 4], (Kind::Double, Device::Cpu)).set_requires_grad(true);
        let x = theta.forward(&zero);
        assert!(x.abs().max().double_value(&[]) < 1e-12);
        for row in 0..3 {
            let gradient = Tensor::run_backward(&[&x.select(1, row)], &[&zero], true, false);
            let apart = (gradient[0].get(0) - lift.get(row)).abs().max().double_value(&[]);
            assert!(apart < 1e-12, "row {row}: {apart}");
        }
        let back = lift_of(&theta).expect("three layers");
        assert!((back - lift).abs().max().double_value(&[]) < 1e-12);
        let away = theta.forward(&draw(&[1, 4]));
        assert!(away.abs().max().double_value(&[]) > 1e-3, "it is not linear alone");
    }
}
