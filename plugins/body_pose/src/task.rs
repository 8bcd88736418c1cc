//! The task: a decoder as F, rotations and places compared as L.

use std::path::Path;

use tch::{Kind, Tensor};
use thalweg_nn::Perceptron;
use thalweg_nn::weights::{Weights, fingerprint};
use thalweg_task::{
    Bone, Change, CloudParameters, DenseForm, DenseHead, Entry, JointGroup, JointSpec, Kinds, LoadOptions, Objective,
    Observation, ParameterRange, ParameterSpec, ParameterValue, PointsSpec, Reconstruction, Result, Root, SkeletonSpec,
    Target, Task, TaskError, TaskSpec, nearest,
};

use crate::angles::Angles;
use crate::free_root::FreeRoot;
use crate::keypoints::{self, Table};
use crate::numeric;
use crate::objective::{Comparison, LossKind};
use crate::prior::{LATENT, SLOPE, decoder_widths, rotations};
use crate::rep155;
use crate::rotation::matrix_from_axis_angle;
use crate::skeleton::{GROUPS, JOINTS, LIMITS, NAMES, PARENTS, STATURE, group, joint_names};

/// What the registry knows about this task.
pub const ENTRY: Entry = Entry {
    name: "body_pose",
    summary: "completes the joints of a human body from those that were seen",
    observes: Kinds { joints: true, image: false, points: false },
    parameters: describe_parameters,
    suited: Vec::new,
    load: |options| Ok(Box::new(BodyPose::load(options)?)),
};

/// The weights file in the folder of models.
const WEIGHTS: &str = "body_pose.safetensors";

/// Body-pose completion on 21 joints, each of three revolute axes.
#[derive(Debug)]
pub struct BodyPose {
    spec: TaskSpec,
    decoder: Perceptron,
    comparison: Comparison,
}

impl BodyPose {
    /// Loads the decoder from `body_pose.safetensors`.
    ///
    /// Parameters: `loss`, `rotation` (default) or `axis_angle`; `point_weight`, radians per metre, above zero to
    /// observe places of joints; `names` and `person`, for joints as REP-155 has them; `keypoints`, a table, where they come from a tracker, in any frame and of a body of any
    /// size; `stature`, metres, where that is known; `cloud_weight`, radians per metre, above zero to observe a cloud around
    /// the body, in the frame of those, with `cloud_points` and `cloud_gate`.
    ///
    /// # Errors
    /// [`TaskError`] about the weights file or a parameter.
    pub fn load(options: &LoadOptions) -> Result<Self> {
        let parameters = Parameters::read(options)?;
        let decoder = read_decoder(&options.models.join(WEIGHTS), options)?;
        Self::of(decoder, parameters, options)
    }

    /// The same body with nothing learned: x are the six numbers of each rotation beside those of the rest pose, so that
    /// the prior pulls to that. A rival for figures.
    ///
    /// # Errors
    /// [`TaskError`] about a parameter.
    pub fn without_prior(options: &LoadOptions) -> Result<Self> {
        let size = 6 * JOINTS as i64;
        let rest = Tensor::from_slice(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).repeat([JOINTS as i64]);
        let layer = [Tensor::eye(size, (options.kind, options.device)), rest.to_kind(options.kind)];
        Self::of(Perceptron::from_parameters(&layer, SLOPE)?, Parameters::read(options)?, options)
    }

    fn of(decoder: Perceptron, parameters: Parameters, options: &LoadOptions) -> Result<Self> {
        let Parameters { loss, point_weight, stature, table, has_rep155, person, cloud } = parameters;
        // A cloud comes from anywhere, and so do points beside it.
        let table = if table.is_none() && cloud.weight > 0.0 { Some(Table::find(OWN_TABLE)?) } else { table };
        let convention = has_rep155.then(|| rep155::convention(&person));
        let latent = decoder.parameters().first().map_or(LATENT, |weight| weight.size()[1]);
        let points = (table.is_some() || point_weight > 0.0).then(|| points(table.as_ref(), &cloud));
        let spec = TaskSpec { latent, points, convention, ..describe(options, fingerprint(&decoder.named("decoder"))) };
        let scale = if stature > 0.0 { [stature / STATURE; 2] } else { SCALE };
        let root = table.map(|Table { leaves, weights, .. }| {
            let metre = if point_weight > 0.0 { point_weight } else { KEYPOINT_WEIGHT };
            FreeRoot::new(leaves, weights.into_iter().map(|weight| weight * metre).collect(), scale, &cloud)
        });
        let usual = rotations(&decoder, &Tensor::zeros([1, latent], (options.kind, options.device)));
        let comparison = Comparison::new(loss, point_weight, root, usual.detach());
        Ok(Self { spec, decoder, comparison })
    }

