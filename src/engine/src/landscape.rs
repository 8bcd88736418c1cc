//! The learned landscape theta: a map from the engine's `z` to a task's latent `x`.

pub mod anchor;
mod error;
mod steps;

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{Perceptron, initial};
use thalweg_task::{Task, TaskSpec};

use crate::error::EngineError;

pub use error::LandscapeError;
pub use steps::{MOST_EXEMPLARS, Steps, draw_codes, offset_of_gaps};

/// Slope of theta's rectifiers below zero: LeakyReLU 0.2 (Liu et al., 2023, sec. 4).
pub const SLOPE: f64 = 0.2;

/// What a landscape file says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-landscape";
/// Version of that format without steps, and with them.
const PLAIN: &str = "1";
const WITH_STEPS: &str = "2";
/// Tensors of a landscape file are named `theta.{layer}.weight` and `theta.{layer}.bias`.
const PREFIX: &str = "theta";

/// Widths of theta: three dense layers `Z -> hidden -> hidden -> X`.
///
/// After Liu et al. (2023), sec. 4: `Z = 128`, `hidden = 512`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LandscapeShape {
    /// Dimension `Z` in which the engine descends.
    pub z: i64,
    /// Dimension `X` of the task's latent.
    pub x: i64,
    /// Width of the two hidden layers.
    pub hidden: i64,
}

impl LandscapeShape {
    /// Takes the paper's widths for a task's latent dimension.
    #[must_use]
    pub fn for_latent(x: i64) -> Self {
        Self { z: 128, x, hidden: 512 }
    }

    fn check(self) -> Result<Self, LandscapeError> {
        for (axis, got) in [("z", self.z), ("x", self.x), ("hidden", self.hidden)] {
            if got < 1 {
                return Err(LandscapeError::Dimension { axis, got });
            }
        }
        Ok(self)
    }

    fn widths(self) -> [i64; 4] {
        [self.z, self.hidden, self.hidden, self.x]
    }
}

/// Where the weights of a landscape come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Random,
    Trained,
}

#[derive(Debug)]
struct Theta {
    perceptron: Perceptron,
    shape: LandscapeShape,
    origin: Origin,
    steps: Option<Steps>,
}

/// The map theta from `z` to `x`: the identity, an untrained or a trained perceptron.
///
/// Its weights never change and carry no gradient. `z` is drawn from `N(0, I)`; where the landscape has [`Steps`] of
/// its own, a cold descent begins with them, at `z = 0`.
#[derive(Debug)]
pub struct Landscape {
    theta: Option<Theta>,
    latent: i64,
    id: String,
}

impl Landscape {
    /// Descends in the task's own latent: `x = z`.
    #[must_use]
    pub fn identity(latent: i64) -> Self {
        Self { theta: None, latent, id: "identity".to_owned() }
    }

    /// Builds an untrained perceptron.
    ///
    /// Weights and biases are drawn from `U(-1/sqrt(in), 1/sqrt(in))`, the default of PyTorch's
    /// `Linear`, by a generator of its own: the same seed gives the same landscape everywhere.
    ///
    /// # Errors
    /// [`LandscapeError::Dimension`] when a width is below one.
    pub fn random(shape: &LandscapeShape, seed: u64, kind: Kind, device: Device) -> Result<Self, LandscapeError> {
        let widths = shape.check()?.widths();
        let parameters = initial::linear(&widths, &mut StdRng::seed_from_u64(seed), (kind, device));
        Self::assemble(&parameters, *shape, Origin::Random, Some(format!("random-{seed}")))
    }

    /// Takes a copy of a perceptron's weights, as the trainer has them now.
    ///
    /// The perceptron must have theta's form: three layers and the slope [`SLOPE`].
    ///
    /// # Errors
    /// [`LandscapeError::Layers`] when it has another number of layers.
    pub fn from_perceptron(perceptron: &Perceptron) -> Result<Self, LandscapeError> {
        let parameters: Vec<_> = perceptron.parameters().iter().map(|tensor| tensor.detach().copy()).collect();
        let got = parameters.len() / 2;
        let [first, _, _, _, last, _] = parameters.as_slice() else { return Err(LandscapeError::Layers { got }) };
        let [hidden, z] = first.size()[..] else { return Err(LandscapeError::Layers { got }) };
        let shape = LandscapeShape { z, x: last.size()[0], hidden };
        let mut copy = Perceptron::from_parameters(&parameters, SLOPE)?;
        if let Some(skip) = perceptron.skip() {
            copy = copy.with_skip(skip.detach().copy())?;
        }
        Ok(Self::of(Theta { perceptron: copy, shape, origin: Origin::Trained, steps: None }, None))
    }

