//! A recovery keeps what it does not know, and replaces nothing.

use std::collections::BTreeMap;
use std::io::Cursor;

use mcap::records::{MessageHeader, Metadata};
use mcap::write::PrivateRecordOptions;
use mcap::{Attachment, WriteOptions};

use super::super::scan::{Piece, Place};
use super::super::storage::scan;
use super::*;

/// A file with one of each kind: two topics of one name among them, under numbers that are not the next ones.
fn of_all_kinds(closed: bool) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer =
        WriteOptions::new().profile("their profile").library("their library").create(&mut bytes).expect("memory");
    let metadata = BTreeMap::from([("key".to_owned(), "value".to_owned())]);
    writer.write_metadata(&Metadata { name: "theirs".to_owned(), metadata: metadata.clone() }).expect("memory");
    let schema = writer.add_schema_with_id(7, "std_msgs/msg/String", "jsonschema", b"{}").expect("memory");
    let other = writer.add_schema_with_id(9, "sensor_msgs/msg/JointState", "ros2msg", b"# x").expect("memory");
    writer.add_channel_with_id(40, schema, "/x", "json", &metadata).expect("memory");
    writer.add_channel_with_id(3, other, "/x", "cdr", &BTreeMap::new()).expect("memory");
    writer.add_channel_with_id(5, other, "/silent", "cdr", &BTreeMap::new()).expect("memory");
    for (channel_id, sequence) in [(40, 1), (3, 2), (40, 3)] {
        let header = MessageHeader { channel_id, sequence, log_time: 10 + u64::from(sequence), publish_time: 5 };
        writer.write_to_known_channel(&header, &[sequence as u8]).expect("memory");
    }
    writer.write_private_record(0x81, b"in a chunk", PrivateRecordOptions::IncludeInChunks.into()).expect("memory");
    let data = (0..200_000u32).map(|byte| byte as u8).collect::<Vec<_>>().into();
    let attachment = Attachment { log_time: 1, create_time: 2, name: "a.bin".into(), media_type: "x/y".into(), data };
    writer.attach(&attachment).expect("memory");
    writer.write_private_record(0xee, b"outside", Default::default()).expect("memory");
    writer.finish().expect("memory");
    drop(writer);
    let bytes = bytes.into_inner();
    let end = bytes.windows(9).rposition(|w| w[0] == 0x0f && w[1] == 4).expect("the end of the data");
    if closed { bytes } else { bytes[..end].to_vec() }
}

/// Everything that is in a file, as text; definitions come where the writer puts them.
fn pieces(path: &Path) -> Vec<String> {
    let mut scan = scan(path, File::open(path).expect("there")).expect("MCAP");
    let mut found = Vec::new();
    while let Some(piece) = scan.next().expect("readable") {
        found.push(match piece {
            Piece::Header(header) => format!("{header:?}"),
            Piece::Schema(schema) => format!("{schema:?}"),
            Piece::Topic(topic) => format!("{topic:?}"),
            Piece::Metadata(metadata) => format!("{metadata:?}"),
            Piece::Message(topic, header, bytes) => format!("{} {header:?} {bytes:?}", topic.name),
            Piece::Unknown(opcode, body, place) => format!("{opcode} {body:?} {}", place == Place::Chunk),
            Piece::Attachment(header, size) => {
                let mut bytes = Vec::new();
                let mut buffer = [0; 999];
                while let filled @ 1.. = scan.attachment(&mut buffer).expect("readable") {
                    bytes.extend(&buffer[..filled]);
                }
                format!("{header:?} {size} {:x}", crc32fast::hash(&bytes))
            }
        });
    }
    assert!(!scan.damage().has_lost(), "{}", scan.damage());
    found.sort();
    found
}

