//! What a parameter accepts, and the sentences by which it refuses.

use std::borrow::Cow;

use super::value::{ParameterKind, ParameterValue};
use crate::printable;

/// The precision of every double: other than zero, none may be nearer to it.
///
/// Tasks compute in 32 bit floats, where less is zero or has lost its digits; and one divided by it is finite.
pub const PRECISION: f64 = f32::MIN_POSITIVE as f64;

/// Which values of the right type are accepted.
///
/// Numbers must be finite and not below [`PRECISION`], whatever the range.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterRange {
    /// Every value.
    Any,
    /// Whole numbers, both ends included; of an array, each of them.
    Integer {
        /// Least value.
        from: i64,
        /// Greatest value.
        to: i64,
    },
    /// Numbers, both ends included; of an array, each of them.
    Double {
        /// Least value.
        from: f64,
        /// Greatest value.
        to: f64,
    },
    /// Zero, which switches something off, or a number between the ends, both included.
    ZeroOr {
        /// Least value but zero.
        from: f64,
        /// Greatest value.
        to: f64,
    },
    /// So many numbers, both ends included.
    Doubles {
        /// How many there must be.
        length: usize,
        /// Least value of each.
        from: f64,
        /// Greatest value of each.
        to: f64,
    },
    /// Printable text of so many bytes at most.
    Text {
        /// Bytes.
        most: usize,
    },
    /// One of these texts. One that ends in `:N` stands for any number there: `cuda:N`, `cuda:0`.
    Choice(Vec<&'static str>),
}

/// When a parameter can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Never after the start.
    ReadOnly,
    /// Only while the node holds no task: in the lifecycle state unconfigured.
    Unconfigured,
    /// At any time; the next solve follows it.
    AnyTime,
}

/// One parameter, described as data.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// Name, dotted; in an [`crate::Entry`] without the name of the task.
    pub name: Cow<'static, str>,
    /// The value it has when nobody sets it; tells the type too.
    pub default: ParameterValue,
    /// Unit, empty where there is none.
    pub unit: &'static str,
    /// Which values are accepted.
    pub range: ParameterRange,
    /// When it can be changed.
    pub change: Change,
    /// What it does: sentences, without unit and range.
    pub description: Cow<'static, str>,
}

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParameterRefusal {
    /// A value of another type.
    #[error("{name} must be {}, got the {got} {value}{hint}", expected.with_article())]
    Kind {
        /// The parameter.
        name: String,
        /// The type it has.
        expected: ParameterKind,
        /// The type that came.
        got: ParameterKind,
        /// The value that came.
        value: String,
        /// How it should have been written; empty, or a text that begins with a space.
        hint: String,
    },
    /// A number that is none.
    #[error("{name} must be finite, got {value}")]
    NotFinite {
        /// The parameter, with the place in an array.
        name: String,
        /// The value that came.
        value: String,
    },
    /// A number that is almost zero.
    #[error("{name} must be zero, or no nearer to it than {PRECISION:e}, got {value}")]
    Precision {
        /// The parameter, with the place in an array.
        name: String,
        /// The value that came.
        value: String,
    },
    /// A text that is too long, or has characters that cannot be printed.
    #[error("{name} must be at most {most} bytes of printable text, got {got}")]
    Text {
        /// The parameter.
        name: String,
        /// Bytes.
        most: usize,
        /// What came: its length, or the text where that is short.
        got: String,
    },
    /// A number outside the range.
    #[error("{name} must be in {range}, got {value}")]
    Range {
        /// The parameter, with the place in an array.
        name: String,
        /// The range.
        range: String,
        /// The value that came.
        value: String,
    },
    /// A text that is not among the choices.
    #[error("{name} must be one of {choices}, got {value}")]
    Choice {
        /// The parameter.
        name: String,
        /// The choices.
        choices: String,
        /// The value that came.
        value: String,
    },
    /// Too many or too few numbers.
    #[error("{name} must have {expected} elements, got {got}")]
    Length {
        /// The parameter.
        name: String,
        /// How many there must be.
        expected: usize,
        /// How many came.
        got: usize,
    },
}

impl ParameterSpec {
    /// The type of the parameter.
    #[must_use]
    pub fn kind(&self) -> ParameterKind {
        self.default.kind()
    }

