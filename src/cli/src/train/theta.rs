//! `thalweg train theta`.

mod options;

use std::path::{Path, PathBuf};

use clap::Args;
use tch::Device;
use thalweg::Registry;
use thalweg_engine::pin_threads;
use thalweg_nn::Ranks;
use thalweg_task::{LoadOptions, Task, models_folder};
use thalweg_train::{Preset, ThetaOptions, ThetaProgress};

use self::options::{Changes, preset_parser};
use super::data::{self, DataSource};
use super::device::DeviceName;
use super::ranks::RanksArguments;
use super::retrain::{RetrainArguments, Retraining};
use crate::console;
use crate::job::Job;

/// Options of `thalweg train theta`.
#[derive(Args)]
pub(crate) struct ThetaArguments {
    /// Task to train for: a name, or the folder of a scripted task
    #[arg(long, default_value = "body_pose")]
    task: String,
    /// For body_pose: folders with motion capture (cmu_expmap.npz, asap_smpl.npz, reactidle-bvh.zip, ..), motion of one's
    /// own (BVH or AMC files, folders or zip archives of them), or patterns of names
    #[arg(long, value_name = "MOTION", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Observations of the task: arrays `joints` [N, J], `points` [N, P, 3], `image` [N, C, H, W], NaN where not seen; the
    /// last tenth of each file is held out
    #[arg(long, value_name = "NPZ", num_args = 1.., conflicts_with_all = ["data", "images", "drawn"])]
    observations: Vec<PathBuf>,
    /// Zip archive of images, for image_defence: training images are attacked first
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    images: Option<PathBuf>,
    /// Folder of the weights of tasks [default: the shipped ones]
    #[arg(long, default_value_os_t = models_folder(), hide_default_value = true)]
    models: PathBuf,
    /// Where the weights go [default: TASK_theta.safetensors in the folder of the task's weights]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Observations drawn from the task's own prior, beside those of --data; with --images so many of those
    /// [default: none with --data, 65536 without, fewer where they are images]
    #[arg(long)]
    drawn: Option<usize>,
    /// Trained landscape to start from, with its own dimensions, instead of random weights; with --from-recordings
    /// the current one [default there: TASK_theta.safetensors in the folder of --models]
    #[arg(long, value_name = "FILE")]
    landscape: Option<PathBuf>,
    /// Options that all others change [default: quick; retrain with --from-recordings]
    #[arg(long, value_parser = preset_parser())]
    preset: Option<String>,
    /// Seed of everything random but the validation
    #[arg(long, default_value_t = ThetaOptions::default().seed)]
    seed: u64,
    /// Train no further: write the best landscape of a stopped training
    #[arg(long)]
    finish: bool,
    /// Where to compute
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// Threads for libtorch, and for descents where they run natively
    #[arg(long, default_value_t = 1)]
    threads: u32,
    #[command(flatten)]
    ranks: RanksArguments,
    #[command(flatten)]
    retrain: RetrainArguments,
    // Last, for its heading holds for all that follow.
    #[command(flatten)]
    changes: Changes,
}

/// Trains, or resumes, and writes the landscape; with other processes, where there are any.
pub(crate) fn run(arguments: &ThetaArguments, registry: &Registry) -> anyhow::Result<()> {
    arguments.ranks.together(|ranks| run_on(ranks, arguments, registry))
}

