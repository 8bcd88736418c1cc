//! A value that a user may set, in the types that ROS 2 parameters have.

use std::fmt;

use serde_json::Value;

/// A value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterValue {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Double(f64),
    /// A text.
    String(String),
    /// Bytes.
    ByteArray(Vec<u8>),
    /// Truth values.
    BoolArray(Vec<bool>),
    /// Whole numbers.
    IntegerArray(Vec<i64>),
    /// Numbers.
    DoubleArray(Vec<f64>),
    /// Texts.
    StringArray(Vec<String>),
}

/// The type of a value, by the name that ROS 2 has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// `bool`
    Bool,
    /// `integer`
    Integer,
    /// `double`
    Double,
    /// `string`
    String,
    /// `byte_array`
    ByteArray,
    /// `bool_array`
    BoolArray,
    /// `integer_array`
    IntegerArray,
    /// `double_array`
    DoubleArray,
    /// `string_array`
    StringArray,
}

impl ParameterKind {
    /// Names the type as ROS 2 does.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::String => "string",
            Self::ByteArray => "byte_array",
            Self::BoolArray => "bool_array",
            Self::IntegerArray => "integer_array",
            Self::DoubleArray => "double_array",
            Self::StringArray => "string_array",
        }
    }

    /// Names the type in a sentence, with its article: `a double`, `an integer`.
    #[must_use]
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Bool => "a bool",
            Self::Integer => "an integer",
            Self::Double => "a double",
            Self::String => "a string",
            Self::ByteArray => "a byte_array",
            Self::BoolArray => "a bool_array",
            Self::IntegerArray => "an integer_array",
            Self::DoubleArray => "a double_array",
            Self::StringArray => "a string_array",
        }
    }
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ParameterValue {
    /// The type of the value.
    #[must_use]
    pub fn kind(&self) -> ParameterKind {
        match self {
            Self::Bool(_) => ParameterKind::Bool,
            Self::Integer(_) => ParameterKind::Integer,
            Self::Double(_) => ParameterKind::Double,
            Self::String(_) => ParameterKind::String,
            Self::ByteArray(_) => ParameterKind::ByteArray,
            Self::BoolArray(_) => ParameterKind::BoolArray,
            Self::IntegerArray(_) => ParameterKind::IntegerArray,
            Self::DoubleArray(_) => ParameterKind::DoubleArray,
            Self::StringArray(_) => ParameterKind::StringArray,
        }
    }

    /// Gives the value as JSON, as [`crate::LoadOptions::parameters`] takes it.
    ///
    /// Numbers that are not finite become null; a checked value has none.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Bool(value) => Value::from(*value),
            Self::Integer(value) => Value::from(*value),
            Self::Double(value) => Value::from(*value),
            Self::String(value) => Value::from(value.as_str()),
            Self::ByteArray(values) => Value::from(values.as_slice()),
            Self::BoolArray(values) => Value::from(values.as_slice()),
            Self::IntegerArray(values) => Value::from(values.as_slice()),
            Self::DoubleArray(values) => Value::from(values.as_slice()),
            Self::StringArray(values) => Value::from(values.as_slice()),
        }
    }

    /// Reads what [`ParameterValue::to_json`] gave; none when it is no value of that type.
    #[must_use]
    pub fn from_json(kind: ParameterKind, value: &Value) -> Option<Self> {
        fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
            T::deserialize(value).ok()
        }
        match kind {
            ParameterKind::Bool => read(value).map(Self::Bool),
            ParameterKind::Integer => read(value).map(Self::Integer),
            ParameterKind::Double => read(value).map(Self::Double),
            ParameterKind::String => read(value).map(Self::String),
            ParameterKind::ByteArray => read(value).map(Self::ByteArray),
            ParameterKind::BoolArray => read(value).map(Self::BoolArray),
            ParameterKind::IntegerArray => read(value).map(Self::IntegerArray),
            ParameterKind::DoubleArray => read(value).map(Self::DoubleArray),
            ParameterKind::StringArray => read(value).map(Self::StringArray),
        }
    }
}

/// Shows the value as a YAML parameter file has it, so that it is read back with the same type.
impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Double(value) => f.write_str(&double(*value)),
            Self::String(value) => f.write_str(&string(value)),
            Self::ByteArray(values) => list(f, values, ToString::to_string),
            Self::BoolArray(values) => list(f, values, ToString::to_string),
            Self::IntegerArray(values) => list(f, values, ToString::to_string),
            Self::DoubleArray(values) => list(f, values, |value| double(*value)),
            Self::StringArray(values) => list(f, values, |value| string(value)),
        }
    }
}

fn list<T>(f: &mut fmt::Formatter<'_>, values: &[T], show: impl Fn(&T) -> String) -> fmt::Result {
    let shown: Vec<String> = values.iter().map(show).collect();
    write!(f, "[{}]", shown.join(", "))
}

/// A number that every YAML 1.1 parser takes for a double: with a dot, and a sign in its exponent.
fn double(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = format!("{value:?}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let dot = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{mantissa}{dot}e{sign}{exponent}")
}

/// Words that a YAML 1.1 parser takes for something else than a text.
const RESERVED: [&str; 12] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "infinity"];

/// A text, in quotes unless it is a plain word.
fn string(value: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_well = value.starts_with(|c: char| c.is_ascii_alphabetic());
    let reserved = RESERVED.iter().any(|word| value.eq_ignore_ascii_case(word));
    if starts_well && value.chars().all(is_word) && !reserved {
        return value.to_owned();
    }
    quoted(value)
}

fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
