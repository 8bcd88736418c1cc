//! Makes a whole file of one that was cut off or damaged, beside it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, IntoInnerError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcap::records::{Header, MessageHeader};
use mcap::write::PrivateRecordOptions;
use mcap::{Compression, McapResult, WriteOptions};
use thalweg_nn::files::NewFile;

use super::bag::BagFile;
use super::damage::Damage;
use super::error::RecordError;
use super::files::{is_marked, lock};
use super::scan::{Piece, Place, Scan};
use super::segment::{ACTIVE, Contents};
use super::setup::METADATA;
use super::storage::scan;
use super::topics::{Schema, Topic};

/// Kinds of records from here on are the application's own, and may be written.
const PRIVATE: u8 = 0x80;
/// Bytes of an attachment that are copied at once.
const BUFFER: usize = 64 << 10;

/// What came of a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The whole file.
    pub path: PathBuf,
    /// Messages in it.
    pub messages: u64,
    /// What was lost.
    pub damage: Damage,
    /// Whether the damaged file is still there: it is removed where a recorder left it and all but its unfinished end
    /// is in the whole one.
    pub is_kept: bool,
}

/// Makes a whole file of one that was cut off or damaged: `x.mcap` of `x.mcap.active`, `x.recovered.mcap` of `x.mcap`,
/// or `output`.
///
/// Everything that is whole is in it, with its numbers: definitions, topics, messages, metadata, attachments, records
/// that only others know, profile and library. Nothing that has the name already is replaced, and a file that somebody
/// is writing is refused.
///
/// # Errors
/// [`RecordError`] when it cannot be read or written, is no MCAP, is being written, or the name is taken.
pub fn recover(path: &Path, output: Option<&Path>) -> Result<Recovered, RecordError> {
    recover_open(path, lock(path)?, output)
}

/// Recovers a file that is open and locked; both go on until its place is taken by the whole one.
pub(super) fn recover_open(path: &Path, file: File, output: Option<&Path>) -> Result<Recovered, RecordError> {
    let is_active = path.extension().is_some_and(|ending| ending == ACTIVE);
    let beside = || if is_active { path.with_extension("") } else { path.with_extension("recovered.mcap") };
    let whole = output.map_or_else(beside, Path::to_owned);
    let taken = || RecordError::Taken { path: whole.clone() };
    if fs::symlink_metadata(&whole).is_ok() {
        return Err(taken());
    }
    let held = file.try_clone().map_err(RecordError::io(path))?;
    let mut scan = scan(path, file)?;
    let new = NewFile::create(&whole).map_err(RecordError::io(&whole))?;
    let (new, copied) = Copy::of(&mut scan, new, &whole)?;
    new.place().map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => taken(),
        _ => RecordError::io(&whole)(error),
    })?;
    let Copy { contents, messages, is_ours, unknown, .. } = copied;
    let damage = Damage { messages: scan.damage().messages + unknown, ..scan.damage() };
    let is_kept = !(is_active && is_ours && damage.lost() == 0);
    if !is_kept {
        fs::remove_file(path).map_err(RecordError::io(path))?;
    }
    drop(held);
    if is_active && output.is_none() && whole.parent().is_some_and(is_marked) {
        BagFile::new(&whole, contents).enlist()?;
    }
    Ok(Recovered { path: whole, messages, damage, is_kept })
}

type Writer = mcap::Writer<BufWriter<NewFile>>;

/// What was copied.
#[derive(Default)]
struct Copy {
    /// Numbers of topics in the new file, where they had to be others.
    moved: HashMap<u16, u16>,
    schemas: HashMap<u16, u16>,
    contents: Contents,
    messages: u64,
    /// Records of kinds that MCAP keeps for later versions of itself: nobody may write them.
    unknown: u64,
    /// Whether it is a recording of ours.
    is_ours: bool,
}

impl Copy {
    /// Copies whatever is whole.
    fn of(scan: &mut Scan, file: NewFile, path: &Path) -> Result<(NewFile, Self), RecordError> {
        let refuse = || RecordError::mcap(path);
        let mut first = scan.next()?;
        let header = match &first {
            Some(Piece::Header(header)) => header.clone(),
            _ => Header { profile: "ros2".to_owned(), library: String::new() },
        };
        let options = WriteOptions::new().profile(header.profile).library(header.library);
        let options = options.compression(Some(Compression::Zstd)).disable_seeking(true);
        let mut writer = options.create(BufWriter::new(file)).map_err(refuse())?;
        let mut copy = Self::default();
        while let Some(piece) = first.take().map_or_else(|| scan.next(), |piece| Ok(Some(piece)))? {
            match piece {
                Piece::Attachment(header, size) => copy_attachment(scan, &mut writer, header, size, path)?,
                piece => copy.piece(&mut writer, piece).map_err(refuse())?,
            }
        }
        writer.finish().map_err(refuse())?;
        let file =
            writer.into_inner().into_inner().map_err(IntoInnerError::into_error).map_err(RecordError::io(path))?;
        Ok((file, copy))
    }

