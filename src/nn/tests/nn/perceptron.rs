//! Dense layers with leaky rectifiers.

use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{NnError, Perceptron};

use crate::{tensor, values};

/// 2 -> 2 -> 1 with slope 0.2 and weights that are easy by hand.
fn small() -> Perceptron {
    let first = (tensor(&[1.0, 0.0, 0.0, -1.0], &[2, 2]), tensor(&[0.5, 0.0], &[2]));
    let second = (tensor(&[2.0, 10.0], &[1, 2]), tensor(&[-1.0], &[1]));
    Perceptron::new(vec![first, second], 0.2).unwrap()
}

#[test]
fn forward_by_hand() {
    // Row 0: hidden [1.5, -2] -> [1.5, -0.4] -> 3 - 4 - 1. Row 1: [-2.5, 1] -> [-0.5, 1] -> -1 + 10 - 1.
    // The last layer has no rectifier: row 0 stays at -2.
    let output = small().forward(&tensor(&[1.0, 2.0, -3.0, -1.0], &[2, 2]));
    assert_eq!(output.size(), [2, 1]);
    let difference = (output - tensor(&[-2.0, 8.0], &[2, 1])).abs().max().double_value(&[]);
    assert!(difference < 1e-6, "{difference}");
}

#[test]
fn slope_one_is_linear_and_zero_is_a_rectifier() {
    let layers =
        || vec![(tensor(&[1.0], &[1, 1]), tensor(&[0.0], &[1])), (tensor(&[1.0], &[1, 1]), tensor(&[0.0], &[1]))];
    let at = |slope| values(&Perceptron::new(layers(), slope).unwrap().forward(&tensor(&[-2.0, 3.0], &[2, 1])));
    assert_eq!((at(1.0), at(0.0)), (vec![-2.0, 3.0], vec![0.0, 3.0]));
}

#[test]
fn differentiable_in_its_input_only() {
    let input = tensor(&[1.0, 2.0], &[1, 2]).set_requires_grad(true);
    let perceptron = small();
    perceptron.forward(&input).sum(Kind::Float).backward();
    // d/dx0 = 1 * 2; d/dx1 = -1 * 0.2 * 10, through the rectifier's lower side.
    assert_eq!(values(&input.grad()), [2.0, -2.0]);
    assert!(perceptron.parameters().iter().all(|weight| !weight.requires_grad()));
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    let pair = |rows: i64, columns: i64, bias: i64| {
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        (zeros(&[rows, columns]), zeros(&[bias]))
    };
    let refusal = |layers| Perceptron::new(layers, 0.2).unwrap_err().to_string();
    assert_eq!(refusal(vec![pair(3, 2, 3), pair(1, 4, 1)]), "layer weight: expected shape [out, 3], got [1, 4]");
    assert_eq!(refusal(vec![pair(3, 2, 2)]), "layer bias: expected shape [3], got [2]");
    let flat = (Tensor::zeros([3], (Kind::Float, Device::Cpu)), Tensor::zeros([3], (Kind::Float, Device::Cpu)));
    assert_eq!(refusal(vec![flat]), "layer weight: expected shape [out, in], got [3]");
}

#[test]
fn survives_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    weights::save(&path, &small().named("theta"), &[]).unwrap();
    let file = Weights::open(&path, Kind::Float, Device::Cpu).unwrap();
    let input = tensor(&[0.3, -0.7], &[1, 2]);
    let loaded = Perceptron::load(&file, "theta", &[2, 2, 1], 0.2).unwrap();
    assert_eq!(values(&loaded.forward(&input)), values(&small().forward(&input)));
    let wrong = Perceptron::load(&file, "theta", &[2, 3, 1], 0.2).unwrap_err();
    assert!(matches!(&wrong, NnError::Weights { reason, .. } if reason.contains("[3, 2], got [2, 2]")), "{wrong}");
    let missing = Perceptron::load(&file, "phi", &[2, 2, 1], 0.2).unwrap_err().to_string();
    assert!(missing.contains("phi.0.weight is missing; the file has theta.0.bias, theta.0.weight"), "{missing}");
}
