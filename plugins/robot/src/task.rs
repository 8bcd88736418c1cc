//! The task: a decoder as F, positions of joints compared as L.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};
use thalweg_nn::weights::fingerprint;
use thalweg_nn::{NnError, Perceptron};
use thalweg_task::{
    Body, Bone, Capsule, CloudParameters, DenseForm, DenseHead, Entry, JointGroup, JointSpec, Kinds, LinkHead,
    LoadOptions, Objective, Observation, PointsSpec, Reconstruction, Result, SkeletonSpec, Target, Task, TaskError,
    TaskSpec, numbers,
};

use crate::decoder::{bounded, rounded};
use crate::kinematics::{branches, frames};
use crate::layout::{self, Column, Part, Role};
use crate::links::{LinkTensors, links, point};
use crate::model::{DESCRIPTION, Model, ModelError};
use crate::parameters::{self, MODEL, Parameters};
use crate::places::{Scene, scene};
use crate::shapes::shapes;
use crate::urdf::{Motion, Robot};

/// What the registry knows about this task.
pub const ENTRY: Entry = Entry {
    name: "robot",
    summary: "completes the joints of any robot: `thalweg adopt` makes its model from a URDF and recordings",
    observes: Kinds { joints: true, image: false, points: false },
    parameters: parameters::describe,
    suited: Vec::new,
    load: |options| Ok(Box::new(RobotTask::load(options)?)),
};

/// Folder of the shipped models in the folder of weights.
const SHIPPED: &str = "robots";
/// Epsilon in `(s, c) / sqrt(s^2 + c^2 + epsilon^2)`: sine and cosine of a joint that turns without end.
const LEAST_LENGTH: f64 = 1e-6;

/// Completion of the joints of one robot.
#[derive(Debug)]
pub struct RobotTask {
    spec: TaskSpec,
    folder: PathBuf,
    model: Model,
    columns: Vec<Column>,
    /// Places of sines among the columns; a cosine follows each.
    circles: Vec<usize>,
    decoder: Perceptron,
    parameters: Parameters,
    /// Where places of links, or clouds, are observed.
    links: Option<LinkTensors>,
}

impl RobotTask {
    /// Loads a model.
    ///
    /// Parameters: `model`, a folder that `thalweg adopt` wrote, or the name of a shipped model; `point_weight`, radians
    /// per metre, above zero to observe places of links; `cloud_weight`, the same of a cloud around the robot, with
    /// `cloud_points` and `cloud_gate`.
    ///
    /// # Errors
    /// [`TaskError`] about a parameter or the folder.
    pub fn load(options: &LoadOptions) -> Result<Self> {
        let (folder, model) = find(&Parameters::read(options)?.model, options)?;
        Self::of(folder, model, options)
    }

