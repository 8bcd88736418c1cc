//! The amortised start: a map from what was observed to where the descent begins.
//!
//! A small perceptron reads the observation, gaps marked, and a code; each code asks for another
//! hypothesis. Code zero asks for the one with the least expected error, the others for what else
//! the observation leaves open. One pass replaces the first, longest part of a descent; the steps
//! that follow make the hypotheses agree with what was seen (amortised inference with iterative
//! refinement: Marino, Yue & Mandt, "Iterative Amortized Inference", 2018; FLAG, Aliakbarian et al.,
//! 2022, for poses).

use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use tch::{Device, Kind, Tensor};
use thalweg_task::weights::{self, Weights};
use thalweg_task::{JointSpec, Kinds, Masked, Observation, Perceptron, Result, TaskError, TaskSpec};

use crate::fused::{Chain, numbers};
use crate::landscape::{Landscape, SLOPE};

/// What a file of a start says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-start";
/// Version of that format.
const VERSION: &str = "1";
/// Tensors are named `start.{layer}.weight` and `start.{layer}.bias`.
const PREFIX: &str = "start";

/// Widths of a start network: four dense layers `D + C -> hidden -> hidden -> hidden -> Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartShape {
    /// What of an observation is read.
    pub reads: Kinds,
    /// Dimension `D` of the encoded observation, see [`features`] and [`inputs`].
    pub inputs: i64,
    /// Dimension `C` of the code.
    pub code: i64,
    /// Width of the three hidden layers.
    pub hidden: i64,
    /// Dimension `Z` of the landscape.
    pub z: i64,
}

impl StartShape {
    pub(crate) fn widths(self) -> [i64; 5] {
        [self.inputs + self.code, self.hidden, self.hidden, self.hidden, self.z]
    }
}

/// Proposes starting points `z` for an observation.
#[derive(Debug)]
pub struct Start {
    network: Perceptron,
    /// The network without libtorch, in single precision on a CPU.
    chain: Option<Chain<f32>>,
    shape: StartShape,
    id: String,
}

impl Start {
    /// Takes a trained perceptron.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when its widths are not those of `shape`.
    pub fn new(network: Perceptron, shape: StartShape) -> Result<Self> {
        for (parameters, width) in network.parameters().chunks(2).zip(shape.widths().windows(2)) {
            if parameters[0].size() != [width[1], width[0]] {
                return Err(TaskError::shape("layer weight", format!("[{}, {}]", width[1], width[0]), &parameters[0]));
            }
        }
        let id = weights::fingerprint(&network.named(PREFIX));
        let weights = network.parameters();
        let is_plain = weights.iter().all(|weight| (weight.kind(), weight.device()) == (Kind::Float, Device::Cpu));
        let chain = if is_plain { Chain::new(&network) } else { None };
        Ok(Self { network, chain, shape, id })
    }

    /// Reads a start that was trained for this forward model and this landscape.
    ///
    /// # Errors
    /// [`TaskError::Io`] or [`TaskError::Weights`], saying what was expected and what came.
    pub fn trained(path: &Path, spec: &TaskSpec, landscape: &Landscape) -> Result<Self> {
        let file = Weights::open(path, spec.kind, spec.device)?;
        for (key, expected) in [("format", FORMAT), ("version", VERSION)] {
            file.expect_meta(key, expected)?;
        }
        for (key, expected) in bond(spec, landscape) {
            file.expect_meta(key, &expected)?;
        }
        let (code, hidden): (i64, i64) = (file.meta("code")?, file.meta("hidden")?);
        if code < 0 || hidden < 1 {
            return Err(file.refuse(format!("expected code >= 0 and hidden >= 1, got {code} and {hidden}")));
        }
        let first = Perceptron::names(PREFIX, 1).next().unwrap_or_default();
        let reads = readings(spec).find(|reads| file.tensor(&first, &[hidden, inputs(spec, *reads) + code]).is_ok());
        let reads = reads.unwrap_or_else(|| spec.observes());
        let shape = StartShape { reads, inputs: inputs(spec, reads), code, hidden, z: landscape.dim() };
        let widths = shape.widths();
        let names: Vec<String> = Perceptron::names(PREFIX, widths.len() - 1).collect();
        file.expect_names(names.iter().map(String::as_str))?;
        Self::new(Perceptron::load(&file, PREFIX, &widths, SLOPE)?, shape)
    }

