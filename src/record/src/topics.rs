//! The types and topics that a file has defined.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mcap::records::{Channel, SchemaHeader};

use super::limits::{DEFINITIONS, ENTRY};

/// The definition of a type.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Schema {
    pub(super) id: u16,
    pub(super) name: String,
    pub(super) encoding: String,
    pub(super) text: Vec<u8>,
}

/// A topic of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) id: u16,
    pub(super) name: String,
    /// Its type; none where the file tells none.
    pub(super) schema: Option<Arc<Schema>>,
    /// Encoding of its messages.
    pub(super) encoding: String,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Topic {
    /// Name of its type.
    pub(super) fn kind(&self) -> &str {
        self.schema.as_ref().map_or("", |schema| schema.name.as_str())
    }

    fn cost(&self) -> u64 {
        let metadata: u64 = self.metadata.iter().map(|(key, value)| (key.len() + value.len()) as u64 + ENTRY).sum();
        (self.name.len() + self.encoding.len()) as u64 + metadata + ENTRY
    }
}

impl Schema {
    fn cost(&self) -> u64 {
        (self.name.len() + self.encoding.len() + self.text.len()) as u64 + ENTRY
    }
}

/// All definitions of a file, by their numbers.
#[derive(Default)]
pub(super) struct Topics {
    schemas: HashMap<u16, Arc<Schema>>,
    topics: HashMap<u16, Arc<Topic>>,
    /// Bytes that they take.
    held: u64,
}

impl Topics {
    /// Takes a definition; none when all together take too much memory.
    pub(super) fn define(&mut self, header: SchemaHeader, text: &[u8]) -> Option<Arc<Schema>> {
        let SchemaHeader { id, name, encoding } = header;
        let is_known = |old: &Arc<Schema>| old.name == name && old.encoding == encoding && old.text == text;
        if let Some(old) = self.schemas.get(&id).filter(|old| is_known(old)) {
            return Some(Arc::clone(old));
        }
        let schema = Arc::new(Schema { id, name, encoding, text: text.to_owned() });
        self.hold(schema.cost(), self.schemas.get(&id).map_or(0, |old| old.cost()))?;
        self.schemas.insert(id, Arc::clone(&schema));
        Some(schema)
    }

    /// Takes a topic; none when all together take too much memory.
    pub(super) fn open(&mut self, channel: Channel) -> Option<Arc<Topic>> {
        let Channel { id, schema_id, topic: name, message_encoding: encoding, metadata } = channel;
        let topic = Topic { id, name, schema: self.schemas.get(&schema_id).cloned(), encoding, metadata };
        if let Some(old) = self.topics.get(&id).filter(|old| ***old == topic) {
            return Some(Arc::clone(old));
        }
        self.hold(topic.cost(), self.topics.get(&id).map_or(0, |old| old.cost()))?;
        let topic = Arc::new(topic);
        self.topics.insert(id, Arc::clone(&topic));
        Some(topic)
    }

    pub(super) fn get(&self, id: u16) -> Option<&Arc<Topic>> {
        self.topics.get(&id)
    }

    fn hold(&mut self, new: u64, old: u64) -> Option<()> {
        self.held = (self.held + new).saturating_sub(old);
        (self.held <= DEFINITIONS).then_some(())
    }
}
