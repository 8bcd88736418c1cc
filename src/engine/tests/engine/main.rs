//! The engine and the landscapes, against tasks whose answers are known.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests open files and wait")]
#![allow(clippy::unwrap_used, missing_docs)]

mod adam;
mod backends;
mod budget;
mod contract;
mod doubles;
mod exemplars;
#[cfg(feature = "gpu")]
mod gpu;
mod landscape;
mod levenberg_marquardt;
mod memory;
mod numerics;
mod observers;
mod own_steps;
mod rows;
mod start;

use std::sync::Once;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Kind, Tensor};
use thalweg_engine::landscape::{Landscape, Steps};
use thalweg_engine::{AdamConfig, Engine, EngineConfig, Event, LmConfig, Observer, Optimizer, Solution, pin_threads};
use thalweg_task::{Task, draws};

/// One thread for all tests: bits are compared, and idle threads would spin.
fn setup() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| pin_threads(1));
    tch::set_num_threads(1);
}

fn adam(rate: f64) -> Optimizer {
    Optimizer::Adam(AdamConfig { rate, ..AdamConfig::default() })
}

fn levenberg_marquardt() -> Optimizer {
    Optimizer::LevenbergMarquardt(LmConfig::default())
}

fn config(hypotheses: usize, optimizer: Optimizer) -> EngineConfig {
    EngineConfig { hypotheses, optimizer, fresh: 0, prior_weight: 0.0, ..EngineConfig::default() }
}

/// A landscape with a linear map beside its layers and steps of its own, all drawn.
fn with_own_steps(landscape: &Landscape, steps: i64) -> Landscape {
    let (perceptron, shape) = (landscape.perceptron().unwrap(), landscape.shape().unwrap());
    let (kind, device) = landscape.kind_and_device().unwrap();
    let mut random = StdRng::seed_from_u64(11);
    let mut draw = |size: &[i64]| draws::normal(&mut random, size).to_device(device);
    let skip = (draw(&[shape.x, shape.z]) * 0.2).to_kind(kind);
    let root = draw(&[steps, shape.x, shape.x]);
    let metric = root.bmm(&root.transpose(1, 2)) / shape.x as f64 + Tensor::eye(shape.x, (Kind::Double, device));
    let metric = (metric * 0.01).to_kind(kind);
    let perceptron = perceptron.shallow_clone().with_skip(skip).unwrap();
    let codes = draw(&[3, shape.z]).to_kind(kind);
    let gaps = draw(&[3, shape.z]).to_kind(kind);
    Landscape::from_perceptron(&perceptron).unwrap().with_steps(Steps::new(metric, codes, gaps)).unwrap()
}

/// An engine that descends in the task's own latent.
fn engine(task: impl Task + 'static, config: EngineConfig) -> Engine {
    setup();
    let landscape = Landscape::identity(task.spec().latent);
    Engine::new(Box::new(task), landscape, config).expect("task, landscape and options fit")
}

/// Notes where a descent begins.
#[derive(Default)]
struct Begun(Vec<f64>);

impl Observer for Begun {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Begin { z, .. } = event {
            self.0 = values(z);
        }
    }
}

/// Where each step led.
#[derive(Default)]
struct Path(Vec<Vec<f64>>);

impl Observer for Path {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Step { z, .. } = event {
            self.0.push(values(z));
        }
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.reshape([-1])).expect("a flat tensor of numbers")
}

fn row(tensor: &Tensor, row: i64) -> Vec<f64> {
    values(&tensor.get(row))
}

fn bits(tensor: &Tensor) -> Vec<u64> {
    values(tensor).into_iter().map(f64::to_bits).collect()
}

fn assert_close(got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= tolerance, "got {got}, expected {expected} within {tolerance}");
    }
}

fn assert_finite(solution: &Solution) {
    for tensor in [&solution.z, &solution.x, &solution.y_hat] {
        assert!(values(tensor).iter().all(|value| value.is_finite()), "{tensor:?} is not finite");
    }
    assert!(solution.loss.iter().all(|loss| loss.is_finite()), "{:?}", solution.loss);
}
