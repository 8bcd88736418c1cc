//! What is to be loaded, and what has been.

use std::path::PathBuf;
use std::time::Duration;

use tch::Device;
use thalweg_engine::gpu::{AdapterReport, GpuChoice, GpuError};
use thalweg_engine::landscape::LandscapeError;
use thalweg_engine::time::{MotionModel, SurpriseModel, Timeline, Watch};
use thalweg_engine::{Backend, Budget, Engine, EngineConfig, EngineError, LmConfig, Optimizer, pin_threads};
use thalweg_nn::NnError;
use thalweg_task::{LoadOptions, Task, TaskError, TaskSpec};

use crate::choice::{Choice, beside};
use crate::defaults;
use crate::gpu_trial::GpuTrial;
use crate::registry::Registry;
use crate::source::{DeviceChoice, LandscapeSource, StartSource};

/// Everything that an engine is made of, before it is loaded.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The tasks that may be asked for.
    pub registry: Registry,
    /// Name of the task.
    pub task: String,
    /// How to load it.
    pub options: LoadOptions,
    /// The landscape.
    pub landscape: LandscapeSource,
    /// The amortised start.
    pub start: StartSource,
    /// How to search.
    pub engine: EngineConfig,
    /// Whether Levenberg-Marquardt takes the place of the engine's optimizer where it runs natively.
    pub automatic_optimizer: bool,
    /// The GPU for compute shaders; none runs none. One that cannot be had is said ([`Loaded::gpu_trouble`]), and done without.
    pub gpu: Option<GpuChoice>,
    /// Whether [`Plan::gpu`] is taken only where it is measured to be faster than the processor ([`Plan::compare_gpu`]).
    pub automatic_gpu: bool,
    /// When a solve will end; here it only says what is measured for an automatic GPU.
    pub budget: Budget,
    /// Threads that libtorch may use inside one operation; the engine's own are in its options.
    pub threads: u32,
    /// Whether time counts, where a model of motion lies beside the weights.
    pub time: bool,
    /// How long a node waits for all of it to be loaded.
    pub load_timeout: Duration,
}

/// What has been loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The task.
    pub spec: TaskSpec,
    /// Identity of the landscape.
    pub landscape_id: String,
    /// identity, random or trained.
    pub landscape_kind: &'static str,
    /// The landscape's file.
    pub landscape_file: Option<PathBuf>,
    /// Identity of the amortised start; none when hypotheses are drawn.
    pub start_id: Option<String>,
    /// The start's file.
    pub start_file: Option<PathBuf>,
    /// Whether the start goes the steps of a landscape, which a reload then replaces.
    pub starts_by_steps: bool,
    /// Method of descent, by its name.
    pub optimizer: &'static str,
    /// What evaluates and steps.
    pub backend: Backend,
    /// The GPU in use.
    pub gpu: Option<AdapterReport>,
    /// Why a GPU that was asked for is not in use.
    pub gpu_trouble: Option<GpuError>,
    /// What a comparison of GPU and processor found; none where the plan asks for none.
    pub gpu_trial: Option<GpuTrial>,
    /// The URDF that the task brings along.
    pub robot_description: Option<String>,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
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
    /// The model of motion cannot be loaded.
    #[error("motion model {0}")]
    Motion(#[from] NnError),
    /// The model of how joints fit each other cannot be loaded.
    #[error("surprise model {0}")]
    Surprise(NnError),
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
}

impl Plan {
    /// Plans to load a task with everything at its default: what the node does without a parameter file.
    #[must_use]
    pub fn of(registry: Registry, task: &str) -> Self {
        Self {
            registry,
            task: task.to_owned(),
            options: LoadOptions::default(),
            landscape: LandscapeSource::BesideModels,
            start: StartSource::BesideModels,
            engine: EngineConfig::default(),
            automatic_optimizer: true,
            gpu: None,
            automatic_gpu: false,
            budget: defaults::budget(),
            threads: 1,
            time: true,
            load_timeout: defaults::LOAD_TIMEOUT,
        }
    }

    /// Finds the device that is asked for.
    ///
    /// # Errors
    /// [`LoadError::Device`] when this machine has none such.
    pub fn device(choice: &DeviceChoice) -> Result<Device, LoadError> {
        choice.resolve().ok_or_else(|| {
            let gpus = tch::Cuda::device_count();
            let found = if gpus == 0 { "a CPU only".to_owned() } else { format!("{gpus} CUDA device(s)") };
            LoadError::Device { got: choice.to_string(), found }
        })
    }

    /// Loads the task alone.
    ///
    /// # Errors
    /// [`LoadError::Task`].
    pub fn load_task(&self) -> Result<Box<dyn Task>, LoadError> {
        let refuse = |source| LoadError::Task { name: self.task.clone(), source };
        self.registry.load(&self.task, &self.options).map_err(refuse)
    }

