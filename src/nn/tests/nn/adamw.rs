//! AdamW against the paper, entry by entry, and through a checkpoint.

use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{AdamW, AdamWConfig};

use crate::values;

const RATE: f64 = 0.1;

/// A trained pair of numbers, in f64 or f32.
fn parameter(kind: Kind) -> Tensor {
    Tensor::from_slice(&[3.0, -2.0]).to_kind(kind).set_requires_grad(true)
}

/// `sum (p - target)^2` with targets 1 and 5.
fn loss(parameter: &Tensor) -> Tensor {
    let target = Tensor::from_slice(&[1.0, 5.0]).to_kind(parameter.kind());
    (parameter - target).square().sum(parameter.kind())
}

/// Loshchilov & Hutter (2019), algorithm 2, for one number, and the warmed-up average.
fn reference(start: f64, target: f64, config: &AdamWConfig, steps: i32) -> (f64, f64) {
    let (mut p, mut m, mut v, mut average) = (start, 0.0, 0.0, start);
    for step in 1..=steps {
        let gradient = 2.0 * (p - target);
        m = config.beta1 * m + (1.0 - config.beta1) * gradient;
        v = config.beta2 * v + (1.0 - config.beta2) * gradient * gradient;
        let (m_hat, v_hat) = (m / (1.0 - config.beta1.powi(step)), v / (1.0 - config.beta2.powi(step)));
        p -= RATE * (m_hat / (v_hat.sqrt() + config.epsilon) + config.weight_decay * p);
        let decay = config.average.min(f64::from(step) / (10.0 + f64::from(step)));
        average = decay * average + (1.0 - decay) * p;
    }
    (p, average)
}

#[test]
fn twenty_steps_equal_the_paper() {
    for weight_decay in [0.0, 0.05] {
        let config = AdamWConfig { weight_decay, average: 0.6, ..AdamWConfig::default() };
        let parameter = parameter(Kind::Double);
        let mut optimizer = AdamW::new(vec![parameter.shallow_clone()], config);
        (0..20).for_each(|_| optimizer.descend(&loss(&parameter), RATE));
        let (got, average) = (values(&parameter), values(&optimizer.averaged()[0]));
        for (index, (start, target)) in [(3.0, 1.0), (-2.0, 5.0)].into_iter().enumerate() {
            let expected = reference(start, target, &config, 20);
            let error = (got[index] - expected.0).abs().max((average[index] - expected.1).abs());
            assert!(error < 1e-12, "decay {weight_decay}: {got:?} {average:?}, expected {expected:?}");
        }
    }
}

#[test]
fn a_checkpoint_resumes_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let (whole, cut, resumed) = (parameter(Kind::Float), parameter(Kind::Float), parameter(Kind::Float));
    let of = |parameter: &Tensor| AdamW::new(vec![parameter.shallow_clone()], AdamWConfig::default());
    let (mut uncut, mut before, mut after) = (of(&whole), of(&cut), of(&resumed));
    (0..10).for_each(|_| uncut.descend(&loss(&whole), RATE));
    (0..4).for_each(|_| before.descend(&loss(&cut), RATE));
    weights::save(&path, &before.named("adamw"), &[]).unwrap();
    let file = Weights::open(&path, Kind::Float, Device::Cpu).unwrap();
    after.restore(&file, "adamw", before.steps()).unwrap();
    (0..6).for_each(|_| after.descend(&loss(&resumed), RATE));
    assert_eq!(values(&resumed), values(&whole));
    assert_eq!(values(&after.averaged()[0]), values(&uncut.averaged()[0]));
    assert_eq!(after.steps(), 10);
}

#[test]
fn a_foreign_checkpoint_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    weights::save(&path, &[("adamw.parameter.0".to_owned(), Tensor::from_slice(&[1.0_f32]))], &[]).unwrap();
    let file = Weights::open(&path, Kind::Float, Device::Cpu).unwrap();
    let mut optimizer = AdamW::new(vec![parameter(Kind::Float)], AdamWConfig::default());
    let text = optimizer.restore(&file, "adamw", 3).unwrap_err().to_string();
    assert!(text.contains("adamw.parameter.0: expected shape [2], got [1]"), "{text}");
}
