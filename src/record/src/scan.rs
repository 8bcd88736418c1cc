//! Reads an MCAP file from its beginning to its end, or to where it is cut off.
//!
//! The index at the end is not used: files that were never closed have none. What is damaged is passed over and counted.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcap::MAGIC;
use mcap::read::parse_record;
use mcap::records::{MessageHeader, Metadata, Record, op};
use mcap::sans_io::linear_reader::{LinearReadEvent, LinearReader, LinearReaderOptions};

use super::damage::Damage;
use super::error::RecordError;

/// Longest record that is read, and longest chunk after decompression: ours have a few MB, rosbag2's 768 kB.
const LIMIT: u64 = 256 << 20;
/// Bytes of a record's kind and length.
const PREFIX: usize = 9;

/// A topic of a file.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: String,
    /// Name of its type.
    pub(super) kind: String,
    /// Encoding and text of the type's definition.
    pub(super) definition: (String, Vec<u8>),
    /// Encoding of its messages.
    pub(super) encoding: String,
    pub(super) metadata: std::collections::BTreeMap<String, String>,
}

/// What a file is made of.
pub(super) enum Item {
    Metadata(Metadata),
    Message(Arc<Topic>, MessageHeader, Vec<u8>),
}

/// A file that is being read.
pub(super) struct Scan {
    file: BufReader<File>,
    path: PathBuf,
    /// Bytes that are left.
    left: u64,
    schemas: HashMap<u16, (String, String, Vec<u8>)>,
    topics: HashMap<u16, Arc<Topic>>,
    ready: VecDeque<Item>,
    damage: Damage,
    has_ended: bool,
}

impl Scan {
    /// Opens a file and checks how it begins.
    pub(super) fn open(path: &Path) -> Result<Self, RecordError> {
        let io = || RecordError::io(path);
        let file = File::open(path).map_err(io())?;
        let metadata = file.metadata().map_err(io())?;
        if !metadata.is_file() {
            let source = std::io::Error::new(ErrorKind::InvalidInput, "not a regular file");
            return Err(RecordError::Io { path: path.to_owned(), source });
        }
        let mut file = BufReader::new(file);
        let mut magic = Vec::new();
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(io())?;
        if magic != MAGIC {
            let got = if magic.is_empty() { "nothing".to_owned() } else { format!("bytes {magic:02x?}") };
            return Err(RecordError::NotMcap { path: path.to_owned(), got });
        }
        let left = metadata.len().saturating_sub(MAGIC.len() as u64);
        let (schemas, topics, ready) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Ok(Self {
            file,
            path: path.to_owned(),
            left,
            schemas,
            topics,
            ready,
            damage: Damage::default(),
            has_ended: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was lost on the way; whole only at the end.
    pub(super) fn damage(&self) -> Damage {
        self.damage
    }

    /// Counts a message that its reader could not decode.
    pub(super) fn count_bad_message(&mut self) {
        self.damage.messages += 1;
    }

    /// Counts a solve that is not finite.
    pub(super) fn count_not_finite(&mut self) {
        self.damage.not_finite += 1;
    }

    /// The next metadata or message; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item>, RecordError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.has_ended {
                return Ok(None);
            }
            if let Some((kind, body)) = self.record()? {
                self.take_record(kind, &body);
            }
        }
    }

    /// One whole record; none when there is none any more.
    fn record(&mut self) -> Result<Option<(u8, Vec<u8>)>, RecordError> {
        if self.left < PREFIX as u64 {
            self.end(self.left > 0, true);
            return Ok(None);
        }
        let mut prefix = [0; PREFIX];
        self.read(&mut prefix)?;
        let (kind, length) = (prefix[0], u64::from_le_bytes(prefix[1..].try_into().unwrap_or_default()));
        if length > self.left || length > LIMIT {
            self.left += PREFIX as u64;
            self.end(true, true);
            return Ok(None);
        }
        let mut body = vec![0; usize::try_from(length).unwrap_or(0)];
        self.read(&mut body)?;
        Ok(Some((kind, body)))
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), RecordError> {
        self.file.read_exact(bytes).map_err(RecordError::io(&self.path))?;
        self.left -= bytes.len() as u64;
        Ok(())
    }

    fn end(&mut self, is_cut: bool, unclosed: bool) {
        self.has_ended = true;
        self.damage.unclosed = unclosed;
        self.damage.cut_bytes = if is_cut { self.left } else { 0 };
    }

    fn take_record(&mut self, kind: u8, body: &[u8]) {
        match kind {
            // What follows is the index.
            op::DATA_END => self.end(false, false),
            op::CHUNK => match chunk(body) {
                Some(records) => records.into_iter().for_each(|record| self.take(record)),
                None => self.damage.chunks += 1,
            },
            op::SCHEMA | op::CHANNEL | op::MESSAGE | op::METADATA => match parse_record(kind, body) {
                Ok(record) => self.take(record.into_owned()),
                Err(_) => self.damage.messages += 1,
            },
            _ => {}
        }
    }

    fn take(&mut self, record: Record<'_>) {
        match record {
            Record::Schema { header, data } => {
                self.schemas.insert(header.id, (header.name, header.encoding, data.into_owned()));
            }
            Record::Channel(channel) => {
                let (kind, encoding, text) = self.schemas.get(&channel.schema_id).cloned().unwrap_or_default();
                let topic = Topic {
                    name: channel.topic,
                    kind,
                    definition: (encoding, text),
                    encoding: channel.message_encoding,
                    metadata: channel.metadata,
                };
                self.topics.insert(channel.id, Arc::new(topic));
            }
            Record::Message { header, data } => match self.topics.get(&header.channel_id) {
                Some(topic) => self.ready.push_back(Item::Message(Arc::clone(topic), header, data.into_owned())),
                None => self.damage.messages += 1,
            },
            Record::Metadata(metadata) => self.ready.push_back(Item::Metadata(metadata)),
            _ => {}
        }
    }
}

/// The records of a chunk; none unless all of them are whole and the checksum is right.
///
/// mcap's own `ChunkReader` has no limit, and allocates whatever a damaged length says.
fn chunk(body: &[u8]) -> Option<Vec<Record<'static>>> {
    let options = LinearReaderOptions::default()
        .with_skip_start_magic(true)
        .with_skip_end_magic(true)
        .with_validate_chunk_crcs(true)
        .with_record_length_limit(usize::try_from(LIMIT).unwrap_or(usize::MAX));
    let length = (body.len() as u64).to_le_bytes();
    let mut parts = [&[op::CHUNK][..], &length, body].into_iter().flatten().copied();
    let mut reader = LinearReader::new_with_options(options);
    let mut records = Vec::new();
    while let Some(event) = reader.next_event() {
        match event.ok()? {
            LinearReadEvent::ReadRequest(count) => {
                let bytes: Vec<u8> = parts.by_ref().take(count).collect();
                reader.insert(bytes.len()).copy_from_slice(&bytes);
                reader.notify_read(bytes.len());
            }
            LinearReadEvent::Record { data, opcode } => records.push(parse_record(opcode, data).ok()?.into_owned()),
        }
    }
    Some(records)
}