    /// Tells for which landscape a file was made, by its identity.
    ///
    /// # Errors
    /// [`TaskError::Io`] or [`TaskError::Weights`] when it is no start.
    pub fn made_for(path: &Path, spec: &TaskSpec) -> Result<String> {
        let file = Weights::open(path, spec.kind, spec.device)?;
        file.expect_meta("format", FORMAT)?;
        file.meta("landscape")
    }

    /// Writes the weights, bound to forward model and landscape, atomically.
    ///
    /// # Errors
    /// [`TaskError::Io`].
    pub fn save(&self, path: &Path, spec: &TaskSpec, landscape: &Landscape, extra: &[(&str, String)]) -> Result<()> {
        let mut metadata = extra.to_vec();
        metadata.extend([("format", FORMAT.to_owned()), ("version", VERSION.to_owned())]);
        metadata.extend(bond(spec, landscape));
        metadata.extend([("code", self.shape.code.to_string()), ("hidden", self.shape.hidden.to_string())]);
        weights::save(path, &self.network.named(PREFIX), &metadata)
    }

    /// Proposes a starting point for each code.
    ///
    /// `obs`: one row for all codes, or one row for each; `codes`: `[K, C]`. Returns `[K, Z]`. What
    /// is not finite stays so: the engine draws such rows anew.
    pub fn propose(&self, obs: &Observation, spec: &TaskSpec, codes: &Tensor) -> Tensor {
        let seen = features(obs, spec, self.shape.reads);
        match &self.chain {
            Some(chain) => self.propose_natively(chain, &seen, codes),
            None => {
                let seen = seen.expand([codes.size()[0], -1], false);
                self.network.forward(&Tensor::cat(&[&seen, codes], 1))
            }
        }
    }

    /// As [`Start::propose`], from features `[1 or K, D]`.
    fn propose_natively(&self, chain: &Chain<f32>, seen: &Tensor, codes: &Tensor) -> Tensor {
        let (width, code) = (self.shape.inputs as usize, self.shape.code as usize);
        let (seen, codes, rows) = (numbers::<f32>(seen), numbers::<f32>(codes), codes.size()[0]);
        let is_shared = seen.len() == width;
        let z = chain.forward(rows as usize, |row, place| {
            place[..width].copy_from_slice(&seen[if is_shared { 0 } else { row * width }..][..width]);
            place[width..].copy_from_slice(&codes[row * code..][..code]);
        });
        Tensor::from_slice(&z).view([rows, self.shape.z])
    }

    /// The code of each of K hypotheses, `[K, C]`: zero for the first, then fixed random ones.
    ///
    /// The same for every observation, so that hypothesis k keeps its character in a stream, and
    /// the first codes do not depend on how many follow.
    pub fn codes(&self, hypotheses: usize, spec: &TaskSpec) -> Tensor {
        codes(hypotheses, self.shape.code, 0).to_kind(spec.kind).to_device(spec.device)
    }

