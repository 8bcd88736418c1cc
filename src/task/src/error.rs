//! What a task can refuse, with the data that makes the refusal clear.

use thalweg_nn::NnError;

/// Why a task could not be loaded or could not answer.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A tensor has another shape than the contract asks for.
    #[error("{what}: expected shape {expected}, got {got:?}")]
    Shape {
        /// The tensor, in words.
        what: &'static str,
        /// The expected shape, with axis letters where they are free.
        expected: String,
        /// The shape that came.
        got: Vec<i64>,
    },
    /// An observation carries a kind of data the task does not read.
    #[error("task {task} does not observe {kind}; it observes {observes}")]
    NotObserved {
        /// Name of the task.
        task: String,
        /// The kind that came: joints, image or points.
        kind: &'static str,
        /// The kinds the task reads.
        observes: String,
    },
    /// An observation carries nothing that the task reads.
    #[error("observation is empty: task {task} observes {observes}")]
    EmptyObservation {
        /// Name of the task.
        task: String,
        /// The kinds the task reads.
        observes: String,
    },
    /// An observed value is infinite.
    #[error("{kind}: {count} observed value(s) are infinite; expected finite numbers, or NaN where unobserved")]
    Infinite {
        /// joints, image or points.
        kind: &'static str,
        /// How many entries.
        count: i64,
    },
    /// A name that the task does not know.
    #[error("unknown {kind} '{name}'{hint}")]
    UnknownName {
        /// joint, parameter, option.
        kind: &'static str,
        /// The name that came.
        name: String,
        /// What was meant, perhaps; empty or a text that begins with `; `.
        hint: String,
    },
    /// A parameter of the task has a wrong type or lies outside its range.
    #[error("parameter {name}: got {got}, expected {expected}")]
    Parameter {
        /// The parameter.
        name: String,
        /// The value that came.
        got: String,
        /// What is accepted.
        expected: String,
    },
    /// Weights cannot be read or written.
    #[error(transparent)]
    Weights(#[from] NnError),
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// The task panicked, in a library whose panics stay inside.
    #[error("the task panicked: {what}")]
    Panicked {
        /// What the panic says.
        what: String,
    },
    /// The task breaks a rule of the contract.
    #[error("{file}: breaks the rule {rule}: {detail}; {cure}")]
    Contract {
        /// Its file or folder.
        file: String,
        /// The rule, as `thalweg check` names it.
        rule: &'static str,
        /// What was measured.
        detail: String,
        /// What to do.
        cure: &'static str,
    },
}

impl TaskError {
    /// Builds a [`TaskError::Shape`] from the tensor that came.
    pub fn shape(what: &'static str, expected: impl Into<String>, got: &tch::Tensor) -> Self {
        Self::Shape { what, expected: expected.into(), got: got.size() }
    }
}
