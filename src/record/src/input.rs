//! The bytes of a file, in their order: counted, and with a checksum.

use std::fs::File;
use std::io::{self, BufReader, Read};

use crc32fast::Hasher;

/// Bytes that are read at once where they are not kept.
const BUFFER: usize = 64 << 10;

/// A stream of bytes, to be shared between threads.
pub(super) type Bytes = Box<dyn Read + Send>;

/// The bytes of a file.
pub(super) struct Input {
    bytes: Bytes,
    /// Bytes that are left, where that is known.
    left: Option<u64>,
    /// Bytes that may still come, where they are decompressed.
    allowed: u64,
    /// Checksum of what was read since the last [`Input::restart`].
    crc: Hasher,
    /// Whether the bytes are decompressed ones: then a failure is damage.
    is_packed: bool,
}

impl Input {
    /// Of a file as it is.
    pub(super) fn plain(file: File, size: u64) -> Self {
        let bytes = Box::new(BufReader::new(file));
        Self { bytes, left: Some(size), allowed: u64::MAX, crc: Hasher::new(), is_packed: false }
    }

    /// Of what a file holds, decompressed; `allowed`: how many bytes there may be.
    pub(super) fn packed(bytes: Bytes, allowed: u64) -> Self {
        Self { bytes, left: None, allowed, crc: Hasher::new(), is_packed: true }
    }

    /// Bytes that are left, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        self.left
    }

    /// Whether there came more bytes than there may be.
    pub(super) fn is_beyond(&self) -> bool {
        self.allowed == 0
    }

    /// Begins another checksum.
    pub(super) fn restart(&mut self) {
        self.crc = Hasher::new();
    }

    /// The checksum so far.
    pub(super) fn crc(&self) -> Hasher {
        self.crc.clone()
    }

    /// Fills a buffer, as far as there are bytes; tells how far. A stream that does not decompress ends there.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && self.allowed > 0 {
            match self.bytes.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => {
                    self.allowed = self.allowed.saturating_sub(count as u64);
                    filled += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if self.is_packed => break,
                Err(error) => return Err(error),
            }
        }
        self.crc.update(&buffer[..filled]);
        self.left = self.left.map(|left| left.saturating_sub(filled as u64));
        Ok(filled)
    }

    /// Reads up to so many bytes; fewer where the file ends. Takes no more memory than come.
    pub(super) fn body(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while (body.len() as u64) < length {
            let begin = body.len();
            let next = usize::try_from(length - begin as u64).unwrap_or(usize::MAX).min(BUFFER.max(begin));
            body.resize(begin + next, 0);
            let filled = self.fill(&mut body[begin..])?;
            body.truncate(begin + filled);
            if filled < next {
                break;
            }
        }
        Ok(body)
    }

    /// Reads so many bytes and forgets them; tells how many came.
    pub(super) fn skip(&mut self, length: u64) -> io::Result<u64> {
        let (mut buffer, mut skipped) = ([0; BUFFER], 0);
        while skipped < length {
            let next = usize::try_from(length - skipped).unwrap_or(usize::MAX).min(BUFFER);
            let filled = self.fill(&mut buffer[..next])?;
            skipped += filled as u64;
            if filled < next {
                break;
            }
        }
        Ok(skipped)
    }
}