    /// Gives a landscape the steps that it was trained for.
    ///
    /// # Errors
    /// [`LandscapeError::NoWeights`] for the identity, [`LandscapeError::Steps`] when they do not fit.
    pub fn with_steps(self, steps: Steps) -> Result<Self, LandscapeError> {
        let theta = self.theta.ok_or(LandscapeError::NoWeights)?;
        steps.check(theta.shape)?;
        Ok(Self::of(Theta { steps: Some(steps), ..theta }, None))
    }

    /// The steps that it was trained for; none where any method will do.
    #[must_use]
    pub fn steps(&self) -> Option<&Steps> {
        self.theta.as_ref()?.steps.as_ref()
    }

    /// The landscape whose weights lie between this one's and another's: this one at a share of 0, the other at 1.
    ///
    /// Between a network and what it was fine-tuned to, all along the line are good networks, often better than
    /// both on what the first one knew (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
    ///
    /// # Errors
    /// [`LandscapeError::NoWeights`] when one is the identity, [`LandscapeError::OtherShape`] when widths differ.
    pub fn towards(&self, other: &Self, share: f64) -> Result<Self, LandscapeError> {
        let (Some(one), Some(two)) = (&self.theta, &other.theta) else { return Err(LandscapeError::NoWeights) };
        if one.shape != two.shape {
            return Err(LandscapeError::OtherShape { expected: one.shape.widths(), got: two.shape.widths() });
        }
        let pairs = one.perceptron.parameters().into_iter().zip(two.perceptron.parameters());
        let mut between: Vec<Tensor> = pairs.map(|(one, two)| &one + share * (&two - &one)).collect();
        let perceptron = if one.perceptron.skip().is_some() {
            let [one, two] = [anchor::lift_of(&one.perceptron)?, anchor::lift_of(&two.perceptron)?];
            between.truncate(anchor::LEAVES);
            anchor::anchored(&between, &(&one + share * (two - &one)))?
        } else {
            Perceptron::from_parameters(&between, SLOPE)?
        };
        let steps = if share < 0.5 { &one.steps } else { &two.steps };
        let steps = steps.as_ref().map(Steps::shallow_clone);
        Ok(Self::of(Theta { perceptron, shape: one.shape, origin: Origin::Trained, steps }, None))
    }

    /// Reads a trained landscape and checks that it was trained for this task's forward model.
    ///
    /// Weights come as the task's element type, on its device.
    ///
    /// # Errors
    /// [`LandscapeError`], each variant saying in one sentence what was expected and what came.
    pub fn trained(path: &Path, spec: &TaskSpec) -> Result<Self, LandscapeError> {
        let file = Weights::open(path, spec.kind, spec.device)?;
        file.expect_meta("format", FORMAT)?;
        let version: String = file.meta("version")?;
        if version != PLAIN && version != WITH_STEPS {
            let expected = format!("metadata 'version': expected {PLAIN} or {WITH_STEPS}, got {version}");
            return Err(file.refuse(expected).into());
        }
        check_bond(&file, spec)?;
        let shape = LandscapeShape { z: file.meta("z")?, x: file.meta("x")?, hidden: file.meta("hidden")? }.check()?;
        if shape.x != spec.latent {
            let (path, task) = (path.to_owned(), spec.name.clone());
            return Err(LandscapeError::OtherLatent { path, task, expected: spec.latent, got: shape.x });
        }
        let widths = shape.widths();
        let mut names: Vec<String> = Perceptron::names(PREFIX, widths.len() - 1).collect();
        if version == WITH_STEPS {
            names.push(Perceptron::name_of_skip(PREFIX));
            names.extend(Steps::names_in(&file)?);
        }
        file.expect_names(names.iter().map(String::as_str))?;
        let mut perceptron = Perceptron::load(&file, PREFIX, &widths, SLOPE)?;
        let mut steps = None;
        if version == WITH_STEPS {
            perceptron = perceptron.with_skip(file.tensor(&Perceptron::name_of_skip(PREFIX), &[shape.x, shape.z])?)?;
            steps = Some(Steps::load(&file, shape, spec.joints.len() as i64)?);
        }
        Ok(Self::of(Theta { perceptron, shape, origin: Origin::Trained, steps }, None))
    }

    /// Whether a file says that it is a landscape.
    pub(crate) fn is_in(file: &Weights) -> bool {
        file.meta::<String>("format").is_ok_and(|format| format == FORMAT)
    }

    /// Names weights and steps, as files hold them.
    fn named(theta: &Theta) -> Vec<(String, Tensor)> {
        let steps = theta.steps.iter().flat_map(Steps::named);
        theta.perceptron.named(PREFIX).into_iter().chain(steps).collect()
    }

    fn of(theta: Theta, id: Option<String>) -> Self {
        let id = id.unwrap_or_else(|| weights::fingerprint(&Self::named(&theta)));
        Self { latent: theta.shape.x, theta: Some(theta), id }
    }

