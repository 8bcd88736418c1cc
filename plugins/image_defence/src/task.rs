//! The task: a correction as x, how well views of the corrected image agree as L.

use serde_json::Value;
use tch::{Kind, Tensor};
use thalweg_nn::NnError;
use thalweg_task::{
    Change, Entry, ImageSpec, Kinds, LoadOptions, Objective, Observation, ParameterRange, ParameterSpec,
    ParameterValue, Reconstruction, Result, Target, Task, TaskError, TaskSpec, nearest,
};

use crate::backbone::{BackboneConfig, CHANNELS};
use crate::head::contrast;
use crate::views::{Views, ViewsConfig};
use crate::weights::Defence;

/// What the registry knows about this task.
pub const ENTRY: Entry = Entry {
    name: "image_defence",
    summary: "repairs an attacked image and tells its class",
    observes: Kinds { joints: false, image: true, points: false },
    parameters: describe_parameters,
    suited,
    load: |options| Ok(Box::new(ImageDefence::load(options)?)),
};

/// Liu et al. descend a few steps from a random start. One hypothesis: of several the one with the least loss is published,
/// and that a lower loss means a better class is what a defence hopes, not what it knows. Each image begins anew, for the
/// attack on the one before says nothing about its own.
fn suited() -> Vec<(&'static str, ParameterValue)> {
    vec![
        ("theta", ParameterValue::String("identity".to_owned())),
        ("hypotheses", ParameterValue::Integer(1)),
        ("warm_start.enabled", ParameterValue::Bool(false)),
        ("warm_start.fresh", ParameterValue::Integer(0)),
        ("optimizer.rate", ParameterValue::Double(2.0)),
        ("optimizer.prior_weight", ParameterValue::Double(0.0)),
        ("budget.deadline", ParameterValue::Double(1.0)),
        ("budget.steps", ParameterValue::Integer(5)),
    ]
}

/// The weights, in the folder of models.
const FILE: &str = "image_defence.safetensors";
/// Numbers of x to one of a pixel: x counts grey levels of eight bits.
const LEVELS: f64 = 255.0;
/// Added to a square under a root: there a correction of zero would have no gradient.
const LEAST_SQUARE: f64 = 1e-12;

/// What a user may choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Greatest length (L2) of a correction, of pixels from 0 to 1.
    pub bound: f64,
    /// Views of each image; zero: as many as the head learned with.
    pub views: i64,
    /// Seed that the views are drawn by.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bound: 1.0, views: 0, seed: 0 }
    }
}

fn describe_parameters() -> Vec<ParameterSpec> {
    let Settings { bound, views, .. } = Settings::default();
    let spec = |name: &'static str, default, range, description: &'static str| ParameterSpec {
        name: name.into(),
        default,
        unit: "",
        range,
        change: Change::Unconfigured,
        description: description.into(),
    };
    vec![
        spec(
            "bound",
            ParameterValue::Double(bound),
            ParameterRange::Double { from: 0.001, to: 1000.0 },
            "Greatest length of the correction, the root of the sum of the squares of all pixels, black 0, white 1.",
        ),
        spec(
            "views",
            ParameterValue::Integer(views),
            ParameterRange::Integer { from: 0, to: 32 },
            "How many views of an image are compared. 0: as many as the head learned with.",
        ),
        spec(
            "seed",
            ParameterValue::Integer(0),
            ParameterRange::Integer { from: 0, to: i64::from(i32::MAX) },
            "Seed by which the views are drawn; they are the same for each image.",
        ),
    ]
}

