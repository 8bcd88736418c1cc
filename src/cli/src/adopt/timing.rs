//! Fits how joints move in time, by which a joint that falls silent is not forgotten at once.

use std::fmt::Write;
use std::path::Path;

use tch::{Kind, Tensor};
use thalweg::Registry;
use thalweg::motion::Motion;
use thalweg_robot::Robot;
use thalweg_robot::urdf::Motion as Movement;
use thalweg_task::numbers;
use thalweg_train::{TrainError, fit_motion_model};

use super::division::{Divided, Piece};
use super::training::load;

/// The model of motion in the folder.
pub(super) const MOTION: &str = "robot_motion.safetensors";
/// Fewest frames of a piece that tell anything about time.
const LEAST_FRAMES: usize = 8;

/// Fits the model and writes it, and says how well it fits; without enough motion there is none, which is said.
pub(super) fn fit(output: &Path, registry: &Registry, robot: &Robot, divided: &Divided) -> anyhow::Result<String> {
    let task = load(registry, output)?;
    let motions: Vec<Motion> = divided.motion.iter().filter_map(|piece| even(robot, piece)).collect();
    let fit = match fit_motion_model(&motions, task.spec()) {
        Ok(fit) => fit,
        Err(error @ TrainError::TooLittleMotion { .. }) => {
            return Ok(format!("time does not count, for the recordings tell too little of it: {error}\n"));
        }
        Err(error) => return Err(error.into()),
    };
    fit.model.save(&output.join(MOTION), task.spec(), &[("data", format!("{} pieces of motion", motions.len()))])?;
    let mut text = "\n| seconds | change of a joint, rms | of the model |\n|---|---|---|\n".to_owned();
    for (lag, _, measured, modelled) in &fit.lags {
        let _written = writeln!(text, "| {lag:.3} | {measured:.4} | {modelled:.4} |");
    }
    Ok(text)
}

/// Writes the pieces that the model is judged by, those of the commonest rate, one after the other.
pub(super) fn write_held_out(
    path: &Path,
    output: &Path,
    registry: &Registry,
    robot: &Robot,
    divided: &Divided,
) -> anyhow::Result<()> {
    let task = load(registry, output)?;
    let motions: Vec<Motion> = divided.test.iter().filter_map(|piece| even(robot, piece)).collect();
    let alike = |fps: f64| motions.iter().filter(move |motion| (motion.fps / fps - 1.0).abs() < 0.01);
    let frames = |fps: f64| alike(fps).map(Motion::frames).sum::<i64>();
    let Some(fps) = motions.iter().map(|motion| motion.fps).max_by_key(|fps| frames(*fps)) else { return Ok(()) };
    let joints = Tensor::cat(&alike(fps).map(|motion| motion.joints.shallow_clone()).collect::<Vec<_>>(), 0);
    let source = format!("{} pieces that `thalweg adopt` held out", alike(fps).count());
    Ok(Motion { joints, fps }.save(path, task.spec(), &source)?)
}

/// The piece at even times, at its own mean rate; none where it is too short.
pub(super) fn even(robot: &Robot, piece: &Piece) -> Option<Motion> {
    let (count, joints) = (piece.nanos.len(), piece.positions.size()[1] as usize);
    let first = *piece.nanos.first().filter(|_| count >= LEAST_FRAMES)?;
    let seconds = |nanos: i64| (nanos - first) as f64 / 1e9;
    let length = seconds(*piece.nanos.last()?);
    let fps = (count - 1) as f64 / length;
    let moving = robot.moving();
    let is_circle: Vec<bool> = moving.iter().map(|&joint| robot.joints[joint].motion == Movement::Spin).collect();
    let positions: Vec<f64> = numbers(&piece.positions);
    let mut rows = Vec::with_capacity(positions.len());
    let mut next = 1;
    for number in 0..count {
        let at = number as f64 / fps;
        while next + 1 < count && seconds(piece.nanos[next]) < at {
            next += 1;
        }
        let (before, after) = (seconds(piece.nanos[next - 1]), seconds(piece.nanos[next]));
        let share = if after > before { ((at - before) / (after - before)).clamp(0.0, 1.0) } else { 1.0 };
        for joint in 0..joints {
            let from = positions[(next - 1) * joints + joint];
            let way = positions[next * joints + joint] - from;
            let way = if is_circle[joint] { way.sin().atan2(way.cos()) } else { way };
            rows.push(way.mul_add(share, from));
        }
    }
    let joints = Tensor::from_slice(&rows).view([-1, joints as i64]).to_kind(Kind::Double);
    fps.is_finite().then_some(Motion { joints, fps })
}
