//! A seed gives the weights that it always gave.

use rand::distr::Uniform;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::{Device, Kind};
use thalweg_nn::initial;

use crate::values;

const SINGLE: (Kind, Device) = (Kind::Float, Device::Cpu);

fn random() -> StdRng {
    StdRng::seed_from_u64(7)
}

#[test]
fn dense_layers_are_drawn_number_by_number_weight_before_bias() {
    let layers = initial::linear(&[4, 3, 2], &mut random(), (Kind::Double, Device::Cpu));
    assert_eq!(layers.iter().map(tch::Tensor::size).collect::<Vec<_>>(), [vec![3, 4], vec![3], vec![2, 3], vec![2]]);
    let mut expected = random();
    for (tensor, inputs) in layers.iter().zip([4.0_f64, 4.0, 3.0, 3.0]) {
        let bound = inputs.sqrt().recip();
        let count = tensor.numel();
        let drawn: Vec<f64> = (0..count).map(|_| expected.random_range(-bound..bound)).collect();
        assert_eq!(values(tensor), drawn);
        assert!(!tensor.requires_grad());
    }
}

#[test]
fn those_in_single_precision_come_from_the_closed_interval() {
    let layers = initial::linear_single(&[5, 2], &mut random(), Device::Cpu);
    let bound = 5.0_f32.sqrt().recip();
    let range = Uniform::new_inclusive(-bound, bound).unwrap();
    let mut expected = random();
    for tensor in &layers {
        let drawn: Vec<f64> = (0..tensor.numel()).map(|_| f64::from(expected.sample(range))).collect();
        assert_eq!(values(tensor), drawn);
    }
}

#[test]
fn a_kernel_keeps_the_scale_and_a_bound_of_zero_gives_zeros() {
    let bound = initial::he_bound(&[8, 3, 4, 4], 0.2);
    assert!((bound - (6.0_f64 / (1.04 * 48.0)).sqrt()).abs() < 1e-12, "{bound}");
    let (mut zeros, mut numbers) = (random(), random());
    assert!(values(&initial::uniform(&[2, 3], 0.0, &mut zeros, SINGLE)).iter().all(|value| *value == 0.0));
    assert!(values(&initial::uniform(&[2, 3], bound, &mut numbers, SINGLE)).iter().all(|value| value.abs() < bound));
    assert_eq!(zeros.random::<u64>(), numbers.random::<u64>(), "as many numbers were drawn");
    assert!(initial::leaves(initial::linear(&[1, 1], &mut random(), SINGLE)).iter().all(tch::Tensor::requires_grad));
}
