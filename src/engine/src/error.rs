//! What the engine refuses, and how a task can fail it.

use tch::{Device, Kind};
use thalweg_task::TaskError;

use crate::gpu::GpuError;

/// Why the engine could not be built or could not go on.
///
/// Numeric trouble is not here: a hypothesis that runs away is replaced and counted.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// An option lies outside its range.
    #[error("{option}: got {got}, expected {expected}")]
    Option {
        /// The option, as in the configuration.
        option: &'static str,
        /// The value that came.
        got: String,
        /// What is accepted.
        expected: String,
    },
    /// The landscape maps to a latent of another dimension than the task's.
    #[error("landscape {landscape} maps to {got} latent dimensions, task {task} has {expected}")]
    Latent {
        /// Identity of the landscape.
        landscape: String,
        /// Name of the task.
        task: String,
        /// Dimension of the task's latent.
        expected: i64,
        /// Dimension that the landscape maps to.
        got: i64,
    },
    /// The landscape computes in another element type or on another device than the task.
    #[error("landscape {landscape} computes in {got:?}, task {task} in {expected:?}")]
    ElementType {
        /// Identity of the landscape.
        landscape: String,
        /// Name of the task.
        task: String,
        /// Element type and device of the task.
        expected: (Kind, Device),
        /// Element type and device of the landscape.
        got: (Kind, Device),
    },
    /// Levenberg-Marquardt was asked for, but the task has a loss only.
    #[error("levenberg_marquardt needs residuals, task {task} gives a loss only; choose adam")]
    NoResidual {
        /// Name of the task.
        task: String,
    },
    /// A start proposes points of another dimension than the landscape's.
    #[error("the start proposes points of {got} dimensions, landscape {landscape} has {expected}")]
    StartDimension {
        /// Identity of the landscape.
        landscape: String,
        /// Dimension of the landscape.
        expected: i64,
        /// Dimension of what is proposed.
        got: i64,
    },
    /// Codes came, but there is no start to read them.
    #[error("codes need a start; set one first")]
    NoStart,
    /// Codes of another shape came.
    #[error("codes: expected shape {expected:?}, got {got:?}")]
    Codes {
        /// `[K, C]`.
        expected: Vec<i64>,
        /// What came.
        got: Vec<i64>,
    },
    /// Native code was asked for, but the task or its target is not of the kind that it can evaluate.
    #[error("task {task} cannot run on backend fused: {reason}; choose auto")]
    NotFused {
        /// Name of the task.
        task: String,
        /// What stands in the way.
        reason: &'static str,
    },
    /// The system gives no more threads.
    #[error("cannot start {threads} threads for hypotheses: {source}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system says.
        source: std::io::Error,
    },
    /// The loss does not depend on the latent in a way that can be differentiated.
    #[error("task {task}: the loss has no gradient with respect to the latent")]
    NotDifferentiable {
        /// Name of the task.
        task: String,
    },
    /// An observation has neither one row nor one row for each hypothesis.
    #[error("observation has {rows} rows, expected 1 or one for each of {hypotheses} hypotheses")]
    Rows {
        /// Rows that came.
        rows: i64,
        /// The number of hypotheses.
        hypotheses: usize,
    },
    /// Starting points were handed in with a wrong shape.
    #[error("starting points: expected shape {expected:?}, got {got:?}")]
    Start {
        /// `[K, Z]`.
        expected: Vec<i64>,
        /// The shape that came.
        got: Vec<i64>,
    },
    /// The task refused the observation or could not answer.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The task panicked.
    #[error("task {task} panicked: {message}")]
    TaskPanicked {
        /// Name of the task.
        task: String,
        /// What it said.
        message: String,
    },
    /// No starting point has a finite loss and gradient.
    #[error("no finite loss from {attempts} starting points each for {rows} hypotheses")]
    NothingFinite {
        /// How many hypotheses are without a finite point.
        rows: usize,
        /// How many starting points each of them tried.
        attempts: u32,
    },
    /// A budget sets no limit.
    #[error("budget is empty: expected at least one of steps, deadline, tolerance")]
    EmptyBudget,
    /// The GPU fails. A solve goes on natively, so this is what [`Engine::use_gpu`](crate::Engine::use_gpu) says.
    #[error("GPU: {0}")]
    Gpu(#[from] GpuError),
    /// A step was asked for before any observation.
    #[error("nothing to refine: begin comes first")]
    NotBegun,
}

impl EngineError {
    /// Whether it is the observation that cannot be solved, and the next one may be: nothing of it is finite, or it is
    /// none that the task reads.
    #[must_use]
    pub fn is_of_observation(&self) -> bool {
        match self {
            Self::NothingFinite { .. } | Self::Rows { .. } => true,
            Self::Task(error) => matches!(
                error,
                TaskError::NotObserved { .. }
                    | TaskError::EmptyObservation { .. }
                    | TaskError::Infinite { .. }
                    | TaskError::UnknownName { .. }
            ),
            _ => false,
        }
    }

    pub(crate) fn option(option: &'static str, got: &impl ToString, expected: impl Into<String>) -> Self {
        Self::Option { option, got: got.to_string(), expected: expected.into() }
    }
}