    /// Refuses a value of a wrong type, outside the range or not finite.
    ///
    /// # Errors
    /// [`ParameterRefusal`], one sentence that names the parameter.
    pub fn check(&self, value: &ParameterValue) -> Result<(), ParameterRefusal> {
        if value.kind() != self.kind() {
            return Err(self.wrong_kind(value));
        }
        match value {
            ParameterValue::Integer(value) => self.check_integer(&self.name, *value),
            ParameterValue::Double(value) => self.check_double(&self.name, *value),
            ParameterValue::String(value) => self.check_text(value),
            ParameterValue::IntegerArray(values) => {
                each(values).try_for_each(|(place, value)| self.check_integer(&self.element(place), value))
            }
            ParameterValue::DoubleArray(values) => self.check_doubles(values),
            _ => Ok(()),
        }
    }

    fn element(&self, place: usize) -> String {
        format!("{}[{place}]", self.name)
    }

    fn check_integer(&self, name: &str, value: i64) -> Result<(), ParameterRefusal> {
        let ParameterRange::Integer { from, to } = self.range else { return Ok(()) };
        if (from..=to).contains(&value) {
            return Ok(());
        }
        Err(ParameterRefusal::Range { name: name.to_owned(), range: self.range.to_string(), value: value.to_string() })
    }

    fn check_double(&self, name: &str, value: f64) -> Result<(), ParameterRefusal> {
        let (name, shown) = (name.to_owned(), ParameterValue::Double(value).to_string());
        if !value.is_finite() {
            return Err(ParameterRefusal::NotFinite { name, value: shown });
        }
        let is_within = match self.range {
            ParameterRange::Double { from, to } | ParameterRange::Doubles { from, to, .. } => {
                (from..=to).contains(&value)
            }
            ParameterRange::ZeroOr { from, to } => value == 0.0 || (from..=to).contains(&value),
            _ => true,
        };
        if !is_within {
            let range = match self.range {
                ParameterRange::Doubles { from, to, .. } => ParameterRange::Double { from, to }.to_string(),
                _ => self.range.to_string(),
            };
            return Err(ParameterRefusal::Range { name, range, value: shown });
        }
        if value != 0.0 && value.abs() < PRECISION {
            return Err(ParameterRefusal::Precision { name, value: shown });
        }
        Ok(())
    }

    fn check_doubles(&self, values: &[f64]) -> Result<(), ParameterRefusal> {
        if let ParameterRange::Doubles { length: expected, .. } = self.range
            && values.len() != expected
        {
            return Err(ParameterRefusal::Length { name: self.name.to_string(), expected, got: values.len() });
        }
        each(values).try_for_each(|(place, value)| self.check_double(&self.element(place), value))
    }

    fn check_text(&self, value: &str) -> Result<(), ParameterRefusal> {
        let choices = match &self.range {
            ParameterRange::Choice(choices) => choices,
            ParameterRange::Text { most } => return self.check_printable(value, *most),
            _ => return Ok(()),
        };
        if choices.iter().any(|choice| fits(choice, value)) {
            return Ok(());
        }
        let value = shown(&ParameterValue::String(value.to_owned()));
        Err(ParameterRefusal::Choice { name: self.name.to_string(), choices: self.range.to_string(), value })
    }

    fn check_printable(&self, value: &str, most: usize) -> Result<(), ParameterRefusal> {
        if value.len() <= most && matches!(printable(value), Cow::Borrowed(_)) {
            return Ok(());
        }
        let got = if value.len() > most {
            format!("{} bytes", value.len())
        } else {
            shown(&ParameterValue::String(printable(value).into_owned()))
        };
        Err(ParameterRefusal::Text { name: self.name.to_string(), most, got })
    }

    fn wrong_kind(&self, value: &ParameterValue) -> ParameterRefusal {
        ParameterRefusal::Kind {
            name: self.name.to_string(),
            expected: self.kind(),
            got: value.kind(),
            value: shown(value),
            hint: converted(value, self.kind()).map_or_else(String::new, |meant| format!(" (write {})", shown(&meant))),
        }
    }
}

