//! A task of one's own: a gripper whose fingers move together, give or take a little.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use tch::{Device, Kind, Tensor};
use thalweg::task::{
    Entry, JointSpec, Kinds, Objective, Observation, Reconstruction, Result, Target, Task, TaskError, TaskSpec,
};

struct Gripper(TaskSpec);

impl Task for Gripper {
    fn spec(&self) -> &TaskSpec {
        &self.0
    }
    /// `x`: `[K, 2]`, drawn from N(0, I). Returns both fingers, `[K, 2]`, metres.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mix = Tensor::from_slice(&[0.01f32, 0.01, 0.001, -0.001]).view([2, 2]);
        Ok(x.f_matmul(&mix)? + 0.02)
    }
    fn encode(&self, obs: &Observation) -> Result<Target> {
        obs.validate(&self.0)?;
        let nothing = || TaskError::EmptyObservation { task: "gripper".into(), observes: "joints".into() };
        let joints = obs.joints.as_ref().ok_or_else(nothing)?;
        Ok(Target { value: joints.value().shallow_clone(), weight: joints.observed().to_kind(Kind::Float) / 0.0005 })
    }
    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        Ok(Objective::of_residual((y_hat - &target.value) * &target.weight))
    }
    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        Ok(Reconstruction { joints: Some(y_hat.shallow_clone()), ..Reconstruction::default() })
    }
}

const ENTRY: Entry = Entry {
    name: "gripper",
    summary: "two fingers, either of them observed",
    observes: Kinds { joints: true, image: false, points: false },
    parameters: Vec::new,
    suited: Vec::new,
    load: |_options| {
        let finger = |name: &str| JointSpec { name: name.into(), unit: "m".into(), lower: 0.0, upper: 0.04 };
        Ok(Box::new(Gripper(TaskSpec {
            name: "gripper".into(),
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
            fingerprint: "gripper-1".into(),
            device: Device::Cpu,
            kind: Kind::Float,
        })))
    },
};

fn main() -> std::result::Result<(), thalweg::Error> {
    let mut engine = thalweg::Registry::empty().with(ENTRY).open("gripper")?.steps(50).build()?;
    let seen = engine.observe().joint("left", 0.03)?;
    println!("right finger at {:?} m", engine.solve(&seen)?.best().joint("right"));
    Ok(())
}
