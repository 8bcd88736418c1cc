//! What the user may set, and what is accepted.

use std::f64::consts::PI;

use serde_json::{Map, Value};
use thalweg_task::{Change, ParameterRange, ParameterSpec, ParameterValue, Result, TaskError, nearest};

/// Names of all parameters.
const NAMES: [&str; 2] = ["lengths", "limit"];

/// Accepted link lengths, metres: from a finger to a crane.
const LENGTH: std::ops::RangeInclusive<f64> = 0.01..=100.0;

/// Accepted joint limits, radians: beyond pi a joint would pass through itself.
const LIMIT: std::ops::RangeInclusive<f64> = 0.1..=PI;

/// Dimensions of the arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Length of each link, metres, from the base outwards.
    pub lengths: [f64; 3],
    /// Every joint turns between `-limit` and `limit`, radians.
    pub limit: f64,
}

impl Default for Parameters {
    /// About a human arm (upper arm, forearm, hand), joints as an industrial arm turns.
    fn default() -> Self {
        Self { lengths: [0.30, 0.25, 0.15], limit: 2.6 }
    }
}

impl Parameters {
    /// Describes the parameters, for those who set and list them; [`Parameters::read`] checks them.
    #[must_use]
    pub fn describe() -> Vec<ParameterSpec> {
        let Self { lengths, limit } = Self::default();
        let lengths = ParameterSpec {
            name: "lengths".into(),
            default: ParameterValue::DoubleArray(lengths.to_vec()),
            unit: "m",
            range: ParameterRange::Doubles { length: 3, from: *LENGTH.start(), to: *LENGTH.end() },
            change: Change::Unconfigured,
            description: "Length of each link, from the base outwards.".into(),
        };
        let limit = ParameterSpec {
            name: "limit".into(),
            default: ParameterValue::Double(limit),
            unit: "rad",
            range: ParameterRange::Double { from: *LIMIT.start(), to: *LIMIT.end() },
            change: Change::Unconfigured,
            description: "Every joint turns between minus this and this.".into(),
        };
        vec![lengths, limit]
    }

    /// Reads parameters by name; what is absent keeps its default.
    ///
    /// # Errors
    /// [`TaskError::UnknownName`] with the nearest name, [`TaskError::Parameter`] when a value
    /// has a wrong type or lies outside its range.
    pub fn read(given: &Map<String, Value>) -> Result<Self> {
        let mut parameters = Self::default();
        for (name, value) in given {
            match name.as_str() {
                "lengths" => parameters.lengths = lengths(value)?,
                "limit" => parameters.limit = limit(value)?,
                _ => return Err(unknown(name)),
            }
        }
        Ok(parameters)
    }
}

fn unknown(name: &str) -> TaskError {
    TaskError::UnknownName { kind: "parameter", name: name.to_owned(), hint: nearest(name, NAMES.into_iter()) }
}

fn lengths(value: &Value) -> Result<[f64; 3]> {
    let list = value.as_array().filter(|list| list.len() == 3);
    let numbers: Option<Vec<f64>> = list.and_then(|list| list.iter().map(|item| number(item, &LENGTH)).collect());
    let array = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
    let expected = format!("three numbers, each {} to {} m", LENGTH.start(), LENGTH.end());
    array.ok_or_else(|| refused("lengths", value, expected))
}

fn limit(value: &Value) -> Result<f64> {
    let expected = format!("a number, {} to {:.4} rad", LIMIT.start(), LIMIT.end());
    number(value, &LIMIT).ok_or_else(|| refused("limit", value, expected))
}

fn number(value: &Value, range: &std::ops::RangeInclusive<f64>) -> Option<f64> {
    value.as_f64().filter(|number| range.contains(number))
}

fn refused(name: &str, value: &Value, expected: String) -> TaskError {
    TaskError::Parameter { name: name.to_owned(), got: value.to_string(), expected }
}
