//! An arm in a library that fails as its parameter `fault` asks: what a plugin of others may do.

use tch::Tensor;
use thalweg_task::{
    Change, Entry, LoadOptions, Objective, Observation, ParameterRange, ParameterSpec, ParameterValue, Reconstruction,
    Result, Target, Task, TaskSpec,
};

/// The task.
pub const ENTRY: Entry = Entry {
    name: "hostile_plugin",
    summary: "an arm in a library that fails when asked to",
    parameters,
    load: |options| Ok(Box::new(Hostile::load(options)?)),
    ..thalweg_planar_arm::ENTRY
};

thalweg_task::export!(ENTRY);

/// What may be asked for; `later` panics and `stuck` hangs after the checks at load.
const FAULTS: [&str; 8] = ["none", "load", "hang", "not_finite", "rows", "later", "stuck", "drop"];
/// Position of the first joint at which they do, rad.
const LATER: f64 = 1.25;

fn parameters() -> Vec<ParameterSpec> {
    assert!(std::env::var_os("THALWEG_HOSTILE_PLUGIN").is_none(), "as asked, at the start");
    vec![ParameterSpec {
        name: "fault".into(),
        default: ParameterValue::String("none".to_owned()),
        unit: "",
        range: ParameterRange::Choice(FAULTS.to_vec()),
        change: Change::Unconfigured,
        description: "What fails.".into(),
    }]
}

struct Hostile {
    arm: Box<dyn Task>,
    spec: TaskSpec,
    fault: String,
}

impl Hostile {
    fn load(options: &LoadOptions) -> Result<Self> {
        let fault = options.parameters.get("fault").and_then(|fault| fault.as_str()).unwrap_or("none").to_owned();
        assert!(fault != "load", "as asked, while loading");
        if fault == "hang" {
            loop {
                std::thread::park();
            }
        }
        let arm = (thalweg_planar_arm::ENTRY.load)(&LoadOptions { parameters: Default::default(), ..options.clone() })?;
        let spec = TaskSpec { name: ENTRY.name.to_owned(), ..arm.spec().clone() };
        Ok(Self { arm, spec, fault })
    }
}

impl Task for Hostile {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y_hat = self.arm.forward(x)?;
        Ok(match self.fault.as_str() {
            "not_finite" => y_hat * f64::NAN,
            "rows" => &y_hat - y_hat.mean_dim(0, true, y_hat.kind()),
            _ => y_hat,
        })
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let target = self.arm.encode(obs)?;
        let is_later = (target.value.double_value(&[0, 0]) - LATER).abs() < 1e-4;
        assert!(self.fault != "later" || !is_later, "as asked, later");
        if self.fault == "stuck" && is_later {
            loop {
                std::thread::park();
            }
        }
        Ok(target)
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        self.arm.objective(y_hat, target)
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.arm.render(y_hat)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        assert!(self.fault != "drop", "as asked, when dropped");
    }
}
