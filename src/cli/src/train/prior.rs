//! `thalweg train prior`.

use std::path::PathBuf;

use clap::Args;
use tch::{Device, Kind, Tensor};
use thalweg_body_pose::Body;
use thalweg_body_pose::dataset::{Dataset, Split};
use thalweg_body_pose::prior::{self, Figures, PoseSet, Progress, TrainOptions, Vae};
use thalweg_body_pose::skeleton::SCALAR_JOINTS;
use thalweg_nn::Ranks;

use super::data;
use super::ranks::RanksArguments;
use crate::job::Job;

/// Options of `thalweg train prior`.
#[derive(Args)]
pub(crate) struct PriorArguments {
    /// Motion: folders with motion capture (cmu_expmap.npz, asap_smpl.npz, reactidle-bvh.zip, ..), motion of one's
    /// own (BVH or AMC files, folders or zip archives of them), or patterns of names
    #[arg(long, value_name = "MOTION", num_args = 1.., required = true)]
    data: Vec<PathBuf>,
    /// Where the weights go
    #[arg(long, default_value = "models/body_pose.safetensors")]
    output: PathBuf,
    /// Gradient steps
    #[arg(long, default_value_t = TrainOptions::default().steps)]
    steps: i32,
    /// Poses per step
    #[arg(long, default_value_t = TrainOptions::default().batch)]
    batch: usize,
    /// Learning rate at the start
    #[arg(long, default_value_t = TrainOptions::default().rate)]
    rate: f64,
    /// Weight of the divergence from the standard normal prior, per nat
    #[arg(long, default_value_t = TrainOptions::default().kl_weight)]
    kl_weight: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = TrainOptions::default().seed)]
    seed: u64,
    /// Steps between validations; the checkpoint is written then, too
    #[arg(long, default_value_t = TrainOptions::default().validate_every)]
    validate_every: i32,
    /// Threads for libtorch
    #[arg(long, default_value_t = 1)]
    threads: i32,
    #[command(flatten)]
    ranks: RanksArguments,
}

/// Trains, or resumes, and writes weights and figures; with other processes, where there are any.
pub(crate) fn run(arguments: &PriorArguments) -> anyhow::Result<()> {
    arguments.ranks.together(|ranks| run_on(ranks, arguments))
}

fn run_on(ranks: &Ranks, arguments: &PriorArguments) -> anyhow::Result<()> {
    tch::set_num_threads(arguments.threads);
    let dataset = data::motion(&arguments.data, ranks)?;
    let options = TrainOptions { ranks: ranks.clone(), ..options(arguments) };
    let device = Device::Cpu;
    let training = Tensor::from_slice(&prior::training_poses(&dataset)).view([-1, SCALAR_JOINTS as i64]);
    let validation = PoseSet::from_axis_angle(&dataset.poses(Split::Validation), device);
    let mut job = Job::on(ranks, "prior", arguments.steps.max(0) as u64, &arguments.output.with_extension("log"))?;
    let vae = prior::train(&options, &training, &validation, &mut |progress| {
        job.name_slow(ranks.slow());
        report(&mut job, progress)
    })?;
    job.agree(ranks)?;
    job.finish(&checkpoint(arguments))?;
    if !ranks.is_first() {
        return Ok(());
    }
    let figures = figures(&dataset, &vae, device);
    let metadata = [("options", serde_json::to_string(&options)?), ("figures", serde_json::to_string(&figures)?)];
    vae.save(&arguments.output, vae.parameters(), &metadata)?;
    Job::forget(&checkpoint(arguments))?;
    print_figures(&figures);
    Ok(())
}

fn options(arguments: &PriorArguments) -> TrainOptions {
    TrainOptions {
        steps: arguments.steps,
        batch: arguments.batch,
        rate: arguments.rate,
        kl_weight: arguments.kl_weight,
        seed: arguments.seed,
        validate_every: arguments.validate_every,
        checkpoint: Some(checkpoint(arguments)),
        ..TrainOptions::default()
    }
}

fn checkpoint(arguments: &PriorArguments) -> PathBuf {
    arguments.output.with_extension("checkpoint")
}

fn report(job: &mut Job, progress: &Progress) -> bool {
    let Figures { position_mm, geodesic_deg, .. } = progress.validation;
    let message = format!("loss {:.4}, held out {position_mm:.1} mm {geodesic_deg:.2} deg", progress.loss);
    job.report(progress.step.max(0) as u64, &message, progress)
}

/// Measures every split, in distribution and out of it.
fn figures(dataset: &Dataset, vae: &Vae, device: Device) -> Vec<(String, Figures)> {
    let body = Body::new(Kind::Float, device);
    let measure = |split: &Split| {
        let set = PoseSet::from_axis_angle(&dataset.poses(*split), device);
        (format!("{split:?}"), prior::measure(vae, &body, &set))
    };
    let is_there = |split| dataset.of_split(split).any(|clip| !clip.poses.is_empty());
    let is_measured = |split: &&Split| **split != Split::LeftOut && is_there(**split);
    Split::EVERY.iter().filter(is_measured).map(measure).collect()
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn print_figures(figures: &[(String, Figures)]) {
    println!("| poses | count | joints, mm | rotations, deg |\n|---|---|---|---|");
    for (split, figures) in figures {
        println!("| {split} | {} | {:.1} | {:.2} |", figures.poses, figures.position_mm, figures.geodesic_deg);
    }
}