/// Shows the range as a sentence needs it: `[0, 10]`, or the choices.
impl std::fmt::Display for ParameterRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let double = |value: f64| ParameterValue::Double(value);
        match self {
            Self::Any => f.write_str("any"),
            Self::Integer { from, to } => write!(f, "[{from}, {to}]"),
            Self::Double { from, to } => write!(f, "[{}, {}]", double(*from), double(*to)),
            Self::ZeroOr { from, to } => write!(f, "0.0 or [{}, {}]", double(*from), double(*to)),
            Self::Text { most } => write!(f, "at most {most} bytes, printable"),
            Self::Doubles { length, from, to } => write!(f, "{length} of [{}, {}]", double(*from), double(*to)),
            Self::Choice(choices) => f.write_str(&choices.join(", ")),
        }
    }
}

fn each<T: Copy>(values: &[T]) -> impl Iterator<Item = (usize, T)> {
    values.iter().copied().enumerate()
}

/// Whether a text is a choice, or fits its `:N`, a small number, or its `:NAME`, anything that can be printed.
fn fits(choice: &str, value: &str) -> bool {
    if let Some(stem) = choice.strip_suffix("NAME").filter(|stem| stem.ends_with(':')) {
        let name = value.strip_prefix(stem).unwrap_or_default();
        return (1..=MOST_OF_NAME).contains(&name.len()) && matches!(printable(name), Cow::Borrowed(_));
    }
    let Some(stem) = choice.strip_suffix('N').filter(|stem| stem.ends_with(':')) else { return choice == value };
    let number = value.strip_prefix(stem).unwrap_or_default();
    number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u8>().is_ok()
}

/// Longest name that fits a `:NAME`, bytes.
const MOST_OF_NAME: usize = 256;

/// Longest value that a refusal repeats, characters.
const SHOWN: usize = 80;

/// Shows a value in a sentence; a long one is cut.
fn shown(value: &ParameterValue) -> String {
    let text = beginning(value).to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

/// As much of a value as is shown: whoever sends megabytes is not answered with them.
fn beginning(value: &ParameterValue) -> Cow<'_, ParameterValue> {
    use ParameterValue as Value;
    fn cut<T: Clone>(values: &[T]) -> Vec<T> {
        values.iter().take(SHOWN).cloned().collect()
    }
    let text = |text: &str| text.chars().take(SHOWN + 1).collect::<String>();
    Cow::Owned(match value {
        Value::String(value) => Value::String(text(value)),
        Value::StringArray(values) => Value::StringArray(values.iter().take(SHOWN).map(|value| text(value)).collect()),
        Value::ByteArray(values) => Value::ByteArray(cut(values)),
        Value::BoolArray(values) => Value::BoolArray(cut(values)),
        Value::IntegerArray(values) => Value::IntegerArray(cut(values)),
        Value::DoubleArray(values) => Value::DoubleArray(cut(values)),
        Value::Bool(_) | Value::Integer(_) | Value::Double(_) => return Cow::Borrowed(value),
    })
}

/// The value that was meant, where only its spelling gave it another type.
fn converted(value: &ParameterValue, to: ParameterKind) -> Option<ParameterValue> {
    use ParameterKind as Kind;
    use ParameterValue as Value;
    if matches!(value, Value::String(text) if text.len() > SHOWN) {
        return None;
    }
    match (value, to) {
        (Value::Integer(value), Kind::Double) => Some(Value::Double(*value as f64)),
        (Value::Double(value), Kind::Integer) => whole(*value).map(Value::Integer),
        (Value::Integer(0 | 1), Kind::Bool) => Some(Value::Bool(*value == Value::Integer(1))),
        (Value::String(text), Kind::Bool) => text.to_ascii_lowercase().parse().ok().map(Value::Bool),
        (Value::String(text), Kind::Integer) => text.parse().ok().map(Value::Integer),
        (Value::String(text), Kind::Double) => {
            text.parse().ok().filter(|value: &f64| value.is_finite()).map(Value::Double)
        }
        (Value::IntegerArray(values), Kind::DoubleArray) => {
            Some(Value::DoubleArray(values.iter().map(|value| *value as f64).collect()))
        }
        (Value::Bool(_) | Value::Integer(_) | Value::Double(_), Kind::String) => Some(Value::String(value.to_string())),
        _ => None,
    }
}

/// The whole number that a double is, where i64 holds it exactly.
fn whole(value: f64) -> Option<i64> {
    /// Beyond 2^53 doubles skip whole numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}