    /// Puts the task together from a model; the parameters are those of [`RobotTask::load`], but for `model`.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when its layers do not fit its layout, [`TaskError`] about a parameter.
    pub fn of(folder: PathBuf, model: Model, options: &LoadOptions) -> Result<Self> {
        let parameters = Parameters::read(options)?;
        let columns = model.layout.columns(&model.robot);
        let is_sine = |(place, column): (usize, &Column)| (column.part == Part::Sine).then_some(place);
        let circles: Vec<usize> = columns.iter().enumerate().filter_map(is_sine).collect();
        let decoder = bounded(&model.decoder.parameters(), &columns)?;
        let weights: Vec<f64> = columns.iter().flat_map(|column| [column.weight, column.mean, column.spread]).collect();
        let mut bound_to = decoder.named("decoder");
        bound_to.push(("columns".to_owned(), Tensor::from_slice(&weights)));
        let is_seen = parameters.point_weight > 0.0;
        let points = is_seen.then(|| points(&model.robot, &parameters));
        let spec = TaskSpec { points, ..describe(&model, columns.len() as i64, fingerprint(&bound_to), options) };
        let head = || link_head(&model, &columns, &circles, &parameters);
        let links = is_seen.then(head).transpose()?.map(|head| LinkTensors::new(head, options.kind));
        Ok(Self { spec, folder, model, columns, circles, decoder, parameters, links })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Which numbers F gives.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn check(&self, what: &'static str, tensor: &Tensor, width: i64) -> Result<()> {
        let fits = matches!(tensor.size()[..], [_, columns] if columns == width);
        if fits { Ok(()) } else { Err(TaskError::shape(what, format!("[K, {width}]"), tensor)) }
    }
}

impl Task for RobotTask {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check("x", x, self.spec.latent)?;
        Ok(rounded(self.decoder.forward(x), &self.circles, LEAST_LENGTH))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        // Converted first: a large f64 is infinite as f32, and must be refused as such.
        let obs = obs.to(self.spec.kind, self.spec.device);
        obs.validate(&self.spec)?;
        let joints = match &obs.joints {
            Some(joints) => layout::encode(&self.columns, joints),
            None => {
                let size = [obs.rows(), self.columns.len() as i64];
                let zeros = || Tensor::zeros(size, (self.spec.kind, self.spec.device));
                Target { value: zeros(), weight: zeros() }
            }
        };
        let Parameters { point_weight, cloud: CloudParameters { weight: cloud_weight, .. }, .. } = self.parameters;
        // Where none was seen, points are as good as absent.
        let seen = obs.points.as_ref().and_then(|points| {
            let moving = self.model.robot.moving().len();
            let Scene { value, weight } = scene(
                points,
                obs.confidence.as_ref(),
                self.model.robot.links.len() - 1,
                [point_weight, cloud_weight],
                moving,
            )?;
            Some(Target { value, weight })
        });
        let Some(seen) = seen else { return Ok(joints) };
        let beside = |joints: &Tensor, seen: &Tensor| Tensor::cat(&[joints, seen], 1);
        Ok(Target { value: beside(&joints.value, &seen.value), weight: beside(&joints.weight, &seen.weight) })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        let width = self.columns.len() as i64;
        self.check("y_hat", y_hat, width)?;
        let (rows, size) = (y_hat.size()[0], target.value.size());
        let before = width + 3 * (self.model.robot.links.len() as i64 - 1);
        let fits = matches!(size[..], [targets, columns] if (targets == 1 || targets == rows)
            && (columns == width || (self.links.is_some() && columns >= before && (columns - before) % 3 == 0)));
        if !fits || target.weight.size() != size {
            return Err(TaskError::shape("target", format!("[1 or {rows}, {width}]"), &target.value));
        }
        let joints = |tensor: &Tensor| tensor.narrow(1, 0, width);
        let residual = (y_hat - joints(&target.value)) * joints(&target.weight);
        let Some(links) = self.links.as_ref().filter(|_| size[1] > width) else {
            return Ok(Objective::of_residual(residual));
        };
        let seen = |tensor: &Tensor| tensor.narrow(1, width, size[1] - width);
        let places = links.residual(y_hat, &seen(&target.value), &seen(&target.weight));
        Ok(Objective::of_residual(Tensor::cat(&[residual, places], 1)))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        let width = self.columns.len();
        self.check("y_hat", y_hat, width as i64)?;
        let (robot, layout) = (&self.model.robot, &self.model.layout);
        let (mut joints, mut points) = (Vec::new(), Vec::new());
        for row in numbers::<f64>(y_hat).chunks_exact(width) {
            let positions = layout::positions(robot, layout, &self.columns, row);
            let frames = frames(robot, &positions);
            let places = frames.iter().enumerate().filter(|(link, _)| *link != robot.root);
            points
                .extend(places.flat_map(|(_, frame)| [frame.translation.x, frame.translation.y, frame.translation.z]));
            joints.extend(positions);
        }
        let rows = y_hat.size()[0];
        let tensor = |values: &[f64], size: &[i64]| {
            Tensor::from_slice(values).view(size).to_kind(self.spec.kind).to_device(self.spec.device)
        };
        Ok(Reconstruction {
            joints: Some(tensor(&joints, &[rows, self.spec.joints.len() as i64])),
            points: Some(tensor(&points, &[rows, robot.links.len() as i64 - 1, 3])),
            ..Reconstruction::default()
        })
    }

