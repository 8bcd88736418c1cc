//! What landscapes and starts are trained on: motion capture, or what the task's own prior draws.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg::motion::Motion;
use thalweg_body_pose::dataset::{Dataset, Source, Split};
use thalweg_body_pose::{joint_angles, prior};
use thalweg_image_defence::Defence;
use thalweg_nn::Ranks;
use thalweg_task::{LoadOptions, Masked, Observation, Task};
use thalweg_train::ball::{Ball, Norm};
use thalweg_train::{Adversary, Data, ImageSplit, LabelledImages};

use super::observations;
use crate::console;
use crate::failure::InputError;
use crate::recordings;

/// Most observations that are drawn where there are no recordings: enough not to be learned by heart.
const DRAWN: usize = 65_536;
/// Numbers in all of them together beyond which they are fewer: images fill the memory.
const DRAWN_NUMBERS: usize = 1 << 26;
/// Seed of the held-out observations that are drawn: the same in every training.
const HELD_OUT_SEED: u64 = 0x6865_6c64;
/// Observations of the shipped validation set where they are drawn, and their seed: the same for all.
const SHIPPED: usize = 512;
const SHIPPED_SEED: u64 = 0x7368_6970;
/// Who attacks the images that a landscape of a defence is trained on: within the ball of Table 1 of Liu et al. (2023).
const ADVERSARY: Adversary = Adversary { ball: Ball { norm: Norm::L2, radius: 256.0 / 255.0 }, steps: 7 };
/// Images that are attacked at once.
const ATTACKED_AT_ONCE: i64 = 256;
/// Fewest training clips, a guess: with a tenth of all clips for validation, fewer leave it empty.
const TRAINING_CLIPS: usize = 10;
/// Fewest validation clips, where there is a validation.
const VALIDATION_CLIPS: usize = 1;

/// Share of each file of observations that is held out: its end, for neighbours are alike.
const HELD_OUT: f64 = 0.1;

/// Where the observations of a training come from.
#[derive(Default)]
pub(super) struct DataSource<'a> {
    /// Archives of arrays with observations of any task.
    pub(super) observations: &'a [PathBuf],
    /// Motion, see [`motion`].
    pub(super) motion: &'a [PathBuf],
    /// Archive of images, for image_defence, and the folder with the weights of the classifier that is attacked.
    pub(super) images: Option<(&'a Path, &'a Path)>,
    /// How many are drawn from the task's own prior, or of the images.
    pub(super) drawn: Option<usize>,
    /// Seed of what is drawn.
    pub(super) seed: u64,
    /// How many are held out where all are drawn; none where nothing is held out.
    pub(super) held_out: Option<usize>,
}

/// Takes the clips, training ones with their mirror images, and draws from the task's prior.
///
/// What is drawn may help where clips are few.
pub(super) fn load(source: &DataSource<'_>, task: &dyn Task, ranks: &Ranks) -> anyhow::Result<Data> {
    if let Some(images) = source.images {
        return attacked_images(source, images, task);
    }
    if !source.observations.is_empty() {
        return observed(source.observations, source.held_out, task);
    }
    let mut random = StdRng::seed_from_u64(source.seed);
    if source.motion.is_empty() {
        let training = thalweg_task::sampled(task, source.drawn.unwrap_or_else(|| default_count(task)), &mut random)?;
        let mut random = StdRng::seed_from_u64(HELD_OUT_SEED);
        let held_out = source.held_out.map(|rows| thalweg_task::sampled(task, rows, &mut random)).transpose()?;
        return Ok(Data { training, held_out, ..Data::default() });
    }
    let name = &task.spec().name;
    if name != thalweg_body_pose::ENTRY.name {
        return Err(InputError::DataOfBodyPose(name.clone()).into());
    }
    let drawn = match source.drawn.unwrap_or(0) {
        0 => None,
        count => thalweg_task::sampled(task, count, &mut random)?.joints,
    };
    recorded(source.motion, source.held_out.is_some(), drawn.as_ref(), ranks)
}

/// Observations of files, of whatever task; the end of each is held out.
fn observed(files: &[PathBuf], held_out: Option<usize>, task: &dyn Task) -> anyhow::Result<Data> {
    let (mut training, mut rest) = (Vec::new(), Vec::new());
    let mut first: Option<Vec<&str>> = None;
    for path in files {
        let all = observations::read(path, task)?;
        let kinds: Vec<&str> = all.fields().map(|(kind, _)| kind).collect();
        let expected = first.get_or_insert_with(|| kinds.clone());
        if kinds != *expected {
            let why = format!("expected {} as in the first file, got {}", expected.join(", "), kinds.join(", "));
            return Err(InputError::Observations { path: path.clone(), why }.into());
        }
        let count = held_out.map_or(0, |most| ((all.rows() as f64 * HELD_OUT) as i64).min(most as i64));
        let part = |from: i64, to: i64| all.select_rows(&Tensor::arange_start(from, to, (Kind::Int64, Device::Cpu)));
        training.push(part(0, all.rows() - count));
        rest.push(part(all.rows() - count, all.rows()));
    }
    let held_out = Observation::joined(&rest.iter().collect::<Vec<_>>());
    Ok(Data {
        training: Observation::joined(&training.iter().collect::<Vec<_>>()),
        held_out: Some(held_out).filter(|held_out| held_out.rows() > 0),
        ..Data::default()
    })
}

