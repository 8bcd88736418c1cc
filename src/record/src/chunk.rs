//! One chunk of an MCAP file: checked as a whole, then read record by record.

use std::io::{Cursor, Read};
use std::sync::Arc;

use crc32fast::Hasher;
use mcap::read::parse_record;
use mcap::records::{Record, op};

use super::damage::Damage;
use super::input::Bytes;
use super::limits::{HELD, RECORD};
use super::packing::Packing;
use super::scan::PREFIX;

/// Bytes that are decompressed at once while a chunk is checked.
const BUFFER: usize = 64 << 10;

/// A chunk that is whole.
pub(super) struct Chunk {
    records: Bytes,
}

/// What became of a chunk, and how many bytes it holds decompressed.
pub(super) enum Opened {
    Whole(Chunk, u64),
    Damaged(u64),
    TooLarge,
}

impl Chunk {
    /// Decompresses a chunk and compares size and checksum, before anything of it is given out.
    ///
    /// Nothing is allocated by the size that it claims; a long one is decompressed a second time while it is read.
    pub(super) fn open(body: Vec<u8>, allowed: u64) -> Opened {
        let Ok(Record::Chunk { header, data }) = parse_record(op::CHUNK, &body) else { return Opened::Damaged(0) };
        let (begin, end) = match body.len().checked_sub(data.len()) {
            // The records are the last field, and what follows them belongs to nobody.
            Some(_) => {
                let begin = data.as_ptr().addr() - body.as_ptr().addr();
                (begin, begin + data.len())
            }
            None => return Opened::Damaged(0),
        };
        drop(data);
        let mut body = body;
        body.truncate(end);
        let (body, begin) = (Arc::new(body), begin as u64);
        let Some(packing) = Packing::named(&header.compression) else { return Opened::Damaged(0) };
        let size = header.uncompressed_size;
        if size > allowed {
            // Decompressed as far as is allowed, to tell a lie from a bomb.
            return match check(packing, &body, begin, allowed.saturating_add(1), None) {
                Some((found, _)) if found > allowed => Opened::TooLarge,
                Some((found, _)) => Opened::Damaged(found),
                None => Opened::Damaged(0),
            };
        }
        let mut held = (size <= HELD).then(Vec::new);
        let Some((found, crc)) = check(packing, &body, begin, size.saturating_add(1), held.as_mut()) else {
            return Opened::Damaged(0);
        };
        let is_right = header.uncompressed_crc == 0 || header.uncompressed_crc == crc;
        if found != size || !is_right {
            return Opened::Damaged(found);
        }
        let records = match held {
            Some(held) => Ok(Box::new(Cursor::new(held)) as Bytes),
            None => packing.unpack_from(&body, begin),
        };
        records.map_or(Opened::Damaged(found), |records| Opened::Whole(Self { records }, found))
    }

    /// The next record of a kind that is asked for and of a length that is held; none at the end.
    pub(super) fn next(&mut self, damage: &mut Damage) -> Option<(u8, Vec<u8>)> {
        loop {
            let mut prefix = [0; PREFIX];
            match fill(&mut self.records, &mut prefix) {
                Some(PREFIX) => {}
                Some(0) => return None,
                // Half a record under a checksum that is right.
                _ => {
                    damage.messages += 1;
                    return None;
                }
            }
            let (opcode, length) = (prefix[0], u64::from_le_bytes(prefix[1..].try_into().unwrap_or_default()));
            if length > RECORD {
                damage.too_long += 1;
                std::io::copy(&mut self.records.by_ref().take(length), &mut std::io::sink()).ok()?;
                continue;
            }
            let mut body = Vec::new();
            let read = self.records.by_ref().take(length).read_to_end(&mut body);
            if read.is_err() || (body.len() as u64) < length {
                damage.messages += 1;
                return None;
            }
            return Some((opcode, body));
        }
    }
}

/// Decompresses up to `limit` bytes and forgets them, or holds them; gives their number and their checksum.
fn check(
    packing: Packing,
    body: &Arc<Vec<u8>>,
    begin: u64,
    limit: u64,
    mut held: Option<&mut Vec<u8>>,
) -> Option<(u64, u32)> {
    let mut records = packing.unpack_from(body, begin).ok()?.take(limit);
    let (mut crc, mut size, mut buffer) = (Hasher::new(), 0, vec![0; BUFFER]);
    loop {
        let filled = fill(&mut records, &mut buffer)?;
        crc.update(&buffer[..filled]);
        size += filled as u64;
        if let Some(held) = &mut held {
            held.extend(&buffer[..filled]);
        }
        if filled < buffer.len() {
            return Some((size, crc.finalize()));
        }
    }
}

/// Fills a buffer as far as there are bytes; none when they do not decompress.
fn fill(bytes: &mut impl Read, buffer: &mut [u8]) -> Option<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match bytes.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(filled)
}
