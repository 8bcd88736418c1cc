//! `metadata.yaml`, by which rosbag2 knows the files of a bag.
//!
//! Written as JSON, which is YAML too, and read back when another file is added or removed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thalweg_nn::files::write_atomically;

use super::error::RecordError;
use super::schema::QOS;
use super::segment::Contents;

/// Name of the file.
pub(super) const NAME: &str = "metadata.yaml";
/// Version of rosbag2's metadata (Jazzy).
const VERSION: u32 = 9;

/// One closed file of a bag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BagFile {
    #[serde(skip)]
    folder: PathBuf,
    path: String,
    start: u64,
    end: u64,
    /// Type and number of messages of each topic.
    topics: BTreeMap<String, (String, u64)>,
}

impl BagFile {
    pub(super) fn new(path: &Path, contents: Contents) -> Self {
        let (start, end) = contents.times.unwrap_or_default();
        Self {
            folder: path.parent().unwrap_or(Path::new(".")).to_owned(),
            path: path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned(),
            start,
            end,
            topics: contents.topics,
        }
    }

    /// Adds the file to its bag.
    pub(super) fn enlist(self) -> Result<(), RecordError> {
        let mut files = read(&self.folder);
        files.retain(|file| file.path != self.path);
        let folder = self.folder.clone();
        files.push(self);
        write(&folder, &files)
    }
}

/// Takes a file from its bag.
pub(super) fn delist(path: &Path) -> Result<(), RecordError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str)) else { return Ok(()) };
    let mut files = read(folder);
    files.retain(|file| file.path != name);
    write(folder, &files)
}

/// The files that are listed; none where the list cannot be read.
fn read(folder: &Path) -> Vec<BagFile> {
    let text = fs::read_to_string(folder.join(NAME)).unwrap_or_default();
    let bag: Value = serde_json::from_str(&text).unwrap_or_default();
    let files = &bag["rosbag2_bagfile_information"]["custom_data"]["thalweg_files"];
    // A string: custom data are texts.
    files.as_str().and_then(|files| serde_json::from_str(files).ok()).unwrap_or_default()
}

fn write(folder: &Path, files: &[BagFile]) -> Result<(), RecordError> {
    let path = folder.join(NAME);
    let text = format!("{:#}\n", bag(files));
    write_atomically(&path, text.as_bytes())
        .map_err(|error| RecordError::Io { path, source: std::io::Error::other(error.to_string()) })
}

fn bag(files: &[BagFile]) -> Value {
    let start = files.iter().map(|file| file.start).min().unwrap_or(0);
    let end = files.iter().map(|file| file.end).max().unwrap_or(start);
    let mut topics: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    for (topic, (kind, count)) in files.iter().flat_map(|file| &file.topics) {
        topics.entry(topic).or_insert((kind, 0)).1 += count;
    }
    let count = |file: &BagFile| file.topics.values().map(|(_, count)| count).sum::<u64>();
    let describe = |(topic, (kind, count)): (&&str, &(&str, u64))| {
        json!({
            "topic_metadata": {
                "name": topic, "type": kind, "serialization_format": "cdr",
                "offered_qos_profiles": serde_json::from_str::<Value>(QOS).unwrap_or_default(), "type_description_hash": "",
            },
            "message_count": count,
        })
    };
    let detail = |file: &BagFile| {
        json!({
            "path": file.path,
            "starting_time": {"nanoseconds_since_epoch": file.start},
            "duration": {"nanoseconds": file.end - file.start},
            "message_count": count(file),
        })
    };
    json!({"rosbag2_bagfile_information": {
        "version": VERSION,
        "storage_identifier": "mcap",
        "duration": {"nanoseconds": end - start},
        "starting_time": {"nanoseconds_since_epoch": start},
        "message_count": files.iter().map(count).sum::<u64>(),
        "topics_with_message_count": topics.iter().map(describe).collect::<Vec<_>>(),
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": files.iter().map(|file| &file.path).collect::<Vec<_>>(),
        "files": files.iter().map(detail).collect::<Vec<_>>(),
        "custom_data": {"thalweg_files": json!(files).to_string()},
        "ros_distro": "jazzy",
    }})
}
