//! The form of an observation file, before names are looked up.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{ObservationError, Result};

/// An observation file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObservationForm {
    /// When it was seen, nanoseconds.
    #[serde(default)]
    pub(super) stamp_nanos: i64,
    /// Positions by name.
    pub(super) joints: Option<Entries>,
    /// `[x, y, z]` by name.
    pub(super) points: Option<Entries>,
    /// `[x / z, y / z]` of points that a camera saw, by name.
    pub(super) rays: Option<Entries>,
    /// `[x, y, z]` of points without a name.
    pub(super) cloud: Option<Vec<[f64; 3]>>,
    /// Pixels.
    pub(super) image: Option<ImageForm>,
}

/// Pixels row by row from the top, channels last; null is unobserved.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageForm {
    pub(super) height: i64,
    pub(super) width: i64,
    pub(super) channels: i64,
    pub(super) pixels: Samples,
}

/// Values of an image beyond which it is none that a task reads: some megapixels.
const MOST_SAMPLES: usize = 1 << 22;

/// Entries of an object, or of a list in it, beyond which they are no joints and points.
const MOST_ENTRIES: usize = 1 << 16;

/// Values of an image: kept as numbers, for a tree of JSON takes sixteen times its text.
pub(super) struct Samples {
    /// NaN is unobserved.
    pub(super) values: Vec<f64>,
    /// The first one that is no number: its place, and what it is.
    pub(super) bad: Option<(usize, String)>,
}

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_seq(SamplesVisitor)
    }
}

struct SamplesVisitor;

impl<'de> Visitor<'de> for SamplesVisitor {
    type Value = Samples;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Samples, A::Error> {
        let mut samples = Samples { values: Vec::new(), bad: None };
        while let Some(Plain(value)) = list.next_element()? {
            if samples.values.len() == MOST_SAMPLES {
                return Err(A::Error::custom(format!("more than {MOST_SAMPLES} values in a list")));
            }
            let number = if value.is_null() { Some(f64::NAN) } else { value.as_f64() };
            if number.is_none() && samples.bad.is_none() {
                samples.bad = Some((samples.values.len(), value.to_string()));
            }
            samples.values.push(number.unwrap_or(f64::NAN));
        }
        Ok(samples)
    }
}

/// A value that is no list and no object; of these only that they are there is kept.
struct Plain(Value);

/// A value, or a list of plain ones.
struct Given(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor { takes_lists: false }).map(Self)
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor { takes_lists: true }).map(Self)
    }
}

struct ValueVisitor {
    takes_lists: bool,
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Value, A::Error> {
        let mut values = Vec::new();
        if !self.takes_lists {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok("a list".into());
        }
        while let Some(Plain(value)) = list.next_element()? {
            if values.len() == MOST_ENTRIES {
                return Err(A::Error::custom(format!("more than {MOST_ENTRIES} values in a list")));
            }
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok("an object".into())
    }
}

/// The entries of a JSON object in their order, repeated names included.
pub(super) struct Entries(Vec<(String, Value)>);

impl Entries {
    /// All entries.
    pub(super) fn pairs(&self) -> Vec<(&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value)).collect()
    }

    /// Pairs two lists, `name` and `position`, as `sensor_msgs/JointState` has them.
    ///
    /// None when the object has other fields, each then being a joint.
    pub(super) fn as_joint_state(&self) -> Result<Option<Vec<(&str, &Value)>>> {
        let (Some(name), Some(position)) = (self.list("name"), self.list("position")) else {
            return Ok(None);
        };
        if let Some((field, _)) = self.0.iter().find(|(field, _)| field != "name" && field != "position") {
            return Err(ObservationError::JointStateField { field: field.clone() });
        }
        if self.0.len() > 2 {
            return Err(ObservationError::Twice { kind: "field", name: "name or position".to_owned() });
        }
        if name.len() != position.len() {
            return Err(ObservationError::Lengths { names: name.len(), positions: position.len() });
        }
        let names = name.iter().enumerate().map(|(index, name)| {
            let wrong = || ObservationError::Value {
                what: format!("joints.name[{index}]"),
                got: name.to_string(),
                expected: "the name of a joint",
            };
            name.as_str().ok_or_else(wrong)
        });
        Ok(Some(names.collect::<Result<Vec<_>>>()?.into_iter().zip(position).collect()))
    }

    fn list(&self, field: &str) -> Option<&Vec<Value>> {
        self.0.iter().find(|(name, _)| name == field).and_then(|(_, value)| value.as_array())
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of values by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some((name, Given(value))) = map.next_entry()? {
            if entries.len() == MOST_ENTRIES {
                return Err(A::Error::custom(format!("more than {MOST_ENTRIES} entries in an object")));
            }
            entries.push((name, value));
        }
        Ok(Entries(entries))
    }
}
