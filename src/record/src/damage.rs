//! What a damaged file has lost.

use std::fmt;

/// What a file has lost, as far as that can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Chunks that do not decompress, or whose checksum is wrong.
    pub chunks: u64,
    /// Messages that do not decode.
    pub messages: u64,
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

    /// How many pieces are lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.chunks + self.messages + self.not_finite
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chunks, messages, not_finite, cut_bytes, unclosed } = self;
        let counts = [
            (*chunks, "damaged chunks"),
            (*messages, "messages that do not decode"),
            (*not_finite, "solves that are not finite"),
            (*cut_bytes, "bytes cut off at the end"),
        ];
        let told = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let told = told.chain(unclosed.then(|| "not closed".to_owned())).collect::<Vec<_>>().join(", ");
        f.write_str(if told.is_empty() { "no damage" } else { &told })
    }
}