    fn dense(&self) -> Option<DenseForm<'_>> {
        let head = match &self.links {
            Some(links) => DenseHead::Links(Box::new(links.head().clone())),
            None if self.circles.is_empty() => DenseHead::Plain,
            None => DenseHead::Circles { sines: self.circles.clone(), least_length: LEAST_LENGTH },
        };
        Some(DenseForm { layers: &self.decoder, head })
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.folder)
    }

    fn robot_description(&self) -> Option<&str> {
        Some(&self.model.description)
    }
}

/// The folder that is named, or the shipped model of that name.
fn find(named: &str, options: &LoadOptions) -> Result<(PathBuf, Model)> {
    let shipped = options.models.join(SHIPPED).join(named);
    match Model::load(Path::new(named), options.kind, options.device) {
        Ok(model) => Ok((PathBuf::from(named), model)),
        Err(ModelError::Io { source, .. }) if is_nowhere(&source) => {
            match Model::load(&shipped, options.kind, options.device) {
                Ok(model) => Ok((shipped, model)),
                Err(ModelError::Io { source, .. }) if is_nowhere(&source) => Err(TaskError::Parameter {
                    name: MODEL.to_owned(),
                    got: named.to_owned(),
                    expected: format!(
                        "a folder with {DESCRIPTION}, or the name of a model in {}",
                        options.models.join(SHIPPED).display()
                    ),
                }),
                Err(error) => Err(refused(error)),
            }
        }
        Err(error) => Err(refused(error)),
    }
}

