//! A small robot with every type of joint, and data in which its joints depend on each other.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::{Device, Kind, Tensor};
use thalweg_nn::{Perceptron, initial};
use thalweg_robot::{Layout, Model, Robot, RobotTask};
use thalweg_task::{LoadOptions, Result, Task};

/// The robot.
pub const URDF: &str = include_str!("mixed.urdf");

/// Its joints that move, in the order of the URDF. The lamp never does in the data.
pub const JOINTS: [&str; 8] = ["wheel", "wheel_copy", "lift", "shoulder", "elbow", "finger", "finger_copy", "lamp"];

/// Its description.
#[must_use]
pub fn urdf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("support/mixed.urdf")
}

/// Positions at a time, seconds: the elbow follows the shoulder, the lift and the fingers follow both.
#[must_use]
pub fn positions(seconds: f64) -> [f64; 8] {
    let shoulder = -0.3 + 0.7 * (0.9 * seconds).sin();
    let elbow = 1.3 * (0.9 * seconds + 0.6).sin() + 0.2 * (2.3 * seconds).sin();
    let lift = 0.25 + 0.2 * (0.9 * seconds).sin();
    let finger = 0.02 + 0.015 * (0.9 * seconds + 0.6).sin();
    let wheel = 1.7 * seconds;
    [wheel, 0.3 - wheel, lift, shoulder, elbow, finger, -finger, 0.4]
}

/// Positions over so many seconds, `[N, 8]`.
pub fn motion(seconds: f64, fps: f64) -> Tensor {
    let count = (seconds * fps) as usize;
    let values: Vec<f64> = (0..count).flat_map(|frame| positions(frame as f64 / fps)).collect();
    Tensor::from_slice(&values).view([-1, 8]).to_kind(Kind::Float)
}

/// A model whose decoder was never trained.
#[must_use]
pub fn untrained(options: &LoadOptions) -> Model {
    let robot = Robot::parse(URDF).expect("a URDF");
    let layout = Layout::of(&robot, &motion(60.0, 20.0), &[true; 8]).expect("it moves");
    let learned = layout.learned(&robot).len() as i64;
    let mut random = StdRng::seed_from_u64(3);
    let mut parameters = initial::linear(&[4, 16, 16, learned], &mut random, (options.kind, options.device));
    // Wide enough that limits are reached.
    let scale = random.random_range(3.0..4.0);
    if let Some(last) = parameters.get_mut(4) {
        *last = &*last * (4.0 * scale);
    }
    let decoder = Perceptron::from_parameters(&parameters, 0.2).expect("layers that fit");
    Model { robot, description: URDF.to_owned(), layout, decoder, latent: 4 }
}

/// The task of [`untrained`].
pub fn load(options: &LoadOptions) -> Result<Box<dyn Task>> {
    // Drawn in one type, so that both have the same weights.
    let double = untrained(&LoadOptions { kind: Kind::Double, device: Device::Cpu, ..LoadOptions::default() });
    let parameters: Vec<Tensor> =
        double.decoder.parameters().iter().map(|p| p.to_kind(options.kind).to_device(options.device)).collect();
    let model = Model { decoder: Perceptron::from_parameters(&parameters, 0.2)?, ..double };
    Ok(Box::new(RobotTask::of(PathBuf::new(), model, options)?))
}
