//! `thalweg-lab bench clouds`: a robot or a person whose joints fall silent, seen by a depth camera.

mod body;
mod camera;
pub(crate) mod players;
mod report;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nalgebra::Point3;
use rand::SeedableRng;
use rand::rngs::StdRng;
use thalweg::Registry;
use thalweg::motion::Motion;
use thalweg_cli::console::print;
use thalweg_robot::kinematics::frames;
use thalweg_robot::shapes::shapes;
use thalweg_robot::{Model, Robot};
use thalweg_task::numbers;

use camera::{Placed, see};
use players::{METHODS, Player};
use report::Row;

use crate::clips::ClipArguments;

/// What `--help` prints below the options.
const HELP: &str = "\
Motion that the model has not learned from: of the shipped Unitree G1, or with --task body_pose of people of any size, who
walk about and turn before the camera. In each clip all joints are heard for a second, then some fall silent, while a depth
camera sees the near side of the surface: points off by a centimetre, one in ten anywhere. Errors are those of silent joints
in degrees, and of what they move in millimetres; of people also where the pelvis is and how it is turned.

Examples:
  thalweg-lab bench clouds
  thalweg-lab bench clouds --task body_pose --data FOLDER
  thalweg-lab bench clouds --points 0,500,2000 --frames 500";

/// Options of `thalweg-lab bench clouds`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct CloudArguments {
    /// Who is seen
    #[arg(long, value_enum, default_value_t = Whom::Robot)]
    task: Whom,
    #[command(flatten)]
    source: ClipArguments,
    /// The motion of the robot
    #[arg(long, value_name = "FILE", default_value = "assets/robot_motion.safetensors")]
    robot_motion: PathBuf,
    /// Points of a cloud; 0 is no camera
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [0, 500, 2000])]
    points: Vec<usize>,
    /// Most frames, at 15 a second; of people, of each clip
    #[arg(long, default_value_t = 300)]
    frames: u32,
    /// Steps of a solve
    #[arg(long, default_value_t = 6)]
    steps: u32,
    /// Radians that a metre counts as, of all points of a cloud together
    #[arg(long, default_value_t = 8.0)]
    cloud_weight: f64,
    /// Where the results go
    #[arg(long, value_name = "DIR", default_value = "out/bench_clouds")]
    output: PathBuf,
}

/// Who is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whom {
    #[value(name = "robot")]
    Robot,
    #[value(name = "body_pose")]
    BodyPose,
}

/// Frames a second: what depth cameras give a busy robot.
const RATE: f64 = 15.0;
/// Frames of a clip, and those of them in which all is heard.
const CLIP: usize = 45;
const WHOLE: usize = 15;

/// Where the camera is, metres, in the frame of the robot's root: in front, at the height of the pelvis.
const PLACE: [f64; 3] = [2.5, 0.3, 0.2];

/// Groups of joints that fall silent; none is all of them.
const GAPS: [(&str, &[&str]); 3] = [
    ("left arm", &["left_elbow_link_branch"]),
    ("both arms", &["left_elbow_link_branch", "right_elbow_link_branch"]),
    ("everything", &[]),
];

/// A robot, its motion, and what falls silent.
pub(crate) struct Scene {
    robot: Robot,
    urdf: String,
    /// Positions of all joints, frame by frame.
    frames: Vec<Vec<f64>>,
    /// Places of the joints that fall silent.
    hidden: Vec<usize>,
}

/// Plays, measures, writes and prints.
///
/// # Errors
/// What the data, the weights or the engine refuse.
pub(crate) fn run(arguments: &CloudArguments) -> anyhow::Result<()> {
    thalweg_engine::pin_threads(1);
    let _no_grad = tch::no_grad_guard();
    if arguments.task == Whom::BodyPose {
        return print(&body::run(arguments)?);
    }
    let mut rows = Vec::new();
    for (gap, groups) in GAPS {
        let scene = load(arguments, groups)?;
        for &points in &arguments.points {
            let shapes = shapes(&scene.robot, &scene.urdf);
            let mut random = StdRng::seed_from_u64(1);
            let cloud = |positions: &Vec<f64>| {
                let frames = frames(&scene.robot, positions);
                let placed =
                    shapes.iter().map(|of| (of.ends.map(|end| frames[of.link] * Point3::from(end)), of.radius));
                see(&placed.collect::<Vec<Placed>>(), (PLACE.into(), Point3::origin()), points, &mut random)
            };
            let clouds: Vec<Vec<[f64; 3]>> = scene.frames.iter().map(cloud).collect();
            for method in METHODS.iter().filter(|method| method.is_for(points)) {
                let mut player = Player::new(method, points, arguments)?;
                let mut row = Row::new(gap, points, method.name());
                player.play(&scene, &clouds, &mut row)?;
                tracing::info!("{gap}, {points} points, {}", method.name());
                rows.push(row);
            }
        }
    }
    print(&report::write(arguments, &rows)?)
}

fn load(arguments: &CloudArguments, groups: &[&str]) -> anyhow::Result<Scene> {
    let engine = Registry::shipped().open("robot")?.models(&arguments.source.models).build()?;
    let spec = engine.spec().clone();
    let Model { robot, description: urdf, .. } = model(arguments)?;
    let motion = Motion::load(&arguments.robot_motion, &spec)?.resampled(RATE);
    let values: Vec<f64> = numbers(&motion.joints);
    let most = arguments.frames as usize;
    let frames: Vec<Vec<f64>> = values.chunks_exact(spec.joints.len()).take(most).map(<[f64]>::to_vec).collect();
    anyhow::ensure!(frames.len() >= CLIP, "the motion lasts for less than {CLIP} frames");
    let mut hidden = Vec::new();
    for group in groups {
        hidden.extend(spec.group(group)?.joints.iter().copied());
    }
    if groups.is_empty() {
        hidden = (0..spec.joints.len()).collect();
    }
    // What never moves in any recording is no merit.
    let moves = |&joint: &usize| {
        let range = frames.iter().map(|frame| frame[joint]);
        range.clone().fold(f64::MIN, f64::max) - range.fold(f64::MAX, f64::min) > MOVES
    };
    hidden.retain(moves);
    Ok(Scene { robot, urdf, frames, hidden })
}

/// Range of positions above which a joint moves, rad.
const MOVES: f64 = 0.01;

/// The shipped model.
pub(crate) fn model(arguments: &CloudArguments) -> anyhow::Result<Model> {
    let folder = arguments.source.models.join("robots/unitree_g1");
    Ok(Model::load(&folder, tch::Kind::Float, tch::Device::Cpu)?)
}
