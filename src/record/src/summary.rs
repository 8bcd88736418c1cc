//! What is in a recording, in numbers.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::damage::Damage;
use super::error::RecordError;
use super::reader::Reader;
use super::solve::Setup;

/// What is in one recording, or in several files of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// What the solves of the last file have in common.
    pub setup: Setup,
    /// Whole solves.
    pub solves: u64,
    /// When the data of the first solve was received, seconds since 1970; zero without any.
    pub start: f64,
    /// The same of the last solve.
    pub end: f64,
    /// Solves by the identity of their landscape.
    pub thetas: BTreeMap<String, u64>,
    /// Solves of each who is told apart, by their identities.
    pub people: BTreeMap<String, u64>,
    /// Messages of each topic.
    pub topics: BTreeMap<String, u64>,
    /// Damaged chunks and messages that were passed over.
    pub damage: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

impl Summary {
    /// Adds a file; gives what is damaged in it.
    ///
    /// # Errors
    /// [`RecordError`] when it cannot be read or is none of ours.
    pub fn add(&mut self, path: &Path) -> Result<Damage, RecordError> {
        let mut reader = Reader::open(path)?;
        self.bytes += std::fs::metadata(path).map_err(RecordError::io(path))?.len();
        self.setup = reader.setup().clone();
        for solve in reader.solves() {
            let solve = solve?;
            let seconds = solve.received_nanos as f64 * 1e-9;
            self.start = if self.solves == 0 { seconds } else { self.start.min(seconds) };
            self.end = self.end.max(seconds);
            self.solves += 1;
            if let Some(person) = solve.person {
                *self.people.entry(person.id).or_default() += 1;
            }
            *self.thetas.entry(solve.answer.landscape).or_default() += 1;
        }
        for (topic, count) in reader.topics() {
            *self.topics.entry(topic.clone()).or_default() += count;
        }
        self.damage += reader.damage().pieces();
        Ok(reader.damage())
    }
}
