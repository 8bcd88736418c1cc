//! What all solves of a recording have in common, as the metadata of each of its files.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::RecordError;
use super::solve::Setup;

/// Name of the metadata record.
pub(super) const METADATA: &str = "thalweg";
/// The format that is written and read here.
const FORMAT: &str = "1";

impl Setup {
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
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// From metadata.
    pub(super) fn from_map(map: &BTreeMap<String, String>, path: &Path) -> Result<Self, RecordError> {
        let refuse = |why: String| RecordError::NoSetup { path: path.to_owned(), why };
        let text = |key: &str| map.get(key).cloned().ok_or_else(|| refuse(format!("lacks '{key}'")));
        let format = text("format")?;
        if format != FORMAT {
            return Err(RecordError::Format { path: path.to_owned(), expected: FORMAT, got: format });
        }
        let (joints, seed) = (text("joints")?, text("seed")?);
        Ok(Self {
            node: text("node")?,
            task: text("task")?,
            fingerprint: text("fingerprint")?,
            joints: serde_json::from_str(&joints).map_err(|error| refuse(format!("has bad 'joints': {error}")))?,
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
