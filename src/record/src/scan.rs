//! Reads an MCAP file from its beginning to its end, or to where it is cut off.
//!
//! The index at the end is not used: files that were never closed have none. What is damaged is passed over and counted;
//! chunks, attachments and the file as a whole have checksums, and each is compared. Nothing is held but one record and
//! one compressed chunk, whatever sizes the file claims ([`super::limits`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcap::MAGIC;
use mcap::read::parse_record;
use mcap::records::{AttachmentHeader, Header, MessageHeader, Metadata, Record, op};

use super::attachment::Attachment;
use super::chunk::{Chunk, Opened};
use super::damage::Damage;
use super::error::RecordError;
use super::input::Input;
use super::limits::{self, METADATA, RECORD};
use super::topics::{Schema, Topic, Topics};

/// Bytes of a record's kind and length.
pub(super) const PREFIX: usize = 9;
/// Bytes of a message's header: topic, sequence number, two times.
const MESSAGE: usize = 22;
/// Bytes of a footer, and those of them that its own checksum covers.
const FOOTER: (u64, usize) = (20, 16);

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Data,
    Chunk,
    Summary,
    End,
}

/// One record of a file, as far as anybody asks for it.
pub(super) enum Piece {
    Header(Header),
    Schema(Arc<Schema>),
    Topic(Arc<Topic>),
    Message(Arc<Topic>, MessageHeader, Vec<u8>),
    Metadata(Metadata),
    /// The bytes are read by [`Scan::attachment`], before anything else.
    Attachment(AttachmentHeader, u64),
    /// A record of a kind that MCAP does not define.
    Unknown(u8, Vec<u8>, Place),
}

/// A file that is being read.
pub(super) struct Scan {
    input: Input,
    path: PathBuf,
    place: Place,
    chunk: Option<Chunk>,
    attachment: Option<Attachment>,
    topics: Topics,
    /// Bytes that chunks may still become.
    allowed: u64,
    damage: Damage,
}

