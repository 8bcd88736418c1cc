//! Results on disk, block by block, so that an ended run goes on where it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thalweg_nn::files::write_atomically;

use thalweg_cli::job::Job;

/// Name of the file in the output folder.
const FILE: &str = "results.json";

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Results {
    /// What decides the results.
    options: Value,
    /// Results by name.
    blocks: BTreeMap<String, Value>,
}

/// The results so far.
pub(crate) struct Store {
    path: PathBuf,
    results: Results,
    job: Option<Job>,
    position: u64,
}

impl Store {
    /// Opens the folder; results that are there must come from the same options.
    ///
    /// What one of the two does not know (a landscape, a method) does not count: it may be added.
    pub(crate) fn open(title: &str, folder: &Path, options: &Value, count: u64) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let mut results = Results { options: options.clone(), blocks: BTreeMap::new() };
        if path.exists() {
            let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let old: Results = serde_json::from_slice(&text)
                .with_context(|| format!("{} holds no results of this program", path.display()))?;
            anyhow::ensure!(
                agree(&old.options, options),
                "{} comes from other options, weights or data; choose another --output, or remove it",
                path.display()
            );
            results.blocks = old.blocks;
        }
        let job = Some(Job::start(title, count, &folder.join("bench.log"))?);
        Ok(Self { path, results, job, position: 0 })
    }

    /// Gives a block of results: the one that is there, or a new one.
    ///
    /// # Errors
    /// Those of `measure`; when the run was stopped; when results cannot be written.
    pub(crate) fn once<T: Serialize + DeserializeOwned>(
        &mut self,
        key: &str,
        measure: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.position += 1;
        if let Some(value) = self.results.blocks.get(key) {
            return serde_json::from_value(value.clone())
                .with_context(|| format!("{}: block '{key}' is damaged", self.path.display()));
        }
        let start = std::time::Instant::now();
        let value = measure()?;
        self.results.blocks.insert(key.to_owned(), serde_json::to_value(&value)?);
        write_atomically(&self.path, &serde_json::to_vec_pretty(&self.results)?)?;
        let line = serde_json::json!({ "block": key, "seconds": start.elapsed().as_secs_f64() });
        let go_on = self.job.as_mut().is_none_or(|job| job.report(self.position, key, &line));
        if !go_on && let Some(job) = self.job.take() {
            job.finish(&self.path)?;
        }
        Ok(value)
    }

    /// Ends the run.
    pub(crate) fn close(mut self) -> anyhow::Result<()> {
        self.job.take().map_or(Ok(()), |job| job.finish(&self.path))
    }
}

/// Whether two values are the same wherever both say something.
fn agree(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Object(old), Value::Object(new)) => {
            old.iter().all(|(key, value)| new.get(key).is_none_or(|other| agree(value, other)))
        }
        _ => old == new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_added_agrees_and_what_differs_does_not() {
        let old = json!({ "poses": 3, "theta": null, "arms": { "a": 1 } });
        assert!(agree(&old, &json!({ "poses": 3, "theta": "f00", "arms": { "a": 1, "b": 2 } })));
        assert!(!agree(&old, &json!({ "poses": 4, "theta": null, "arms": { "a": 1 } })));
        assert!(!agree(&old, &json!({ "poses": 3, "theta": null, "arms": { "a": 2 } })));
    }
}