    fn check(&self, what: &'static str, tensor: &Tensor, row: &[i64]) -> Result<()> {
        if tensor.size().get(1..) == Some(row) {
            return Ok(());
        }
        Err(TaskError::shape(what, format!("[K, {}]", join(row)), tensor))
    }
}

fn join(sizes: &[i64]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Task for BodyPose {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check("x", x, &[self.spec.latent])?;
        Ok(rotations(&self.decoder, x))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        obs.validate(&self.spec)?;
        let obs = obs.to(self.spec.kind, self.spec.device);
        let joints = obs.joints_to_compare();
        let joints = joints.as_ref().map(|(joints, counts)| (joints, counts.as_ref()));
        let target = self.comparison.encode(joints, &obs);
        target.ok_or_else(|| TaskError::EmptyObservation {
            task: self.spec.name.clone(),
            observes: self.spec.observes().to_string(),
        })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        self.check("y_hat", y_hat, &self.spec.output)?;
        let (rows, hypotheses) = (target.value.size()[0], y_hat.size()[0]);
        if rows != 1 && rows != hypotheses {
            return Err(TaskError::shape("target", format!("[1 or {hypotheses}, 21, columns]"), &target.value));
        }
        Ok(self.comparison.objective(y_hat, target))
    }

    fn roots(&self, y_hat: &Tensor, target: &Target) -> Result<Vec<Root>> {
        self.check("y_hat", y_hat, &self.spec.output)?;
        Ok(self.comparison.roots(y_hat, target))
    }

    fn dense(&self) -> Option<DenseForm<'_>> {
        Some(DenseForm { layers: &self.decoder, head: DenseHead::Rotations(self.comparison.head()) })
    }

    fn points_of(&self, joints: &Tensor) -> Result<Option<Tensor>> {
        self.check("joints", joints, &[self.spec.joints.len() as i64])?;
        Ok(Some(self.comparison.points(&rotations_from_angles(joints))))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.check("y_hat", y_hat, &self.spec.output)?;
        let joints = Some(self.comparison.angles().split(y_hat));
        Ok(Reconstruction { joints, points: Some(self.comparison.points(y_hat)), ..Reconstruction::default() })
    }
}

fn read_decoder(path: &Path, options: &LoadOptions) -> Result<Perceptron> {
    let file = Weights::open(path, options.kind, options.device)?;
    file.expect_meta("format", "thalweg-body-pose")?;
    file.expect_meta("version", "1")?;
    Ok(Perceptron::load(&file, "decoder", &decoder_widths(), SLOPE)?)
}

fn describe_parameters() -> Vec<ParameterSpec> {
    let loss = ParameterSpec {
        name: LOSS.into(),
        default: ParameterValue::String(LossKind::NAMES[0].to_owned()),
        unit: "",
        range: ParameterRange::Choice(LossKind::NAMES.to_vec()),
        change: Change::Unconfigured,
        description: "How joints are compared whose axes were all seen: the chord between rotations, or the \
                      difference of rotation vectors."
            .into(),
    };
    let point_weight = ParameterSpec {
        name: POINT_WEIGHT.into(),
        default: ParameterValue::Double(0.0),
        unit: "rad/m",
        range: ParameterRange::ZeroOr { from: LEAST_POINT_WEIGHT, to: GREATEST_POINT_WEIGHT },
        change: Change::Unconfigured,
        description: "How much places of joints in the pelvis frame count beside their angles; at 0 points are not \
                      observed. 4 lets an error as long as a forearm count as one radian."
            .into(),
    };
    let keypoints = ParameterSpec {
        name: KEYPOINTS.into(),
        default: ParameterValue::String(String::new()),
        unit: "",
        range: ParameterRange::Text { most: MOST_PATH },
        change: Change::Unconfigured,
        description:
            "The table of what a tracker calls its points, one of launch/keypoints by its name or the path of \
                      another: points then come in any frame, of a body of any size, and the root is estimated. Empty: \
                      pelvis and joints, in the pelvis frame."
                .into(),
    };
    let stature = ParameterSpec {
        name: STATURE_OF.into(),
        default: ParameterValue::Double(0.0),
        unit: "m",
        range: ParameterRange::ZeroOr { from: LEAST_STATURE, to: GREATEST_STATURE },
        change: Change::Unconfigured,
        description: "How tall the person is whose keypoints, or cloud, come; 0 finds out.".into(),
    };
    let names = ParameterSpec {
        name: JOINT_NAMES.into(),
        default: ParameterValue::String(OWN_NAMES.to_owned()),
        unit: "",
        range: ParameterRange::Choice(vec![OWN_NAMES, rep155::NAME]),
        change: Change::Unconfigured,
        description:
            "Names of joints: own, or rep155 for those of ros4hri beside them, read on joint_states and written on \
                      ~/rep155/joint_states."
                .into(),
    };
    let person = ParameterSpec {
        name: PERSON.into(),
        default: ParameterValue::String(String::new()),
        unit: "",
        range: ParameterRange::Text { most: MOST_IDENTITY },
        change: Change::Unconfigured,
        description:
            "The identity behind names of REP-155 that are written, letters, digits and underscores; empty: none."
                .into(),
    };
    let mut rows = vec![loss, point_weight, keypoints, stature, names, person];
    rows.extend(CloudParameters::describe("any frame", "the body"));
    rows
}

