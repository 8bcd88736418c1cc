//! What all methods share: data, weights, rivals.

use std::path::PathBuf;

use crate::eval::rivals::{ConditionalGaussian, NearestPose, mean_pose};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use thalweg::motion::Motion;
use thalweg_body_pose::dataset::{Dataset, Split};
use thalweg_body_pose::prior::{PoseSet, Vae, training_poses};
use thalweg_body_pose::rotation::sixd_from_matrix;
use thalweg_body_pose::{Body, rotations_from_angles};
use thalweg_engine::Engine;
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::start::Start;
use thalweg_task::{LoadOptions, Observation, Task, TaskSpec};

use super::arms::{ARMS, Arm, Begin, Ground, Method};
use super::cases::{Poses, Span};
use super::{PoseArguments, Sizes};

/// Seed of the untrained landscape.
const RANDOM_LANDSCAPE: u64 = 1;

/// How joints are compared while descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Difference of rotation vectors, Eq. 6 of the paper.
    AxisAngle,
    /// Chord between rotations, the task's default.
    Rotation,
}

/// Poses on which figures are reported.
pub(super) struct TestSet {
    /// Name of the split.
    pub(super) name: &'static str,
    pub(super) poses: Poses,
    /// The clips in it.
    pub(super) spans: Vec<Span>,
}

/// What is learned from training poses in closed form.
pub(super) struct Rivals {
    pub(super) mean: Tensor,
    pub(super) nearest: NearestPose,
    pub(super) gaussian: ConditionalGaussian,
}

/// Everything that is loaded once.
pub(super) struct World {
    pub(super) sizes: Sizes,
    pub(super) validation: Poses,
    pub(super) validation_spans: Vec<Span>,
    pub(super) tests: Vec<TestSet>,
    pub(super) rivals: Option<Rivals>,
    pub(super) body: Body,
    vae: Vae,
    models: PathBuf,
    theta: PathBuf,
    theta_paper: Option<PathBuf>,
    theta_online: Option<PathBuf>,
    start: PathBuf,
    without: Vec<String>,
}

impl World {
    /// Loads data and weights.
    pub(super) fn load(arguments: &PoseArguments, sizes: Sizes) -> anyhow::Result<Self> {
        let data = match &arguments.data {
            Some(folder) => Data::of_clips(&Dataset::load_all(folder)?),
            None => Data::of_motion(arguments)?,
        };
        let world = Self {
            sizes,
            validation: data.validation,
            validation_spans: data.validation_spans,
            tests: data.tests,
            rivals: data.rivals,
            body: Body::new(Kind::Double, Device::Cpu),
            vae: Vae::load(&arguments.models.join("body_pose.safetensors"), Kind::Float, Device::Cpu)?,
            models: arguments.models.clone(),
            theta: arguments.landscape.clone(),
            theta_paper: arguments.landscape_paper.clone(),
            theta_online: arguments.landscape_online.clone(),
            start: arguments.start.clone(),
            without: arguments.without.clone(),
        };
        Ok(world)
    }

    /// Loads the task; each engine has its own.
    pub(super) fn task(&self, loss: Loss) -> anyhow::Result<Box<dyn Task>> {
        let name = if loss == Loss::AxisAngle { "axis_angle" } else { "rotation" };
        let mut options = LoadOptions { models: self.models.clone(), ..LoadOptions::default() };
        options.parameters.insert("loss".to_owned(), json!(name));
        Ok((thalweg_body_pose::ENTRY.load)(&options)?)
    }

    /// Loads the landscape of a method.
    pub(super) fn landscape(&self, ground: Ground, task: &dyn Task) -> anyhow::Result<Landscape> {
        let spec = task.spec();
        if ground == Ground::Random {
            let shape = LandscapeShape::for_latent(spec.latent);
            return Ok(Landscape::random(&shape, RANDOM_LANDSCAPE, spec.kind, spec.device)?);
        }
        Ok(match self.file(ground) {
            Some(path) => Landscape::trained(path, spec)?,
            None => Landscape::identity(spec.latent),
        })
    }

    /// Gives an engine the start of a method that has one.
    pub(super) fn equip(&self, arm: &Arm, engine: &mut Engine) -> anyhow::Result<()> {
        let file = match arm.begin {
            Begin::Amortised => &self.start,
            Begin::Examples => &self.theta,
            Begin::Steps => return Ok(engine.set_start(self.steps_alone(engine.task().spec())?)?),
            Begin::Drawn | Begin::Zero | Begin::Encoder | Begin::Own => return Ok(()),
        };
        let start = Start::trained(file, engine.task().spec(), engine.landscape())?;
        Ok(engine.set_start(start)?)
    }

    /// The landscape's own steps without its examples.
    fn steps_alone(&self, spec: &TaskSpec) -> anyhow::Result<Start> {
        let landscape = Landscape::trained(&self.theta, spec)?;
        let steps = landscape.steps().map(|steps| steps.shallow_clone().with_exemplars(None));
        let steps = steps.ok_or_else(|| anyhow::anyhow!("{}: no steps of its own", self.theta.display()))?;
        Ok(Start::of_steps(landscape.with_steps(steps)?)?)
    }

    fn start_id(&self, task: &dyn Task) -> anyhow::Result<Option<String>> {
        let landscape = Landscape::identity(task.spec().latent);
        let start = self.start.exists().then(|| Start::trained(&self.start, task.spec(), &landscape)).transpose()?;
        Ok(start.map(|start| start.id().to_owned()))
    }

