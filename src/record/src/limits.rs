//! How much of a file is held or decoded. What a file says of its own sizes is believed only within these.
//!
//! Together they keep the reading of a small file below 300 MB of memory and a few seconds, whatever is in it; the
//! bytes of a large one are there already.

/// Longest record that is held, bytes, and longest chunk, compressed: ours have a few MB, rosbag2's chunks 768 kB, and
/// the largest message in use, an uncompressed image of 8 million pixels, 25 MB.
pub(super) const RECORD: u64 = 64 << 20;

/// Longest metadata record, bytes: ours have 10 kB, and what is parsed takes ten times its size at worst.
pub(super) const METADATA: u64 = 8 << 20;

/// Definitions of types and topics of one file, bytes: some hundred types of some 10 kB are a few MB.
pub(super) const DEFINITIONS: u64 = 32 << 20;

/// Bytes that an entry of a topic's metadata takes beside its text.
pub(super) const ENTRY: u64 = 96;

/// Longest chunk that is decompressed once and held, not twice: all that are in use.
pub(super) const HELD: u64 = 8 << 20;

/// Longest name of an attachment or its type, bytes: file systems take 255.
pub(super) const NAME: u32 = 64 << 10;

/// Least size at which a file counts as one that only wants to be large, decompressed, bytes: of records without content
/// it takes some ten seconds.
const DECODED: u64 = 1 << 30;

/// Bytes that one byte of a larger file may become: messages that repeat each other are ten to fifty times shorter.
const RATIO: u64 = 256;

/// Window of zstd, as a power of two: what its strongest usual level (19) takes is 2^23 bytes.
pub(super) const WINDOW: u32 = 26;

/// Most bytes that the content of a file of this size may have.
pub(super) fn decoded(size: u64) -> u64 {
    DECODED.max(size.saturating_mul(RATIO))
}
