//! A finger whose two joints one tendon pulls, as a library: its maker's source stays at home.

use tch::Tensor;
use thalweg_task::{
    Entry, JointSpec, Kinds, LoadOptions, Objective, Observation, Reconstruction, Result, Target, Task, TaskError,
    TaskSpec,
};

/// The task.
pub const ENTRY: Entry = Entry {
    name: "own_plugin",
    summary: "a finger whose two joints one tendon pulls",
    observes: Kinds { joints: true, image: false, points: false },
    parameters: Vec::new,
    suited: Vec::new,
    load: |options| Ok(Box::new(Finger::new(options))),
};

thalweg_task::export!(ENTRY);

/// Deviation of a reading, rad.
const SIGMA: f64 = 0.02;

struct Finger(TaskSpec);

impl Finger {
    fn new(options: &LoadOptions) -> Self {
        let joint = |name: &str| JointSpec { name: name.to_owned(), unit: "rad".to_owned(), lower: 0.0, upper: 1.6 };
        Self(TaskSpec {
            name: ENTRY.name.to_owned(),
            latent: 2,
            output: vec![2],
            joints: vec![joint("knuckle"), joint("tip")],
            groups: Vec::new(),
            reads_joints: true,
            image: None,
            points: None,
            skeleton: None,
            classes: Vec::new(),
            convention: None,
            residual: true,
            fingerprint: "finger-1".to_owned(),
            device: options.device,
            kind: options.kind,
        })
    }

    fn check(&self, what: &'static str, tensor: &Tensor) -> Result<()> {
        let fits = matches!(tensor.size()[..], [_, 2]);
        if fits { Ok(()) } else { Err(TaskError::shape(what, "[K, 2]", tensor)) }
    }
}

impl Task for Finger {
    fn spec(&self) -> &TaskSpec {
        &self.0
    }

    /// `x` `[K, 2]`: the pull of the tendon, and how much more the tip bends; to two angles, rad.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check("x", x)?;
        let (pull, more) = (x.select(1, 0).sigmoid(), x.select(1, 1) * 0.1);
        Ok(Tensor::stack(&[&pull * 1.2, (&pull + more) * 0.9], 1))
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let obs = obs.to(self.0.kind, self.0.device);
        obs.validate(&self.0)?;
        let (seen, counts) = obs.joints_to_compare().ok_or_else(|| TaskError::EmptyObservation {
            task: self.0.name.clone(),
            observes: self.0.observes().to_string(),
        })?;
        let weight = seen.observed().to_kind(self.0.kind) / SIGMA;
        let weight = counts.map_or_else(|| weight.shallow_clone(), |counts| &weight * counts.sqrt());
        Ok(Target { value: seen.value().shallow_clone(), weight })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        self.check("y_hat", y_hat)?;
        let (rows, targets) = (y_hat.size()[0], target.value.size()[0]);
        if targets != 1 && targets != rows {
            return Err(TaskError::shape("target", format!("[1 or {rows}, 2]"), &target.value));
        }
        Ok(Objective::of_residual((y_hat - &target.value) * &target.weight))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.check("y_hat", y_hat)?;
        Ok(Reconstruction { joints: Some(y_hat.shallow_clone()), ..Reconstruction::default() })
    }
}
