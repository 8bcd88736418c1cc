//! The solves of one file, and their way from the rank that has read them to the others.

use serde::{Deserialize, Serialize};
use thalweg_record::Damage;
use thalweg_task::{Pixels, Seen};

use super::LoggedCounts;
use super::entry::Entry;
use crate::TrainError;

/// The solves of one file, as far as a training needs them.
#[derive(Debug, Default)]
pub struct Page {
    pub(super) entries: Vec<Entry>,
    /// Parameters of the node that recorded, JSON; none of a file of another task.
    pub(super) parameters: Option<String>,
    /// What was found in this file.
    pub(super) counts: LoggedCounts,
    /// What is damaged in it; told where the file is read.
    pub damage: Damage,
}

/// How much more of recorded solves is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    left: u64,
    /// Whether a solve did not fit: none behind it is taken then, or what is taken would depend on who reads which file.
    is_full: bool,
}

impl Room {
    pub(super) fn of(bytes: u64) -> Self {
        Self { left: bytes, is_full: false }
    }

    /// The same with at most so many bytes left.
    pub(super) fn within(self, bytes: u64) -> Self {
        Self { left: self.left.min(bytes), ..self }
    }

    /// Takes no more.
    pub(super) fn fill(&mut self) {
        self.is_full = true;
    }

    /// Whether an entry still fits; it is then taken.
    pub(super) fn takes(&mut self, entry: &Entry) -> bool {
        match self.left.checked_sub(entry.bytes()).filter(|_| !self.is_full) {
            Some(left) => self.left = left,
            None => self.is_full = true,
        }
        !self.is_full
    }
}

/// A [`Page`] as it is sent; [`Damage`] is not, for its counts are.
#[derive(Serialize, Deserialize)]
struct Sent {
    entries: Vec<SentEntry>,
    parameters: Option<String>,
    counts: LoggedCounts,
}

#[derive(Serialize, Deserialize)]
struct SentEntry {
    seen: SentKinds,
    points: Vec<f32>,
    steps: u32,
    hypotheses: usize,
    loss: f64,
    guess: Option<(SentKinds, f64)>,
}

/// What a training takes of what was seen.
#[derive(Serialize, Deserialize)]
struct SentKinds {
    joints: Vec<f64>,
    /// Channels, height, width, data.
    image: Option<(u32, u32, u32, Vec<f32>)>,
    points: Vec<[f32; 3]>,
}

impl Page {
    /// Writes it as CBOR (RFC 8949).
    ///
    /// # Errors
    /// [`TrainError::Sent`].
    pub fn to_bytes(self) -> Result<Vec<u8>, TrainError> {
        let Self { entries, parameters, counts, damage: _ } = self;
        let sent = Sent { entries: entries.into_iter().map(SentEntry::of).collect(), parameters, counts };
        let mut bytes = Vec::new();
        ciborium::into_writer(&sent, &mut bytes).map_err(|error| TrainError::Sent { reason: error.to_string() })?;
        Ok(bytes)
    }

    /// Reads what [`Page::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`TrainError::Sent`].
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, TrainError> {
        let sent: Result<Sent, _> = ciborium::from_reader(bytes);
        let Sent { entries, parameters, counts } =
            sent.map_err(|error| TrainError::Sent { reason: error.to_string() })?;
        let entries = entries.into_iter().map(SentEntry::entry).collect();
        Ok(Self { entries, parameters, counts, damage: Damage::default() })
    }
}

impl SentEntry {
    fn of(entry: Entry) -> Self {
        let Entry { seen, points, steps, hypotheses, loss, guess } = entry;
        let guess = guess.map(|(guess, agreement)| (SentKinds::of(guess), agreement));
        Self { seen: SentKinds::of(seen), points, steps, hypotheses, loss, guess }
    }

    fn entry(self) -> Entry {
        let Self { seen, points, steps, hypotheses, loss, guess } = self;
        let guess = guess.map(|(guess, agreement)| (guess.seen(), agreement));
        Entry { seen: seen.seen(), points, steps, hypotheses, loss, guess }
    }
}

impl SentKinds {
    fn of(seen: Seen) -> Self {
        let image = seen.image.map(|Pixels { channels, height, width, data }| (channels, height, width, data));
        Self { joints: seen.joints, image, points: seen.points }
    }

    fn seen(self) -> Seen {
        let image = self.image.map(|(channels, height, width, data)| Pixels { channels, height, width, data });
        Seen { joints: self.joints, image, points: self.points, ..Seen::default() }
    }
}
