//! A small robot with every type of joint, and data in which its joints depend on each other.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::{Device, Kind, Tensor};
use thalweg_nn::{Perceptron, initial};
use thalweg_robot::kinematics::frames;
use thalweg_robot::shapes::{Shape, shapes};
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

/// As [`load`], observing places of links and, with `has_cloud`, a cloud.
pub fn seeing(has_cloud: bool) -> impl Fn(&LoadOptions) -> Result<Box<dyn Task>> {
    move |options| {
        let mut options = options.clone();
        options.parameters.insert("point_weight".to_owned(), 4.0.into());
        if has_cloud {
            options.parameters.insert("cloud_weight".to_owned(), 8.0.into());
            options.parameters.insert("cloud_points".to_owned(), 100.into());
        }
        load(&options)
    }
}

/// Points on the surface of a robot in a pose, metres, in the frame of its root: `count` of them, all around.
///
/// # Panics
/// Never, of robots that have a shape.
#[must_use]
pub fn surface(robot: &Robot, urdf: &str, positions: &[f64], count: usize, random: &mut StdRng) -> Vec<[f64; 3]> {
    let (frames, shapes) = (frames(robot, positions), shapes(robot, urdf));
    let mut points = Vec::with_capacity(count);
    while points.len() < count {
        let Shape { link, ends, radius } = shapes[random.random_range(0..shapes.len())];
        let [from, to] = ends.map(|end| <[f64; 3]>::from(frames[link].transform_point(&end.into()).coords));
        let along = unit(std::array::from_fn(|axis| to[axis] - from[axis]));
        let share = random.random_range(0.0..1.0);
        let way: [f64; 3] = std::array::from_fn(|_| random.random_range(-1.0..1.0));
        let in_line: f64 = (0..3).map(|axis| way[axis] * along[axis]).sum();
        let across = unit(std::array::from_fn(|axis| way[axis] - in_line * along[axis]));
        let on_axis: [f64; 3] = std::array::from_fn(|axis| from[axis] + share * (to[axis] - from[axis]));
        points.push(std::array::from_fn(|axis| on_axis[axis] + radius * across[axis]));
    }
    points
}

/// A vector of length one; of none none.
fn unit(vector: [f64; 3]) -> [f64; 3] {
    let length = vector.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
    vector.map(|entry| if length > 0.0 { entry / length } else { 0.0 })
}

/// Places of all links but the root, and a cloud of `count` points that are filled up to `room`, `[1, P + room, 3]`.
pub fn scene(robot: &Robot, positions: &[f64], (count, room): (usize, usize), random: &mut StdRng) -> Tensor {
    let frames = frames(robot, positions);
    let links = (0..robot.links.len()).filter(|&link| link != robot.root);
    let mut points: Vec<[f64; 3]> = links.map(|link| frames[link].translation.vector.into()).collect();
    points.extend(surface(robot, URDF, positions, count, random));
    points.resize(robot.links.len() - 1 + room, [f64::NAN; 3]);
    Tensor::from_slice(points.as_flattened()).view([1, -1, 3])
}