    /// Fingerprint of the weights.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The network's widths.
    #[must_use]
    pub fn shape(&self) -> StartShape {
        self.shape
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Perceptron {
        &self.network
    }
}

/// What a start is bound to.
fn bond(spec: &TaskSpec, landscape: &Landscape) -> [(&'static str, String); 3] {
    [("task", spec.name.clone()), ("fingerprint", spec.fingerprint.clone()), ("landscape", landscape.id().to_owned())]
}

/// Draws codes `[rows, C]`: zeros, then `N(0, I)`.
pub(crate) fn codes(rows: usize, dim: i64, seed: u64) -> Tensor {
    let mut random = StdRng::seed_from_u64(seed);
    let count = rows.saturating_sub(1) * dim as usize;
    let drawn: Vec<f64> = (0..count).map(|_| random.sample(StandardNormal)).collect();
    let first = Tensor::zeros([rows.min(1) as i64, dim], (Kind::Double, tch::Device::Cpu));
    Tensor::cat(&[first, Tensor::from_slice(&drawn).view([-1, dim])], 0)
}

/// What a start may read of this task's observations: all that is observed, or joints alone.
///
/// A start that learned from joints serves as well where the task is told to observe points, too.
pub(crate) fn readings(spec: &TaskSpec) -> impl Iterator<Item = Kinds> + use<> {
    let all = spec.observes();
    [all, Kinds { joints: all.joints, ..Kinds::default() }].into_iter()
}

/// The kinds that are read, in the order of their features.
fn chosen(reads: Kinds) -> impl Iterator<Item = &'static str> {
    let kinds = [("joints", reads.joints), ("points", reads.points), ("image", reads.image)];
    kinds.into_iter().filter(|(_, is_read)| *is_read).map(|(kind, _)| kind)
}

/// Number of features `D` of what is read of an observation of this task.
#[must_use]
pub fn inputs(spec: &TaskSpec, reads: Kinds) -> i64 {
    let entries = |kind| spec.shape_of(kind).map_or(0, |shape| shape.iter().product::<i64>());
    let is_turning = |joint: &&JointSpec| spec.reads_joints && reads.joints && is_angle(joint);
    spec.joints.iter().filter(is_turning).count() as i64 + 2 * chosen(reads).map(entries).sum::<i64>()
}

/// Encodes what is read of an observation, `[O, D]`: values of order one, zero where unobserved, and which were
/// observed.
///
/// Angles come as sine and cosine, so that the two sides of a half turn are neighbours; other
/// joints in parts of their range, points in metres, pixels from -1 to 1.
pub fn features(obs: &Observation, spec: &TaskSpec, reads: Kinds) -> Tensor {
    let obs = obs.to(spec.kind, spec.device);
    let rows = obs.rows();
    let mut parts = Vec::new();
    for kind in chosen(reads) {
        let Some(shape) = spec.shape_of(kind) else { continue };
        let field = obs.fields().find(|(name, _)| *name == kind).map(|(_, field)| field);
        let absent = || Masked::new(&Tensor::full([&[rows][..], &shape].concat(), f64::NAN, (spec.kind, spec.device)));
        let field = field.map_or_else(absent, Masked::shallow_clone);
        let seen = field.observed().to_kind(spec.kind).flatten(1, -1);
        let value = field.value().flatten(1, -1);
        match kind {
            "joints" => parts.extend(joint_features(&value, &seen, &spec.joints)),
            "image" => parts.push((value * 2.0 - 1.0) * &seen),
            _ => parts.push(value),
        }
        parts.push(seen);
    }
    Tensor::cat(&parts, 1)
}

/// Joint values `[O, J]`: angles as sine and cosine, the others in parts of their range.
fn joint_features(value: &Tensor, seen: &Tensor, joints: &[JointSpec]) -> Vec<Tensor> {
    let places = |angles: bool| -> Tensor {
        let chosen = joints.iter().enumerate().filter(|(_, joint)| is_angle(joint) == angles);
        Tensor::from_slice(&chosen.map(|(place, _)| place as i64).collect::<Vec<_>>()).to_device(value.device())
    };
    let column = |of: &dyn Fn(&JointSpec) -> f64| {
        let values: Vec<f64> = joints.iter().map(of).collect();
        Tensor::from_slice(&values).to_kind(value.kind()).to_device(value.device())
    };
    let (turning, sliding) = (places(true), places(false));
    let (angle, observed) = (value.index_select(1, &turning), seen.index_select(1, &turning));
    let middle = column(&|joint| f64::midpoint(joint.lower, joint.upper));
    let half = column(&|joint| (0.5 * (joint.upper - joint.lower)).max(f64::EPSILON));
    let scaled = ((value - middle) / half * seen).index_select(1, &sliding);
    vec![angle.sin() * &observed, angle.cos() * &observed, scaled]
}

fn is_angle(joint: &JointSpec) -> bool {
    joint.unit == "rad"
}

#[cfg(test)]
mod tests {
    use thalweg_task::PointsSpec;

    use super::*;

    const JOINTS: Kinds = Kinds { joints: true, image: false, points: false };

    fn spec() -> TaskSpec {
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
            residual: false,
            fingerprint: "f".into(),
            device: Device::Cpu,
            kind: Kind::Double,
        }
    }

    fn start(seed: u64) -> Start {
        let shape = StartShape { reads: JOINTS, inputs: inputs(&spec(), JOINTS), code: 3, hidden: 4, z: 2 };
        let mut random = StdRng::seed_from_u64(seed);
        let mut draw = |size: &[i64]| {
            let values: Vec<f64> = (0..size.iter().product()).map(|_| random.sample(StandardNormal)).collect();
            Tensor::from_slice(&values).view(size)
        };
        let layers = shape.widths().windows(2).map(|w| (draw(&[w[1], w[0]]), draw(&[w[1]]))).collect();
        Start::new(Perceptron::new(layers, SLOPE).expect("layers fit"), shape).expect("widths fit")
    }

