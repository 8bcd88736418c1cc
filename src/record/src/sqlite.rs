//! Bags that rosbag2 keeps in SQLite (`.db3`).

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcap::records::MessageHeader;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use tempfile::TempPath;

use super::damage::Damage;
use super::error::RecordError;
use super::limits::{DEFINITIONS, ENTRY, RECORD};
use super::storage::Item;
use super::topics::{Schema, Topic};

/// Fewest bytes that a message takes in a database: what has more rows is a loop.
const ROW: u64 = 4;
/// Most topics.
const TOPICS: usize = 1 << 16;

/// A database that is being read.
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    topics: HashMap<i64, Arc<Topic>>,
    /// Topics that are not told yet.
    untold: VecDeque<Arc<Topic>>,
    /// Rows of the messages that are left, in the order of their times.
    rows: std::vec::IntoIter<i64>,
    sequence: u32,
    damage: Damage,
    /// Removed with the database, where it was decompressed for it.
    _unpacked: Option<TempPath>,
}

impl Database {
    /// Opens `file` of `size` bytes, which messages call `path`.
    pub(super) fn open(path: &Path, file: &Path, size: u64) -> Result<Self, RecordError> {
        let refuse = |error: Error| RecordError::Sqlite { path: path.to_owned(), why: error.to_string() };
        let connection = connect(file).map_err(refuse)?;
        expect_tables(&connection)
            .map_err(refuse)?
            .map_err(|why| RecordError::Sqlite { path: path.to_owned(), why })?;
        let topics = topics(&connection).map_err(refuse)?;
        let mut damage = Damage::default();
        let most = usize::try_from(size / ROW).unwrap_or(usize::MAX);
        let rows = rows(&connection, most, &mut damage).map_err(refuse)?;
        if rows.len() > most {
            return Err(RecordError::TooLarge { path: path.to_owned(), what: "content" });
        }
        let mut untold: Vec<Arc<Topic>> = topics.values().cloned().collect();
        untold.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            connection,
            path: path.to_owned(),
            topics,
            untold: untold.into(),
            rows: rows.into_iter(),
            sequence: 0,
            damage,
            _unpacked: None,
        })
    }

    /// Keeps the file until the database is closed.
    pub(super) fn with(self, unpacked: TempPath) -> Self {
        Self { _unpacked: Some(unpacked), ..self }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn damage(&self) -> Damage {
        self.damage
    }

    pub(super) fn damage_mut(&mut self) -> &mut Damage {
        &mut self.damage
    }

    /// The next item; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item>, RecordError> {
        if let Some(topic) = self.untold.pop_front() {
            return Ok(Some(Item::Topic(topic)));
        }
        for row in self.rows.by_ref() {
            let message =
                self.connection.prepare_cached("SELECT topic_id, timestamp, data FROM messages WHERE rowid = ?1");
            let read = message.and_then(|mut message| {
                message.query_row([row], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
                })
            });
            self.sequence = self.sequence.wrapping_add(1);
            match read {
                Ok((topic, time, bytes)) => match self.topics.get(&topic) {
                    Some(topic) => {
                        let time = u64::try_from(time).unwrap_or(0);
                        let (channel_id, sequence) = (topic.id, self.sequence);
                        let header = MessageHeader { channel_id, sequence, log_time: time, publish_time: time };
                        return Ok(Some(Item::Message(Arc::clone(topic), header, bytes)));
                    }
                    None => self.damage.messages += 1,
                },
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::TooBig) => self.damage.too_long += 1,
                Err(_) => self.damage.messages += 1,
            }
        }
        Ok(None)
    }
}

/// Opens a database to read it, and nothing that it says is done but that.
fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let mut wal = file.as_os_str().to_owned();
    wal.push("-wal");
    // What a killed recorder has left in the journal belongs to the bag; else nothing is written beside it.
    let journal = std::fs::metadata(&wal).is_ok_and(|wal| wal.is_file() && wal.len() > 0);
    let uri = format!("file:{}?immutable={}", escaped(file), u8::from(!journal));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(RECORD).unwrap_or(i32::MAX))?;
    connection.execute_batch("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA query_only=ON;")?;
    Ok(connection)
}

/// A path as a URI has it.
fn escaped(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
    bytes.map(|byte| if is_plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") }).collect()
}

/// Looks whether both tables are there, and are tables: a view, or a column that is computed, could do anything.
fn expect_tables(connection: &Connection) -> rusqlite::Result<Result<(), String>> {
    for (table, columns) in [
        ("topics", ["id", "name", "type", "serialization_format"].as_slice()),
        ("messages", &["topic_id", "timestamp", "data"]),
    ] {
        let kind = "SELECT count(*) FROM sqlite_schema WHERE name = ?1 AND type = 'table' AND rootpage > 0";
        if connection.query_row(kind, [table], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(Err(format!("has no table '{table}'")));
        }
        let mut names = connection.prepare("SELECT name, hidden FROM pragma_table_xinfo(?1)")?;
        let names = names.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        let names = names.take(TOPICS).collect::<rusqlite::Result<HashMap<_, _>>>()?;
        for column in columns {
            if names.get(*column) != Some(&0) {
                return Ok(Err(format!("table '{table}' has no column '{column}'")));
            }
        }
    }
    Ok(Ok(()))
}

fn topics(connection: &Connection) -> rusqlite::Result<HashMap<i64, Arc<Topic>>> {
    let mut topics = connection.prepare("SELECT id, name, type, serialization_format FROM topics ORDER BY id")?;
    let topics = topics.query_map([], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
    })?;
    let (mut found, mut size) = (HashMap::new(), 0);
    for (number, topic) in (0..).zip(topics.take(TOPICS)) {
        let (id, name, kind, encoding) = topic?;
        size += (name.len() + kind.len() + encoding.len()) as u64 + ENTRY;
        if size > DEFINITIONS {
            return Err(Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG), None));
        }
        let schema = Some(Arc::new(Schema { id: number, name: kind, ..Schema::default() }));
        found.insert(id, Arc::new(Topic { id: number, name, schema, encoding, ..Topic::default() }));
    }
    Ok(found)
}

/// The rows of all messages, up to one more than `most`, in the order of their times; where the database is damaged,
/// those before, and where not even their order can be told, as they lie.
fn rows(connection: &Connection, most: usize, damage: &mut Damage) -> rusqlite::Result<Vec<i64>> {
    let mut found = Vec::new();
    for order in ["ORDER BY timestamp, rowid", "ORDER BY rowid"] {
        let mut rows = connection.prepare(&format!("SELECT rowid FROM messages {order}"))?;
        let mut is_whole = true;
        for row in rows.query_map([], |row| row.get(0))?.take(most.saturating_add(1)) {
            match row {
                Ok(row) => found.push(row),
                Err(_) => {
                    is_whole = false;
                    break;
                }
            }
        }
        if is_whole || !found.is_empty() {
            damage.chunks += u64::from(!is_whole);
            return Ok(found);
        }
    }
    damage.chunks += 1;
    Ok(found)
}
