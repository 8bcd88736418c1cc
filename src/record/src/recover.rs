//! Makes a whole file of one that was cut off or damaged.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use mcap::records::MessageHeader;
use mcap::{Compression, WriteOptions, Writer};

use super::bag::BagFile;
use super::damage::Damage;
use super::error::RecordError;
use super::scan::{Item, Scan, Topic};
use super::segment::{ACTIVE, Contents, sync_folder};

/// What came of a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The whole file.
    pub path: PathBuf,
    /// Messages in it.
    pub messages: u64,
    /// What was lost.
    pub damage: Damage,
}

/// Makes a whole file of one that was cut off or damaged, in its place.
///
/// A file `x.mcap.active` becomes `x.mcap`; any other keeps its name. Nothing is changed unless the whole file
/// has been written.
///
/// # Errors
/// [`RecordError`] when it cannot be read or written, or is no MCAP.
pub fn recover(path: &Path) -> Result<Recovered, RecordError> {
    let is_active = path.extension().is_some_and(|ending| ending == ACTIVE);
    let whole = if is_active { path.with_extension("") } else { path.to_owned() };
    let mut scan = Scan::open(path)?;
    let partial = whole.with_extension(format!("recovering-{}", std::process::id()));
    let copied = copy(&mut scan, &partial);
    let (messages, contents) = copied.inspect_err(|_| fs::remove_file(&partial).unwrap_or_default())?;
    fs::rename(&partial, &whole).map_err(RecordError::io(&whole))?;
    if is_active {
        fs::remove_file(path).map_err(RecordError::io(path))?;
        BagFile::new(&whole, contents).enlist()?;
    }
    sync_folder(&whole)?;
    Ok(Recovered { path: whole, messages, damage: scan.damage() })
}

/// Copies whatever is whole.
fn copy(scan: &mut Scan, path: &Path) -> Result<(u64, Contents), RecordError> {
    let refuse = || RecordError::mcap(path);
    let file = File::create(path).map_err(RecordError::io(path))?;
    let options = WriteOptions::new().profile("ros2").compression(Some(Compression::Zstd)).disable_seeking(true);
    let mut writer = options.create(BufWriter::new(file)).map_err(refuse())?;
    let (mut contents, mut channels, mut messages) = (Contents::default(), HashMap::new(), 0);
    while let Some(item) = scan.next()? {
        match item {
            Item::Metadata(metadata) => writer.write_metadata(&metadata).map_err(refuse())?,
            Item::Message(topic, header, bytes) => {
                let channel_id = match channels.get(&topic.name) {
                    Some(id) => *id,
                    None => add(&mut writer, &topic).map_err(refuse())?,
                };
                channels.insert(topic.name.clone(), channel_id);
                writer.write_to_known_channel(&MessageHeader { channel_id, ..header }, &bytes).map_err(refuse())?;
                contents.count(&topic, header.log_time);
                messages += 1;
            }
        }
    }
    writer.finish().map_err(refuse())?;
    let file = writer.into_inner().into_inner().map_err(|error| RecordError::io(path)(error.into_error()))?;
    file.sync_all().map_err(RecordError::io(path))?;
    Ok((messages, contents))
}

fn add(writer: &mut Writer<BufWriter<File>>, topic: &Topic) -> mcap::McapResult<u16> {
    let (encoding, definition) = &topic.definition;
    let schema = if topic.kind.is_empty() { 0 } else { writer.add_schema(&topic.kind, encoding, definition)? };
    writer.add_channel(schema, &topic.name, &topic.encoding, &topic.metadata)
}

impl Contents {
    /// Counts a message.
    fn count(&mut self, topic: &Topic, log_time: u64) {
        let (first, last) = self.times.unwrap_or((log_time, log_time));
        self.times = Some((first.min(log_time), last.max(log_time)));
        self.topics.entry(topic.name.clone()).or_insert((topic.kind.clone(), 0)).1 += 1;
    }
}
