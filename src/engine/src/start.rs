//! The start: from what was observed to where the descent begins.
//!
//! Either a landscape that has steps of its own ([`crate::landscape::Steps`]), whose end is where a search in `x` begins;
//! or an amortised one: a small network reads the observation, gaps marked, and a code; each code asks for another
//! hypothesis. Code zero asks for the one with the least expected error, the others for what else
//! the observation leaves open. One pass replaces the first, longest part of a descent; the steps
//! that follow make the hypotheses agree with what was seen (amortised inference with iterative
//! refinement: Marino, Yue & Mandt, "Iterative Amortized Inference", 2018; FLAG, Aliakbarian et al.,
//! 2022, for poses).

mod dense;
mod features;
mod image;

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::Tensor;
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{NnError, Perceptron};
use thalweg_task::{Kinds, Observation, Result, TaskError, TaskSpec};

use crate::landscape::{Landscape, LandscapeError, draw_codes};

pub use dense::StartShape;
pub use features::{features, inputs, readings};
pub use image::ImageEncoder;

use dense::Dense;

/// What a file of a start says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-start";
/// Version of that format.
const VERSION: &str = "1";
/// Metadata entry that names the network; without it the network is dense.
const NETWORK: &str = "network";
const CONVOLUTIONAL: &str = "convolutional";
/// Tensors are named `start.{layer}.weight` and `start.{layer}.bias`.
const PREFIX: &str = "start";
/// Seed of the codes that hypotheses have.
const SEED: u64 = 0;

/// Proposes starting points `z` for an observation.
#[derive(Debug)]
pub struct Start {
    network: Network,
    id: String,
}

#[derive(Debug)]
enum Network {
    /// Joints, points.
    Dense(Dense),
    /// An image.
    Convolutional(ImageEncoder),
    /// Whatever the task reads, by way of its gradient.
    Steps(Landscape),
}

impl Start {
    /// Takes a trained perceptron.
    ///
    /// # Errors
    /// [`thalweg_task::TaskError::Shape`] when its widths are not those of `shape`.
    pub fn new(network: Perceptron, shape: StartShape) -> Result<Self> {
        let id = weights::fingerprint(&network.named(PREFIX));
        Ok(Self { network: Network::Dense(Dense::new(network, shape)?), id })
    }

    /// Takes a trained encoder of images.
    #[must_use]
    pub fn of_images(encoder: ImageEncoder) -> Self {
        let id = weights::fingerprint(&encoder.named(PREFIX));
        Self { network: Network::Convolutional(encoder), id }
    }

    /// Takes a landscape whose own steps lead to where a search in `x` begins.
    ///
    /// # Errors
    /// [`LandscapeError::NoSteps`] when it has none.
    pub fn of_steps(landscape: Landscape) -> std::result::Result<Self, LandscapeError> {
        if landscape.steps().is_none() {
            return Err(LandscapeError::NoSteps { id: landscape.id().to_owned() });
        }
        Ok(Self { id: landscape.id().to_owned(), network: Network::Steps(landscape) })
    }

    /// The landscape whose steps it goes; none where it is a network.
    #[must_use]
    pub fn landscape(&self) -> Option<&Landscape> {
        match &self.network {
            Network::Steps(landscape) => Some(landscape),
            Network::Dense(_) | Network::Convolutional(_) => None,
        }
    }

    /// Reads a start that was trained for this forward model and this landscape; a landscape with steps of its own is one
    /// for the identity.
    ///
    /// # Errors
    /// [`thalweg_task::TaskError::Weights`], saying what was expected and what came.
    pub fn trained(path: &Path, spec: &TaskSpec, landscape: &Landscape) -> Result<Self> {
        let file = Weights::open(path, spec.kind, spec.device)?;
        if Landscape::is_in(&file) {
            return Self::of_file(path, spec, landscape);
        }
        for (key, expected) in [("format", FORMAT), ("version", VERSION)] {
            file.expect_meta(key, expected)?;
        }
        for (key, expected) in bond(spec, landscape) {
            file.expect_meta(key, &expected)?;
        }
        match file.meta::<String>(NETWORK).ok() {
            None => {
                let (network, shape) = Dense::read(&file, PREFIX, spec, landscape.dim())?;
                Self::new(network, shape)
            }
            Some(name) if name == CONVOLUTIONAL => {
                Ok(Self::of_images(ImageEncoder::load(&file, PREFIX, spec, landscape.dim())?))
            }
            Some(name) => {
                Err(file.refuse(format!("metadata '{NETWORK}': expected '{CONVOLUTIONAL}', got '{name}'")).into())
            }
        }
    }

