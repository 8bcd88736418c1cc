//! `thalweg motion`: bundles clips of motion capture as latents.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tch::{Device, Kind, Tensor};
use thalweg::motion::Motion;
use thalweg_body_pose::Body;
use thalweg_body_pose::dataset::{Clip, Dataset, Split};
use thalweg_body_pose::prior::{Figures, PoseSet, Vae, training_poses};
use thalweg_body_pose::skeleton::SCALAR_JOINTS;
use thalweg_task::LoadOptions;

/// Options of `thalweg motion`.
#[derive(Args)]
pub(crate) struct MotionArguments {
    /// Folder with the motion capture
    #[arg(long)]
    data: PathBuf,
    /// Folder of the weights of tasks
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Clips, as NAME[:FIRST-LAST] with frame numbers; all must be held out from training
    #[arg(required_unless_present_any = ["list", "rehearsal"])]
    clips: Vec<String>,
    /// Take so many training poses instead, spread evenly over all clips and their mirror images: what retraining
    /// rehearses, so that it forgets nothing
    #[arg(long, value_name = "POSES", conflicts_with_all = ["clips", "list"])]
    rehearsal: Option<usize>,
    /// Where the motion goes
    #[arg(long, default_value = "assets/motion.safetensors")]
    output: PathBuf,
    /// List the held-out clips and write nothing
    #[arg(long)]
    list: bool,
}

/// Encodes the clips, one after the other, and writes their latents.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn run(arguments: &MotionArguments) -> anyhow::Result<()> {
    let dataset = Dataset::load(&arguments.data)?;
    if arguments.list {
        dataset.clips.iter().for_each(|clip| println!("{:?} {} {}", clip.split, clip.poses.len(), clip.name));
        return Ok(());
    }
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = (thalweg_body_pose::ENTRY.load)(&options)?;
    let vae = Vae::load(&arguments.models.join("body_pose.safetensors"), Kind::Float, Device::Cpu)?;
    let mut latents = Vec::new();
    for (clip, poses) in chosen(arguments, &dataset)? {
        let set = PoseSet::from_axis_angle(&poses, Device::Cpu);
        let (x, _) = tch::no_grad(|| vae.encode(&set.sixd));
        let Figures { poses, position_mm, geodesic_deg } =
            tch::no_grad(|| Figures::compare(&Body::new(Kind::Float, Device::Cpu), &vae.decode(&x), &set.rotations));
        println!("{clip}: {poses} frames, reconstructed to {position_mm:.1} mm, {geodesic_deg:.2} deg");
        latents.push(x);
    }
    let motion = Motion { x: Tensor::cat(&latents, 0), fps: 30.0 };
    let rehearsal = arguments.rehearsal.map(|count| format!("{count} training poses"));
    motion.save(&arguments.output, task.spec(), &rehearsal.unwrap_or_else(|| arguments.clips.join(" ")))?;
    Ok(())
}

/// What is to be encoded: a name, and axis-angle poses, 63 numbers each.
fn chosen(arguments: &MotionArguments, dataset: &Dataset) -> anyhow::Result<Vec<(String, Vec<f32>)>> {
    let Some(count) = arguments.rehearsal else {
        return arguments.clips.iter().map(|clip| Ok((clip.clone(), excerpt(dataset, clip)?))).collect();
    };
    let poses = training_poses(dataset);
    let (all, _) = poses.as_chunks::<SCALAR_JOINTS>();
    anyhow::ensure!(count > 0 && count <= all.len(), "--rehearsal {count}: expected 1 to {} poses", all.len());
    let spread: Vec<f32> = (0..count).flat_map(|index| all[index * all.len() / count]).collect();
    Ok(vec![("training poses".to_owned(), spread)])
}

/// Finds a held-out clip and cuts it.
fn excerpt(dataset: &Dataset, wanted: &str) -> anyhow::Result<Vec<f32>> {
    let (name, range) = wanted.split_once(':').map_or((wanted, None), |(name, range)| (name, Some(range)));
    let clip = dataset.clips.iter().find(|clip| clip.name == name).with_context(|| format!("no clip named {name}"))?;
    anyhow::ensure!(clip.split == Split::Test, "clip {name} is in the {:?} split, expected a test clip", clip.split);
    let (first, last) = bounds(range, clip)?;
    Ok(clip.poses[first..last].as_flattened().as_flattened().to_vec())
}

fn bounds(range: Option<&str>, clip: &Clip) -> anyhow::Result<(usize, usize)> {
    let Some(range) = range else { return Ok((0, clip.poses.len())) };
    let parsed = range.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    parsed
        .filter(|(first, last)| first < last && *last <= clip.poses.len())
        .with_context(|| format!("range '{range}' of {}: expected FIRST-LAST within 0-{}", clip.name, clip.poses.len()))
}
