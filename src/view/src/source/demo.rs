//! The bundled motion with joints hidden, solved here as a node solves it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tch::Tensor;
use thalweg::Registry;
use thalweg::clock::SystemClock;
use thalweg::motion::Motion;
use thalweg_engine::{Answer, Budget, Engine};
use thalweg_node::display::ShownAnswer;
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_node::solver::Assignment;
use thalweg_task::{Observation, ParameterValue, TaskSpec, numbers, shipped};

use super::Timed;

/// What is shown in the demo.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// The group of joints that is hidden.
    pub hide: String,
    /// Number of hypotheses.
    pub hypotheses: usize,
    /// Answers a second.
    pub rate: f64,
    /// Steps of each solve; without, the node's own deadline rules.
    pub steps: Option<u32>,
}

/// Solves the motion frame by frame, to its end.
pub struct Demo {
    engine: Engine,
    budget: Budget,
    clock: SystemClock,
    motion: Motion,
    mask: Tensor,
    names: Arc<[String]>,
    frame: i64,
}

impl Demo {
    /// Loads the task and the motion.
    ///
    /// # Errors
    /// What cannot be loaded, or that there is no such group of joints.
    pub fn open(options: &DemoOptions) -> anyhow::Result<Self> {
        let hypotheses = i64::try_from(options.hypotheses)?;
        let set = |name: &str, value: i64| (name.to_owned(), ParameterValue::Integer(value));
        let values = [set("hypotheses", hypotheses), set("warm_start.fresh", 2.min(hypotheses - 1))];
        let settings = Settings::read(&Store::declare(full_table(&Registry::shipped(), &[]), &values)?, 0)?;
        let (engine, loaded) = Assignment::of(&settings, Registry::shipped())?.plan.load()?;
        let motion = Motion::load(&shipped("assets/motion.safetensors"), &loaded.spec)?.resampled(options.rate);
        let names = loaded.spec.joints.iter().map(|joint| joint.name.clone()).collect();
        let budget = options.steps.map_or(settings.budget, Budget::of_steps);
        let mask = all_but(&options.hide, &loaded.spec)?;
        Ok(Self { engine, budget, clock: SystemClock::default(), motion, mask, names, frame: 0 })
    }

    /// How many frames the motion has.
    #[must_use]
    pub fn frames(&self) -> i64 {
        self.motion.frames()
    }

    fn observe(&self) -> Observation {
        let mut obs = self.motion.observation(self.frame);
        obs.joints = obs.joints.map(|joints| joints.hide(&self.mask));
        obs
    }

    fn solve(&mut self, at: Duration) -> anyhow::Result<ShownAnswer> {
        let _no_grad = tch::no_grad_guard();
        let obs = self.observe();
        let begin = Instant::now();
        self.engine.solve(&obs, &self.budget, &self.clock)?;
        let answer = Answer::of(&mut self.engine, begin.elapsed())?;
        let seen = obs.joints.as_ref().context("the task observes joints")?.with_nan();
        let observed = numbers::<f64>(&seen).iter().map(|position| !position.is_nan()).collect();
        let (hypotheses, names) = (answer.losses.len(), Arc::clone(&self.names));
        let stamp_nanos = i64::try_from(at.as_nanos())?;
        Ok(ShownAnswer { stamp_nanos, names, answer, observed, hypotheses, ..ShownAnswer::default() })
    }
}

impl Iterator for Demo {
    type Item = anyhow::Result<Timed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.frame >= self.motion.frames() {
            return None;
        }
        let at = Duration::from_secs_f64(self.frame as f64 / self.motion.fps);
        let shown = self.solve(at);
        self.frame += 1;
        Some(shown.map(|shown| (at, Arc::new(shown))))
    }
}

/// Which joints are seen where a group of them is hidden, `[1, J]`.
fn all_but(group: &str, spec: &TaskSpec) -> anyhow::Result<Tensor> {
    let hidden = spec.groups.iter().find(|known| known.name == group);
    let hidden = hidden.with_context(|| format!("no group of joints named {group}"))?;
    let seen: Vec<bool> = (0..spec.joints.len()).map(|joint| !hidden.joints.contains(&joint)).collect();
    Ok(Tensor::from_slice(&seen).unsqueeze(0))
}