/// Names of the parameters.
const LOSS: &str = "loss";
const POINT_WEIGHT: &str = "point_weight";
const KEYPOINTS: &str = keypoints::PARAMETER;
const STATURE_OF: &str = "stature";
const JOINT_NAMES: &str = "names";
const PERSON: &str = "person";
/// The table that is taken with a cloud where nobody names one.
const OWN_TABLE: &str = "joints";
/// The names of [`joint_names`] alone.
const OWN_NAMES: &str = "own";
/// Longest identity of a person, bytes; those of ros4hri have five.
const MOST_IDENTITY: usize = 64;
/// Longest path, bytes: that of Linux.
const MOST_PATH: usize = 4096;
/// Radians that a metre counts as where a table is given and no weight.
const KEYPOINT_WEIGHT: f64 = 4.0;
/// Range of the size of a body against [`STATURE`]: from a child of 0.7 m to 2.8 m.
const SCALE: [f64; 2] = [0.4, 1.6];
const LEAST_STATURE: f64 = 0.7;
const GREATEST_STATURE: f64 = 2.8;
/// A thousand kilometres then count as a radian; whoever means less means none.
const LEAST_POINT_WEIGHT: f64 = 1e-6;
/// A millimetre then counts as a radian.
const GREATEST_POINT_WEIGHT: f64 = 1000.0;

#[derive(Clone, Debug, Default)]
struct Parameters {
    loss: LossKind,
    /// Radians per metre.
    point_weight: f64,
    /// Metres; 0 is not known.
    stature: f64,
    table: Option<Table>,
    /// Whether names of REP-155 are read and written, too.
    has_rep155: bool,
    person: String,
    cloud: CloudParameters,
}

impl Parameters {
    fn read(options: &LoadOptions) -> Result<Self> {
        let mut parameters = Self::default();
        for (name, value) in &options.parameters {
            let refusal =
                |expected: String| TaskError::Parameter { name: name.clone(), got: value.to_string(), expected };
            match name.as_str() {
                LOSS => {
                    let loss = value.as_str().and_then(|text| text.parse().ok());
                    parameters.loss = loss.ok_or_else(|| refusal("\"rotation\" or \"axis_angle\"".to_owned()))?;
                }
                POINT_WEIGHT => {
                    let is_weight =
                        |weight: &f64| *weight == 0.0 || (LEAST_POINT_WEIGHT..=GREATEST_POINT_WEIGHT).contains(weight);
                    let weight = value.as_f64().filter(is_weight);
                    let expected = || {
                        refusal(format!("0, or a number from {LEAST_POINT_WEIGHT:e} to {GREATEST_POINT_WEIGHT}, rad/m"))
                    };
                    parameters.point_weight = weight.ok_or_else(expected)?;
                }
                STATURE_OF => {
                    let is_stature =
                        |stature: &f64| *stature == 0.0 || (LEAST_STATURE..=GREATEST_STATURE).contains(stature);
                    let expected = || refusal(format!("0, or a number from {LEAST_STATURE} to {GREATEST_STATURE}, m"));
                    parameters.stature = value.as_f64().filter(is_stature).ok_or_else(expected)?;
                }
                KEYPOINTS => {
                    let text = value.as_str().ok_or_else(|| refusal("a name or a path".to_owned()))?;
                    parameters.table = (!text.is_empty()).then(|| Table::find(text)).transpose()?;
                }
                JOINT_NAMES => match value.as_str() {
                    Some(OWN_NAMES) => parameters.has_rep155 = false,
                    Some(rep155::NAME) => parameters.has_rep155 = true,
                    _ => return Err(refusal(format!("\"{OWN_NAMES}\" or \"{}\"", rep155::NAME))),
                },
                PERSON => {
                    let is_identity = |text: &&str| {
                        text.len() <= MOST_IDENTITY
                            && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
                    };
                    let expected = || refusal(format!("up to {MOST_IDENTITY} letters, digits and underscores"));
                    value.as_str().filter(is_identity).ok_or_else(expected)?.clone_into(&mut parameters.person);
                }
                _ if parameters.cloud.read(name, value)? => {}
                _ => {
                    let known = [LOSS, POINT_WEIGHT, KEYPOINTS, STATURE_OF, JOINT_NAMES, PERSON];
                    let hint = nearest(name, known.into_iter().chain(CloudParameters::NAMES));
                    return Err(TaskError::UnknownName { kind: "parameter", name: name.clone(), hint });
                }
            }
        }
        Ok(parameters)
    }
}

