//! What ties a checkpoint to the training that made it.

use serde::Serialize;
use tch::Device;
use thalweg_task::TaskSpec;

use super::Data;
use thalweg_engine::landscape::Landscape;

/// What a checkpoint says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-checkpoint";
/// Version of that format.
const VERSION: &str = "3";

/// Describes a training of `what`: everything that decides its result. `landscape` is what it starts from, or trains for.
pub(super) fn binding(
    what: &str,
    options: &impl Serialize,
    spec: &TaskSpec,
    data: &Data,
    landscape: &Landscape,
) -> Vec<(&'static str, String)> {
    let options = serde_json::to_value(options).unwrap_or_default().to_string();
    vec![
        ("format", FORMAT.to_owned()),
        ("version", VERSION.to_owned()),
        ("what", what.to_owned()),
        ("task", spec.name.clone()),
        ("fingerprint", spec.fingerprint.clone()),
        ("device", device_name(spec.device).to_owned()),
        ("landscape", landscape.id().to_owned()),
        ("options", options),
        ("data", data.fingerprint()),
    ]
}

fn device_name(device: Device) -> &'static str {
    if device.is_cuda() { "cuda" } else { "cpu" }
}