    fn piece(&mut self, writer: &mut Writer, piece: Piece) -> McapResult<()> {
        match piece {
            Piece::Header(_) | Piece::Attachment(..) => {}
            Piece::Schema(schema) => drop(self.schema(writer, &schema)?),
            Piece::Topic(topic) => drop(self.topic(writer, &topic)?),
            Piece::Metadata(metadata) => {
                self.is_ours |= metadata.name == METADATA;
                writer.write_metadata(&metadata)?;
            }
            Piece::Unknown(opcode, body, place) if opcode >= PRIVATE => {
                let place = if place == Place::Chunk {
                    PrivateRecordOptions::IncludeInChunks.into()
                } else {
                    Default::default()
                };
                writer.write_private_record(opcode, &body, place)?;
            }
            Piece::Unknown(..) => self.unknown += 1,
            Piece::Message(topic, header, bytes) => {
                let channel_id = match self.moved.get(&topic.id) {
                    Some(id) => *id,
                    None => self.topic(writer, &topic)?,
                };
                writer.write_to_known_channel(&MessageHeader { channel_id, ..header }, &bytes)?;
                self.contents.count(&topic, header.log_time);
                self.messages += 1;
            }
        }
        Ok(())
    }

    /// Writes a definition under its own number, or under a free one where the file has used it twice.
    fn schema(&mut self, writer: &mut Writer, schema: &Arc<Schema>) -> McapResult<u16> {
        let Schema { id, name, encoding, text } = &**schema;
        let written = match writer.add_schema_with_id(*id, name, encoding, text) {
            Err(mcap::McapError::ConflictingSchemas(_) | mcap::McapError::InvalidSchemaId) => {
                writer.add_schema(name, encoding, text)?
            }
            written => written?,
        };
        self.schemas.insert(*id, written);
        Ok(written)
    }

    /// Writes a topic under its own number, or under a free one where the file has used it twice.
    fn topic(&mut self, writer: &mut Writer, topic: &Arc<Topic>) -> McapResult<u16> {
        let Topic { id, name, schema, encoding, metadata } = &**topic;
        let schema = match schema {
            None => 0,
            Some(schema) => match self.schemas.get(&schema.id) {
                Some(id) => *id,
                None => self.schema(writer, schema)?,
            },
        };
        let written = match writer.add_channel_with_id(*id, schema, name, encoding, metadata) {
            Err(mcap::McapError::ConflictingChannels(_)) => writer.add_channel(schema, name, encoding, metadata)?,
            written => written?,
        };
        self.moved.insert(*id, written);
        Ok(written)
    }
}

fn copy_attachment(
    scan: &mut Scan,
    writer: &mut Writer,
    header: mcap::records::AttachmentHeader,
    size: u64,
    path: &Path,
) -> Result<(), RecordError> {
    writer.start_attachment(size, header).map_err(RecordError::mcap(path))?;
    let (mut buffer, mut left) = (vec![0; BUFFER], size);
    loop {
        let filled = scan.attachment(&mut buffer)?;
        if filled == 0 {
            break;
        }
        left -= filled as u64;
        writer.put_attachment_bytes(&buffer[..filled]).map_err(RecordError::mcap(path))?;
    }
    // A file that is cut off within says so; the length was written before.
    while left > 0 {
        let next = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER);
        writer.put_attachment_bytes(&vec![0; next]).map_err(RecordError::mcap(path))?;
        left -= next as u64;
    }
    writer.finish_attachment().map_err(RecordError::mcap(path))
}

impl Contents {
    /// Counts a message.
    fn count(&mut self, topic: &Topic, log_time: u64) {
        let (first, last) = self.times.unwrap_or((log_time, log_time));
        self.times = Some((first.min(log_time), last.max(log_time)));
        self.topics.entry(topic.name.clone()).or_insert((topic.kind().to_owned(), 0)).1 += 1;
    }
}
