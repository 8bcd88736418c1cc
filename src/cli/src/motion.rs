//! `thalweg motion`: bundles clips of motion capture as joint angles.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tch::{Device, Kind, Tensor};
use thalweg::motion::Motion;
use thalweg_body_pose::dataset::{Clip, Dataset, Division, Source, Split};
use thalweg_body_pose::prior::{Figures, PoseSet, Vae, training_poses};
use thalweg_body_pose::skeleton::SCALAR_JOINTS;
use thalweg_body_pose::{Body, joint_angles};
use thalweg_task::{LoadOptions, models_folder};

/// Options of `thalweg motion`.
#[derive(Args)]
pub(crate) struct MotionArguments {
    /// Folder with the motion capture
    #[arg(long)]
    data: PathBuf,
    /// Folder of the weights of tasks [default: the shipped ones]
    #[arg(long, default_value_os_t = models_folder(), hide_default_value = true)]
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
    /// List all clips, what each serves for, and totals; write nothing
    #[arg(long)]
    list: bool,
    /// How the clips are divided: 'first' knows three sources; 'second', what the shipped weights were trained on, has more sources and
    /// people whom nothing has seen [default: second where its files are there]
    #[arg(long, value_enum)]
    division: Option<DivisionName>,
    /// List a user's own motion too: a BVH or AMC file, a folder or a zip archive of such
    #[arg(long, value_name = "PATH", requires = "list")]
    own: Option<PathBuf>,
}

/// The divisions by name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DivisionName {
    First,
    Second,
}

/// Writes the joint angles of the clips, one after the other, and tells how well F can express them.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn run(arguments: &MotionArguments) -> anyhow::Result<()> {
    let division = division(arguments);
    let mut dataset = Dataset::load_divided(&arguments.data, division)?;
    if arguments.list {
        if let Some(own) = &arguments.own {
            let own = Dataset::load_own(own)?;
            dataset.clips.extend(own.clips);
            dataset.refused.extend(own.refused);
        }
        println!("division: {}", if division == Division::First { "first" } else { "second" });
        print!("{}", list(&dataset));
        return Ok(());
    }
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = (thalweg_body_pose::ENTRY.load)(&options)?;
    let vae = Vae::load(&arguments.models.join("body_pose.safetensors"), Kind::Float, Device::Cpu)?;
    let mut angles = Vec::new();
    for (clip, poses) in chosen(arguments, &dataset)? {
        let set = PoseSet::from_axis_angle(&poses, Device::Cpu);
        let (x, _) = tch::no_grad(|| vae.encode(&set.sixd));
        let Figures { poses: frames, position_mm, geodesic_deg } =
            tch::no_grad(|| Figures::compare(&Body::new(Kind::Float, Device::Cpu), &vae.decode(&x), &set.rotations));
        println!("{clip}: {frames} frames, F comes to {position_mm:.1} mm, {geodesic_deg:.2} deg");
        angles.push(joint_angles(&poses));
    }
    let motion = Motion { joints: Tensor::cat(&angles, 0), fps: 30.0 };
    let rehearsal = arguments.rehearsal.map(|count| format!("{count} training poses"));
    motion.save(&arguments.output, task.spec(), &rehearsal.unwrap_or_else(|| arguments.clips.join(" ")))?;
    Ok(())
}

fn division(arguments: &MotionArguments) -> Division {
    let has_all = || arguments.data.join(Source::CmuMore.file()).is_file();
    match arguments.division {
        Some(DivisionName::First) => Division::First,
        Some(DivisionName::Second) => Division::Second,
        None if has_all() => Division::Second,
        None => Division::First,
    }
}

/// A line for each clip, one for each set, one for each clip that could not be read.
fn list(dataset: &Dataset) -> String {
    let heads = ["source", "subject", "trial", "seconds", "set", "quality", "licence"];
    let [source, subject, trial, seconds, set, quality, licence] = heads;
    let mut text = format!("{source:<20} {subject:<8} {trial:<46} {seconds:>8}  {set:<20} {quality:<10} {licence}\n");
    for clip in &dataset.clips {
        let (subject, set) = (clip.subject.as_deref().unwrap_or("-"), clip.split.name());
        let (source, quality, licence) = (clip.source.file(), clip.quality.name(), clip.source.licence());
        let (name, seconds) = (&clip.name, clip.seconds());
        text += &format!("{source:<20} {subject:<8} {name:<46} {seconds:>8.1}  {set:<20} {quality:<10} {licence}\n");
    }
    for split in Split::EVERY {
        let clips: Vec<&Clip> = dataset.of_split(split).collect();
        let frames: usize = clips.iter().map(|clip| clip.poses.len()).sum();
        let seconds: f64 = clips.iter().map(|clip| clip.seconds()).sum();
        text += &format!("total {}: {} clips, {frames} frames, {seconds:.0} s\n", split.name(), clips.len());
    }
    text += &format!("total refused: {} clips\n", dataset.refused.len());
    dataset
        .refused
        .iter()
        .for_each(|error| text += &format!("refused: {}\n", thalweg_task::first_line(&error.to_string())));
    text
}

/// What is to be written: a name, and axis-angle poses, 63 numbers each.
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
    anyhow::ensure!(clip.split.is_test(), "clip {name} is in the {:?} split, expected a test clip", clip.split);
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

#[cfg(test)]
mod tests {
    use thalweg_body_pose::dataset::{DatasetError, Quality};

    use super::*;

    #[test]
    fn the_list_tells_each_clip_the_totals_and_what_was_refused() {
        let clip = Clip {
            name: "09_01".to_owned(),
            source: Source::CmuMore,
            split: Split::Unseen,
            subject: Some("09".to_owned()),
            quality: Quality::Exact,
            in_cmu_expmap: false,
            fps: 30.0,
            poses: vec![[[0.0; 3]; 21]; 45],
            calibration: 0,
            not_finite: 0,
        };
        let refused =
            DatasetError::Bvh { name: "a.bvh".to_owned(), line: 7, reason: "expected '{', got 'x'".to_owned() };
        let text = list(&Dataset { clips: vec![clip], refused: vec![refused] });
        let line = text.lines().nth(1).expect("the clip").split_whitespace().collect::<Vec<_>>();
        assert_eq!(line, ["cmu_more.npz", "09", "09_01", "1.5", "unseen", "exact", "CMU"]);
        assert!(text.contains("total unseen: 1 clips, 45 frames, 2 s\n"), "{text}");
        assert!(text.ends_with("total refused: 1 clips\nrefused: a.bvh, line 7: expected '{', got 'x'\n"), "{text}");
    }
}