fn is_nowhere(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn refused(error: ModelError) -> TaskError {
    TaskError::Weights(match error {
        ModelError::Io { path, source } => NnError::Io { path, source },
        ModelError::Urdf { path, source } => NnError::Weights { path, reason: source.to_string() },
        ModelError::Weights(error) => error,
    })
}

/// The links but the root, then the cloud.
fn points(robot: &Robot, parameters: &Parameters) -> PointsSpec {
    let names = (0..robot.links.len()).filter(|&link| link != robot.root).map(|link| robot.links[link].clone());
    let cloud = if parameters.cloud.weight > 0.0 { parameters.cloud.points } else { 0 };
    PointsSpec { names: names.collect(), frame: robot.links[robot.root].clone(), tracker: None, cloud, rays: false }
}

/// How links follow from the numbers of F, and, where a cloud is observed, their shapes.
fn link_head(model: &Model, columns: &[Column], circles: &[usize], parameters: &Parameters) -> Result<LinkHead> {
    let robot = &model.robot;
    let links = links(robot, &model.layout, columns);
    let place = |link: usize| robot.order.iter().position(|&joint| robot.joints[joint].child == link);
    let capsules: Vec<Capsule> = if parameters.cloud.weight > 0.0 {
        let shapes = shapes(robot, &model.description).into_iter();
        shapes.map(|shape| Capsule { link: place(shape.link), ends: shape.ends, radius: shape.radius }).collect()
    } else {
        Vec::new()
    };
    if parameters.cloud.weight > 0.0 && capsules.iter().all(|capsule| capsule.link.is_none()) {
        return Err(TaskError::Parameter {
            name: CloudParameters::NAMES[0].to_owned(),
            got: parameters.cloud.weight.to_string(),
            expected: "0: no link that moves has a shape or a length".to_owned(),
        });
    }
    let body = Body { capsules, scale: CloudParameters::SCALE, gate: parameters.cloud.gate };
    Ok(LinkHead { sines: circles.to_vec(), least_length: LEAST_LENGTH, links, body })
}

fn describe(model: &Model, width: i64, fingerprint: String, options: &LoadOptions) -> TaskSpec {
    let robot = &model.robot;
    let moving = robot.moving();
    let joint = |&joint: &usize| {
        let [lower, upper] = layout::limits(robot, joint);
        let unit = if robot.joints[joint].motion == Motion::Slide { "m" } else { "rad" };
        JointSpec { name: robot.joints[joint].name.clone(), unit: unit.to_owned(), lower, upper }
    };
    TaskSpec {
        name: ENTRY.name.to_owned(),
        latent: model.latent,
        output: vec![width],
        joints: moving.iter().map(joint).collect(),
        groups: groups(robot, &model.layout.with(Role::Constant)),
        reads_joints: true,
        image: None,
        points: None,
        skeleton: Some(skeleton(robot)),
        classes: Vec::new(),
        convention: None,
        residual: true,
        fingerprint,
        device: options.device,
        kind: options.kind,
    }
}

/// Links between the tip of each branch that nothing moves beyond and its last joints, which `end_effectors_only` shows.
const AT_TIPS: usize = 2;

/// The branches, each joint of them alone, and all but the tips.
fn groups(robot: &Robot, constant: &[usize]) -> Vec<JointGroup> {
    let moving = robot.moving();
    let branches = branches(robot, constant);
    let tips = |branch: &crate::kinematics::Branch| {
        let chain: Vec<usize> =
            branch.joints.iter().copied().filter(|&place| robot.joints[moving[place]].mimic.is_none()).collect();
        chain[chain.len().saturating_sub(AT_TIPS)..].to_vec()
    };
    let shown: Vec<usize> = branches.iter().filter(|branch| branch.is_tip).flat_map(tips).collect();
    let all: Vec<usize> = branches.iter().flat_map(|branch| branch.joints.clone()).collect();
    let inner: Vec<usize> = all.iter().copied().filter(|place| !shown.contains(place)).collect();
    let single =
        all.iter().map(|&place| JointGroup { name: robot.joints[moving[place]].name.clone(), joints: vec![place] });
    let branch_groups =
        branches.iter().map(|branch| JointGroup { name: branch.name.clone(), joints: branch.joints.clone() });
    let mut groups: Vec<JointGroup> = branch_groups.chain(single).collect();
    if !inner.is_empty() && inner.len() < all.len() {
        groups.push(JointGroup { name: "end_effectors_only".to_owned(), joints: inner });
    }
    groups
}

/// Bones between the frames of links; what moves the upper link turns them.
fn skeleton(robot: &Robot) -> SkeletonSpec {
    let moving = robot.moving();
    let bone = |&place: &usize| {
        let joint = &robot.joints[place];
        let above = robot.joints.iter().position(|other| other.child == joint.parent);
        let joints = above.and_then(|above| moving.iter().position(|&other| other == above)).into_iter().collect();
        Some(Bone { from: point(robot, joint.parent), to: point(robot, joint.child)?, joints })
    };
    SkeletonSpec { frame: robot.links[robot.root].clone(), bones: robot.order.iter().filter_map(bone).collect() }
}

/// Positions `[N, J]` as the data have them, brought into limits; joints that nobody saw stay where they stay.
pub fn within_limits(robot: &Robot, positions: &Tensor) -> Tensor {
    let moving = robot.moving();
    let bound = |end: usize| {
        let bounds: Vec<f64> = moving
            .iter()
            .map(|&joint| {
                let is_circle = robot.joints[joint].motion == Motion::Spin;
                if is_circle { [f64::NEG_INFINITY, f64::INFINITY][end] } else { layout::limits(robot, joint)[end] }
            })
            .collect();
        Tensor::from_slice(&bounds).to_kind(Kind::Float)
    };
    positions.maximum(&bound(0)).minimum(&bound(1))
}
