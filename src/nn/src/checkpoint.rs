//! A training on disk, and what ties it to the options and the data that it was made with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::weights::{self, Weights};
use crate::{NnError, Ranks, Result};

/// Largest checkpoint that is read, bytes. It holds weights four times (as they are, the best so far, two moments of
/// the optimizer), so the one of a landscape as wide as the paper's is larger than any file of weights may be.
const SIZE_LIMIT: u64 = 64 << 30;

/// Everything that survives a round of a training, as a file holds it.
#[derive(Debug, Default)]
pub struct State {
    /// Named tensors.
    pub tensors: Vec<(String, Tensor)>,
    /// Numbers and texts.
    pub metadata: Vec<(&'static str, String)>,
}

/// Where a training is kept, and everything that decides its result.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    binding: Vec<(&'static str, String)>,
}

impl Checkpoint {
    /// Keeps a training in `path`, bound to a description of what decides its result: task, options, data.
    ///
    /// Options go in as JSON, so that a refusal names the one that differs.
    pub fn new(path: impl Into<PathBuf>, binding: Vec<(&'static str, String)>) -> Self {
        Self { path: path.into(), binding }
    }

    /// Where it is kept.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens what was kept; none where nothing was. Of several ranks the first reads it for all.
    ///
    /// # Errors
    /// As [`Weights::open`], and [`NnError::OtherTraining`] when the file has another description;
    /// [`NnError::UnequalRanks`] where ranks have other descriptions.
    pub fn open(&self, kind: Kind, device: Device, ranks: &Ranks) -> Result<Option<Weights>> {
        // Options first: what else differs may follow from them.
        let (first, rest): (Vec<_>, Vec<_>) = self.binding.iter().partition(|(key, _)| *key == "options");
        for (key, value) in first.into_iter().chain(rest) {
            ranks.agree(key, value)?;
        }
        let is_there = ranks.is_first() && self.path.exists();
        let bytes = is_there.then(|| weights::read_up_to(&self.path, SIZE_LIMIT)).transpose()?;
        let Some(bytes) = ranks.bytes_of_first(bytes)? else { return Ok(None) };
        let file = Weights::parse(&self.path, &bytes, kind, device)?;
        self.check(&file)?;
        Ok(Some(file))
    }

    /// Writes a state and the description, atomically.
    ///
    /// # Errors
    /// [`NnError::Io`].
    pub fn save(&self, state: &State) -> Result<()> {
        let metadata: Vec<_> = self.binding.iter().chain(&state.metadata).cloned().collect();
        weights::save(&self.path, &state.tensors, &metadata)
    }

    /// Refuses a file of another training, naming the first thing that differs.
    fn check(&self, file: &Weights) -> Result<()> {
        for (key, expected) in &self.binding {
            let got: String = file.meta(key).unwrap_or_else(|_missing| "not told".to_owned());
            if got != *expected {
                let (what, got, expected) = difference(key, &got, expected);
                return Err(NnError::OtherTraining { path: self.path.clone(), what, got, expected });
            }
        }
        Ok(())
    }
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