impl Settings {
    /// Reads what was set, each against its range.
    ///
    /// # Errors
    /// [`TaskError::UnknownName`] or [`TaskError::Parameter`] about the first that does not fit.
    fn read(parameters: &serde_json::Map<String, Value>) -> Result<Self> {
        let mut settings = Self::default();
        for (name, value) in parameters {
            let known = describe_parameters();
            let Some(spec) = known.iter().find(|spec| spec.name == *name) else {
                let hint = nearest(name, known.iter().map(|spec| spec.name.as_ref()));
                return Err(TaskError::UnknownName { kind: "parameter", name: name.clone(), hint });
            };
            let (number, whole) = (value.as_f64(), value.as_i64());
            let refuse = || TaskError::Parameter {
                name: name.clone(),
                got: value.to_string(),
                expected: match &spec.range {
                    ParameterRange::Double { from, to } => format!("a number from {from} to {to}"),
                    ParameterRange::Integer { from, to } => format!("a whole number from {from} to {to}"),
                    _ => String::new(),
                },
            };
            match (&spec.range, number, whole) {
                (ParameterRange::Double { from, to }, Some(number), _) if (*from..=*to).contains(&number) => {
                    settings.bound = number;
                }
                (ParameterRange::Integer { from, to }, _, Some(whole)) if (*from..=*to).contains(&whole) => {
                    if name == "views" {
                        settings.views = whole;
                    } else {
                        settings.seed = whole.unsigned_abs();
                    }
                }
                _ => return Err(refuse()),
            }
        }
        if settings.views == 1 {
            return Err(TaskError::Parameter {
                name: "views".to_owned(),
                got: "1".to_owned(),
                expected: "0 or at least 2, for views are compared with each other".to_owned(),
            });
        }
        Ok(settings)
    }
}

/// Defence of a classifier by a contrastive loss, Liu et al. (2023), section 4.3.
#[derive(Debug)]
pub struct ImageDefence {
    spec: TaskSpec,
    defence: Defence,
    views: Views,
    bound: f64,
    /// The mean colour, `[1, 3, 1, 1]`: what stands in for pixels that were not seen.
    mean: Tensor,
}

impl ImageDefence {
    /// Loads `image_defence.safetensors` of the folder of models.
    ///
    /// # Errors
    /// [`TaskError`] about the file of weights, which says how to make one that is not there, or a parameter.
    pub fn load(options: &LoadOptions) -> Result<Self> {
        let settings = Settings::read(&options.parameters)?;
        let path = options.models.join(FILE);
        let defence = Defence::load(&path, options).map_err(|error| match error {
            NnError::Io { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                let reason = "is not there; `thalweg train head` makes it".to_owned();
                NnError::Weights { path, reason }
            }
            other => other,
        })?;
        Ok(Self::of(defence, settings, options))
    }

    /// Defends with what was learned; its tensors are of the kind and on the device that the options name.
    #[must_use]
    pub fn of(defence: Defence, settings: Settings, options: &LoadOptions) -> Self {
        let like = (options.kind, options.device);
        let BackboneConfig { height, width, mean, .. } = defence.backbone.config();
        let count = if settings.views == 0 { defence.views.count } else { settings.views };
        let views = Views::draw(&ViewsConfig { count, ..defence.views }, settings.seed, (*height, *width), like);
        let mean = Tensor::from_slice(mean).view([1, CHANNELS, 1, 1]).to_kind(like.0).to_device(like.1);
        let spec = describe(&defence, settings, options);
        Self { spec, defence, views, bound: settings.bound, mean }
    }

    /// What was learned.
    #[must_use]
    pub fn defence(&self) -> &Defence {
        &self.defence
    }

    /// Adds corrections to what was seen, `[K, 3, H, W]`, black 0, white 1: gives the corrections where pixels were seen,
    /// and the corrected images.
    fn corrected(&self, y_hat: &Tensor, target: &Target) -> Result<(Tensor, Tensor)> {
        self.check("y_hat", y_hat)?;
        let (rows, targets) = (y_hat.size()[0], target.value.size()[0]);
        if targets != 1 && targets != rows {
            return Err(TaskError::shape("target", format!("1 or {rows} rows"), &target.value));
        }
        let correction = y_hat * &target.weight;
        let image = (&target.value + &correction).clamp(0.0, 1.0);
        Ok((correction, image))
    }

