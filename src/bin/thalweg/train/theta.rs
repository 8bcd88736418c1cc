//! `thalweg train theta`.

use std::path::{Path, PathBuf};

use clap::Args;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tch::Tensor;
use thalweg::engine::pin_threads;
use thalweg::registry;
use thalweg::train::{self, ThetaOptions, ThetaProgress};
use thalweg_body_pose::dataset::Dataset;
use thalweg_body_pose::prior;
use thalweg_task::{LoadOptions, Masked, Observation, Task, TaskSpec};

use crate::job::Job;

/// Share of the descents that see everything.
const WHOLE: f64 = 0.25;
/// Most groups of joints that are hidden together.
const MOST_GROUPS: usize = 3;

/// Observations that are drawn where there are no recordings: many enough not to be learned by heart.
const DRAWN: usize = 65_536;

/// Options of `thalweg train theta`.
#[derive(Args)]
pub(crate) struct ThetaArguments {
    /// Task to train for
    #[arg(long, default_value = "body_pose")]
    task: String,
    /// Folder with the motion capture, for body_pose
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder of the weights of tasks
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Where the weights go
    #[arg(long, default_value = "models/body_pose_theta.safetensors")]
    output: PathBuf,
    /// Observations drawn from the task's own prior, beside those of --data
    /// [default: none with --data, 65536 without]
    #[arg(long)]
    drawn: Option<usize>,
    /// Let the descents see everything, as in the paper; otherwise groups of joints are hidden
    #[arg(long)]
    complete: bool,
    /// Trained landscape to start from, with its own dimensions, instead of random weights
    #[arg(long)]
    start: Option<PathBuf>,
    /// Dimension Z of the landscape
    #[arg(long, default_value_t = ThetaOptions::default().z)]
    z: i64,
    /// Width of theta's hidden layers
    #[arg(long, default_value_t = ThetaOptions::default().hidden)]
    hidden: i64,
    /// Buffers, B in the paper
    #[arg(long, default_value_t = ThetaOptions::default().buffers)]
    buffers: u32,
    /// Descents in a buffer, N
    #[arg(long, default_value_t = ThetaOptions::default().descents)]
    descents: usize,
    /// Steps of a descent, T
    #[arg(long, default_value_t = ThetaOptions::default().steps)]
    steps: u32,
    /// Learning rate of z
    #[arg(long, default_value_t = ThetaOptions::default().rate_z)]
    rate_z: f64,
    /// Learning rate of theta at the start
    #[arg(long, default_value_t = ThetaOptions::default().rate_theta)]
    rate_theta: f64,
    /// Weight decay of theta
    #[arg(long, default_value_t = ThetaOptions::default().weight_decay)]
    weight_decay: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = ThetaOptions::default().seed)]
    seed: u64,
    /// Threads for libtorch
    #[arg(long, default_value_t = 1)]
    threads: u32,
}

/// Trains, or resumes, and writes the landscape.
pub(crate) fn run(arguments: &ThetaArguments) -> anyhow::Result<()> {
    pin_threads(arguments.threads);
    let (name, load_options) =
        (arguments.task.clone(), LoadOptions { models: arguments.models.clone(), ..Default::default() });
    let load = move || registry::load(&name, &load_options);
    let task = load()?;
    let spec = task.spec().clone();
    let observations = observations(arguments, task.as_ref())?;
    let visible = |random: &mut StdRng| visible(&spec, random);
    let visible = (!arguments.complete && !spec.groups.is_empty()).then_some(&visible as &train::Visible<'_>);
    let options = options(arguments);
    let mut job = Job::start("theta", u64::from(arguments.buffers), &arguments.output.with_extension("log"))?;
    let landscape = train::train(&options, &load, &observations, visible, &mut |progress| report(&mut job, progress))?;
    job.finish(&checkpoint(&arguments.output))?;
    let how = [("options", serde_json::to_string(&options)?), ("hidden", (!arguments.complete).to_string())];
    landscape.save(&arguments.output, &spec, &how)?;
    Job::forget(&checkpoint(&arguments.output))
}

fn options(arguments: &ThetaArguments) -> ThetaOptions {
    ThetaOptions {
        start: arguments.start.clone(),
        z: arguments.z,
        hidden: arguments.hidden,
        buffers: arguments.buffers,
        descents: arguments.descents,
        steps: arguments.steps,
        rate_z: arguments.rate_z,
        rate_theta: arguments.rate_theta,
        weight_decay: arguments.weight_decay,
        seed: arguments.seed,
        checkpoint: Some(checkpoint(&arguments.output)),
        ..ThetaOptions::default()
    }
}

fn checkpoint(output: &Path) -> PathBuf {
    output.with_extension("checkpoint")
}

fn report(job: &mut Job, progress: &ThetaProgress) -> bool {
    let ThetaProgress { first, last, update, .. } = progress;
    let message = format!("descents {first:.3} -> {last:.3}, update {update:.3}");
    job.report(u64::from(progress.buffer), &message, progress)
}

/// Takes the training clips, mirrored ones too, and draws from the task's prior.
///
/// What is drawn may help where clips are few.
fn observations(arguments: &ThetaArguments, task: &dyn Task) -> anyhow::Result<Observation> {
    let mut random = StdRng::seed_from_u64(arguments.seed);
    let mut draw = |count| train::sampled(task, count, &mut random);
    let Some(folder) = arguments.data.as_deref() else { return Ok(draw(arguments.drawn.unwrap_or(DRAWN))?) };
    anyhow::ensure!(
        arguments.task == thalweg_body_pose::ENTRY.name,
        "--data holds body poses, for task body_pose only"
    );
    let poses = prior::training_poses(&Dataset::load(folder)?);
    let recorded = thalweg_body_pose::joint_angles(&poses);
    let drawn = match arguments.drawn.unwrap_or(0) {
        0 => None,
        count => draw(count)?.joints,
    };
    let all: Vec<_> = [Some(&recorded), drawn.as_ref().map(Masked::value)].into_iter().flatten().collect();
    Ok(Observation::of_joints(&Tensor::cat(&all, 0)))
}

/// Hides up to three groups of joints, or none.
fn visible(spec: &TaskSpec, random: &mut StdRng) -> Vec<bool> {
    let mut visible = vec![true; spec.joints.len()];
    if random.random_bool(WHOLE) {
        return visible;
    }
    for _ in 0..random.random_range(1..=MOST_GROUPS) {
        for &joint in spec.groups.choose(random).map_or(&[][..], |group| &group.joints) {
            visible[joint] = false;
        }
    }
    visible
}
