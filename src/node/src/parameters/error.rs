//! What is refused about parameters, in one sentence each.

use std::io;
use std::path::PathBuf;

use thalweg_task::{ParameterRefusal, nearest, printable};

/// Why parameters are refused.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// A value of a wrong type or outside its range.
    #[error(transparent)]
    Value(#[from] ParameterRefusal),
    /// A name that is not declared.
    #[error("unknown parameter '{name}'{hint}")]
    Unknown {
        /// The name that came; a long one is cut.
        name: String,
        /// What was meant, perhaps; empty or a text that begins with `; `.
        hint: String,
    },
    /// A change of what is fixed at the start.
    #[error("{name} is read-only; restart needed")]
    ReadOnly {
        /// The parameter.
        name: String,
    },
    /// A change of what the loaded task was made with.
    #[error("{name} can be changed only in state unconfigured; clean up first")]
    OnlyUnconfigured {
        /// The parameter.
        name: String,
    },
    /// Two parameters that contradict each other.
    #[error("warm_start.fresh must be below hypotheses = {hypotheses}, got {fresh}")]
    Fresh {
        /// The number of hypotheses.
        hypotheses: i64,
        /// How many of them were to be drawn anew.
        fresh: i64,
    },
    /// A text that is no colour.
    #[error("{name} must be empty or a colour as #rrggbb, got '{got}'")]
    Colour {
        /// The parameter.
        name: &'static str,
        /// What came; a long text is cut.
        got: String,
    },
    /// A text that no topics can lie below.
    #[error(
        "{name} must be a namespace, as /humans/bodies: slashes before words of letters, digits and underscores, got '{got}'"
    )]
    Namespace {
        /// The parameter.
        name: &'static str,
        /// What came; a long text is cut.
        got: String,
    },
    /// A path that leads out of the folder that it is confined to.
    #[error("{name} must lie in {roots} ({root}, links resolved), got '{got}'")]
    Outside {
        /// The parameter.
        name: String,
        /// The folders that it may lie in.
        roots: String,
        /// The parameter that sets them, at the start.
        root: &'static str,
        /// What came.
        got: String,
    },
    /// A request to unset a parameter, or one with a type that does not exist.
    #[error("{name} must have a value, got {got}")]
    NoValue {
        /// The parameter; a long name is cut.
        name: String,
        /// What came instead.
        got: String,
    },
    /// A request to change nothing.
    #[error("parameter list is empty; expected at least one parameter")]
    Empty,
    /// A parameter file that cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A parameter file that is no text.
    #[error("{}: line {line} is not valid UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A parameter file that is indented by tabs.
    #[error("{}: line {line} is indented by a tab; YAML wants spaces", path.display())]
    Tab {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A parameter file that rcl does not take.
    #[error("{}: line {line}: {what}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// An argument `-p` that rcl does not take.
    #[error("-p {rule}: {what}")]
    Rule {
        /// The argument.
        rule: String,
        /// What is wrong with it.
        what: String,
    },
}

/// Longest name that is repeated and compared, characters.
const NAME: usize = 100;

impl ParameterError {
    /// Refuses a name, with the nearest known one.
    pub(crate) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let name = cut(name);
        let hint = nearest(&name, known);
        Self::Unknown { name, hint }
    }

    /// Refuses a parameter without a value: nothing, an empty list in a file, or an unknown type.
    #[must_use]
    pub fn no_value(name: &str, got: &str) -> Self {
        Self::NoValue { name: cut(name), got: got.to_owned() }
    }
}

fn cut(name: &str) -> String {
    printable(&name.chars().take(NAME).collect::<String>()).into_owned()
}
