//! An attachment of an MCAP file, read in pieces.

use std::io;

use crc32fast::Hasher;
use mcap::records::AttachmentHeader;

use super::input::Input;
use super::limits::NAME;

/// Bytes of the checksum at the end.
const CHECKSUM: u64 = 4;

/// An attachment that is being read.
pub(super) struct Attachment {
    left: u64,
    crc: Hasher,
}

/// Bytes of a record, of which so many were read.
struct Body<'a> {
    input: &'a mut Input,
    left: u64,
    read: u64,
    crc: Hasher,
}

impl Body<'_> {
    fn take(&mut self, length: u64) -> io::Result<Option<Vec<u8>>> {
        if length > self.left {
            return Ok(None);
        }
        let bytes = self.input.body(length)?;
        self.crc.update(&bytes);
        (self.left, self.read) = (self.left - bytes.len() as u64, self.read + bytes.len() as u64);
        Ok((bytes.len() as u64 == length).then_some(bytes))
    }

    fn number(&mut self) -> io::Result<Option<u64>> {
        Ok(self.take(8)?.and_then(|bytes| Some(u64::from_le_bytes(*bytes.first_chunk()?))))
    }

    fn text(&mut self) -> io::Result<Option<String>> {
        let length = self.take(4)?.and_then(|bytes| Some(u32::from_le_bytes(*bytes.first_chunk()?)));
        let Some(length) = length.filter(|length| *length <= NAME) else { return Ok(None) };
        Ok(self.take(length.into())?.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    fn header(&mut self) -> io::Result<Option<(AttachmentHeader, u64)>> {
        let (Some(log_time), Some(create_time)) = (self.number()?, self.number()?) else { return Ok(None) };
        let Some(name) = self.text()? else { return Ok(None) };
        let Some(media_type) = self.text()? else { return Ok(None) };
        let header = AttachmentHeader { log_time, create_time, name, media_type };
        Ok(self.number()?.map(|size| (header, size)))
    }
}

impl Attachment {
    /// Reads what stands before the content of a record of `length` bytes; where it makes no sense, tells how many
    /// bytes were read.
    pub(super) fn open(input: &mut Input, length: u64) -> io::Result<Result<(AttachmentHeader, Self), u64>> {
        let mut body = Body { input, left: length, read: 0, crc: Hasher::new() };
        let header = body.header()?;
        Ok(match header {
            Some((header, size)) if size.checked_add(CHECKSUM) == Some(body.left) => {
                Ok((header, Self { left: size, crc: body.crc }))
            }
            _ => Err(body.read),
        })
    }

    /// Bytes of content that are left.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Reads on; nothing at the end, or where the file is cut off.
    pub(super) fn read(&mut self, input: &mut Input, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let filled = input.fill(&mut buffer[..most])?;
        self.crc.update(&buffer[..filled]);
        self.left -= filled as u64;
        Ok(filled)
    }

    /// Reads the checksum: whether it is right; none where the file is cut off.
    pub(super) fn end(self, input: &mut Input) -> io::Result<Option<bool>> {
        let mut saved = [0; CHECKSUM as usize];
        if self.left > 0 || input.fill(&mut saved)? < saved.len() {
            return Ok(None);
        }
        let saved = u32::from_le_bytes(saved);
        Ok(Some(saved == 0 || saved == self.crc.finalize()))
    }
}
