//! What is measured on: classifiers with their heads, landscapes, images.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tch::Tensor;
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_image_defence::{Defence, ImageDefence, LossConfig, Settings};
use thalweg_task::{LoadOptions, Task};
use thalweg_train::ball::{Ball, Norm};
use thalweg_train::{ImageSplit, LabelledImages};

use super::cells::Chosen;
use super::{DefenceArguments, Sizes};

/// Seeds of the images that are drawn.
const TEST_SEED: u64 = 0x7465_7374;
const VALIDATION_SEED: u64 = 0x7661_6c69;
/// Seed and hidden width of the untrained landscape.
const RANDOM_SEED: u64 = 7;
const RANDOM_HIDDEN: i64 = 1024;

/// What an attack may change, and how far its static form steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Threat {
    pub(super) name: &'static str,
    pub(super) ball: Ball,
    pub(super) step: f64,
}

const LEVEL: f64 = 1.0 / 255.0;

/// Those of Table 1, and that for which the given classifiers were trained.
pub(super) const THREATS: [Threat; 3] = [
    Threat { name: "L2 256/255", ball: Ball { norm: Norm::L2, radius: 256.0 * LEVEL }, step: 64.0 * LEVEL },
    Threat { name: "L-inf 8/255", ball: Ball { norm: Norm::Max, radius: 8.0 * LEVEL }, step: 2.0 * LEVEL },
    Threat { name: "L-inf 2/255", ball: Ball { norm: Norm::Max, radius: 2.0 * LEVEL }, step: 0.5 * LEVEL },
];

/// A classifier with its head, and where its repair may descend.
pub(super) struct Defended {
    pub(super) name: String,
    path: PathBuf,
    pub(super) plain: Defence,
    /// r itself, and landscapes.
    pub(super) arms: Vec<Arm>,
}

/// Name of the arm that descends over the correction itself.
pub(super) const PLAIN: &str = "r";
/// The arms that each classifier has: over the correction itself, and with options that keep clean images; after each its
/// control, steps of the same size in drawn directions.
const ARMS: [(&str, ArmKind); 4] = [
    (PLAIN, ArmKind::Repair),
    ("noise", ArmKind::Blind),
    ("r, gentle", ArmKind::Gentle),
    ("noise, gentle", ArmKind::Blind),
];
/// Name of the landscape that nobody trained.
const RANDOM: &str = "random theta";

/// Where a repair descends, and by what its options are chosen.
pub(super) struct Arm {
    pub(super) name: String,
    pub(super) landscape: Landscape,
    pub(super) kind: ArmKind,
}

/// What an arm is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArmKind {
    /// A repair. Its options are those that get most attacked images right, as one who wants the paper's table would choose.
    Repair,
    /// A repair. Its options are those that get most attacked images right of all that keep the clean ones.
    Gentle,
    /// A control that goes in drawn directions, with the options of the arm before.
    Blind,
    /// A control that descends like a repair. No adaptive attack is spent on it.
    Untrained,
}

impl Arm {
    fn new(name: impl Into<String>, landscape: Landscape, kind: ArmKind) -> Self {
        Self { name: name.into(), landscape, kind }
    }

    /// Whether attacks look through it.
    pub(super) fn is_repair(&self) -> bool {
        matches!(self.kind, ArmKind::Repair | ArmKind::Gentle)
    }
}

impl Defended {
    /// The task with what was chosen.
    pub(super) fn task(&self, chosen: &Chosen) -> anyhow::Result<ImageDefence> {
        let Chosen { bound, shrinkage, temperature, views, .. } = *chosen;
        let options = LoadOptions::default();
        let mut defence = Defence::load(&self.path, &options)?;
        defence.loss = LossConfig { temperature, shrinkage };
        Ok(ImageDefence::of(defence, Settings { bound, views, ..Settings::default() }, &options))
    }
}

/// Images and their classes.
pub(super) struct Images {
    /// `[B, 3, H, W]`.
    pub(super) image: Tensor,
    /// `[B]`.
    pub(super) labels: Tensor,
}

