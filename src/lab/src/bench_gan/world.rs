//! What is measured on: landscapes, the start, test images.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg::Registry;
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::start::Start;
use thalweg_gan_inversion::{ENTRY, SIDE};
use thalweg_task::sampled;
use thalweg_task::{LoadOptions, Task, TaskSpec};

use super::{GanArguments, Sizes};

/// Seeds of what F draws: no training uses them.
const TEST_SEED: u64 = 0x7465_7374;
const TUNING_SEED: u64 = 0x7475_6e65;
/// Seed of the untrained landscape.
const RANDOM_SEED: u64 = 7;
/// Where CIFAR-10 is in a data folder, and which of it is far from faces.
const CIFAR: &str = "images/cifar10-jpeg.zip";
const ANIMALS: [&str; 6] = ["bird", "cat", "deer", "dog", "frog", "horse"];

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arm {
    AdamX,
    RandomTheta,
    Theta,
    /// A few steps on the landscape, the rest in X.
    ThetaThenX,
    Encoder,
}

impl Arm {
    pub(super) const ALL: [Self; 5] = [Self::AdamX, Self::RandomTheta, Self::Theta, Self::ThetaThenX, Self::Encoder];

    /// Name in tables and results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AdamX => "Adam in X",
            Self::RandomTheta => "random theta",
            Self::Theta => "theta",
            Self::ThetaThenX => "theta, 5 steps, then Adam in X",
            Self::Encoder => "encoder, then Adam in X",
        }
    }
}

/// Images of one kind.
pub(super) struct TestSet {
    pub(super) name: &'static str,
    /// `[P, 3, 64, 64]`.
    pub(super) images: Tensor,
}

/// All that the measurements need.
pub(super) struct World {
    pub(super) sizes: Sizes,
    pub(super) tests: Vec<TestSet>,
    /// What rates are chosen on, `[P, 3, 64, 64]`.
    pub(super) tuning: Tensor,
    pub(super) spec: TaskSpec,
    /// What is left out, and why.
    pub(super) notes: Vec<String>,
    options: LoadOptions,
    theta: Option<Landscape>,
    /// File of the encoder of images, the amortised start.
    start: Option<PathBuf>,
    random: Landscape,
}

impl World {
    /// Loads what there is; what is not there is left out, with a note.
    pub(super) fn load(arguments: &GanArguments, sizes: Sizes) -> anyhow::Result<Self> {
        let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
        let task = Registry::shipped().load(ENTRY.name, &options)?;
        let spec = task.spec().clone();
        let mut notes = Vec::new();
        let theta =
            existing(&arguments.landscape, &mut notes).map(|path| Landscape::trained(path, &spec)).transpose()?;
        let start = existing(&arguments.start, &mut notes).map(Path::to_owned);
        let drawn = |seed, rows| images(task.as_ref(), seed, rows);
        let mut tests = vec![TestSet { name: "in distribution", images: drawn(TEST_SEED, sizes.images)? }];
        let data = arguments.data.clone().or_else(|| std::env::var_os("THALWEG_DATA").map(Into::into));
        match data.map(|folder| folder.join(CIFAR)) {
            Some(path) if path.exists() => {
                let images = animals(&path, sizes.images).with_context(|| path.display().to_string())?;
                tests.push(TestSet { name: "out of distribution", images });
            }
            _ => notes.push(format!("no {CIFAR} in --data or THALWEG_DATA: nothing out of distribution")),
        }
        let tuning = drawn(TUNING_SEED, sizes.tuning)?;
        let shape = theta.as_ref().and_then(Landscape::shape);
        let shape = shape.unwrap_or(LandscapeShape { z: spec.latent, x: spec.latent, hidden: 1024 });
        let random = Landscape::random(&shape, RANDOM_SEED, spec.kind, spec.device)?;
        Ok(Self { sizes, tests, tuning, spec, notes, options, theta, start, random })
    }

