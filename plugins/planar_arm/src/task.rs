//! F and L of the arm, on tensors.

use tch::Tensor;
use thalweg_task::{
    Bone, JointSpec, LoadOptions, Objective, Observation, PointsSpec, Reconstruction, Result, SkeletonSpec, Target,
    Task, TaskError, TaskSpec,
};

use crate::{Arm, Parameters};

/// Number of joints, links and tips.
const LINKS: i64 = 3;

/// Frame of the tips: the arm's foot.
const FRAME: &str = "base_link";

/// Width of F's output: three angles, then x, y, z of three tips.
const WIDTH: i64 = LINKS + 3 * LINKS;

/// Error of a joint reading that costs a loss of one, radians. A guess: a cheap servo.
const JOINT_SIGMA: f64 = 0.05;

/// Error of a tip reading that costs a loss of one, metres. A guess: a tracked marker. With links
/// of about 0.3 m it weighs tips and angles alike.
const POINT_SIGMA: f64 = 0.015;

/// The arm as the engine sees it.
#[derive(Debug)]
pub(crate) struct PlanarArm {
    spec: TaskSpec,
    limit: f64,
    /// Link lengths `[3]`, metres.
    lengths: Tensor,
    /// One over sigma of each output, `[12]`.
    precision: Tensor,
}

impl PlanarArm {
    /// Builds the task from the user's parameters.
    ///
    /// # Errors
    /// As [`Parameters::read`].
    pub(crate) fn load(options: &LoadOptions) -> Result<Self> {
        let arm = Arm::new(Parameters::read(&options.parameters)?);
        let tensor = |values: &[f64]| Tensor::from_slice(values).to_kind(options.kind).to_device(options.device);
        let precision = [[1.0 / JOINT_SIGMA; 3].as_slice(), [1.0 / POINT_SIGMA; 9].as_slice()].concat();
        Ok(Self {
            spec: describe(arm.parameters(), options),
            limit: arm.parameters().limit,
            lengths: tensor(&arm.parameters().lengths),
            precision: tensor(&precision),
        })
    }

    /// Puts one observed kind into its columns of the target: value and weight, `[O, columns]`.
    fn columns(&self, field: Option<&thalweg_task::Masked>, rows: i64, first: i64, width: i64) -> (Tensor, Tensor) {
        let precision = self.precision.narrow(0, first, width);
        match field {
            Some(field) => (field.value().view([rows, width]), field.observed().view([rows, width]) * precision),
            None => {
                let zeros = Tensor::zeros([rows, width], (self.spec.kind, self.spec.device));
                (zeros.shallow_clone(), zeros)
            }
        }
    }
}

/// The link that ends in tip `link`.
fn bone(link: usize) -> Bone {
    Bone { from: link.checked_sub(1), to: link, joints: vec![link] }
}

fn describe(parameters: &Parameters, options: &LoadOptions) -> TaskSpec {
    let Parameters { lengths, limit } = parameters;
    let names = |what: &'static str| (1..=LINKS).map(move |link| format!("{what}_{link}"));
    let joint = |name| JointSpec { name, unit: "rad".to_owned(), lower: -limit, upper: *limit };
    TaskSpec {
        name: "planar_arm".to_owned(),
        latent: LINKS,
        output: vec![WIDTH],
        joints: names("joint").map(joint).collect(),
        groups: Vec::new(),
        reads_joints: true,
        image: None,
        points: Some(PointsSpec {
            names: names("tip").collect(),
            frame: FRAME.to_owned(),
            tracker: None,
            cloud: 0,
            rays: false,
        }),
        skeleton: Some(SkeletonSpec { frame: FRAME.to_owned(), bones: (0..LINKS as usize).map(bone).collect() }),
        classes: Vec::new(),
        convention: None,
        residual: true,
        // Says what F depends on; a task with weights takes `weights::fingerprint` of them.
        fingerprint: format!("planar_arm-1 lengths {lengths:?} limit {limit:?}"),
        device: options.device,
        kind: options.kind,
    }
}

/// Refuses a tensor that is not `[rows, width]`.
fn check(what: &'static str, tensor: &Tensor, width: i64) -> Result<()> {
    let fits = matches!(tensor.size()[..], [_, columns] if columns == width);
    if fits { Ok(()) } else { Err(TaskError::shape(what, format!("[K, {width}]"), tensor)) }
}

impl Task for PlanarArm {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// Turns latents into angles and tips.
    ///
    /// `x`: `[K, 3]`. Returns `[K, 12]`: angles, radians, `limit * tanh(x)`, so that every latent
    /// lies within the limits and F is smooth; then x, y, z of each tip, metres in `base_link`,
    /// z zero.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        check("x", x, LINKS)?;
        let joints = x.tanh() * self.limit;
        let heading = joints.cumsum(1, self.spec.kind);
        let tips = |direction: Tensor| (direction * &self.lengths).cumsum(1, self.spec.kind);
        let (along_x, along_y) = (tips(heading.cos()), tips(heading.sin()));
        let points = Tensor::stack(&[&along_x, &along_y, &along_x.zeros_like()], 2);
        Ok(Tensor::cat(&[joints, points.flatten(1, 2)], 1))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        // Converted first: a large f64 is infinite as f32, and must be refused as such.
        let obs = obs.to(self.spec.kind, self.spec.device);
        obs.validate(&self.spec)?;
        let (seen, counts) = obs.joints_to_compare().map_or((None, None), |(seen, counts)| (Some(seen), counts));
        let (joints, mut joint_weight) = self.columns(seen.as_ref(), obs.rows(), 0, LINKS);
        // A residual is squared.
        if let Some(counts) = counts {
            joint_weight *= counts.sqrt();
        }
        let (points, point_weight) = self.columns(obs.points.as_ref(), obs.rows(), LINKS, WIDTH - LINKS);
        Ok(Target { value: Tensor::cat(&[joints, points], 1), weight: Tensor::cat(&[joint_weight, point_weight], 1) })
    }

    /// Scores by weighted differences: `2 sin(d / 2)` of angles, metres of tips.
    ///
    /// The chord `2 sin(d / 2)` is about `d` when small and does not mind whole turns: a reading
    /// of 2 pi is a reading of zero.
    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        check("y_hat", y_hat, WIDTH)?;
        let (rows, targets) = (y_hat.size()[0], target.value.size()[0]);
        if targets != 1 && targets != rows {
            return Err(TaskError::shape("target", format!("[1, {WIDTH}] or [{rows}, {WIDTH}]"), &target.value));
        }
        let difference = y_hat - &target.value;
        let parts = difference.split_with_sizes([LINKS, WIDTH - LINKS], 1);
        let chord = (&parts[0] / 2.0).sin() * 2.0;
        Ok(Objective::of_residual(Tensor::cat(&[&chord, &parts[1]], 1) * &target.weight))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        check("y_hat", y_hat, WIDTH)?;
        let points = y_hat.narrow(1, LINKS, WIDTH - LINKS).reshape([-1, LINKS, 3]);
        Ok(Reconstruction {
            joints: Some(y_hat.narrow(1, 0, LINKS)),
            points: Some(points),
            ..Reconstruction::default()
        })
    }
}