impl Images {
    fn of(images: &LabelledImages) -> Self {
        Self { image: images.values(), labels: images.labels.shallow_clone() }
    }

    /// The first few.
    pub(super) fn first(&self, count: usize) -> Self {
        let count = (count as i64).min(self.labels.size()[0]);
        Self { image: self.image.narrow(0, 0, count), labels: self.labels.narrow(0, 0, count) }
    }
}

/// All that the measurements need.
pub(super) struct World {
    pub(super) sizes: Sizes,
    pub(super) defended: Vec<Defended>,
    pub(super) test: Images,
    pub(super) validation: Images,
    fingerprints: Vec<String>,
}

impl World {
    pub(super) fn load(arguments: &DefenceArguments, sizes: Sizes) -> anyhow::Result<Self> {
        let read = |split, count, seed| LabelledImages::read(&arguments.images, split, Some((count, seed)));
        let test = read(ImageSplit::Test, sizes.test, TEST_SEED)?;
        let validation = read(ImageSplit::Validation, sizes.validation, VALIDATION_SEED)?;
        let mut defended = Vec::new();
        for (index, path) in arguments.defence.iter().enumerate() {
            let landscapes = if index == 0 { arguments.landscape.as_slice() } else { &[] };
            defended.push(defence(path, landscapes)?);
        }
        let fingerprints = vec![test.fingerprint(), validation.fingerprint()];
        Ok(Self { sizes, defended, test: Images::of(&test), validation: Images::of(&validation), fingerprints })
    }

    /// What decides the results.
    pub(super) fn options(&self) -> anyhow::Result<serde_json::Value> {
        let of = |defended: &Defended| (defended.name.clone(), serde_json::json!(defended.plain.fingerprint()));
        let defences: serde_json::Map<String, serde_json::Value> = self.defended.iter().map(of).collect();
        let arms = self.defended.iter().flat_map(|defended| &defended.arms);
        let landscapes: serde_json::Map<String, serde_json::Value> =
            arms.map(|arm| (arm.name.clone(), arm.landscape.id().into())).collect();
        Ok(serde_json::json!({
            "sizes": self.sizes, "defences": defences, "landscapes": landscapes, "images": self.fingerprints,
        }))
    }

    /// How many blocks there will be.
    pub(super) fn blocks(&self) -> usize {
        let has_other = usize::from(self.defended.len() > 1);
        let of_one = |defended: &Defended| {
            let repairs = defended.arms.iter().filter(|arm| arm.is_repair()).count();
            defended.arms.len() * ((2 + has_other) * THREATS.len() + 2) + (repairs + 1) * THREATS.len() + 3
        };
        self.defended.iter().map(of_one).sum()
    }
}

fn defence(path: &Path, landscapes: &[PathBuf]) -> anyhow::Result<Defended> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let name = stem.with_context(|| format!("{}: expected a name of a file", path.display()))?.to_owned();
    let options = LoadOptions::default();
    let plain = Defence::load(path, &options)?;
    let task = ImageDefence::of(Defence::load(path, &options)?, Settings::default(), &options);
    let spec = task.spec();
    let identity = || Landscape::identity(spec.latent);
    let mut arms: Vec<Arm> = ARMS.map(|(name, kind)| Arm::new(name, identity(), kind)).into();
    if !landscapes.is_empty() {
        let shape = LandscapeShape { z: spec.latent, x: spec.latent, hidden: RANDOM_HIDDEN };
        let random = Landscape::random(&shape, RANDOM_SEED, spec.kind, spec.device)?;
        arms.push(Arm::new(RANDOM, random, ArmKind::Untrained));
    }
    for landscape in landscapes {
        let stem = landscape.file_stem().and_then(|stem| stem.to_str()).unwrap_or("theta");
        arms.push(Arm::new(stem, Landscape::trained(landscape, spec)?, ArmKind::Repair));
        arms.push(Arm::new(format!("{stem}, gentle"), Landscape::trained(landscape, spec)?, ArmKind::Gentle));
    }
    Ok(Defended { name, path: path.to_owned(), plain, arms })
}