/// Training images as an attack on the classifier leaves them: what a defence is asked to repair.
fn attacked_images(
    source: &DataSource<'_>,
    (archive, models): (&Path, &Path),
    task: &dyn Task,
) -> anyhow::Result<Data> {
    let name = &task.spec().name;
    if *name != thalweg_image_defence::ENTRY.name {
        return Err(InputError::ImagesOfDefence(name.clone()).into());
    }
    let defence = Defence::load(&models.join(format!("{name}.safetensors")), &LoadOptions::default())?;
    let attacked = |split, count, seed| -> anyhow::Result<Observation> {
        let images = LabelledImages::read(archive, split, Some((count, seed)))?;
        let (mut random, mut attacked) = (StdRng::seed_from_u64(seed), Vec::new());
        for (image, labels) in
            images.values().split(ATTACKED_AT_ONCE, 0).iter().zip(images.labels.split(ATTACKED_AT_ONCE, 0))
        {
            attacked.push(ADVERSARY.attack(&defence.backbone, (image, &labels), &mut random)?);
        }
        Ok(Observation::of_image(&Tensor::cat(&attacked, 0)))
    };
    let training = attacked(ImageSplit::Training, source.drawn.unwrap_or_else(|| default_count(task)), source.seed)?;
    let held_out = |rows| attacked(ImageSplit::Validation, rows, HELD_OUT_SEED);
    Ok(Data { training, held_out: source.held_out.map(held_out).transpose()?, ..Data::default() })
}

/// What a retraining rehearses where no motion capture is at hand: bundled training poses of body_pose, else what
/// the task's prior draws.
pub(super) fn rehearsal(
    source: &DataSource<'_>,
    bundled: &Path,
    task: &dyn Task,
    ranks: &Ranks,
) -> anyhow::Result<Data> {
    if !source.motion.is_empty() || task.spec().name != thalweg_body_pose::ENTRY.name {
        return load(source, task, ranks);
    }
    let all = bundled_motion(task, bundled)?;
    // Every sixteenth pose chooses between averages of theta.
    let part = |is_held_out: bool| {
        let rows: Vec<i64> = (0..all.rows()).filter(|row| (row % 16 == 15) == is_held_out).collect();
        all.select_rows(&Tensor::from_slice(&rows))
    };
    Ok(Data { training: part(false), held_out: Some(part(true)), ..Data::default() })
}

/// The set on which a retrained landscape must be no worse: the bundled motion of body_pose, else what the task's
/// prior draws with a fixed seed.
pub(super) fn shipped(task: &dyn Task, motion: &Path) -> anyhow::Result<Observation> {
    let spec = task.spec();
    if spec.name != thalweg_body_pose::ENTRY.name {
        return Ok(thalweg_task::sampled(task, SHIPPED, &mut StdRng::seed_from_u64(SHIPPED_SEED))?);
    }
    bundled_motion(task, motion)
}

/// Complete observations of bundled motion.
fn bundled_motion(task: &dyn Task, motion: &Path) -> anyhow::Result<Observation> {
    let motion = Motion::load(motion, task.spec()).map_err(InputError::Motion)?;
    Ok(Observation::of_joints(&motion.joints))
}

/// How many observations are drawn where nobody says.
fn default_count(task: &dyn Task) -> usize {
    let row = task.spec().output.iter().product::<i64>().max(1) as usize;
    (DRAWN_NUMBERS / row).clamp(1, DRAWN)
}

/// Motion of folders, files and patterns of their names.
///
/// Each rank reads all of it: which clips are held out is decided over all, and the hours that there are of motion capture
/// are read in seconds.
pub(super) fn motion(names: &[PathBuf], ranks: &Ranks) -> anyhow::Result<Dataset> {
    let dataset = Dataset::load_from(&recordings::matching(names)?)?;
    if ranks.is_first() {
        console::print(&left_out(&dataset))?;
    }
    Ok(dataset)
}

fn recorded(names: &[PathBuf], validates: bool, drawn: Option<&Masked>, ranks: &Ranks) -> anyhow::Result<Data> {
    let dataset = motion(names, ranks)?;
    dataset.expect_clips(Split::Train, TRAINING_CLIPS)?;
    if validates {
        dataset.expect_clips(Split::Validation, VALIDATION_CLIPS)?;
    }
    let poses = joint_angles(&prior::training_poses(&dataset));
    let drawn = drawn.map(|drawn| drawn.value().to_device(poses.device()));
    let all: Vec<&Tensor> = [Some(&poses), drawn.as_ref()].into_iter().flatten().collect();
    let training = Observation::of_joints(&Tensor::cat(&all, 0));
    let held_out = validates.then(|| Observation::of_joints(&joint_angles(&dataset.poses(Split::Validation))));
    Ok(Data { training, held_out, ..Data::default() })
}

/// Most clips that are told one by one.
const TOLD: usize = 20;

/// Tells how many poses cannot be used, and which clips; nothing when all can.
fn left_out(dataset: &Dataset) -> String {
    let sources = Source::EVERY.into_iter().chain([Source::Own]);
    let counted: Vec<_> = sources.map(|source| (source.file(), dataset.not_finite(source))).collect();
    let parts: Vec<String> =
        counted.iter().filter(|(_, count)| *count > 0).map(|(file, count)| format!("{count} of {file}")).collect();
    let mut text = String::new();
    if !parts.is_empty() {
        text += &format!("left out poses with values that are not finite: {}\n", parts.join(", "));
    }
    for error in dataset.refused.iter().take(TOLD) {
        text += &format!("left out a clip: {}\n", console::line(&error.to_string()));
    }
    if let Some(more) = dataset.refused.len().checked_sub(TOLD + 1) {
        text += &format!("left out {} further clips\n", more + 1);
    }
    text
}