    fn assemble(
        parameters: &[Tensor],
        shape: LandscapeShape,
        origin: Origin,
        id: Option<String>,
    ) -> Result<Self, LandscapeError> {
        let perceptron = Perceptron::from_parameters(parameters, SLOPE)?;
        Ok(Self::of(Theta { perceptron, shape, origin, steps: None }, id))
    }

    /// A second handle on the same weights, which never change.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let second = |Theta { perceptron, shape, origin, steps }: &Theta| Theta {
            perceptron: perceptron.shallow_clone(),
            shape: *shape,
            origin: *origin,
            steps: steps.as_ref().map(Steps::shallow_clone),
        };
        Self { theta: self.theta.as_ref().map(second), latent: self.latent, id: self.id.clone() }
    }

    /// Maps `z`, `[K, Z]`, to `x`, `[K, X]`; row by row.
    pub fn map(&self, z: &Tensor) -> Tensor {
        self.theta.as_ref().map_or_else(|| z.shallow_clone(), |theta| theta.perceptron.forward(z))
    }

    /// Dimension `Z` in which the engine descends.
    #[must_use]
    pub fn dim(&self) -> i64 {
        self.theta.as_ref().map_or(self.latent, |theta| theta.shape.z)
    }

    /// Dimension `X` of the task's latent.
    #[must_use]
    pub fn latent(&self) -> i64 {
        self.latent
    }

    /// Names what kind of landscape this is: identity, random or trained.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self.theta.as_ref().map(|theta| theta.origin) {
            None => "identity",
            Some(Origin::Random) => "random",
            Some(Origin::Trained) => "trained",
        }
    }

    /// Tells landscapes apart: `identity`, `random-SEED`, or the fingerprint of the weights.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The perceptron, from which training starts; none for the identity.
    #[must_use]
    pub fn perceptron(&self) -> Option<&Perceptron> {
        self.theta.as_ref().map(|theta| &theta.perceptron)
    }

    /// The perceptron's widths; none for the identity.
    #[must_use]
    pub fn shape(&self) -> Option<LandscapeShape> {
        self.theta.as_ref().map(|theta| theta.shape)
    }

    /// Element type and device of the weights; none for the identity, which suits any.
    #[must_use]
    pub fn kind_and_device(&self) -> Option<(Kind, Device)> {
        let parameters = self.perceptron()?.parameters();
        parameters.first().map(|weight| (weight.kind(), weight.device()))
    }

    /// Writes the weights, bound to the task's forward model, atomically.
    ///
    /// `extra` is added to the metadata: how it was trained, on what, with which result.
    ///
    /// # Errors
    /// [`LandscapeError::NoWeights`] for the identity, [`LandscapeError::File`] when the file
    /// cannot be written.
    pub fn save(&self, path: &Path, spec: &TaskSpec, extra: &[(&str, String)]) -> Result<(), LandscapeError> {
        let theta = self.theta.as_ref().ok_or(LandscapeError::NoWeights)?;
        let mut metadata = extra.to_vec();
        metadata.extend([
            ("format", FORMAT.to_owned()),
            ("version", if theta.steps.is_some() { WITH_STEPS } else { PLAIN }.to_owned()),
            ("task", spec.name.clone()),
            ("fingerprint", spec.fingerprint.clone()),
            ("z", theta.shape.z.to_string()),
            ("x", theta.shape.x.to_string()),
            ("hidden", theta.shape.hidden.to_string()),
        ]);
        if let Some(steps) = &theta.steps {
            metadata.extend(steps.metadata());
        }
        Ok(weights::save(path, &Self::named(theta), &metadata)?)
    }
}

/// Checks that a file was trained for this task and for this forward model.
fn check_bond(file: &Weights, spec: &TaskSpec) -> Result<(), LandscapeError> {
    let path = file.path().to_owned();
    let (task, model): (String, String) = (file.meta("task")?, file.meta("fingerprint")?);
    if task != spec.name {
        return Err(LandscapeError::OtherTask { path, expected: spec.name.clone(), got: task });
    }
    if model != spec.fingerprint {
        return Err(LandscapeError::OtherModel { path, task, expected: spec.fingerprint.clone(), got: model });
    }
    Ok(())
}

/// Refuses a landscape that does not fit a task.
pub(crate) fn check_landscape(task: &dyn Task, landscape: &Landscape) -> Result<(), EngineError> {
    let (spec, id, name) = (task.spec(), landscape.id().to_owned(), task.spec().name.clone());
    if landscape.latent() != spec.latent {
        let (expected, got) = (spec.latent, landscape.latent());
        return Err(EngineError::Latent { landscape: id, task: name, expected, got });
    }
    let expected = (spec.kind, spec.device);
    match landscape.kind_and_device() {
        Some(got) if got != expected => Err(EngineError::ElementType { landscape: id, task: name, expected, got }),
        _ => Ok(()),
    }
}