    /// Loads task and landscape and joins them, and gives libtorch the plan's number of threads: another number splits
    /// its sums at other places, and a replay must have those of the node.
    ///
    /// # Errors
    /// [`LoadError`] about the first part that cannot be had.
    pub fn load(&self) -> Result<(Engine, Loaded), LoadError> {
        pin_threads(self.threads);
        let task = self.load_task()?;
        let spec = task.spec().clone();
        let sources = (&self.landscape, &self.start);
        let models = task.folder().unwrap_or(&self.options.models);
        let choice = Choice::load(models, sources, &spec, self.engine.seed)?;
        let mut loaded = Loaded {
            landscape_id: choice.landscape.id().to_owned(),
            landscape_kind: choice.landscape.kind_name(),
            landscape_file: choice.landscape_file.clone(),
            start_id: choice.start.as_ref().map(|start| start.id().to_owned()),
            start_file: choice.start_file.clone(),
            starts_by_steps: choice.start.as_ref().is_some_and(|start| start.landscape().is_some()),
            optimizer: self.engine.optimizer.name(),
            backend: Backend::Tch,
            gpu: None,
            gpu_trouble: None,
            gpu_trial: self.compare_automatic(),
            robot_description: task.robot_description().map(str::to_owned),
            spec,
        };
        // What comparing has set for its own thread is gone with it.
        let is_faster = loaded.gpu_trial.as_ref().is_some_and(GpuTrial::is_faster);
        let automatic_gpu = self.automatic_gpu && !is_faster;
        let engine = Self { automatic_gpu, ..self.clone() }.join(task, choice)?;
        (loaded.optimizer, loaded.backend) = (engine.config().optimizer.name(), engine.backend());
        loaded.gpu_trouble = engine.gpu_trouble();
        loaded.gpu = engine.gpu().filter(|_| loaded.gpu_trouble.is_none()).map(|gpu| gpu.report().clone());
        Ok((engine, loaded))
    }

    /// Loads the model of motion beside the weights, TASK_motion.safetensors, and begins a timeline with it; none where
    /// there is no such file or time does not count.
    ///
    /// # Errors
    /// [`LoadError::Motion`] about a file that does not fit.
    pub fn timeline(&self, task: &dyn Task) -> Result<Option<Timeline>, LoadError> {
        let spec = task.spec();
        let models = task.folder().unwrap_or(&self.options.models);
        let file = beside(models, spec, "motion").filter(|_| self.time);
        let model = file.map(|file| MotionModel::load(&file, spec)).transpose()?;
        Ok(model.and_then(|model| Timeline::new(model, spec)))
    }

    /// Loads how joints fit each other, TASK_surprise.safetensors beside the weights, and begins to watch for one that lies;
    /// none where there is no such file.
    ///
    /// # Errors
    /// [`LoadError::Surprise`] about a file that does not fit.
    pub fn watch(&self, task: &dyn Task) -> Result<Option<Watch>, LoadError> {
        let spec = task.spec();
        let models = task.folder().unwrap_or(&self.options.models);
        let file = beside(models, spec, "surprise");
        let model = file.map(|file| SurpriseModel::load(&file, spec)).transpose().map_err(LoadError::Surprise)?;
        Ok(model.and_then(|model| Watch::new(model, spec)))
    }

    /// Joins a task with a landscape and a start, and chooses the optimizer where that is left open: Levenberg-Marquardt
    /// where the engine runs natively, Adam elsewhere. Measures nothing: a GPU that is to be measured first is left out.
    ///
    /// # Errors
    /// [`EngineError`] about an option that does not fit.
    pub fn join(&self, task: Box<dyn Task>, choice: Choice) -> Result<Engine, EngineError> {
        let has_residual = task.spec().residual;
        let mut engine = Engine::new(task, choice.landscape, self.engine.clone())?;
        if let Some(gpu) = self.gpu.as_ref().filter(|_| !self.automatic_gpu) {
            engine.try_gpu(gpu);
        }
        let is_open = self.automatic_optimizer && has_residual;
        let damp = |engine: &mut Engine| match engine.config().optimizer {
            Optimizer::Adam(_) if is_open && engine.backend() == Backend::Fused => {
                engine.set_optimizer(Optimizer::LevenbergMarquardt(LmConfig::of_streams()))
            }
            _ => Ok(()),
        };
        damp(&mut engine)?;
        if let Some(start) = choice.start {
            engine.set_start(start)?;
        }
        // A device may fail at the start's shader.
        damp(&mut engine)?;
        Ok(engine)
    }
}
