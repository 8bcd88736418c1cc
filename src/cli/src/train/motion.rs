//! `thalweg train motion`.

use std::path::{Path, PathBuf};

use clap::Args;
use thalweg::motion::Motion;
use thalweg_body_pose::dataset::{Dataset, Split};
use thalweg_body_pose::joint_angles;
use thalweg_body_pose::prior::mirrored;
use thalweg_engine::pin_threads;
use thalweg_task::{LoadOptions, models_folder};
use thalweg_train::{PredictorOptions, PredictorProgress, fit_motion_model, train_motion_predictor};

use super::data;
use crate::job::Job;
use thalweg_nn::Ranks;

/// Options of `thalweg train motion`.
#[derive(Args)]
pub(crate) struct MotionModelArguments {
    /// Motion: folders with motion capture (cmu_expmap.npz, asap_smpl.npz, reactidle-bvh.zip, ..), motion of one's
    /// own (BVH or AMC files, folders or zip archives of them), or patterns of names
    #[arg(long, value_name = "MOTION", num_args = 1.., required = true)]
    data: Vec<PathBuf>,
    /// Folder of the weights of tasks [default: the shipped ones]
    #[arg(long, default_value_os_t = models_folder(), hide_default_value = true)]
    models: PathBuf,
    /// Where the model goes [default: body_pose_motion.safetensors in the folder of --models]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Gradient steps of the network that tells where silent joints are; 0 leaves it away
    #[arg(long, default_value_t = PredictorOptions::default().steps)]
    steps: i32,
    /// Width of its two hidden layers
    #[arg(long, default_value_t = PredictorOptions::default().hidden)]
    hidden: i64,
    /// Learning rate
    #[arg(long, default_value_t = PredictorOptions::default().rate)]
    rate: f64,
    /// Weight decay
    #[arg(long, default_value_t = PredictorOptions::default().weight_decay)]
    weight_decay: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = PredictorOptions::default().seed)]
    seed: u64,
    /// Threads for libtorch
    #[arg(long, default_value_t = 1)]
    threads: u32,
}

/// Fits the model to training clips and their mirror images, trains the network, or resumes, writes both, and tells how
/// well they fit.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn run(arguments: &MotionModelArguments) -> anyhow::Result<()> {
    pin_threads(arguments.threads);
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = (thalweg_body_pose::ENTRY.load)(&options)?;
    let dataset = data::motion(&arguments.data, &Ranks::alone())?;
    dataset.expect_clips(Split::Train, 1)?;
    let training = motions(&dataset, Split::Train, true);
    let fit = fit_motion_model(&training, task.spec())?;
    let default = || arguments.models.join(format!("{}_motion.safetensors", task.spec().name));
    let output = arguments.output.clone().unwrap_or_else(default);
    let mut how = vec![("data", format!("{} clips and their mirror images", training.len() / 2))];
    let mut model = fit.model;
    let options = options_of(arguments, &output);
    if arguments.steps > 0 {
        let held_out = motions(&dataset, Split::Validation, false);
        let mut job = Job::start("motion", arguments.steps as u64, &output.with_extension("log"))?;
        model = train_motion_predictor(&options, model, (&training, &held_out), task.spec(), &mut |progress| {
            let PredictorProgress { step, update, error, velocity } = progress;
            let [error, velocity] = [error, velocity].map(|error| error.to_degrees());
            let told = format!("update {update:.3}, held out {error:.2} degrees, by velocity {velocity:.2}");
            job.report(*step as u64, &told, progress)
        })?;
        job.finish(&output.with_extension("checkpoint"))?;
        how.push(("options", serde_json::to_string(&options)?));
    }
    model.save(&output, task.spec(), &how)?;
    Job::forget(&output.with_extension("checkpoint"))?;
    println!("| seconds | pairs of frames | change of a joint, deg rms | of the model |\n|---|---|---|---|");
    for (lag, pairs, measured, modelled) in &fit.lags {
        println!("| {lag:.3} | {pairs} | {:.2} | {:.2} |", measured.to_degrees(), modelled.to_degrees());
    }
    Ok(())
}

fn options_of(arguments: &MotionModelArguments, output: &Path) -> PredictorOptions {
    let MotionModelArguments { steps, hidden, rate, weight_decay, seed, .. } = *arguments;
    let checkpoint = Some(output.with_extension("checkpoint"));
    PredictorOptions { steps, hidden, rate, weight_decay, seed, checkpoint, ..PredictorOptions::default() }
}

/// The clips of a split, each followed by its mirror image where that is wanted.
fn motions(dataset: &Dataset, split: Split, is_mirrored: bool) -> Vec<Motion> {
    let mut motions = Vec::new();
    for clip in dataset.of_split(split).filter(|clip| !clip.poses.is_empty()) {
        let poses = clip.poses.as_flattened().as_flattened();
        motions.push(Motion { joints: joint_angles(poses), fps: clip.fps });
        if is_mirrored {
            motions.push(Motion { joints: joint_angles(&mirrored(poses)), fps: clip.fps });
        }
    }
    motions
}
