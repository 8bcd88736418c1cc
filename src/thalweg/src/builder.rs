//! From a name to an engine, one option after the other.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use thalweg_engine::{Budget, EngineConfig, Optimizer, ReportConfig};

use crate::defaults;
use crate::error::Error;
use crate::inverter::Inverter;
use crate::plan::Plan;
use crate::registry::Registry;
use crate::source::{DeviceChoice, LandscapeSource, StartSource};

/// Says what is to be loaded and how to search; everything has a default, the node's.
///
/// Values are checked by [`Builder::build`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    plan: Plan,
    device: DeviceChoice,
    /// None where no limit has been named.
    budget: Option<Budget>,
    deadline_ms: Option<f64>,
}

/// Opens a shipped task: `body_pose`, `planar_arm`, `gan_inversion` or `image_defence`.
///
/// ```
/// # fn main() -> Result<(), thalweg::Error> {
/// let mut engine = thalweg::load("body_pose")?.hypotheses(8).deadline_ms(8.0).build()?;
/// let seen = engine.observe().joint("left_elbow_y", -0.8)?.joint("neck_x", 0.1)?;
/// for hypothesis in engine.solve(&seen)?.hypotheses() { println!("{:.3} {:?}", hypothesis.loss, hypothesis.joint("left_knee_x")); }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`thalweg_task::TaskError::UnknownName`], with the nearest known name.
pub fn load(name: &str) -> Result<Builder, Error> {
    Registry::shipped().open(name)
}

impl Registry {
    /// Opens one of the tasks, or the folder of a scripted one; nothing is read before [`Builder::build`].
    ///
    /// # Errors
    /// [`thalweg_task::TaskError::UnknownName`], with the nearest known name.
    pub fn open(&self, name: &str) -> Result<Builder, Error> {
        self.find(name)?;
        let plan = Plan::of(self.clone(), name);
        Ok(Builder { plan, device: DeviceChoice::Cpu, budget: None, deadline_ms: None })
    }
}

impl Builder {
    /// Sets the number K of hypotheses, at least 1; of few, fewer are drawn anew at a warm start.
    pub fn hypotheses(mut self, hypotheses: usize) -> Self {
        let fresh = EngineConfig::default().fresh.min(hypotheses.saturating_sub(1));
        (self.plan.engine.hypotheses, self.plan.engine.fresh) = (hypotheses, fresh);
        self
    }

    /// Sets how many hypotheses are drawn anew at a warm start, in place of the worst; below K.
    pub fn fresh(mut self, fresh: usize) -> Self {
        self.plan.engine.fresh = fresh;
        self
    }

    /// Limits the time of a solve, milliseconds. Limits add up: the first one met ends a solve.
    ///
    /// Without any limit it is [`defaults::DEADLINE`]. Without another one, [`defaults::TOLERANCE`] holds beside it.
    pub fn deadline_ms(mut self, milliseconds: f64) -> Self {
        self.deadline_ms = Some(milliseconds);
        self
    }

    /// Limits the steps of a solve; the same seed then gives the same bits.
    pub fn steps(mut self, steps: u32) -> Self {
        self.budget.get_or_insert_default().steps = Some(steps);
        self
    }

