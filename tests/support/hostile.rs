//! A task that fails as tasks should not: an arm in all else.
//!
//! What fails is chosen by the parameter `fault`; at the observations where the first joint is at [`PANIC`] or
//! [`NO_NUMBER`] it fails whatever the parameter says.

use tch::Tensor;
use thalweg_task::{
    Change, Entry, LoadOptions, Objective, Observation, ParameterRange, ParameterSpec, ParameterValue, Reconstruction,
    Result, Target, Task, TaskSpec,
};

/// Position of the first joint at which encoding panics, rad.
pub const PANIC: f64 = 1.25;
/// Position of the first joint at which no loss is a number, rad.
pub const NO_NUMBER: f64 = 1.75;

/// What the registry lists.
pub const ENTRY: Entry = Entry {
    name: "hostile",
    summary: "an arm that fails when asked to",
    parameters,
    load: |options| Ok(Box::new(Hostile::load(options)?)),
    ..thalweg_planar_arm::ENTRY
};

/// What a parameter may ask for.
const FAULTS: [&str; 6] = ["none", "load", "hang", "always", "drop", "thread"];

struct Hostile {
    arm: Box<dyn Task>,
    spec: TaskSpec,
    fault: String,
}

fn parameters() -> Vec<ParameterSpec> {
    assert!(std::env::var_os("THALWEG_HOSTILE").is_none(), "as asked, at the start");
    vec![ParameterSpec {
        name: "fault".into(),
        default: ParameterValue::String("none".to_owned()),
        unit: "",
        range: ParameterRange::Choice(FAULTS.to_vec()),
        change: Change::Unconfigured,
        description: "What fails.".into(),
    }]
}

impl Hostile {
    fn load(options: &LoadOptions) -> Result<Self> {
        let fault = options.parameters.get("fault").and_then(|fault| fault.as_str()).unwrap_or("none").to_owned();
        assert_ne!(fault, "load", "as asked, while loading");
        if fault == "hang" {
            loop {
                std::thread::park();
            }
        }
        if fault == "thread" {
            // Nobody joins it: a panic that only the hook sees.
            drop(std::thread::spawn(|| panic!("as asked, on a thread of its own")));
        }
        let arm = (thalweg_planar_arm::ENTRY.load)(&LoadOptions { parameters: Default::default(), ..options.clone() })?;
        let spec = TaskSpec { name: "hostile".to_owned(), ..arm.spec().clone() };
        Ok(Self { arm, spec, fault })
    }
}

/// Whether the first joint of the first row is at a position.
fn is_at(value: &Tensor, position: f64) -> bool {
    (value.flatten(0, -1).double_value(&[0]) - position).abs() < 1e-4
}

impl Task for Hostile {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        assert_ne!(self.fault, "always", "as asked, always");
        self.arm.forward(x)
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let target = self.arm.encode(obs)?;
        assert!(!is_at(&target.value, PANIC), "as asked, at an observation");
        Ok(target)
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        let objective = self.arm.objective(y_hat, target)?;
        if is_at(&target.value, NO_NUMBER) {
            return Ok(Objective { loss: objective.loss * f64::NAN, ..objective });
        }
        Ok(objective)
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.arm.render(y_hat)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        assert_ne!(self.fault, "drop", "as asked, when dropped");
    }
}
