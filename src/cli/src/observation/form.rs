//! The form of an observation file, before names are looked up.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
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
    pub(super) pixels: Vec<Value>,
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
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
