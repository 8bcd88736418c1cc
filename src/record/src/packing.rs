//! Compression: of chunks, of messages, of files.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;

use super::input::Bytes;
use super::limits::WINDOW;

/// A way in which bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Zstd,
    Lz4,
}

/// Bytes that several readers share.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Packing {
    /// By the name that a chunk has of it.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "" | "none" => Some(Self::None),
            "zstd" => Some(Self::Zstd),
            "lz4" => Some(Self::Lz4),
            _ => None,
        }
    }

    /// By the first bytes of what is compressed; no CDR message begins so.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            _ => Self::None,
        }
    }

    /// Decompresses a stream.
    pub(super) fn unpack(self, bytes: impl Read + Send + 'static) -> io::Result<Bytes> {
        Ok(match self {
            Self::None => Box::new(bytes),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(bytes)?;
                decoder.window_log_max(WINDOW)?;
                Box::new(decoder)
            }
            Self::Lz4 => Box::new(lz4::Decoder::new(BufReader::new(bytes))?),
        })
    }

    /// Decompresses bytes that lie behind `from`.
    pub(super) fn unpack_from(self, bytes: &Arc<Vec<u8>>, from: u64) -> io::Result<Bytes> {
        let mut cursor = Cursor::new(Shared(Arc::clone(bytes)));
        cursor.set_position(from);
        self.unpack(cursor)
    }

    /// Decompresses a message of at most `limit` bytes; none when it does not decompress or is longer.
    pub(super) fn message(self, bytes: Vec<u8>, limit: u64) -> Option<Vec<u8>> {
        let mut unpacked = Vec::new();
        self.unpack(Cursor::new(bytes)).ok()?.take(limit + 1).read_to_end(&mut unpacked).ok()?;
        (unpacked.len() as u64 <= limit).then_some(unpacked)
    }
}
