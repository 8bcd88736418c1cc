//! `thalweg train start`.

use std::path::PathBuf;

use clap::Args;
use thalweg::Registry;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::pin_threads;
use thalweg_nn::Ranks;
use thalweg_task::{LoadOptions, models_folder};
use thalweg_train::{MaskOptions, StartOptions, StartProgress};

use super::data::{self, DataSource};
use super::device::DeviceName;
use super::ranks::RanksArguments;
use crate::job::Job;

/// Options of `thalweg train start`.
#[derive(Args)]
pub(crate) struct StartArguments {
    /// Task to train for
    #[arg(long, default_value = "body_pose")]
    task: String,
    /// For body_pose: folders with motion capture (cmu_expmap.npz, asap_smpl.npz, reactidle-bvh.zip, ..), motion of one's
    /// own (BVH or AMC files, folders or zip archives of them), or patterns of names; without any, observations are drawn from the task
    #[arg(long, value_name = "MOTION", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Folder of the weights of tasks [default: the shipped ones]
    #[arg(long, default_value_os_t = models_folder(), hide_default_value = true)]
    models: PathBuf,
    /// Trained landscape that the start points lie on [default: the task's own latent]
    #[arg(long)]
    landscape: Option<PathBuf>,
    /// Where the weights go [default: TASK_start.safetensors in the folder of --models]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Observations drawn from the task's own prior, beside those of --data
    /// [default: none with --data, 65536 without, fewer where they are images]
    #[arg(long)]
    drawn: Option<usize>,
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
    /// Where to compute
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// Threads for libtorch
    #[arg(long, default_value_t = 1)]
    threads: u32,
    #[command(flatten)]
    ranks: RanksArguments,
}

/// Trains, or resumes, and writes the start; with other processes, where there are any.
pub(crate) fn run(arguments: &StartArguments, registry: &Registry) -> anyhow::Result<()> {
    arguments.ranks.together(|ranks| run_on(ranks, arguments, registry))
}

fn run_on(ranks: &Ranks, arguments: &StartArguments, registry: &Registry) -> anyhow::Result<()> {
    pin_threads(arguments.threads);
    let (models, device) = (arguments.models.clone(), arguments.device.resolve(ranks.local_rank())?);
    let default = models.join(format!("{}_start.safetensors", arguments.task));
    let output = arguments.output.clone().unwrap_or(default);
    let checkpoint = output.with_extension("checkpoint");
    let task = registry.load(&arguments.task, &LoadOptions { models, device, ..LoadOptions::default() })?;
    let spec = task.spec().clone();
    let landscape = match &arguments.landscape {
        Some(path) => Landscape::trained(path, &spec)?,
        None => Landscape::identity(spec.latent),
    };
    let options = StartOptions { checkpoint: Some(checkpoint.clone()), ranks: ranks.clone(), ..options(arguments) };
    let source = DataSource {
        motion: &arguments.data,
        drawn: arguments.drawn,
        seed: arguments.seed,
        held_out: usize::try_from(options.validation_rows).ok(),
        ..DataSource::default()
    };
    let data = data::load(&source, task.as_ref(), ranks)?;
    let mut job = Job::on(ranks, "start", options.steps as u64, &output.with_extension("log"))?;
    let start = thalweg_train::train_start(&options, task.as_ref(), &landscape, &data, &mut |progress| {
        let StartProgress { step, update, first, best } = progress;
        job.name_slow(ranks.slow());
        job.report(*step as u64, &format!("update {update:.3}, held out {first:.3}, best code {best:.3}"), progress)
    })?;
    job.agree(ranks)?;
    job.finish(&checkpoint)?;
    if !ranks.is_first() {
        return Ok(());
    }
    let how = [("options", serde_json::to_string(&options)?), ("data", data.fingerprint())];
    start.save(&output, &spec, &landscape, &how)?;
    Job::forget(&checkpoint)
}

fn options(arguments: &StartArguments) -> StartOptions {
    let default = StartOptions::default();
    StartOptions {
        hidden: arguments.hidden,
        code: arguments.code,
        steps: arguments.steps,
        batch: arguments.batch,
        samples: arguments.samples,
        diversity: arguments.diversity,
        masks: if arguments.complete { MaskOptions::complete() } else { default.masks },
        rate: arguments.rate,
        weight_decay: arguments.weight_decay,
        seed: arguments.seed,
        ..default
    }
}
