//! `thalweg train start`.

use std::path::PathBuf;

use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use thalweg::engine::pin_threads;
use thalweg::landscape::Landscape;
use thalweg::registry;
use thalweg::train::{self, StartData, StartOptions, StartProgress};
use thalweg_body_pose::dataset::{Dataset, Split};
use thalweg_body_pose::prior;
use thalweg_task::{LoadOptions, Observation, Task};

use super::masks::visible;
use crate::job::Job;

/// Observations that are drawn where there are no recordings: to train on, and to judge on.
const DRAWN: [usize; 2] = [65_536, 2_048];

/// Options of `thalweg train start`.
#[derive(Args)]
pub(crate) struct StartArguments {
    /// Task to train for
    #[arg(long, default_value = "body_pose")]
    task: String,
    /// Folder with the motion capture, for body_pose; without it observations are drawn from the task
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder of the weights of tasks
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Trained landscape that the start points lie on [default: the task's own latent]
    #[arg(long)]
    landscape: Option<PathBuf>,
    /// Where the weights go
    #[arg(long, default_value = "models/body_pose_start.safetensors")]
    output: PathBuf,
    /// Let the start see everything; otherwise joints are hidden from it
    #[arg(long)]
    complete: bool,
    /// Width of the hidden layers
    #[arg(long, default_value_t = StartOptions::default().hidden)]
    hidden: i64,
    /// Dimension of the code
    #[arg(long, default_value_t = StartOptions::default().code)]
    code: i64,
    /// Gradient steps
    #[arg(long, default_value_t = StartOptions::default().steps)]
    steps: i32,
    /// Observations in a step
    #[arg(long, default_value_t = StartOptions::default().batch)]
    batch: usize,
    /// Codes tried for each observation; 1 trains the zero code only
    #[arg(long, default_value_t = StartOptions::default().samples)]
    samples: usize,
    /// Weight of the best code against the zero code
    #[arg(long, default_value_t = StartOptions::default().diversity)]
    diversity: f64,
    /// Learning rate
    #[arg(long, default_value_t = StartOptions::default().rate)]
    rate: f64,
    /// Weight decay
    #[arg(long, default_value_t = StartOptions::default().weight_decay)]
    weight_decay: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = StartOptions::default().seed)]
    seed: u64,
    /// Threads for libtorch
    #[arg(long, default_value_t = 1)]
    threads: u32,
}

/// Trains, or resumes, and writes the start.
pub(crate) fn run(arguments: &StartArguments) -> anyhow::Result<()> {
    pin_threads(arguments.threads);
    let load = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = registry::load(&arguments.task, &load)?;
    let spec = task.spec().clone();
    let landscape = match &arguments.landscape {
        Some(path) => Landscape::trained(path, &spec)?,
        None => Landscape::identity(spec.latent),
    };
    let [training, validation] = observations(arguments, task.as_ref())?;
    let visible = |random: &mut StdRng| visible(&spec, random);
    let visible = (!arguments.complete).then_some(&visible as &train::Visible<'_>);
    let options = options(arguments);
    let mut job = Job::start("start", options.steps as u64, &arguments.output.with_extension("log"))?;
    let data = StartData { training: &training, validation: &validation, visible };
    let start = train::train_start(&options, task.as_ref(), &landscape, data, &mut |progress| {
        let StartProgress { step, update, first, best } = progress;
        job.report(*step as u64, &format!("update {update:.3}, validation {first:.3}, best {best:.3}"), progress)
    })?;
    let checkpoint = arguments.output.with_extension("checkpoint");
    job.finish(&checkpoint)?;
    let how = [("options", serde_json::to_string(&options)?), ("complete", arguments.complete.to_string())];
    start.save(&arguments.output, &spec, &landscape, &how)?;
    Job::forget(&checkpoint)
}

fn options(arguments: &StartArguments) -> StartOptions {
    StartOptions {
        hidden: arguments.hidden,
        code: arguments.code,
        steps: arguments.steps,
        batch: arguments.batch,
        samples: arguments.samples,
        diversity: arguments.diversity,
        rate: arguments.rate,
        weight_decay: arguments.weight_decay,
        seed: arguments.seed,
        checkpoint: Some(arguments.output.with_extension("checkpoint")),
        ..StartOptions::default()
    }
}

/// Complete observations to train on and to judge on.
fn observations(arguments: &StartArguments, task: &dyn Task) -> anyhow::Result<[Observation; 2]> {
    let Some(folder) = arguments.data.as_deref() else {
        let mut random = StdRng::seed_from_u64(arguments.seed);
        let mut draw = |rows| train::sampled(task, rows, &mut random);
        return Ok([draw(DRAWN[0])?, draw(DRAWN[1])?]);
    };
    anyhow::ensure!(
        arguments.task == thalweg_body_pose::ENTRY.name,
        "--data holds body poses, for task body_pose only"
    );
    let dataset = Dataset::load(folder)?;
    let sets = [prior::training_poses(&dataset), dataset.poses(Split::Validation)];
    Ok(sets.map(|poses| Observation::of_joints(&thalweg_body_pose::joint_angles(&poses))))
}
