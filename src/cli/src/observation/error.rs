//! What can be wrong with an observation.

use serde_json::error::Category;
use thalweg_task::{ImageSpec, TaskError};

/// Why an observation was refused; the file's name is told by whoever read it.
#[derive(Debug, thiserror::Error)]
pub enum ObservationError {
    /// The file cannot be read.
    #[error("cannot read the observation")]
    Io(#[source] std::io::Error),
    /// The text is too long to be one observation.
    #[error("longer than any observation; expected less than {limit} bytes")]
    Large {
        /// Bytes that are not read any more.
        limit: u64,
    },
    /// The text is no JSON.
    #[error("not JSON: {error}{hint}")]
    NotJson {
        /// What is wrong, with line and column.
        error: serde_json::Error,
        /// What was meant, perhaps; empty or a text that begins with `; `.
        hint: &'static str,
    },
    /// The JSON has not the form of an observation.
    #[error("not an observation: {0}")]
    NotAnObservation(serde_json::Error),
    /// The task does not know the kind or the name.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A value is none.
    #[error("{what}: got {got}, expected {expected}")]
    Value {
        /// Where it stands.
        what: String,
        /// The value that came, as JSON.
        got: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// A name is given more than once.
    #[error("{kind} '{name}' is given twice; expected it once")]
    Twice {
        /// joint, point or field.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The two lists of a joint state do not fit.
    #[error("joints: got {names} names and {positions} positions, expected as many of both")]
    Lengths {
        /// Entries of `name`.
        names: usize,
        /// Entries of `position`.
        positions: usize,
    },
    /// A joint state has further fields.
    #[error("joints: unknown field '{field}' beside the lists 'name' and 'position'")]
    JointStateField {
        /// The field.
        field: String,
    },
    /// An image has another size than the task reads.
    #[error("image: got {}; expected {}", size(got), size(expected))]
    Image {
        /// The size that came.
        got: ImageSpec,
        /// The size that the task reads.
        expected: ImageSpec,
    },
    /// An image has another number of values than its size says.
    #[error("image: got {got} pixel values, expected height x width x channels = {expected}")]
    Pixels {
        /// Values that came.
        got: usize,
        /// What the size says.
        expected: i64,
    },
    /// Nothing was seen.
    #[error("nothing is observed; expected at least one value of what task {task} observes: {observes}")]
    Nothing {
        /// Name of the task.
        task: String,
        /// The kinds that it observes.
        observes: String,
    },
}

impl ObservationError {
    /// Tells a text that is no JSON from JSON of another form.
    pub(super) fn of_json(error: serde_json::Error, text: &str) -> Self {
        if error.classify() == Category::Data {
            return Self::NotAnObservation(error);
        }
        let not_a_number = ["NaN", "Infinity"].iter().any(|word| text.contains(word));
        let hint = if not_a_number { "; JSON has no NaN and no infinity, null is unobserved" } else { "" };
        Self::NotJson { error, hint }
    }
}

fn size(image: &ImageSpec) -> String {
    format!("height {}, width {}, channels {}", image.height, image.width, image.channels)
}