fn run_on(ranks: &Ranks, arguments: &ThetaArguments, registry: &Registry) -> anyhow::Result<()> {
    pin_threads(arguments.threads);
    let device = arguments.device.resolve(ranks.local_rank())?;
    let load = loader(arguments, registry.clone(), device);
    let task = load()?;
    let output = arguments.output.clone().unwrap_or_else(|| theta_file(arguments, task.as_ref()));
    let options = ThetaOptions { ranks: ranks.clone(), ..options(arguments, task.spec().latent, &output) };
    options.validate()?;
    arguments.changes.expect_own_steps(&options)?;
    expect_checkpoint(arguments.finish && ranks.is_first(), &checkpoint(&output))?;
    let recordings = &arguments.retrain.from_recordings;
    if !recordings.is_empty() {
        let default = theta_file(arguments, task.as_ref());
        let current = arguments.landscape.as_deref().unwrap_or(&default);
        let (drawn, descent) = (arguments.drawn, arguments.changes.descent());
        let arguments = &arguments.retrain;
        let retraining = Retraining { arguments, recordings, current, output: &output, drawn, options, descent };
        return retraining.run(&load)?.map_or(Ok(()), |report| report.outcome(&output));
    }
    let source = DataSource {
        motion: &arguments.data,
        observations: &arguments.observations,
        images: arguments.images.as_deref().map(|images| (images, arguments.models.as_path())),
        drawn: arguments.drawn,
        seed: arguments.seed,
        held_out: (options.validation.every > 0).then_some(options.validation.rows),
    };
    let data = data::load(&source, task.as_ref(), ranks)?;
    let mut job = Job::on(ranks, "theta", u64::from(options.buffers), &output.with_extension("log"))?;
    let mut last = None;
    let landscape = thalweg_train::train(&options, &load, &data, &mut |progress| {
        last = Some(*progress);
        report(&mut job, progress, ranks)
    })?;
    job.agree(ranks)?;
    job.finish(&checkpoint(&output))?;
    if !ranks.is_first() {
        return Ok(());
    }
    let how = [("options", serde_json::to_string(&options)?), ("data", data.fingerprint())];
    landscape.save(&output, task.spec(), &how)?;
    Job::forget(&checkpoint(&output))?;
    console::print(&summary(&output, last.as_ref(), options.buffers))
}

/// Loads the task wherever the training computes.
fn loader(
    arguments: &ThetaArguments,
    registry: Registry,
    device: Device,
) -> impl Fn() -> thalweg_task::Result<Box<dyn Task>> + use<> {
    let (name, models) = (arguments.task.clone(), arguments.models.clone());
    let options = LoadOptions { models, device, ..LoadOptions::default() };
    move || registry.load(&name, &options)
}

fn options(arguments: &ThetaArguments, latent: i64, output: &Path) -> ThetaOptions {
    let default = if arguments.retrain.from_recordings.is_empty() { Preset::default() } else { Preset::Retrain };
    let preset = arguments.preset.as_deref().and_then(Preset::named).unwrap_or(default);
    ThetaOptions {
        seed: arguments.seed,
        start: arguments.landscape.clone(),
        checkpoint: Some(checkpoint(output)),
        finish: arguments.finish,
        ..arguments.changes.applied_to(preset.options(latent))
    }
}

/// Refuses to finish what was not begun.
pub(super) fn expect_checkpoint(finish: bool, checkpoint: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(!finish || checkpoint.exists(), "--finish: expected a checkpoint {}", checkpoint.display());
    Ok(())
}

/// Where a node looks for the landscape of a task.
fn theta_file(arguments: &ThetaArguments, task: &dyn Task) -> PathBuf {
    task.folder().unwrap_or(&arguments.models).join(format!("{}_theta.safetensors", task.spec().name))
}

pub(super) fn checkpoint(output: &Path) -> PathBuf {
    output.with_extension("checkpoint")
}

pub(super) fn report(job: &mut Job, progress: &ThetaProgress, ranks: &Ranks) -> bool {
    job.name_slow(ranks.slow());
    let ThetaProgress { first, last, update, best, best_buffer, .. } = progress;
    let mut message = format!("descents {first:.3} -> {last:.3}, update {update:.3}");
    if let (Some(best), Some(buffer)) = (best, best_buffer) {
        message += &format!(", held out {best:.4} at best, after {buffer}");
    }
    job.report(u64::from(progress.buffer), &message, progress)
}

fn summary(output: &Path, last: Option<&ThetaProgress>, buffers: u32) -> String {
    let mut text = format!("wrote {}", output.display());
    if let Some(ThetaProgress { buffer, best: Some(best), best_buffer: Some(best_buffer), .. }) = last {
        text += &format!(": held-out loss {best:.4}, after buffer {best_buffer}");
        if *buffer < buffers {
            text += &format!("; stopped after {buffer} of {buffers} buffers, for it fell no more");
        }
    }
    text + "\n"
}
