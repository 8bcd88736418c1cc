//! Recordings as a node writes them, bags as others do, and weights.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;

use mcap::records::{MessageHeader, Record};
use mcap::{Compression, WriteOptions};
use rusqlite::Connection;
use tch::{Device, Kind};
use thalweg::Registry;
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_task::LoadOptions;

use super::Seeds;
use crate::scratch;

/// What a node has recorded: two solves of the arm.
fn recorded() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = thalweg_tests::recording::record(folder.path(), Landscape::identity(3), 2);
    fs::read(file).expect("it was written")
}

/// Parameters by which the solves can be repeated.
const PARAMETERS: &str = r#"{"task": "planar_arm", "optimizer.kind": "adam", "optimizer.rate": 0.1}"#;

/// The same without chunks and checksums, so that what is changed in it reaches the decoders: messages and metadata as
/// they are, metadata of the format that had no checksum.
fn plain(recording: &[u8], keep: impl Fn(&str) -> bool) -> Vec<u8> {
    let options = WriteOptions::new().profile("ros2").library("seed").compression(None).use_chunks(false);
    let options = options.calculate_data_section_crc(false).calculate_summary_section_crc(false);
    let options = options.emit_summary_records(false).emit_summary_offsets(false);
    let mut writer = options.create(Cursor::new(Vec::new())).expect("memory");
    for record in mcap::read::LinearReader::new(recording).expect("it is whole") {
        if let Record::Metadata(mut metadata) = record.expect("it is whole") {
            metadata.metadata.insert("format".to_owned(), "1".to_owned());
            metadata.metadata.remove("blake3");
            metadata.metadata.insert("parameters".to_owned(), PARAMETERS.to_owned());
            writer.write_metadata(&metadata).expect("memory");
        }
    }
    let mut channels = BTreeMap::new();
    for message in mcap::MessageStream::new(recording).expect("it is whole") {
        let message = message.expect("it is whole");
        if !keep(&message.channel.topic) {
            continue;
        }
        let id = *channels.entry(message.channel.id).or_insert_with(|| {
            let schema = message.channel.schema.as_ref().expect("messages of ROS 2 have a type");
            // The text of a type is long, and nobody reads it here.
            let schema = writer.add_schema(&schema.name, &schema.encoding, b"uint8 x").expect("memory");
            let (topic, encoding) = (&message.channel.topic, &message.channel.message_encoding);
            writer.add_channel(schema, topic, encoding, &BTreeMap::new()).expect("memory")
        });
        let header = MessageHeader {
            channel_id: id,
            sequence: message.sequence,
            log_time: message.log_time,
            publish_time: message.publish_time,
        };
        writer.write_to_known_channel(&header, &message.data).expect("memory");
    }
    writer.finish().expect("memory");
    writer.into_inner().into_inner()
}

pub(crate) fn recording() -> Seeds {
    let whole = recorded();
    let cut = whole[..whole.len() * 2 / 3].to_vec();
    vec![("plain", plain(&whole, |_| true)), ("cut", cut), ("whole", whole)]
}

pub(crate) fn replay() -> Seeds {
    vec![("plain", plain(&recorded(), |topic| !topic.ends_with("descent")))]
}

/// Joint states of another's robot.
fn foreign(compression: Option<Compression>) -> Vec<u8> {
    let options =
        WriteOptions::new().profile("ros2").library("rosbags").compression(compression).chunk_size(Some(4096));
    let mut writer = options.create(Cursor::new(Vec::new())).expect("memory");
    let schema = writer.add_schema("sensor_msgs/msg/JointState", "ros2msg", b"float64[] position").expect("memory");
    let channel = writer.add_channel(schema, "/joint_states", "cdr", &BTreeMap::new()).expect("memory");
    for (sequence, (_, bytes)) in (0_u32..).zip(super::joints()) {
        let time = u64::from(sequence) * 10_000_000;
        let header = MessageHeader { channel_id: channel, sequence, log_time: time, publish_time: time };
        writer.write_to_known_channel(&header, &bytes).expect("memory");
    }
    writer.finish().expect("memory");
    writer.into_inner().into_inner()
}

/// The same as rosbag2 wrote it before MCAP.
fn database() -> Vec<u8> {
    let path = scratch::path("seed.db3");
    drop(fs::remove_file(&path));
    let file = Connection::open(&path).expect("a file can be made");
    let tables = "PRAGMA page_size = 512;
        CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
          serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);
        CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, data BLOB NOT NULL);
        INSERT INTO topics VALUES(1, '/joint_states', 'sensor_msgs/msg/JointState', 'cdr', '');";
    file.execute_batch(tables).expect("tables of rosbag2");
    for (_, bytes) in super::joints() {
        file.execute("INSERT INTO messages(topic_id, timestamp, data) VALUES(1, 5, ?1)", [bytes]).expect("a row");
    }
    file.close().expect("it can be closed");
    fs::read(path).expect("it was written")
}

pub(crate) fn bag() -> Seeds {
    vec![
        ("plain", foreign(None)),
        ("zstd", foreign(Some(Compression::Zstd))),
        ("lz4", foreign(Some(Compression::Lz4))),
        ("sqlite", database()),
        ("ros1", b"#ROSBAG V2.0\n".to_vec()),
    ]
}

pub(crate) fn weights() -> Seeds {
    let task = Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it has no files");
    let shape = LandscapeShape { z: 5, hidden: 4, x: task.spec().latent };
    let landscape = Landscape::random(&shape, 7, Kind::Float, Device::Cpu).expect("a shape of a landscape");
    let path = scratch::path("seed.safetensors");
    landscape.save(&path, task.spec(), &[]).expect("it can be written");
    let whole = fs::read(path).expect("it was written");
    let empty = [&2_u64.to_le_bytes()[..], b"{}"].concat();
    vec![("whole", whole), ("empty", empty)]
}
