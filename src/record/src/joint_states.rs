//! Joint states of any bag: ours, or another's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::damage::Damage;
use super::error::RecordError;
use super::listing::Listing;
use super::message::{self, JointReading};
use super::schema::Kind;
use super::storage::{Item, Storage};
use super::topics::Topic;

/// Most files that are told one by one.
const NOTES: usize = 20;

/// A topic of a bag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BagTopic {
    /// Its name.
    pub name: String,
    /// Its type, as the bag names it; empty where the bag does not.
    pub kind: String,
    /// Encoding of its messages: cdr, ros1, json ..
    pub encoding: String,
    /// Messages, of those that can be read.
    pub messages: u64,
}

impl BagTopic {
    /// Whether it has joint states as ROS 2 writes them.
    #[must_use]
    pub fn has_joint_states(&self) -> bool {
        is_joint_state(&self.kind) && self.encoding == "cdr"
    }

    /// Whether it has joint states as something else writes them.
    #[must_use]
    pub fn has_other_joint_states(&self) -> bool {
        is_joint_state(&self.kind) && self.encoding != "cdr"
    }
}

/// By the name that ROS 2 has, or ROS 1 and old recorders.
fn is_joint_state(kind: &str) -> bool {
    kind == Kind::JointState.name() || kind == "sensor_msgs/JointState"
}

/// A bag as rosbag2 means it: one file, or a folder with `metadata.yaml` and several.
#[derive(Clone, Debug)]
pub struct Bag {
    listing: Listing,
}

impl Bag {
    /// Looks which files there are.
    ///
    /// # Errors
    /// [`RecordError`] when there is none.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        Ok(Self { listing: Listing::of(path)? })
    }

    /// The files, and what is odd about them.
    #[must_use]
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Every topic, in the order of names, and what is odd. Reads the bag once.
    ///
    /// # Errors
    /// [`RecordError`] when no file can be read.
    pub fn topics(&self) -> Result<(Vec<BagTopic>, Vec<String>), RecordError> {
        let mut topics: BTreeMap<(String, String, String), u64> = BTreeMap::new();
        let key = |topic: &Topic| (topic.name.clone(), topic.kind().to_owned(), topic.encoding.clone());
        // Of messages one after the other the topic is mostly the same.
        let mut last: Option<(Arc<Topic>, u64)> = None;
        let mut files = Files::of(&self.listing);
        while let Some(item) = files.next()? {
            match item {
                Item::Metadata(_) => {}
                Item::Topic(topic) => *topics.entry(key(&topic)).or_default() += 0,
                Item::Message(topic, ..) => match &mut last {
                    Some((same, count)) if Arc::ptr_eq(same, &topic) => *count += 1,
                    last => {
                        if let Some((topic, count)) = last.replace((topic, 1)) {
                            *topics.entry(key(&topic)).or_default() += count;
                        }
                    }
                },
            }
        }
        if let Some((topic, count)) = last {
            *topics.entry(key(&topic)).or_default() += count;
        }
        let topics = topics.into_iter();
        let topics =
            topics.map(|((name, kind, encoding), messages)| BagTopic { name, kind, encoding, messages }).collect();
        let notes = [self.listing.notes.as_slice(), &files.notes].concat();
        Ok((topics, notes))
    }

    /// Reads the joint states of one topic.
    #[must_use]
    pub fn joint_states(&self, topic: &str) -> JointStates {
        JointStates { files: Files::of(&self.listing), topic: topic.to_owned() }
    }
}

/// The items of several files, one after the other. One that cannot be read is counted, unless it is the only one.
struct Files {
    left: std::vec::IntoIter<PathBuf>,
    is_single: bool,
    storage: Option<Storage>,
    /// Of the files that were read.
    damage: Damage,
    /// Why others could not be read.
    notes: Vec<String>,
}

impl Files {
    fn of(listing: &Listing) -> Self {
        let damage = Damage { files: listing.missing, ..Damage::default() };
        let files = listing.files.clone();
        Self { is_single: files.len() == 1, left: files.into_iter(), storage: None, damage, notes: Vec::new() }
    }

    fn damage(&self) -> Damage {
        let mut damage = self.damage;
        if let Some(storage) = &self.storage {
            damage += storage.damage();
        }
        damage
    }

    fn next(&mut self) -> Result<Option<Item>, RecordError> {
        loop {
            let Some(storage) = &mut self.storage else {
                let Some(path) = self.left.next() else { return Ok(None) };
                match Storage::open(&path) {
                    Ok(storage) => self.storage = Some(storage),
                    Err(error) if self.is_single => return Err(error),
                    Err(error) => self.fail(&error),
                }
                continue;
            };
            match storage.next() {
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => self.close(),
                Err(error) if self.is_single => return Err(error),
                Err(error) => {
                    self.close();
                    self.fail(&error);
                }
            }
        }
    }

    fn close(&mut self) {
        self.damage = self.damage();
        self.storage = None;
    }

    fn fail(&mut self, error: &RecordError) {
        self.damage.files += 1;
        if self.notes.len() < NOTES {
            self.notes.push(format!("{error}; passed over"));
        }
    }
}

/// The joint states of one topic of a bag.
///
/// Gives the time at which each was logged (nanoseconds) and the message; messages that do not decode are counted.
pub struct JointStates {
    files: Files,
    topic: String,
}

impl std::fmt::Debug for JointStates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JointStates").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl JointStates {
    /// What was lost, up to where has been read.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.files.damage()
    }
}

impl Iterator for JointStates {
    type Item = Result<(i64, JointReading), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (topic, header, bytes) = match self.files.next() {
                Err(error) => return Some(Err(error)),
                Ok(None) => return None,
                Ok(Some(Item::Message(topic, header, bytes))) => (topic, header, bytes),
                Ok(Some(_)) => continue,
            };
            if topic.name != self.topic || !is_joint_state(topic.kind()) || topic.encoding != "cdr" {
                continue;
            }
            match message::read_joint_state(&bytes) {
                Some(reading) => return Some(Ok((i64::try_from(header.log_time).unwrap_or(i64::MAX), reading))),
                None => self.files.damage.messages += 1,
            }
        }
    }
}
