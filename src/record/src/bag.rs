//! `metadata.yaml`, by which rosbag2 knows the files of a bag.
//!
//! Written as JSON, which is YAML too, and read back when another file is added or removed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thalweg_nn::files::{read_text, write_atomically};

use super::error::RecordError;
use super::schema::QOS;
use super::segment::Contents;

/// Name of the file.
pub(super) const NAME: &str = "metadata.yaml";
/// Largest list that is read, bytes: a hundred thousand files take 40 MB.
const LIST_BYTES: u64 = 64 << 20;
/// Version of rosbag2's metadata (Jazzy).
const VERSION: u32 = 9;

/// One closed file of a bag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BagFile {
    #[serde(skip)]
    folder: PathBuf,
    path: String,
    /// Times of the first and the last message, nanoseconds. What a list says of them is believed by nobody.
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

    /// Adds the file to its bag; a list that is none of ours stays as it is, which is told.
    pub(super) fn enlist(self) -> Result<(), RecordError> {
        let mut files = match read(&self.folder) {
            Err(error @ RecordError::ForeignList { .. }) => {
                tracing::warn!("{}: not listed: {error}", self.path);
                return Ok(());
            }
            files => files?,
        };
        files.retain(|file| file.path != self.path);
        let folder = self.folder.clone();
        files.push(self);
        write(&folder, &files)
    }
}

/// Takes a file from its bag.
///
/// # Errors
/// [`RecordError::ForeignList`] when the list is none of ours.
pub(super) fn delist(path: &Path) -> Result<(), RecordError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str)) else { return Ok(()) };
    let mut files = read(folder)?;
    let count = files.len();
    files.retain(|file| file.path != name);
    if files.len() == count { Ok(()) } else { write(folder, &files) }
}

/// The files that are listed; none where there is no list.
fn read(folder: &Path) -> Result<Vec<BagFile>, RecordError> {
    let path = folder.join(NAME);
    let text = match read_text(&path, LIST_BYTES) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.ok(),
    };
    let bag: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
    // A string: custom data are texts.
    let files = bag.and_then(|bag| {
        serde_json::from_str(bag["rosbag2_bagfile_information"]["custom_data"]["thalweg_files"].as_str()?).ok()
    });
    files.ok_or(RecordError::ForeignList { path })
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
        let sum = &mut topics.entry(topic).or_insert((kind, 0)).1;
        *sum = sum.saturating_add(*count);
    }
    let count = |file: &BagFile| file.topics.values().map(|(_, count)| *count).fold(0, u64::saturating_add);
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
            "duration": {"nanoseconds": file.end.saturating_sub(file.start)},
            "message_count": count(file),
        })
    };
    json!({"rosbag2_bagfile_information": {
        "version": VERSION,
        "storage_identifier": "mcap",
        "duration": {"nanoseconds": end.saturating_sub(start)},
        "starting_time": {"nanoseconds_since_epoch": start},
        "message_count": files.iter().map(count).fold(0, u64::saturating_add),
        "topics_with_message_count": topics.iter().map(describe).collect::<Vec<_>>(),
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": files.iter().map(|file| &file.path).collect::<Vec<_>>(),
        "files": files.iter().map(detail).collect::<Vec<_>>(),
        "custom_data": {"thalweg_files": json!(files).to_string()},
        "ros_distro": "jazzy",
    }})
}