    /// Reads the steps of a landscape, for a search in `x`.
    fn of_file(path: &Path, spec: &TaskSpec, landscape: &Landscape) -> Result<Self> {
        let refuse = |reason: String| TaskError::from(NnError::Weights { path: path.to_owned(), reason });
        let start = Landscape::trained(path, spec).and_then(Self::of_steps);
        let start = start.map_err(|error| refuse(error.to_string()))?;
        if landscape.shape().is_some() {
            return Err(refuse(format!(
                "its steps lead to x, where the landscape must be identity, got {}",
                landscape.id()
            )));
        }
        Ok(start)
    }

    /// Tells for which landscape a file was made, by its identity.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError`] when it is no start.
    pub fn made_for(path: &Path, spec: &TaskSpec) -> thalweg_nn::Result<String> {
        let file = Weights::open(path, spec.kind, spec.device)?;
        if Landscape::is_in(&file) {
            return Ok(Landscape::identity(spec.latent).id().to_owned());
        }
        file.expect_meta("format", FORMAT)?;
        file.meta("landscape")
    }

    /// Writes the weights, bound to forward model and landscape, atomically.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError::Io`].
    pub fn save(
        &self,
        path: &Path,
        spec: &TaskSpec,
        landscape: &Landscape,
        extra: &[(&str, String)],
    ) -> thalweg_nn::Result<()> {
        let mut metadata = extra.to_vec();
        metadata.extend([("format", FORMAT.to_owned()), ("version", VERSION.to_owned())]);
        metadata.extend(bond(spec, landscape));
        let tensors = match &self.network {
            Network::Dense(dense) => {
                metadata.extend(dense.metadata());
                dense.network.named(PREFIX)
            }
            Network::Convolutional(encoder) => {
                metadata.push((NETWORK, CONVOLUTIONAL.to_owned()));
                encoder.named(PREFIX)
            }
            Network::Steps(_) => Vec::new(),
        };
        weights::save(path, &tensors, &metadata)
    }

    /// Proposes a starting point for each code.
    ///
    /// `obs`: one row for all codes, or one row for each; `codes`: `[K, C]`. Returns `[K, Z]`. What
    /// is not finite stays so: the engine draws such rows anew. None where it takes an engine to go steps.
    pub fn propose(&self, obs: &Observation, spec: &TaskSpec, codes: &Tensor) -> Option<Tensor> {
        let seen = |reads| features(obs, spec, reads);
        match &self.network {
            Network::Dense(dense) => Some(dense.propose(&seen(dense.shape.reads), codes)),
            Network::Convolutional(encoder) => Some(encoder.propose(&seen(ImageEncoder::READS), codes)),
            Network::Steps(_) => None,
        }
    }

    /// The code of each of K hypotheses, `[K, C]`: zero for the first, then fixed random ones.
    ///
    /// The same for every observation, so that hypothesis k keeps its character in a stream, and
    /// the first codes do not depend on how many follow.
    pub fn codes(&self, hypotheses: usize, spec: &TaskSpec) -> Tensor {
        let codes = draw_codes(hypotheses, self.code(), &mut StdRng::seed_from_u64(SEED));
        codes.to_kind(spec.kind).to_device(spec.device)
    }

    /// Fingerprint of the weights.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The encoder, where images are read.
    #[must_use]
    pub fn encoder(&self) -> Option<&ImageEncoder> {
        match &self.network {
            Network::Dense(_) | Network::Steps(_) => None,
            Network::Convolutional(encoder) => Some(encoder),
        }
    }

    /// What of an observation a network reads; where steps are gone, whatever the task observes.
    #[must_use]
    pub fn reads(&self, spec: &TaskSpec) -> Kinds {
        match &self.network {
            Network::Dense(dense) => dense.shape.reads,
            Network::Convolutional(_) => ImageEncoder::READS,
            Network::Steps(_) => spec.observes(),
        }
    }

    /// Dimension `C` of the code.
    #[must_use]
    pub fn code(&self) -> i64 {
        match &self.network {
            Network::Dense(dense) => dense.shape.code,
            Network::Convolutional(encoder) => encoder.dim(),
            Network::Steps(landscape) => landscape.steps().map_or(0, |steps| steps.codes().size()[0]),
        }
    }

    /// Dimension `Z` of the landscape.
    #[must_use]
    pub fn dim(&self) -> i64 {
        match &self.network {
            Network::Dense(dense) => dense.shape.z,
            Network::Convolutional(encoder) => encoder.dim(),
            Network::Steps(landscape) => landscape.latent(),
        }
    }
}

