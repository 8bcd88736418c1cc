//! What a damaged file has lost.

use std::fmt;
use std::ops::AddAssign;

/// What a file has lost, as far as that can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Chunks that do not decompress, or whose checksum is wrong.
    pub chunks: u64,
    /// Messages, and definitions of them, that do not decode.
    pub messages: u64,
    /// Records that are longer than any that is held.
    pub too_long: u64,
    /// Checksums of a whole section, or of an attachment, that are wrong: something in it is not as it was written.
    pub checksums: u64,
    /// Files of a bag that are not there, or cannot be read.
    pub files: u64,
    /// Solves that hold a number which is not finite.
    pub not_finite: u64,
    /// Bytes at the end that are no whole record.
    pub cut_bytes: u64,
    /// Whether the file was never closed: up to half a second before its end was not written yet.
    pub unclosed: bool,
}

impl Damage {
    /// Whether something is known to be lost.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.lost() > 0 || self.cut_bytes > 0
    }

    /// How many pieces are lost, an end that is cut off among them.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.lost() + u64::from(self.cut_bytes > 0)
    }

    /// How many pieces are lost, an end that is cut off aside.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let Self { chunks, messages, too_long, checksums, files, not_finite, cut_bytes: _, unclosed: _ } = self;
        chunks + messages + too_long + checksums + files + not_finite
    }
}

/// Of several files.
impl AddAssign for Damage {
    fn add_assign(&mut self, other: Self) {
        self.chunks += other.chunks;
        self.messages += other.messages;
        self.too_long += other.too_long;
        self.checksums += other.checksums;
        self.files += other.files;
        self.not_finite += other.not_finite;
        self.cut_bytes += other.cut_bytes;
        self.unclosed |= other.unclosed;
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.files, "files that are missing or cannot be read"),
            (self.chunks, "damaged chunks"),
            (self.messages, "messages that do not decode"),
            (self.too_long, "records that are too long"),
            (self.checksums, "wrong checksums"),
            (self.not_finite, "solves that are not finite"),
            (self.cut_bytes, "bytes cut off at the end"),
        ];
        let told = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let told = told.chain(self.unclosed.then(|| "not closed".to_owned())).collect::<Vec<_>>().join(", ");
        f.write_str(if told.is_empty() { "no damage" } else { &told })
    }
}
