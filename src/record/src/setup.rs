//! What all solves of a recording have in common, as the metadata of each of its files.

use std::collections::BTreeMap;
use std::path::Path;

use thalweg_task::limits::JOINTS;

use super::error::RecordError;
use super::solve::{Person, Setup};

/// Name of the metadata record.
pub(super) const METADATA: &str = "thalweg";
/// The format that is written here.
const FORMAT: &str = "2";
/// The format before, without a checksum: read still; the checksum of the whole file tells where it was damaged.
const UNSUMMED: &str = "1";
/// Entry that holds the checksum of all others.
const CHECKSUM: &str = "blake3";

/// What stands between the node's name and an identity, in the topics of a person.
const PEOPLE: &str = "/people/";

/// BLAKE3 over keys and values in the order of keys, each behind its length.
fn checksum(map: &BTreeMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in map.iter().filter(|(key, _)| *key != CHECKSUM).flat_map(|(key, value)| [key, value]) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

impl Setup {
    /// What the topics of somebody lie below: of nobody in particular those of the node.
    pub(super) fn base(&self, person: Option<&Person>) -> String {
        person.map_or_else(|| self.node.clone(), |person| format!("{}{PEOPLE}{}", self.node, person.id))
    }

    /// Divides the name of a topic into whose it is, an identity or nobody's, and what it holds; none where it is not the
    /// node's.
    pub(super) fn part<'a>(&self, topic: &'a str) -> Option<(Option<&'a str>, &'a str)> {
        let part = topic.strip_prefix(self.node.as_str())?;
        let Some(of_person) = part.strip_prefix(PEOPLE) else { return Some((None, part)) };
        let end = of_person.find('/')?;
        Some((Some(&of_person[..end]), &of_person[end..]))
    }

    /// As metadata.
    pub(super) fn to_map(&self) -> BTreeMap<String, String> {
        let entries = [
            ("format", FORMAT.to_owned()),
            ("node", self.node.clone()),
            ("task", self.task.clone()),
            ("fingerprint", self.fingerprint.clone()),
            ("joints", serde_json::json!(self.joints).to_string()),
            ("theta", self.theta.clone()),
            ("start", self.start.clone()),
            ("seed", self.seed.to_string()),
            ("optimizer", self.optimizer.clone()),
            ("backend", self.backend.clone()),
            ("parameters", self.parameters.clone()),
            ("version", self.version.clone()),
        ];
        let mut map: BTreeMap<String, String> =
            entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        map.insert(CHECKSUM.to_owned(), checksum(&map));
        map
    }

    /// From metadata.
    pub(super) fn from_map(map: &BTreeMap<String, String>, path: &Path) -> Result<Self, RecordError> {
        let refuse = |why: String| RecordError::NoSetup { path: path.to_owned(), why };
        let text = |key: &str| map.get(key).cloned().ok_or_else(|| refuse(format!("lacks '{key}'")));
        let format = text("format")?;
        if format == FORMAT {
            let (got, expected) = (text(CHECKSUM)?, checksum(map));
            if got != expected {
                return Err(refuse(format!("is damaged: its checksum is {expected}, it says {got}")));
            }
        } else if format != UNSUMMED {
            return Err(RecordError::Format { path: path.to_owned(), expected: FORMAT, got: format });
        }
        let (joints, seed) = (text("joints")?, text("seed")?);
        let joints: Vec<String> =
            serde_json::from_str(&joints).map_err(|error| refuse(format!("has bad 'joints': {error}")))?;
        if joints.len() > JOINTS as usize {
            return Err(refuse(format!("has {} joints; expected at most {JOINTS}", joints.len())));
        }
        Ok(Self {
            node: text("node")?,
            task: text("task")?,
            fingerprint: text("fingerprint")?,
            joints,
            theta: text("theta")?,
            start: text("start")?,
            seed: seed.parse().map_err(|error| refuse(format!("has bad 'seed' '{seed}': {error}")))?,
            optimizer: text("optimizer")?,
            backend: text("backend")?,
            parameters: text("parameters")?,
            version: text("version")?,
        })
    }
}