    fn file(&self, ground: Ground) -> Option<&PathBuf> {
        match ground {
            Ground::Latent | Ground::Random => None,
            Ground::Online => self.theta_online.as_ref(),
            Ground::Paper => self.theta_paper.as_ref(),
            Ground::Own => Some(&self.theta),
        }
    }

    /// Why a method cannot be measured with what was given.
    pub(super) fn missing(&self, arm: &Arm) -> Option<&'static str> {
        let closed_form = matches!(arm.method, Method::MeanPose | Method::Nearest | Method::Gaussian);
        match arm.ground {
            _ if self.without.iter().any(|key| key == arm.key) => Some("--without"),
            _ if closed_form && self.rivals.is_none() => Some("needs training poses (--data)"),
            Ground::Online if self.theta_online.is_none() => Some("needs --landscape-online"),
            Ground::Paper if self.theta_paper.is_none() => Some("needs --landscape-paper"),
            _ if arm.begin == Begin::Amortised && !self.start.exists() => Some("needs --start"),
            _ => None,
        }
    }

    /// The methods that can be measured and that `wanted` picks.
    pub(super) fn arms(&self, wanted: impl Fn(&Arm) -> bool) -> Vec<&'static Arm> {
        ARMS.iter().filter(|arm| self.missing(arm).is_none() && wanted(arm)).collect()
    }

    /// Where a method begins, when it does not draw: `[O * S, Z]`, `hypotheses` rows for each observed row.
    ///
    /// Part of the solve: it is on the clock.
    pub(super) fn begin(&self, arm: &Arm, obs: &Observation, hypotheses: i64) -> Option<Tensor> {
        let joints = obs.joints.as_ref()?;
        match arm.begin {
            Begin::Drawn | Begin::Amortised | Begin::Own | Begin::Steps | Begin::Examples => None,
            Begin::Zero => {
                let rows = obs.rows() * hypotheses;
                Some(Tensor::zeros([rows, thalweg_body_pose::prior::LATENT], (Kind::Float, Device::Cpu)))
            }
            Begin::Encoder => {
                let x = tch::no_grad(|| self.vae.encode(&sixd_from_matrix(&rotations_from_angles(joints.value()))).0);
                Some(if hypotheses == 1 { x } else { x.repeat_interleave_self_int(hypotheses, 0, None) })
            }
        }
    }

    /// What decides the results.
    pub(super) fn options(&self) -> anyhow::Result<Value> {
        let task = self.task(Loss::Rotation)?;
        let id = |ground| -> anyhow::Result<Option<String>> {
            let file = self.file(ground).is_some();
            Ok(if file { Some(self.landscape(ground, task.as_ref())?.id().to_owned()) } else { None })
        };
        let arms: serde_json::Map<String, Value> = ARMS.iter().map(|arm| (arm.key.to_owned(), json!(arm))).collect();
        let counts: Vec<_> = self.tests.iter().map(|test| (test.name, test.poses.count())).collect();
        Ok(json!({
            "sizes": self.sizes,
            "arms": arms,
            "model": task.spec().fingerprint,
            "theta": id(Ground::Own)?,
            "theta_paper": id(Ground::Paper)?,
            "theta_online": id(Ground::Online)?,
            "start": self.start_id(task.as_ref())?,
            "poses": { "validation": self.validation.count(), "tests": counts },
            "data": if self.rivals.is_some() { "clips" } else { "bundled motion" },
        }))
    }
}

/// Poses by what they serve for.
struct Data {
    validation: Poses,
    validation_spans: Vec<Span>,
    tests: Vec<TestSet>,
    rivals: Option<Rivals>,
}

impl Data {
    fn of_clips(dataset: &Dataset) -> Self {
        let poses = |split| Poses::from_vectors(&dataset.poses(split));
        let spans = |split| Span::follow(dataset.of_split(split).map(|clip| (clip.poses.len(), clip.fps)));
        let test = |name, split| TestSet { name, poses: poses(split), spans: spans(split) };
        let training = PoseSet::from_axis_angle(&training_poses(dataset), Device::Cpu).rotations;
        let rivals = Rivals {
            mean: mean_pose(&training),
            nearest: NearestPose::new(&training),
            gaussian: ConditionalGaussian::new(&training),
        };
        let tests = [
            test("in distribution", Split::Test),
            test("out of distribution", Split::OutOfDistribution),
            test("unseen people", Split::Unseen),
        ];
        let tests = tests.into_iter().filter(|test| test.poses.count() > 0).collect();
        let validation = poses(Split::Validation);
        Self { validation, validation_spans: spans(Split::Validation), tests, rivals: Some(rivals) }
    }

    /// The first quarter of the motion serves to choose, the rest to report.
    fn of_motion(arguments: &PoseArguments) -> anyhow::Result<Self> {
        let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
        let task = (thalweg_body_pose::ENTRY.load)(&options)?;
        let motion = Motion::load(&arguments.motion, task.spec()).map_err(thalweg_cli::failure::InputError::Motion)?;
        let frames = motion.frames();
        let first = frames / 4;
        anyhow::ensure!(first > 0, "the motion has {frames} frames, expected at least 4");
        let part = |start, count| Poses::from_angles(&motion.joints.narrow(0, start, count));
        let span = |count| Span::follow(std::iter::once((count as usize, motion.fps)));
        let rest = frames - first;
        let tests = vec![TestSet { name: "bundled motion", poses: part(first, rest), spans: span(rest) }];
        Ok(Self { validation: part(0, first), validation_spans: span(first), tests, rivals: None })
    }
}
