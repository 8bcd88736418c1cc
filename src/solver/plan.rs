//! What the engine thread is asked to load, and what it has loaded.

use std::path::PathBuf;
use std::time::Duration;

use thalweg_task::{LoadOptions, TaskError, TaskSpec};

use super::choice::Choice;
use crate::engine::{Backend, Budget, Engine, EngineConfig, EngineError, LmConfig, Optimizer, pin_threads};
use crate::landscape::LandscapeError;
use crate::parameters::{DeviceChoice, StartSource, ThetaSource};
use crate::registry;

/// Everything that is fixed while the node is configured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of the task.
    pub task: String,
    /// How to load it.
    pub options: LoadOptions,
    /// The landscape.
    pub theta: ThetaSource,
    /// The amortised start.
    pub start: StartSource,
    /// How to search.
    pub engine: EngineConfig,
    /// Whether Levenberg-Marquardt takes the place of the engine's optimizer where it runs natively.
    pub automatic_optimizer: bool,
    /// Threads that libtorch may use inside one operation; the engine's own are in its options.
    pub threads: u32,
    /// What may change later.
    pub tuning: Tuning,
}

/// What may change between two solves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Number K of hypotheses.
    pub hypotheses: usize,
    /// How many of them are drawn anew at a warm start.
    pub fresh: usize,
    /// When a solve ends.
    pub budget: Budget,
    /// Least time between two solves; zero: every observation is solved as soon as possible.
    pub period: Duration,
}

/// What has been loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The task.
    pub spec: TaskSpec,
    /// Identity of the landscape.
    pub theta_id: String,
    /// identity, random or trained.
    pub theta_kind: &'static str,
    /// The landscape's file.
    pub theta_file: Option<PathBuf>,
    /// Identity of the amortised start; none when hypotheses are drawn.
    pub start_id: Option<String>,
    /// Method of descent, by its name.
    pub optimizer: &'static str,
    /// What evaluates and steps.
    pub backend: Backend,
}

/// Why the engine thread cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum SolverError {
    /// The task cannot be loaded.
    #[error("task {name}: {source}")]
    Task {
        /// Name of the task.
        name: String,
        /// What is wrong.
        source: TaskError,
    },
    /// The landscape cannot be loaded.
    #[error(transparent)]
    Landscape(#[from] LandscapeError),
    /// The amortised start cannot be loaded.
    #[error("start {0}")]
    Start(#[from] TaskError),
    /// An option does not fit.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The compute device is not there.
    #[error("device {got} is not there: this machine has {found}; expected cpu, auto or one of those")]
    Device {
        /// What was asked for.
        got: String,
        /// What there is.
        found: String,
    },
    /// A landscape fits, and does not work.
    #[error("landscape {}: {why}", path.display())]
    Trial {
        /// Its file.
        path: PathBuf,
        /// What its trial showed.
        why: String,
    },
    /// Nothing is loaded that a landscape could be for.
    #[error("nothing is loaded: a landscape can be reloaded in the states inactive and active")]
    NothingLoaded,
    /// Loading panicked, as libtorch does where it runs out of memory.
    #[error("loading failed: {0}")]
    Panicked(String),
    /// The engine thread has ended.
    #[error("the engine thread has ended")]
    Gone,
}

impl SolverError {
    /// Says which device was asked for and what there is.
    #[must_use]
    pub fn no_device(choice: DeviceChoice) -> Self {
        let gpus = tch::Cuda::device_count();
        let found = if gpus == 0 { "a CPU only".to_owned() } else { format!("{gpus} CUDA device(s)") };
        Self::Device { got: choice.to_string(), found }
    }
}

impl Plan {
    /// Loads task and landscape and joins them, and gives libtorch the plan's number of threads: another number splits
    /// its sums at other places, and a replay must have those of the node.
    ///
    /// # Errors
    /// [`SolverError`] about the first part that cannot be had.
    pub fn load(&self) -> Result<(Engine, Loaded), SolverError> {
        pin_threads(self.threads);
        let task = registry::load(&self.task, &self.options)
            .map_err(|source| SolverError::Task { name: self.task.clone(), source })?;
        let spec = task.spec().clone();
        let sources = (&self.theta, &self.start);
        let Choice { landscape, theta_file, start, .. } = Choice::load(&self.options.models, sources, &spec)?;
        let mut loaded = Loaded {
            theta_id: landscape.id().to_owned(),
            theta_kind: landscape.kind_name(),
            theta_file,
            start_id: start.as_ref().map(|start| start.id().to_owned()),
            optimizer: self.engine.optimizer.name(),
            backend: Backend::Tch,
            spec,
        };
        let mut engine = Engine::new(task, landscape, self.engine.clone())?;
        if self.automatic_optimizer && loaded.spec.residual && engine.backend() == Backend::Fused {
            engine.set_optimizer(Optimizer::LevenbergMarquardt(LmConfig::default()))?;
        }
        if let Some(start) = start {
            engine.set_start(start)?;
        }
        (loaded.optimizer, loaded.backend) = (engine.config().optimizer.name(), engine.backend());
        Ok((engine, loaded))
    }
}
