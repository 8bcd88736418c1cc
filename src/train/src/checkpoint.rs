//! What ties a checkpoint to the training that made it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use tch::Device;
use thalweg_nn::weights::Weights;
use thalweg_task::TaskSpec;

use super::{Data, TrainError};
use thalweg_engine::landscape::Landscape;

/// What a checkpoint says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-checkpoint";
/// Version of that format.
const VERSION: &str = "3";

/// Everything that decides the result of a training; a checkpoint with another one is refused.
#[derive(Debug)]
pub(super) struct Bond(Vec<(&'static str, String)>);

impl Bond {
    /// Describes a training of `what`. `landscape` is what it starts from, or trains for.
    pub(super) fn new(
        what: &str,
        options: &impl Serialize,
        spec: &TaskSpec,
        data: &Data,
        landscape: &Landscape,
    ) -> Self {
        let options = serde_json::to_value(options).unwrap_or_default().to_string();
        Self(vec![
            ("format", FORMAT.to_owned()),
            ("version", VERSION.to_owned()),
            ("what", what.to_owned()),
            ("task", spec.name.clone()),
            ("fingerprint", spec.fingerprint.clone()),
            ("device", device_name(spec.device).to_owned()),
            ("landscape", landscape.id().to_owned()),
            ("options", options),
            ("data", data.fingerprint()),
        ])
    }

    /// The entries of a checkpoint's metadata.
    pub(super) fn metadata(&self) -> Vec<(&'static str, String)> {
        self.0.clone()
    }

    /// Refuses a checkpoint of another training, naming the first thing that differs.
    pub(super) fn check(&self, file: &Weights) -> Result<(), TrainError> {
        for (key, expected) in &self.0 {
            let got: String = file.meta(key).unwrap_or_else(|_missing| "not told".to_owned());
            if got != *expected {
                let (what, got, expected) = difference(key, &got, expected);
                return Err(TrainError::OtherTraining { path: file.path().to_owned(), what, got, expected });
            }
        }
        Ok(())
    }
}

fn device_name(device: Device) -> &'static str {
    if device.is_cuda() { "cuda" } else { "cpu" }
}

/// Narrows a difference down to one option, where it lies in the options.
fn difference(key: &str, got: &str, expected: &str) -> (String, String, String) {
    let whole = || (key.to_owned(), got.to_owned(), expected.to_owned());
    let (Ok(theirs), Ok(ours)) = (serde_json::from_str(got), serde_json::from_str(expected)) else { return whole() };
    let (theirs, ours) = (flat("", &theirs), flat("", &ours));
    let differs = |name: &&String| theirs.get(*name) != ours.get(*name);
    let Some(name) = ours.keys().chain(theirs.keys()).find(differs) else { return whole() };
    let text = |options: &BTreeMap<String, String>| options.get(name).map_or("not told", String::as_str).to_owned();
    (format!("option {name}"), text(&theirs), text(&ours))
}

/// Names every leaf of nested options: `collection.rate_z`.
fn flat(prefix: &str, options: &Value) -> BTreeMap<String, String> {
    let Value::Object(entries) = options else { return BTreeMap::from([(prefix.to_owned(), options.to_string())]) };
    let join = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    entries.iter().flat_map(|(key, value)| flat(&join(key), value)).collect()
}
