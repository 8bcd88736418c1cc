//! Opens a file of a bag by what it holds: MCAP or SQLite, as it is or compressed as a whole.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use mcap::MAGIC;
use mcap::records::{MessageHeader, Metadata};
use thalweg_nn::files::open_regular;

use super::damage::Damage;
use super::error::RecordError;
use super::input::Input;
use super::limits::{self, RECORD};
use super::packing::Packing;
use super::scan::{Piece, Scan};
use super::sqlite::Database;
use super::topics::Topic;

/// How SQLite files begin.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// How bags of ROS 1 begin.
const ROS1: &[u8] = b"#ROSBAG V";

/// What a bag is made of.
pub(super) enum Item {
    Metadata(Metadata),
    /// A topic is told before its first message.
    Topic(Arc<Topic>),
    Message(Arc<Topic>, MessageHeader, Vec<u8>),
}

/// A file of a bag that is being read.
pub(super) enum Storage {
    Mcap(Box<Scan>),
    Sqlite(Box<Database>),
}

/// Opens an MCAP file, compressed or not, to read every record of it.
pub(super) fn scan(path: &Path, file: File) -> Result<Scan, RecordError> {
    match open(path, file)? {
        Storage::Mcap(scan) => Ok(*scan),
        Storage::Sqlite(_) => {
            Err(RecordError::NotMcap { path: path.to_owned(), got: "that of an SQLite file".to_owned() })
        }
    }
}

fn open(path: &Path, mut file: File) -> Result<Storage, RecordError> {
    let io = || RecordError::io(path);
    let size = file.metadata().map_err(io())?.len();
    let first = begin(&mut file).map_err(io())?;
    let packing = Packing::of(&first);
    if packing == Packing::None && first.starts_with(SQLITE) {
        return Ok(Storage::Sqlite(Box::new(Database::open(path, path, size)?)));
    }
    file.seek(SeekFrom::Start(0)).map_err(io())?;
    if packing == Packing::None {
        expect_mcap(path, &first)?;
        return Ok(Storage::Mcap(Box::new(scan_behind_magic(path, Input::plain(file, size), size)?)));
    }
    let allowed = limits::decoded(size);
    let mut unpacked = packing.unpack(io::BufReader::new(file)).map_err(io())?;
    let first = begin(&mut unpacked).map_err(io())?;
    let whole = Cursor::new(first.clone()).chain(unpacked);
    if first.starts_with(SQLITE) {
        return database(path, whole, allowed).map(|database| Storage::Sqlite(Box::new(database)));
    }
    expect_mcap(path, &first)?;
    Ok(Storage::Mcap(Box::new(scan_behind_magic(path, Input::packed(Box::new(whole), allowed), size)?)))
}

/// The bytes by which files are told apart.
fn begin(bytes: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    bytes.take(SQLITE.len() as u64).read_to_end(&mut first)?;
    Ok(first)
}

fn scan_behind_magic(path: &Path, mut input: Input, size: u64) -> Result<Scan, RecordError> {
    input.fill(&mut [0; MAGIC.len()]).map_err(RecordError::io(path))?;
    Ok(Scan::new(path, input, size))
}

fn expect_mcap(path: &Path, first: &[u8]) -> Result<(), RecordError> {
    let path = path.to_owned();
    if first.starts_with(MAGIC) {
        return Ok(());
    }
    if first.starts_with(ROS1) {
        return Err(RecordError::Ros1 { path });
    }
    let shown = &first[..first.len().min(MAGIC.len())];
    let got = if first.is_empty() { "nothing".to_owned() } else { format!("bytes {shown:02x?}") };
    Err(RecordError::NotMcap { path, got })
}

/// Decompresses a database into a file without a name: SQLite reads files only.
fn database(path: &Path, unpacked: impl Read, allowed: u64) -> Result<Database, RecordError> {
    let mut file = tempfile::NamedTempFile::new().map_err(RecordError::io(path))?;
    let size = io::copy(&mut unpacked.take(allowed.saturating_add(1)), &mut file).map_err(RecordError::io(path))?;
    file.flush().map_err(RecordError::io(path))?;
    if size > allowed {
        return Err(RecordError::TooLarge { path: path.to_owned(), what: "content" });
    }
    let database = Database::open(path, file.path(), size)?;
    Ok(database.with(file.into_temp_path()))
}

impl Storage {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, RecordError> {
        open(path, open_regular(path).map_err(RecordError::io(path))?)
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Mcap(scan) => scan.path(),
            Self::Sqlite(database) => database.path(),
        }
    }

    /// What was lost on the way; whole only at the end.
    pub(super) fn damage(&self) -> Damage {
        match self {
            Self::Mcap(scan) => scan.damage(),
            Self::Sqlite(database) => database.damage(),
        }
    }

    /// What was lost, for its reader to count what it could not decode.
    pub(super) fn damage_mut(&mut self) -> &mut Damage {
        match self {
            Self::Mcap(scan) => scan.damage_mut(),
            Self::Sqlite(database) => database.damage_mut(),
        }
    }

    /// The next item; none at the end. Messages that are compressed each by itself are decompressed.
    pub(super) fn next(&mut self) -> Result<Option<Item>, RecordError> {
        loop {
            let item = match self {
                Self::Sqlite(database) => database.next()?,
                Self::Mcap(scan) => match scan.next()? {
                    None => None,
                    Some(Piece::Topic(topic)) => Some(Item::Topic(topic)),
                    Some(Piece::Metadata(metadata)) => Some(Item::Metadata(metadata)),
                    Some(Piece::Message(topic, header, bytes)) => Some(Item::Message(topic, header, bytes)),
                    Some(_) => continue,
                },
            };
            let Some(Item::Message(topic, header, bytes)) = item else { return Ok(item) };
            let packing = if topic.encoding == "cdr" { Packing::of(&bytes) } else { Packing::None };
            if packing == Packing::None {
                return Ok(Some(Item::Message(topic, header, bytes)));
            }
            match packing.message(bytes, RECORD) {
                Some(bytes) => return Ok(Some(Item::Message(topic, header, bytes))),
                None => self.damage_mut().messages += 1,
            }
        }
    }
}
