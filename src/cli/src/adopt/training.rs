//! Trains F, then theta, with the trainers that `body_pose` has.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::{Device, Kind};
use thalweg::Registry;
use thalweg_nn::Augmentation;
use thalweg_robot::kinematics::branches;
use thalweg_robot::layout::{Column, Part, Role, features};
use thalweg_robot::prior::{self, Poses, PriorOptions, latent_size};
use thalweg_robot::urdf::Motion;
use thalweg_robot::{Layout, Model, Robot};
use thalweg_task::{LoadOptions, Observation, Task};
use thalweg_train::{Data, Preset, ThetaOptions};

use super::division::Divided;
use super::{AdoptArguments, AdoptError};
use crate::console::print;
use crate::job::Job;

/// The landscape in the folder.
pub(super) const THETA: &str = "robot_theta.safetensors";
/// Checkpoints and the log, which are gone when all is done.
const LEFT_OVER: [&str; 3] = ["prior.checkpoint", "theta.checkpoint", "adopt.log"];
/// Validations of theta without a better result after which it learns no more.
const PATIENCE: u32 = 4;
/// Training frames for each buffer of theta, fewest buffers, and most of a quick look. Of 12,592 frames of the G1 the
/// best theta came after 20 buffers of 70, for the rate had not fallen yet; with 24 it falls in time.
const FRAMES_OF_BUFFER: i64 = 500;
const LEAST_BUFFERS: u32 = 20;
const QUICK_BUFFERS: u32 = 60;
/// Most examples that theta gets: as many as that of `body_pose` has.
const EXAMPLES: i64 = 16_384;
/// Noise of augmentation in spreads of the typical joint, as for the prior.
const NOISE: f64 = 0.1;

/// What a training came to.
#[derive(Debug)]
pub(super) struct Trained {
    /// Dimension X.
    pub(super) latent: i64,
    /// Share of the variance that it holds.
    pub(super) explained: f64,
    /// Error of F alone on validation frames, in spreads of the typical joint.
    pub(super) reconstruction: f64,
    /// Loss of held-out observations at the best theta.
    pub(super) held_out: f64,
    /// Options of both.
    pub(super) options: String,
}

/// Trains, or goes on, and writes description and weights.
pub(super) fn train(
    arguments: &AdoptArguments,
    registry: &Registry,
    description: String,
    robot: &Robot,
    layout: &Layout,
    divided: &Divided,
) -> anyhow::Result<Trained> {
    let columns = layout.learned(robot);
    let poses = poses(robot, layout, &columns, divided);
    let (latent, explained) = latent_size(&poses);
    print(&format!(
        "latent of {latent} numbers for {} that move: it holds {:.1} % of their variance\n",
        columns.len(),
        explained * 100.0
    ))?;
    let output = &arguments.output;
    let mut options = PriorOptions { seed: arguments.seed, ..PriorOptions::default() };
    if arguments.quick {
        options.steps /= 4;
    }
    options.steps = arguments.steps.map_or(options.steps, |steps| i32::try_from(steps).unwrap_or(i32::MAX));
    options.checkpoint = Some(output.join(LEFT_OVER[0]));
    let theta = theta_options(arguments, robot, layout, divided.training.size()[0]);
    let length = options.steps.unsigned_abs() + theta.buffers;
    if arguments.keep {
        return kept(output, layout, (latent, explained));
    }
    let mut job = Job::start("adopt", length.into(), &output.join(LEFT_OVER[2]))?;
    let mut reconstruction = f64::NAN;
    let decoder = prior::train(&options, &poses, latent, &mut |progress| {
        reconstruction = progress.validation;
        let message = format!("F: {:.3} spreads off", progress.validation);
        job.report(progress.step.unsigned_abs().into(), &message, progress)
    })?;
    job.expect_running(&output.join(LEFT_OVER[0]))?;
    let model = Model { robot: robot.clone(), description, layout: layout.clone(), decoder, latent };
    let options = format!("{} {}", serde_json::to_string(&options)?, serde_json::to_string(&theta)?);
    model.save(output, &[("options", options.clone())])?;
    let held_out = train_theta(output, registry, &theta, divided, &mut job)?;
    job.finish(&output.join(LEFT_OVER[1]))?;
    Ok(Trained { latent, explained, reconstruction, held_out, options })
}