    /// Ends a solve when the best loss has fallen by no more than this fraction of itself lately: see
    /// [`Budget::tolerance`].
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.budget.get_or_insert_default().tolerance = Some(tolerance);
        self
    }

    /// Seeds everything random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.engine.seed = seed;
        self
    }

    /// Chooses the landscape: `identity`, `random`, or a file. Default: what the start was made for.
    pub fn landscape(mut self, landscape: impl Into<LandscapeSource>) -> Self {
        self.plan.landscape = landscape.into();
        self
    }

    /// Chooses the amortised start: `none`, or a file. Default: the one beside the weights, where it fits.
    pub fn start(mut self, start: impl Into<StartSource>) -> Self {
        self.plan.start = start.into();
        self
    }

    /// Sets how a start pulls hypotheses to what it proposes, [`EngineConfig::start_weight`].
    pub fn start_weight(mut self, weight: f64) -> Self {
        self.plan.engine.start_weight = weight;
        self
    }

    /// Sets the weight of the standard normal prior, [`EngineConfig::prior_weight`].
    pub fn prior_weight(mut self, weight: f64) -> Self {
        self.plan.engine.prior_weight = weight;
        self
    }

    /// Sets whether a solve goes on from where the last one ended.
    pub fn warm_start(mut self, warm_start: bool) -> Self {
        self.plan.engine.warm_start = warm_start;
        self
    }

    /// Sets whether time counts where observations have stamps: what was seen of a joint that falls silent loses weight
    /// with its age. Default: true.
    pub fn time(mut self, time: bool) -> Self {
        self.plan.time = time;
        self
    }

    /// Chooses what computes. Default: the processor.
    pub fn device(mut self, device: DeviceChoice) -> Self {
        self.device = device;
        self
    }

    /// Names the folder of weights. Default: [`thalweg_task::models_folder`].
    pub fn models(mut self, folder: impl Into<PathBuf>) -> Self {
        self.plan.options.models = folder.into();
        self
    }

    /// Sets a parameter of the task; the last one of a name counts.
    pub fn parameter(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.plan.options.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// Sets how joints are reported that have fallen silent, and how far off they may be.
    pub fn report(mut self, report: ReportConfig) -> Self {
        self.plan.engine.report = report;
        self
    }

    /// Sets the seconds, at least 0, within which what a start pulls hypotheses to follows what it proposes, where time
    /// counts.
    pub fn continuity(mut self, seconds: f64) -> Self {
        self.plan.engine.continuity = seconds;
        self
    }

    /// Chooses how hypotheses move. Default: Levenberg-Marquardt where it runs natively, else Adam.
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        (self.plan.engine.optimizer, self.plan.automatic_optimizer) = (optimizer, false);
        self
    }

    /// Sets the threads, 1 to 64, that hypotheses are split over, and of one tensor operation.
    pub fn threads(mut self, threads: u32) -> Self {
        self.plan.threads = threads;
        self.plan.engine.threads = usize::try_from(threads).unwrap_or(usize::MAX);
        self
    }

    /// Loads everything.
    ///
    /// Sets libtorch's number of threads for the whole process, see [`Plan::load`].
    ///
    /// # Errors
    /// [`Error`] about the first file that cannot be had or option that does not fit.
    pub fn build(mut self) -> Result<Inverter, Error> {
        let budget = self.checked_budget()?;
        // Before the number of threads is set.
        self.plan.engine.validate()?;
        self.plan.options.device = Plan::device(&self.device)?;
        (self.plan.gpu, self.plan.automatic_gpu) = (self.device.gpu().cloned(), self.device == DeviceChoice::Auto);
        self.plan.budget = budget;
        let (engine, loaded) = self.plan.load()?;
        let timeline = self.plan.timeline(engine.task())?;
        let watch = self.plan.watch(engine.task())?;
        Ok(Inverter::new((engine, loaded), (timeline, watch), budget))
    }

    fn checked_budget(&self) -> Result<Budget, Error> {
        let deadline = match self.deadline_ms {
            None => self.budget.is_none().then_some(defaults::DEADLINE),
            Some(millis) => Some(deadline(millis)?),
        };
        let usual = Budget { tolerance: Some(defaults::TOLERANCE), ..Budget::default() };
        let budget = Budget { deadline, ..self.budget.unwrap_or(usual) };
        budget.validate()?;
        Ok(budget)
    }
}

/// A time above zero.
fn deadline(millis: f64) -> Result<Duration, Error> {
    let refuse = || Error::Option {
        option: "deadline_ms",
        got: format!("{millis:?}"),
        expected: "a finite number of milliseconds above 0",
    };
    Duration::try_from_secs_f64(millis / 1e3).ok().filter(|time| !time.is_zero()).ok_or_else(refuse)
}