#[test]
fn everything_is_in_the_whole_file_with_its_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    for closed in [true, false] {
        let source = folder.path().join(format!("{closed}.mcap"));
        fs::write(&source, of_all_kinds(closed)).expect("there is room");
        let recovered = recover(&source, None).expect("it is whole");
        assert_eq!(recovered.path, folder.path().join(format!("{closed}.recovered.mcap")));
        assert_eq!((recovered.messages, recovered.is_kept), (3, true));
        assert_eq!(recovered.damage, Damage { unclosed: !closed, ..Damage::default() });
        assert_eq!(pieces(&recovered.path), pieces(&source));
        assert!(source.exists());
        // Once more: nothing is replaced.
        let error = recover(&source, None).expect_err("it is there").to_string();
        assert!(error.contains("is there already"), "{error}");
    }
    // A folder of others gets no list.
    assert!(!folder.path().join("metadata.yaml").exists());
}

#[test]
fn numbers_that_are_used_twice_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("x.mcap");
    let raw = hostile::Raw::file().channel(1, "/a", "A", "cdr").message(1, 1, 1, b"1");
    fs::write(&source, raw.channel(1, "/b", "B", "json").message(1, 2, 2, b"2").end()).expect("there is room");
    let recovered = recover(&source, None).expect("it is whole");
    let mut scan = scan(&recovered.path, File::open(&recovered.path).expect("there")).expect("MCAP");
    let mut found = Vec::new();
    while let Some(piece) = scan.next().expect("readable") {
        if let Piece::Message(topic, _, bytes) = piece {
            found.push((topic.name.clone(), topic.kind().to_owned(), topic.encoding.clone(), bytes));
        }
    }
    let of = |name: &str, kind: &str, encoding: &str, bytes: &[u8]| {
        (name.to_owned(), kind.to_owned(), encoding.to_owned(), bytes.to_vec())
    };
    assert_eq!(found, [of("/a", "A", "cdr", b"1"), of("/b", "B", "json", b"2")]);
}

#[test]
fn zeros_behind_the_last_record_are_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("x.mcap");
    let records = hostile::Raw::file().channel(1, "/a", "A", "cdr").message(1, 1, 1, b"1").records();
    fs::write(&source, [&records[..], &[0; 4096]].concat()).expect("there is room");
    let recovered = recover(&source, None).expect("a message");
    assert_eq!(recovered.messages, 1);
    assert_eq!(recovered.damage, Damage { unclosed: true, cut_bytes: 4096, ..Damage::default() });
}

#[test]
fn what_is_damaged_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = fs::read(record(folder.path(), 1..=5)).expect("readable");
    let left = folder.path().join("left_0.mcap.active");
    let chunk = whole.windows(4).position(|w| w == [0x28, 0xb5, 0x2f, 0xfd]).expect("a chunk");
    let mut bytes = whole.clone();
    bytes[chunk + 20] ^= 1;
    fs::write(&left, &bytes).expect("there is room");
    let recovered = recover(&left, None).expect("the rest is whole");
    assert!(recovered.is_kept && recovered.damage.chunks == 1, "{recovered:?}");
    assert_eq!(fs::read(&left).expect("kept"), bytes);
}

#[test]
fn what_is_being_recorded_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(options(folder.path())).expect("a thread");
    recorder.begin(setup());
    recorder.put(Box::new(solve(1)));
    let file = recorder.report().file.expect("recording");
    wait_for("a flush", || read(&file).0.len() == 1);
    let error = recover(&file, None).expect_err("somebody writes it");
    assert!(matches!(error, RecordError::Busy { .. }), "{error}");
    recorder.put(Box::new(solve(2)));
    assert_eq!(read(&recorder.save().expect("it is ours still")).0.len(), 2);
}

#[test]
fn an_attachment_with_a_wrong_checksum_is_told_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("x.mcap");
    let mut bytes = of_all_kinds(true);
    let place = bytes.windows(5).position(|w| w == b"a.bin").expect("an attachment") + 1000;
    bytes[place] ^= 1;
    fs::write(&source, &bytes).expect("there is room");
    let recovered = recover(&source, None).expect("the rest is whole");
    assert_eq!(recovered.damage, Damage { checksums: 1, ..Damage::default() });
    assert!(fs::read(&recovered.path).expect("there").windows(5).any(|w| w == b"a.bin"));
}
