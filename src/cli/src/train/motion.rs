//! `thalweg train motion`.

use std::path::PathBuf;

use clap::Args;
use thalweg::motion::Motion;
use thalweg_body_pose::dataset::{Dataset, Split};
use thalweg_body_pose::joint_angles;
use thalweg_body_pose::prior::mirrored;
use thalweg_engine::pin_threads;
use thalweg_task::{LoadOptions, models_folder};
use thalweg_train::fit_motion_model;

/// Options of `thalweg train motion`.
#[derive(Args)]
pub(crate) struct MotionModelArguments {
    /// Folder with the motion capture
    #[arg(long)]
    data: PathBuf,
    /// Folder of the weights of tasks [default: the shipped ones]
    #[arg(long, default_value_os_t = models_folder(), hide_default_value = true)]
    models: PathBuf,
    /// Where the model goes [default: body_pose_motion.safetensors in the folder of --models]
    #[arg(long)]
    output: Option<PathBuf>,
}

/// Fits the model to training clips and their mirror images, writes it, and tells how well it fits.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn run(arguments: &MotionModelArguments) -> anyhow::Result<()> {
    pin_threads(1);
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = (thalweg_body_pose::ENTRY.load)(&options)?;
    let dataset = Dataset::load_all(&arguments.data)?;
    dataset.expect_clips(Split::Train, 1)?;
    let mut motions = Vec::new();
    for clip in dataset.of_split(Split::Train).filter(|clip| !clip.poses.is_empty()) {
        let poses = clip.poses.as_flattened().as_flattened();
        for poses in [poses, &mirrored(poses)] {
            motions.push(Motion { joints: joint_angles(poses), fps: clip.fps });
        }
    }
    let fit = fit_motion_model(&motions, task.spec())?;
    let default = || arguments.models.join(format!("{}_motion.safetensors", task.spec().name));
    let output = arguments.output.clone().unwrap_or_else(default);
    fit.model.save(
        &output,
        task.spec(),
        &[("data", format!("{} clips and their mirror images", motions.len() / 2))],
    )?;
    println!("| seconds | pairs of frames | change of a joint, deg rms | of the model |\n|---|---|---|---|");
    for (lag, pairs, measured, modelled) in &fit.lags {
        println!("| {lag:.3} | {pairs} | {:.2} | {:.2} |", measured.to_degrees(), modelled.to_degrees());
    }
    Ok(())
}