    /// The methods that there are weights for.
    pub(super) fn arms(&self) -> impl Iterator<Item = Arm> + '_ {
        Arm::ALL.into_iter().filter(|arm| match arm {
            Arm::Theta | Arm::ThetaThenX => self.theta.is_some(),
            Arm::Encoder => self.start.is_some(),
            Arm::AdamX | Arm::RandomTheta => true,
        })
    }

    /// The task anew: an engine takes one.
    pub(super) fn task(&self) -> anyhow::Result<Box<dyn Task>> {
        Ok(Registry::shipped().load(ENTRY.name, &self.options)?)
    }

    /// The start of a method, anew: an engine takes one.
    pub(super) fn start(&self, arm: Arm) -> anyhow::Result<Option<Start>> {
        let file = self.start.as_ref().filter(|_| arm == Arm::Encoder);
        let read = |path: &PathBuf| Start::trained(path, &self.spec, &Landscape::identity(self.spec.latent));
        Ok(file.map(read).transpose()?)
    }

    /// Where a method descends first.
    pub(super) fn landscape(&self, arm: Arm) -> Landscape {
        match (arm, &self.theta) {
            (Arm::Theta | Arm::ThetaThenX, Some(theta)) => theta.shallow_clone(),
            (Arm::RandomTheta, _) => self.random.shallow_clone(),
            _ => Landscape::identity(self.spec.latent),
        }
    }

    /// What decides the results.
    pub(super) fn options(&self) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::json!({
            "sizes": serde_json::to_value(&self.sizes)?,
            "model": self.spec.fingerprint,
            "theta": self.theta.as_ref().map(Landscape::id),
            "start": self.start(Arm::Encoder)?.map(|start| start.id().to_owned()),
            "tests": self.tests.iter().map(|test| test.name).collect::<Vec<_>>(),
        }))
    }
}

fn existing<'a>(path: &'a Path, notes: &mut Vec<String>) -> Option<&'a Path> {
    if !path.exists() {
        notes.push(format!("no {}: that method is left out", path.display()));
        return None;
    }
    Some(path)
}

/// Draws images from F's prior, `[rows, 3, 64, 64]`.
fn images(task: &dyn Task, seed: u64, rows: usize) -> anyhow::Result<Tensor> {
    let drawn = sampled(task, rows, &mut StdRng::seed_from_u64(seed))?;
    let image = drawn.image.as_ref().map(|image| image.value().shallow_clone());
    image.context("the task draws images")
}

/// Reads test images of animals, enlarged to 64 x 64, the same number of each kind as far as it goes.
fn animals(path: &Path, count: usize) -> anyhow::Result<Tensor> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path)?)?;
    let mut names: Vec<String> =
        archive.file_names().filter(|name| name.ends_with(".jpg")).map(str::to_owned).collect();
    names.sort();
    let of = |animal: &&str| names.iter().filter(|name| name.contains(&format!("test/{animal}/"))).collect::<Vec<_>>();
    let kinds: Vec<Vec<&String>> = ANIMALS.iter().map(of).collect();
    let mut images = Vec::new();
    for index in 0..count {
        let (kind, place) = (&kinds[index % kinds.len()], index / kinds.len());
        let Some(name) = kind.get(place) else { bail!("expected test/ANIMAL/*.jpg, {count} in all") };
        let mut bytes = Vec::new();
        archive.by_name(name)?.read_to_end(&mut bytes)?;
        images.push(decode(&bytes).with_context(|| (*name).clone())?);
    }
    let small = Tensor::stack(&images, 0);
    Ok(small.upsample_bilinear2d([SIDE, SIDE], false, None, None))
}

/// Reads a JPEG image as `[3, H, W]`.
fn decode(bytes: &[u8]) -> anyhow::Result<Tensor> {
    let image = image::load_from_memory(bytes)?.to_rgb8();
    let shape = [i64::from(image.height()), i64::from(image.width()), 3];
    let pixels = Tensor::from_slice(image.as_raw()).view(shape).permute([2, 0, 1]);
    Ok(pixels.to_kind(Kind::Float).to_device(Device::Cpu) / 255.0)
}