    fn check(&self, what: &'static str, image: &Tensor) -> Result<()> {
        if image.size().get(1..) == Some(&self.spec.output[..]) {
            return Ok(());
        }
        let [channels, height, width] = self.spec.output[..] else {
            return Err(TaskError::shape(what, "[K, 3, H, W]", image));
        };
        Err(TaskError::shape(what, format!("[K, {channels}, {height}, {width}]"), image))
    }
}

impl Task for ImageDefence {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// Makes corrections: x in grey levels of eight bits, no longer than the bound.
    ///
    /// `x`: `[K, 3 H W]`. Returns `[K, 3, H, W]`, what is added to pixels from 0 to 1.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if !matches!(x.size()[..], [_, width] if width == self.spec.latent) {
            return Err(TaskError::shape("x", format!("[K, {}]", self.spec.latent), x));
        }
        let correction = x / LEVELS;
        let square = correction.square().f_sum_dim_intlist([1].as_slice(), true, None::<Kind>)?;
        let share = ((square + LEAST_SQUARE).rsqrt() * self.bound).clamp_max(1.0);
        Ok((correction * share).view([&[-1], &self.spec.output[..]].concat().as_slice()))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let obs = obs.to(self.spec.kind, self.spec.device);
        obs.validate(&self.spec)?;
        let image = obs.image.as_ref().ok_or_else(|| TaskError::EmptyObservation {
            task: self.spec.name.clone(),
            observes: self.spec.observes().to_string(),
        })?;
        let weight = image.observed().to_kind(self.spec.kind);
        let value = image.value() + (1.0 - &weight) * &self.mean;
        Ok(Target { value, weight })
    }

    /// Scores by how badly views of the corrected image agree, plus the squared length of the correction.
    ///
    /// Liu et al. (2023), eq. 7. A pixel that was not seen has the mean colour, and is not corrected.
    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        let (correction, image) = self.corrected(y_hat, target)?;
        let Defence { backbone, head, bank, loss, .. } = &self.defence;
        let views = self.views.of(&image)?;
        let projections = head.forward(&backbone.features(&views.flatten(0, 1))?)?;
        let agreement = contrast(&projections.view([image.size()[0], self.views.count(), -1]), bank, loss.temperature)?;
        let square = correction.square().f_sum_dim_intlist([1, 2, 3].as_slice(), false, None::<Kind>)?;
        Ok(Objective::of_loss(agreement + square * loss.shrinkage))
    }

    /// Renders nothing: a correction without the image that it corrects tells nothing.
    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.check("y_hat", y_hat)?;
        Ok(Reconstruction::default())
    }

    /// Renders the corrected image, and what the classifier takes it for.
    fn render_seen(&self, y_hat: &Tensor, target: &Target) -> Result<Reconstruction> {
        let (_, image) = self.corrected(y_hat, target)?;
        let (_, label) = self.defence.backbone.forward(&image)?;
        Ok(Reconstruction { image: Some(image), label: Some(label), ..Reconstruction::default() })
    }
}

fn describe(defence: &Defence, settings: Settings, options: &LoadOptions) -> TaskSpec {
    let BackboneConfig { height, width, .. } = *defence.backbone.config();
    let Settings { bound, views, seed } = settings;
    TaskSpec {
        name: ENTRY.name.to_owned(),
        latent: CHANNELS * height * width,
        output: vec![CHANNELS, height, width],
        joints: Vec::new(),
        groups: Vec::new(),
        reads_joints: false,
        image: Some(ImageSpec { channels: CHANNELS, height, width }),
        points: None,
        skeleton: None,
        classes: defence.classes.clone(),
        convention: None,
        residual: false,
        fingerprint: format!("{} bound {bound} views {views} seed {seed}", defence.fingerprint()),
        device: options.device,
        kind: options.kind,
    }
}