/// What lies in the folder, which must be for the joints of these data.
fn kept(output: &Path, layout: &Layout, (size, explained): (i64, f64)) -> anyhow::Result<Trained> {
    let model = Model::load(output, Kind::Float, Device::Cpu)?;
    let roles = |layout: &Layout| -> Vec<_> { layout.joints.iter().map(|j| (j.name.clone(), j.role)).collect() };
    if roles(&model.layout) != roles(layout) {
        return Err(AdoptError::Kept(output.to_owned()).into());
    }
    let (latent, options) = (model.latent, "kept".to_owned());
    let explained = if size == latent { explained } else { f64::NAN };
    Ok(Trained { latent, explained, reconstruction: f64::NAN, held_out: f64::NAN, options })
}

/// Loads the task from the folder.
pub(super) fn load(registry: &Registry, folder: &Path) -> thalweg_task::Result<Box<dyn Task>> {
    registry.load(thalweg_robot::ENTRY.name, &load_options(folder))
}

fn load_options(folder: &Path) -> LoadOptions {
    let mut options = LoadOptions { device: Device::Cpu, kind: Kind::Float, ..LoadOptions::default() };
    options.parameters.insert("model".to_owned(), Value::String(absolute(folder).display().to_string()));
    options
}

/// The folder as everybody finds it.
pub(super) fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_error| folder.to_owned())
}

fn train_theta(
    output: &Path,
    registry: &Registry,
    options: &ThetaOptions,
    divided: &Divided,
    job: &mut Job,
) -> anyhow::Result<f64> {
    let task = load(registry, output)?;
    let data = Data {
        training: Observation::of_joints(&divided.training),
        held_out: Some(Observation::of_joints(&divided.validation)),
        ..Data::default()
    };
    let (owned, folder) = (registry.clone(), output.to_owned());
    let again = move || load(&owned, &folder);
    let mut best = f64::NAN;
    let before = job.position();
    let landscape = thalweg_train::train(options, &again, &data, &mut |progress| {
        best = progress.best.unwrap_or(best);
        let message = format!("theta: held out {best:.4} at best");
        job.report(before + u64::from(progress.buffer), &message, progress)
    })?;
    job.expect_running(&output.join(LEFT_OVER[1]))?;
    let examples = data.training.rows().min(EXAMPLES) as usize;
    let landscape = thalweg_train::with_exemplars(&landscape, &again, &data.training, examples)?;
    let how = [("options", serde_json::to_string(options)?), ("data", data.fingerprint())];
    landscape.save(&output.join(THETA), task.spec(), &how)?;
    Ok(best)
}

/// The recipe of docs/landscape.md, a smaller one for a quick look.
fn theta_options(arguments: &AdoptArguments, robot: &Robot, layout: &Layout, frames: i64) -> ThetaOptions {
    let mut options = Preset::Steps.options(1);
    options.seed = arguments.seed;
    options.checkpoint = Some(arguments.output.join(LEFT_OVER[1]));
    options.hidden = 256;
    // Recordings of a robot are few beside those of people: theta may know them by heart long before its time is over.
    (options.validation.every, options.validation.patience) = (5, PATIENCE);
    let most = if arguments.quick { QUICK_BUFFERS } else { options.buffers };
    options.buffers = u32::try_from(frames / FRAMES_OF_BUFFER).unwrap_or(most).clamp(LEAST_BUFFERS, most);
    if arguments.quick {
        options.collection.descents /= 2;
    }
    options.buffers = arguments.buffers.unwrap_or(options.buffers);
    // Noise is in the unit of joints: where some slide there is no one unit.
    let moving = robot.moving();
    let learned = layout.with(Role::Learned);
    let slides = learned.iter().any(|&place| robot.joints[moving[place]].motion == Motion::Slide);
    let squares: Vec<f64> = learned.iter().map(|&place| layout.joints[place].spread.powi(2)).collect();
    let typical = (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt();
    let noise = if slides { 0.0 } else { NOISE * typical.min(1.0) };
    options.augmentation = Augmentation { noise, ..options.augmentation };
    options
}

/// Poses in the numbers that are learned.
fn poses(robot: &Robot, layout: &Layout, columns: &[Column], divided: &Divided) -> Poses {
    let branches = branches(robot, &layout.with(Role::Constant));
    let part = |column: &Column| {
        branches.iter().position(|branch| branch.joints.contains(&column.joint)).unwrap_or(branches.len())
    };
    let sine = |(place, column): (usize, &Column)| (column.part == Part::Sine).then_some(place);
    Poses {
        training: features(columns, &divided.training),
        validation: features(columns, &divided.validation),
        weight: Poses::weights(columns),
        parts: columns.iter().map(part).collect(),
        circles: columns.iter().enumerate().filter_map(sine).collect(),
    }
}

/// Removes what a resumed adoption would have gone on from.
pub(super) fn forget(output: &Path) -> anyhow::Result<()> {
    LEFT_OVER.iter().try_for_each(|name| Job::forget(&output.join(name)))
}