impl Scan {
    /// Reads a file behind its first bytes, which are [`MAGIC`]; `size`: its size on the disk.
    pub(super) fn new(path: &Path, input: Input, size: u64) -> Self {
        Self {
            input,
            path: path.to_owned(),
            place: Place::Data,
            chunk: None,
            attachment: None,
            topics: Topics::default(),
            allowed: limits::decoded(size),
            damage: Damage::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was lost on the way; whole only at the end.
    pub(super) fn damage(&self) -> Damage {
        self.damage
    }

    pub(super) fn damage_mut(&mut self) -> &mut Damage {
        &mut self.damage
    }

    /// The next piece; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, RecordError> {
        loop {
            if self.attachment.is_some() {
                self.pass_attachment()?;
            }
            if let Some(chunk) = &mut self.chunk {
                match chunk.next(&mut self.damage) {
                    None => self.chunk = None,
                    Some((opcode, body)) => {
                        if let Some(piece) = self.take(opcode, body, Place::Chunk)? {
                            return Ok(Some(piece));
                        }
                    }
                }
            } else if self.place == Place::End {
                return Ok(None);
            } else if let Some(piece) = self.record()? {
                return Ok(Some(piece));
            }
        }
    }

    /// One whole record of the file; none where it is not asked for, or where there is none any more.
    fn record(&mut self) -> Result<Option<Piece>, RecordError> {
        let before = self.input.crc();
        let mut prefix = [0; PREFIX];
        let got = self.fill(&mut prefix)?;
        if got < PREFIX {
            return self.end(got as u64);
        }
        let (opcode, length) = (prefix[0], u64::from_le_bytes(prefix[1..].try_into().unwrap_or_default()));
        if let Some(left) = self.input.left().filter(|left| length > *left) {
            return self.end(PREFIX as u64 + left);
        }
        match (self.place, opcode) {
            // No record has this one (MCAP, "Records"): what a disk that lost its power leaves, zeros to the end.
            (_, 0) => self.end(PREFIX as u64 + self.input.left().unwrap_or_default()),
            (Place::Data, op::DATA_END) => self.end_data(length, before.finalize()),
            (Place::Summary, op::FOOTER) => self.end_summary(length),
            (Place::Data, op::CHUNK) => self.open_chunk(length),
            (Place::Data, op::ATTACHMENT) => self.open_attachment(length),
            (Place::Data, op::HEADER | op::SCHEMA | op::CHANNEL | op::MESSAGE | op::METADATA) => {
                self.whole(opcode, length)
            }
            (place, _) if opcode > op::DATA_END => {
                Ok(self.body(length)?.map(|body| Piece::Unknown(opcode, body, place)))
            }
            _ => self.pass(length),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, RecordError> {
        let filled = self.input.fill(buffer).map_err(RecordError::io(&self.path))?;
        if self.input.is_beyond() { Err(self.too_large("content")) } else { Ok(filled) }
    }

    fn too_large(&self, what: &'static str) -> RecordError {
        RecordError::TooLarge { path: self.path.clone(), what }
    }

    /// A record that is parsed.
    fn whole(&mut self, opcode: u8, length: u64) -> Result<Option<Piece>, RecordError> {
        match self.body(length)? {
            Some(body) => self.take(opcode, body, Place::Data),
            None => Ok(None),
        }
    }

    /// The body of a record; none where it is cut off, or too long.
    fn body(&mut self, length: u64) -> Result<Option<Vec<u8>>, RecordError> {
        if length > RECORD {
            self.damage.too_long += 1;
            self.pass(length)?;
            return Ok(None);
        }
        let body = self.input.body(length).map_err(RecordError::io(&self.path))?;
        if (body.len() as u64) < length {
            self.end(PREFIX as u64 + body.len() as u64)?;
            return Ok(None);
        }
        Ok(Some(body))
    }

    /// Passes over so many bytes.
    fn pass(&mut self, length: u64) -> Result<Option<Piece>, RecordError> {
        let passed = self.input.skip(length).map_err(RecordError::io(&self.path))?;
        if self.input.is_beyond() {
            return Err(self.too_large("content"));
        }
        if passed < length { self.end(PREFIX as u64 + passed) } else { Ok(None) }
    }

    /// Ends early: so many bytes are no whole record.
    fn end(&mut self, cut: u64) -> Result<Option<Piece>, RecordError> {
        if self.place == Place::Data {
            self.damage.unclosed = true;
            self.damage.cut_bytes = cut;
        } else {
            // Every message was read, and what is cut off is the index.
            self.damage.unclosed = true;
        }
        self.place = Place::End;
        if self.input.is_beyond() { Err(self.too_large("content")) } else { Ok(None) }
    }

    /// Compares the checksum of all that stood before.
    fn end_data(&mut self, length: u64, crc: u32) -> Result<Option<Piece>, RecordError> {
        let Some(body) = self.body(length)? else { return Ok(None) };
        let saved = body.first_chunk().map_or(0, |crc| u32::from_le_bytes(*crc));
        // Where a piece is known to be lost, it is told already.
        if saved != 0 && saved != crc && !self.damage.has_lost() {
            self.damage.checksums += 1;
        }
        self.place = Place::Summary;
        self.input.restart();
        Ok(None)
    }

    /// Compares the checksum of the index, and looks whether the file ends as it should.
    fn end_summary(&mut self, length: u64) -> Result<Option<Piece>, RecordError> {
        let mut fields = [0; FOOTER.1];
        let mut rest = [0; FOOTER.0 as usize - FOOTER.1 + MAGIC.len()];
        if length != FOOTER.0 || self.fill(&mut fields)? < fields.len() {
            return self.end(0);
        }
        let crc = self.input.crc().finalize();
        if self.fill(&mut rest)? < rest.len() || rest[4..] != *MAGIC {
            return self.end(0);
        }
        let saved = rest.first_chunk().map_or(0, |crc| u32::from_le_bytes(*crc));
        self.damage.checksums += u64::from(saved != 0 && saved != crc);
        self.place = Place::End;
        Ok(None)
    }

    fn open_chunk(&mut self, length: u64) -> Result<Option<Piece>, RecordError> {
        let Some(body) = self.body(length)? else { return Ok(None) };
        match Chunk::open(body, self.allowed) {
            Opened::Whole(chunk, size) => {
                self.allowed = self.allowed.saturating_sub(size);
                self.chunk = Some(chunk);
            }
            Opened::Damaged(size) => {
                self.allowed = self.allowed.saturating_sub(size);
                self.damage.chunks += 1;
            }
            Opened::TooLarge => return Err(self.too_large("content")),
        }
        Ok(None)
    }

    fn open_attachment(&mut self, length: u64) -> Result<Option<Piece>, RecordError> {
        let opened = Attachment::open(&mut self.input, length).map_err(RecordError::io(&self.path))?;
        match opened {
            Ok((header, attachment)) => {
                let piece = Piece::Attachment(header, attachment.left());
                self.attachment = Some(attachment);
                Ok(Some(piece))
            }
            Err(passed) => {
                self.damage.messages += 1;
                self.pass(length.saturating_sub(passed))
            }
        }
    }

    /// Reads on in the attachment that came last; nothing at its end.
    pub(super) fn attachment(&mut self, buffer: &mut [u8]) -> Result<usize, RecordError> {
        let Some(attachment) = &mut self.attachment else { return Ok(0) };
        let filled = attachment.read(&mut self.input, buffer).map_err(RecordError::io(&self.path))?;
        if filled == 0 {
            let attachment = self.attachment.take();
            let ended = attachment.map(|attachment| attachment.end(&mut self.input)).transpose();
            match ended.map_err(RecordError::io(&self.path))?.flatten() {
                Some(is_right) => self.damage.checksums += u64::from(!is_right),
                None => drop(self.end(PREFIX as u64)?),
            }
        }
        Ok(filled)
    }

    fn pass_attachment(&mut self) -> Result<(), RecordError> {
        let mut buffer = vec![0; 64 << 10];
        while self.attachment(&mut buffer)? > 0 {}
        Ok(())
    }

    /// Takes a whole record.
    fn take(&mut self, opcode: u8, body: Vec<u8>, place: Place) -> Result<Option<Piece>, RecordError> {
        if opcode > op::DATA_END {
            return Ok(Some(Piece::Unknown(opcode, body, place)));
        }
        if opcode == op::MESSAGE {
            let message = self.message(body);
            self.damage.messages += u64::from(message.is_none());
            return Ok(message);
        }
        let is_asked = matches!(opcode, op::HEADER | op::SCHEMA | op::CHANNEL | op::METADATA);
        if opcode == op::METADATA && body.len() as u64 > METADATA {
            self.damage.too_long += 1;
            return Ok(None);
        }
        let record = if is_asked { parse_record(opcode, &body).ok() } else { None };
        let beyond = || RecordError::TooLarge { path: self.path.clone(), what: "definitions" };
        let piece = match record {
            Some(Record::Header(header)) => Some(Piece::Header(header)),
            Some(Record::Schema { header, data }) => {
                Some(Piece::Schema(self.topics.define(header, &data).ok_or_else(beyond)?))
            }
            Some(Record::Channel(channel)) => Some(Piece::Topic(self.topics.open(channel).ok_or_else(beyond)?)),
            Some(Record::Metadata(metadata)) => Some(Piece::Metadata(metadata)),
            // An index within a chunk, say, is nothing that anybody asks for.
            _ if !is_asked => return Ok(None),
            _ => None,
        };
        if piece.is_none() {
            self.damage.messages += 1;
        }
        Ok(piece)
    }

    /// A message of a topic that is known; its bytes stay where they are.
    fn message(&self, mut body: Vec<u8>) -> Option<Piece> {
        let Ok(Record::Message { header, .. }) = parse_record(op::MESSAGE, body.get(..MESSAGE)?) else { return None };
        let topic = self.topics.get(header.channel_id)?;
        body.drain(..MESSAGE);
        Some(Piece::Message(Arc::clone(topic), header, body))
    }
}
