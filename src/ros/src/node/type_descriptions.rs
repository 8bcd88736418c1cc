//! `~/get_type_description`: what a message is made of, as rclcpp answers it, for tools that meet a type for the first time.
//!
//! Read from the descriptions that every interface package installs (`share/PACKAGE/msg/NAME.json`).

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use futures::stream::{Stream, StreamExt};
use r2r::ServiceRequest;
use r2r::type_description_interfaces::msg::{Field, FieldType, IndividualTypeDescription, TypeDescription, TypeSource};
use r2r::type_description_interfaces::srv::GetTypeDescription;
use serde_json::Value;
use thalweg_node::intake::escaped;
use thalweg_task::printable;

use super::executor::Executor;
use super::services::open;
use super::tasks::Tasks;

/// Offers the service.
///
/// # Errors
/// What rcl says, or that the ROS thread has ended.
pub(super) async fn serve(executor: &Executor, tasks: &Tasks) -> anyhow::Result<()> {
    let requests = open::<GetTypeDescription::Service>(executor, "~/get_type_description").await?;
    tasks.spawn(answer(requests));
    Ok(())
}

async fn answer(mut requests: impl Stream<Item = ServiceRequest<GetTypeDescription::Service>> + Unpin) {
    while let Some(request) = requests.next().await {
        let GetTypeDescription::Request { type_name, type_hash, include_type_sources } = &request.message;
        let response = describe(&prefixes(), type_name, type_hash, *include_type_sources).unwrap_or_else(|error| {
            let failure_reason = printable(&format!("{error:#}")).into_owned();
            GetTypeDescription::Response { successful: false, failure_reason, ..Default::default() }
        });
        if let Err(error) = request.respond(response) {
            tracing::debug!("an answer did not go out: {error}");
        }
    }
}

fn prefixes() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("AMENT_PREFIX_PATH").unwrap_or_default()).collect()
}

/// Describes a type, as `sensor_msgs/msg/JointState`; a hash that is given must be its own.
fn describe(
    prefixes: &[PathBuf],
    type_name: &str,
    type_hash: &str,
    include_sources: bool,
) -> anyhow::Result<GetTypeDescription::Response> {
    let shown = escaped(type_name);
    let path = find(prefixes, type_name, "json").with_context(|| format!("unknown type '{shown}'"))?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let json: Value = serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
    let hashes = json["type_hashes"].as_array().map_or(&[][..], Vec::as_slice);
    let own = hashes.iter().find(|hash| hash["type_name"] == type_name);
    let own = own.map_or("", |hash| hash["hash_string"].as_str().unwrap_or_default());
    ensure!(type_hash.is_empty() || type_hash == own, "type '{shown}' has the hash {own}, not {}", escaped(type_hash));
    let message = &json["type_description_msg"];
    let referenced = message["referenced_type_descriptions"].as_array().map_or(&[][..], Vec::as_slice);
    let type_description = TypeDescription {
        type_description: individual(&message["type_description"]),
        referenced_type_descriptions: referenced.iter().map(individual).collect(),
    };
    let names = std::iter::once(type_name).chain(referenced.iter().filter_map(|one| one["type_name"].as_str()));
    let type_sources =
        if include_sources { names.filter_map(|name| source(prefixes, name)).collect() } else { Vec::new() };
    Ok(GetTypeDescription::Response { successful: true, type_description, type_sources, ..Default::default() })
}

/// Finds a file of a type in the first prefix that has it.
fn find(prefixes: &[PathBuf], type_name: &str, ending: &str) -> Option<PathBuf> {
    // A name is of three words, so it cannot lead anywhere else.
    let is_word =
        |part: &str| !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if type_name.split('/').count() != 3 || !type_name.split('/').all(is_word) {
        return None;
    }
    let name = Path::new("share").join(format!("{type_name}.{ending}"));
    prefixes.iter().map(|prefix| prefix.join(&name)).find(|path| path.is_file())
}

/// The text that a type was written as.
fn source(prefixes: &[PathBuf], type_name: &str) -> Option<TypeSource> {
    let found = ["msg", "srv", "action", "idl"]
        .into_iter()
        .find_map(|ending| Some((ending, find(prefixes, type_name, ending)?)));
    let (encoding, path) = found?;
    let raw_file_contents = std::fs::read_to_string(path).ok()?.replace('\0', "");
    Some(TypeSource { type_name: type_name.to_owned(), encoding: encoding.to_owned(), raw_file_contents })
}

fn individual(json: &Value) -> IndividualTypeDescription {
    let text = |value: &Value| printable(value.as_str().unwrap_or_default()).into_owned();
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let field = |field: &Value| Field {
        name: text(&field["name"]),
        type_: FieldType {
            type_id: number(&field["type"]["type_id"]) as u8,
            capacity: number(&field["type"]["capacity"]),
            string_capacity: number(&field["type"]["string_capacity"]),
            nested_type_name: text(&field["type"]["nested_type_name"]),
        },
        default_value: text(&field["default_value"]),
    };
    IndividualTypeDescription {
        type_name: text(&json["type_name"]),
        fields: json["fields"].as_array().map_or_else(Vec::new, |fields| fields.iter().map(field).collect()),
    }
}