/// What a start is bound to.
fn bond(spec: &TaskSpec, landscape: &Landscape) -> [(&'static str, String); 3] {
    [("task", spec.name.clone()), ("fingerprint", spec.fingerprint.clone()), ("landscape", landscape.id().to_owned())]
}

#[cfg(test)]
pub(super) mod tests {
    use tch::{Device, Kind};
    use thalweg_task::{JointSpec, PointsSpec, draws};

    use super::*;
    use crate::landscape::SLOPE;

    pub(in crate::start) const JOINTS: Kinds = Kinds { joints: true, image: false, points: false };

    /// Codes drawn with a seed.
    pub(in crate::start) fn codes(rows: usize, dim: i64, seed: u64) -> Tensor {
        draw_codes(rows, dim, &mut StdRng::seed_from_u64(seed))
    }

    pub(in crate::start) fn spec() -> TaskSpec {
        let joint =
            |name: &str, unit: &str| JointSpec { name: name.into(), unit: unit.into(), lower: -1.0, upper: 3.0 };
        TaskSpec {
            name: "double".into(),
            latent: 2,
            output: vec![2],
            joints: vec![joint("turn", "rad"), joint("slide", "m")],
            groups: Vec::new(),
            reads_joints: true,
            image: None,
            points: None,
            skeleton: None,
            classes: Vec::new(),
            convention: None,
            residual: false,
            fingerprint: "f".into(),
            device: Device::Cpu,
            kind: Kind::Double,
        }
    }

    /// Layers of a perceptron, and its widths.
    pub(in crate::start) fn perceptron(seed: u64) -> (Perceptron, StartShape) {
        let shape = StartShape { reads: JOINTS, inputs: inputs(&spec(), JOINTS), code: 3, hidden: 4, z: 2 };
        let mut random = StdRng::seed_from_u64(seed);
        let mut draw = |size: &[i64]| draws::normal(&mut random, size);
        let layers = shape.widths().windows(2).map(|w| (draw(&[w[1], w[0]]), draw(&[w[1]]))).collect();
        (Perceptron::new(layers, SLOPE).expect("layers fit"), shape)
    }

    fn start(seed: u64) -> Start {
        let (network, shape) = perceptron(seed);
        Start::new(network, shape).expect("widths fit")
    }

    #[test]
    fn each_code_proposes_its_own_point_whatever_follows() {
        let (start, spec) = (start(1), spec());
        let obs = Observation::of_joints(&Tensor::from_slice(&[0.5, f64::NAN]).view([1, 2]));
        let many = start.propose(&obs, &spec, &start.codes(5, &spec)).expect("a network");
        let few = start.propose(&obs, &spec, &start.codes(2, &spec)).expect("a network");
        assert_eq!(many.size(), [5, 2]);
        assert!((many.narrow(0, 0, 2) - few).abs().max().double_value(&[]) < 1e-12);
        assert!((many.get(3) - many.get(4)).abs().max().double_value(&[]) > 1e-3);
        let zero = start.codes(1, &spec).abs().max().double_value(&[]);
        assert!(zero == 0.0, "the first code is zero, got {zero}");
    }

    #[test]
    fn a_saved_start_comes_back_and_is_refused_elsewhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("start.safetensors");
        let (start, spec, landscape) = (start(2), spec(), Landscape::identity(2));
        start.save(&path, &spec, &landscape, &[]).expect("saved");
        let back = Start::trained(&path, &spec, &landscape).expect("read");
        assert_eq!((back.id(), back.reads(&spec), back.code(), back.dim()), (start.id(), JOINTS, 3, 2));
        let points =
            PointsSpec { names: vec!["tip".into()], frame: "base".into(), tracker: None, cloud: 0, rays: false };
        let more = TaskSpec { points: Some(points), ..spec.clone() };
        let back = Start::trained(&path, &more, &landscape).expect("it reads joints there, too");
        assert_eq!((back.id(), back.reads(&spec)), (start.id(), JOINTS));
        let other = TaskSpec { fingerprint: "g".into(), ..spec.clone() };
        let message = Start::trained(&path, &other, &landscape).expect_err("another model").to_string();
        assert!(message.contains("fingerprint") && message.contains('f') && message.contains('g'), "{message}");
        let shape = crate::landscape::LandscapeShape { z: 2, x: 2, hidden: 4 };
        let random = Landscape::random(&shape, 3, Kind::Double, Device::Cpu).expect("a landscape");
        let message = Start::trained(&path, &spec, &random).expect_err("another landscape").to_string();
        assert!(message.contains("identity") && message.contains("random-3"), "{message}");
    }
}