    #[test]
    fn features_are_sine_cosine_range_and_what_was_seen() {
        let obs = Observation::of_joints(&Tensor::from_slice(&[0.5, 2.0, f64::NAN, 2.0]).view([2, 2]));
        let got: Vec<f64> = Vec::try_from(features(&obs, &spec(), JOINTS).view(-1)).expect("numbers");
        let expected = [0.5_f64.sin(), 0.5_f64.cos(), 0.5, 1.0, 1.0, 0.0, 0.0, 0.5, 0.0, 1.0];
        assert_eq!(got.len() as i64, 2 * inputs(&spec(), JOINTS));
        assert!(got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-12), "{got:?}");
    }

    #[test]
    fn each_code_proposes_its_own_point_whatever_follows() {
        let (start, spec) = (start(1), spec());
        let obs = Observation::of_joints(&Tensor::from_slice(&[0.5, f64::NAN]).view([1, 2]));
        let many = start.propose(&obs, &spec, &start.codes(5, &spec));
        let few = start.propose(&obs, &spec, &start.codes(2, &spec));
        assert_eq!(many.size(), [5, 2]);
        assert!((many.narrow(0, 0, 2) - few).abs().max().double_value(&[]) < 1e-12);
        assert!((many.get(3) - many.get(4)).abs().max().double_value(&[]) > 1e-3);
        let zero = start.codes(1, &spec).abs().max().double_value(&[]);
        assert!(zero == 0.0, "the first code is zero, got {zero}");
    }

    #[test]
    fn single_precision_proposes_the_same_without_libtorch() {
        let spec = TaskSpec { kind: Kind::Float, ..spec() };
        let layers = start(3).network.parameters();
        let layers = layers.chunks(2).map(|pair| (pair[0].to_kind(Kind::Float), pair[1].to_kind(Kind::Float)));
        let network = Perceptron::new(layers.collect(), SLOPE).expect("layers fit");
        let single = Start::new(network, start(3).shape()).expect("widths fit");
        assert!(single.chain.is_some() && start(3).chain.is_none());
        let angles = [[0.5, f64::NAN], [1.5, 0.25]];
        for (obs, rows) in [(&angles[..1], 37), (&angles[..], 2)] {
            let obs = Observation::of_joints(&Tensor::from_slice(obs.as_flattened()).view([-1, 2]));
            let codes = codes(rows, 3, 7).to_kind(Kind::Float);
            let got = single.propose(&obs, &spec, &codes);
            let seen = features(&obs, &spec, JOINTS).expand([rows as i64, -1], false);
            let expected = single.network.forward(&Tensor::cat(&[&seen, &codes], 1));
            let apart = (got - &expected).abs().max().double_value(&[]);
            assert!(apart < 1e-5 * expected.abs().max().double_value(&[]), "{apart}");
        }
    }

    #[test]
    fn a_saved_start_comes_back_and_is_refused_elsewhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("start.safetensors");
        let (start, spec, landscape) = (start(2), spec(), Landscape::identity(2));
        start.save(&path, &spec, &landscape, &[]).expect("saved");
        let back = Start::trained(&path, &spec, &landscape).expect("read");
        assert_eq!((back.id(), back.shape()), (start.id(), start.shape()));
        let points = PointsSpec { names: vec!["tip".into()], frame: "base".into() };
        let more = TaskSpec { points: Some(points), ..spec.clone() };
        let back = Start::trained(&path, &more, &landscape).expect("it reads joints there, too");
        assert_eq!(back.shape(), start.shape());
        let other = TaskSpec { fingerprint: "g".into(), ..spec.clone() };
        let message = Start::trained(&path, &other, &landscape).expect_err("another model").to_string();
        assert!(message.contains("fingerprint") && message.contains('f') && message.contains('g'), "{message}");
        let shape = crate::landscape::LandscapeShape { z: 2, x: 2, hidden: 4 };
        let random = Landscape::random(&shape, 3, Kind::Double, Device::Cpu).expect("a landscape");
        let message = Start::trained(&path, &spec, &random).expect_err("another landscape").to_string();
        assert!(message.contains("identity") && message.contains("random-3"), "{message}");
    }
}
