//! A gripper whose two fingers move together, give or take a little.

use thalweg::task::{
    Change, Entry, JointSpec, Kinds, LoadOptions, Objective, Observation, ParameterRange, ParameterSpec,
    ParameterValue, Reconstruction, Result, Target, Task, TaskError, TaskSpec,
};
use thalweg::tch::Tensor;

/// What the registry lists.
pub const ENTRY: Entry = Entry {
    name: "my_task",
    summary: "two fingers of a gripper, either of them observed",
    observes: Kinds { joints: true, image: false, points: false },
    parameters,
    suited: Vec::new,
    load: |options| Ok(Box::new(Gripper::load(options)?)),
};

/// Error of a reading that costs a loss of one, metres.
const SIGMA: f64 = 0.0005;

fn parameters() -> Vec<ParameterSpec> {
    vec![ParameterSpec {
        name: "sigma".into(),
        default: ParameterValue::Double(SIGMA),
        unit: "m",
        range: ParameterRange::Double { from: 1e-6, to: 1.0 },
        change: Change::Unconfigured,
        description: "Error of a reading that costs a loss of one.".into(),
    }]
}

struct Gripper {
    spec: TaskSpec,
    /// Rows: what each latent does to left and right, metres; `[2, 2]`.
    mix: Tensor,
    sigma: f64,
}

impl Gripper {
    fn load(options: &LoadOptions) -> Result<Self> {
        let sigma = options.parameters.get("sigma").and_then(|value| value.as_f64()).unwrap_or(SIGMA);
        let mix = Tensor::from_slice(&[0.01, 0.01, 0.001, -0.001]).view([2, 2]);
        let mix = mix.to_kind(options.kind).to_device(options.device);
        Ok(Self { spec: describe(options), mix, sigma })
    }
}

fn describe(options: &LoadOptions) -> TaskSpec {
    let finger = |name: &str| JointSpec { name: name.into(), unit: "m".into(), lower: 0.0, upper: 0.04 };
    TaskSpec {
        name: "my_task".into(),
        latent: 2,
        output: vec![2],
        joints: vec![finger("left"), finger("right")],
        groups: Vec::new(),
        reads_joints: true,
        image: None,
        points: None,
        skeleton: None,
        classes: Vec::new(),
        convention: None,
        residual: true,
        fingerprint: "my_task-1".into(),
        device: options.device,
        kind: options.kind,
    }
}

impl Task for Gripper {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// `x`: `[K, 2]`. Returns both fingers, `[K, 2]`, metres.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match x.size()[..] {
            [_, 2] => Ok(x.matmul(&self.mix) + 0.02),
            _ => Err(TaskError::shape("x", "[K, 2]", x)),
        }
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let obs = obs.to(self.spec.kind, self.spec.device);
        obs.validate(&self.spec)?;
        let nothing = || TaskError::EmptyObservation { task: "my_task".into(), observes: "joints".into() };
        let joints = obs.joints.as_ref().ok_or_else(nothing)?;
        let weight = joints.observed().to_kind(self.spec.kind) / self.sigma;
        Ok(Target { value: joints.value().shallow_clone(), weight })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        let rows = target.value.size()[0];
        if y_hat.size() != [y_hat.size()[0], 2] || (rows != 1 && rows != y_hat.size()[0]) {
            return Err(TaskError::shape("y_hat", "[K, 2], target [1, 2] or [K, 2]", y_hat));
        }
        Ok(Objective::of_residual((y_hat - &target.value) * &target.weight))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        match y_hat.size()[..] {
            [_, 2] => Ok(Reconstruction { joints: Some(y_hat.shallow_clone()), ..Reconstruction::default() }),
            _ => Err(TaskError::shape("y_hat", "[K, 2]", y_hat)),
        }
    }
}