/// Pelvis and joints, as they are rendered, then what a table adds; with one, from any frame.
fn points(table: Option<&Table>, cloud: &CloudParameters) -> PointsSpec {
    let names = std::iter::once(FRAME).chain(NAMES).map(str::to_owned);
    let Some(Table { tracker, leaves, .. }) = table else {
        return PointsSpec { names: names.collect(), frame: FRAME.to_owned(), tracker: None, cloud: 0, rays: false };
    };
    let names = names.chain(leaves.iter().map(|leaf| leaf.name.clone())).collect();
    let cloud = if cloud.weight > 0.0 { cloud.points } else { 0 };
    PointsSpec { names, frame: String::new(), tracker: Some(tracker.clone()), cloud, rays: true }
}

/// Frame of the places: the root of the body.
const FRAME: &str = "pelvis";
/// Poses whose angles are computed at once.
const AT_ONCE: usize = 1 << 14;

fn describe(options: &LoadOptions, fingerprint: String) -> TaskSpec {
    let limits = LIMITS.as_flattened();
    let joint = |(name, (lower, upper)): (String, &(f64, f64))| JointSpec {
        name,
        unit: "rad".to_owned(),
        lower: *lower,
        upper: *upper,
    };
    TaskSpec {
        name: ENTRY.name.to_owned(),
        latent: LATENT,
        output: vec![JOINTS as i64, 3, 3],
        joints: joint_names().into_iter().zip(limits).map(joint).collect(),
        groups: groups(),
        reads_joints: true,
        image: None,
        points: None,
        skeleton: Some(skeleton()),
        classes: Vec::new(),
        convention: None,
        residual: true,
        fingerprint,
        device: options.device,
        kind: options.kind,
    }
}

/// The bones between the pelvis and the joints; a bone is turned by the joint at its root.
fn skeleton() -> SkeletonSpec {
    let point = |joint: Option<usize>| joint.map_or(0, |joint| joint + 1);
    let axes = |joint: usize| (3 * joint..3 * joint + 3).collect();
    let bone = |(joint, parent): (usize, &Option<usize>)| Bone {
        from: Some(point(*parent)),
        to: joint + 1,
        joints: parent.map_or_else(Vec::new, axes),
    };
    SkeletonSpec { frame: FRAME.to_owned(), bones: PARENTS.iter().enumerate().map(bone).collect() }
}

/// The limbs that evaluation hides, then each joint with its three axes.
fn groups() -> Vec<JointGroup> {
    let limbs = GROUPS.iter().filter_map(|name| group(name).map(|joints| (*name, joints)));
    let single = NAMES.iter().enumerate().map(|(joint, name)| (*name, vec![joint]));
    let axes = |joint: usize| 3 * joint..3 * joint + 3;
    let named = |(name, joints): (&str, Vec<usize>)| JointGroup {
        name: name.to_owned(),
        joints: joints.into_iter().flat_map(axes).collect(),
    };
    limbs.chain(single).map(named).collect()
}

/// Composes joint angles `[N, 63]`, radians, into rotations `[N, 21, 3, 3]`, each relative to its
/// parent.
pub fn rotations_from_angles(angles: &Tensor) -> Tensor {
    if numeric::serves(angles) {
        return numeric::rotations(angles);
    }
    let convert = Angles::new(angles.kind(), angles.device());
    convert.compose(&convert.to_slots(&angles.view([-1, JOINTS as i64, 3])))
}

/// Splits rotation vectors `[N * 63]`, radians, into joint angles `[N, 63]` as they are observed.
pub fn joint_angles(rotation_vectors: &[f32]) -> Tensor {
    let convert = Angles::new(Kind::Double, tch::Device::Cpu);
    // Some at a time: on the way each pose takes ten times what comes of it.
    let parts = rotation_vectors.chunks(AT_ONCE * JOINTS * 3).map(|part| {
        let vectors = Tensor::from_slice(part).view([-1, JOINTS as i64, 3]).to_kind(Kind::Double);
        convert.split(&matrix_from_axis_angle(&vectors)).to_kind(Kind::Float)
    });
    let parts: Vec<Tensor> = parts.collect();
    if parts.is_empty() { Tensor::zeros([0, JOINTS as i64 * 3], tch::kind::FLOAT_CPU) } else { Tensor::cat(&parts, 0) }
}
