//! Bags of others, as rosbag2 means them.

use std::io::Cursor;

use super::hostile::Raw;
use super::*;

const STATE: &str = "sensor_msgs/msg/JointState";

fn state(index: u64) -> Vec<u8> {
    message::observed_joints(&solve(index), &setup())
}

/// An MCAP file of joint states, each as `pack` makes it, in chunks or not.
fn file(indices: std::ops::Range<u64>, pack: impl Fn(Vec<u8>) -> Vec<u8>, chunked: bool) -> Vec<u8> {
    let raw =
        Raw::default().channel(4, "/joint_states", STATE, "cdr").channel(5, "/rosout", "rcl_interfaces/msg/Log", "cdr");
    let raw = indices.fold(raw, |raw, index| raw.message(4, index as u32, index, &pack(state(index))));
    let records = raw.records();
    if chunked {
        Raw::file().chunk(&records, "zstd", |size| size).end()
    } else {
        [&Raw::file().records()[..], &records, &Raw::default().end()].concat()
    }
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4::EncoderBuilder::new().build(Vec::new()).expect("memory");
    encoder.write_all(bytes).expect("memory");
    let (bytes, ended) = encoder.finish();
    ended.expect("memory");
    bytes
}

/// A database as rosbag2 writes it.
fn database(path: &Path, indices: std::ops::Range<u64>) {
    let database = rusqlite::Connection::open(path).expect("there is room");
    let tables = "CREATE TABLE topics(id INTEGER PRIMARY KEY,name TEXT NOT NULL,type TEXT NOT NULL,serialization_format TEXT NOT NULL,offered_qos_profiles TEXT NOT NULL);
        CREATE TABLE messages(id INTEGER PRIMARY KEY,topic_id INTEGER NOT NULL,timestamp INTEGER NOT NULL, data BLOB NOT NULL);
        CREATE INDEX timestamp_idx ON messages (timestamp ASC);
        INSERT INTO topics VALUES(3,'/joint_states','sensor_msgs/msg/JointState','cdr','');";
    database.execute_batch(tables).expect("there is room");
    // As they came: the order of times is another. In one transaction, for each waits for the disk.
    database.execute_batch("BEGIN").expect("there is room");
    for index in indices.rev() {
        let row = (index as i64, state(index));
        database.execute("INSERT INTO messages(topic_id,timestamp,data) VALUES(3,?1,?2)", row).expect("there is room");
    }
    database.execute_batch("COMMIT").expect("there is room");
}

fn indices(path: &Path) -> (Vec<i64>, Damage) {
    let mut states = Bag::open(path).expect("there").joint_states("/joint_states");
    let times = states.by_ref().map(|state| state.expect("readable")).map(|(time, reading)| {
        assert_eq!(reading, message::read_joint_state(&state(time as u64)).expect("whole"));
        time
    });
    let times = times.collect();
    (times, states.damage())
}

#[test]
fn every_way_to_keep_a_bag_gives_the_same_messages() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let plain = |bytes| bytes;
    let sqlite = {
        database(&at("x.db3"), 1..6);
        fs::read(at("x.db3")).expect("there")
    };
    let cases = [
        ("chunks.mcap", file(1..6, plain, true)),
        ("unchunked.mcap", file(1..6, plain, false)),
        ("messages_zstd.mcap", file(1..6, |bytes| zstd(&bytes), true)),
        ("messages_lz4.mcap", file(1..6, |bytes| lz4(&bytes), false)),
        ("file.mcap.zstd", zstd(&file(1..6, plain, true))),
        ("file.mcap.lz4", lz4(&file(1..6, plain, true))),
        // rosbag2 may end one frame and begin another.
        ("frames.mcap.zstd", {
            let whole = file(1..6, plain, true);
            [zstd(&whole[..99]), zstd(&whole[99..])].concat()
        }),
        ("bag.db3", sqlite.clone()),
        ("bag.db3.zstd", zstd(&sqlite)),
        ("a name with blanks and ?#%.db3", sqlite),
    ];
    for (name, bytes) in cases {
        fs::write(at(name), bytes).expect("there is room");
        assert_eq!(indices(&at(name)), ((1..6).collect(), Damage::default()), "{name}");
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_its_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let plain = |bytes| bytes;
    // The names sort otherwise; one was compressed after the list was made; one is gone, one is not in the list.
    fs::write(at("b.mcap"), file(1..3, plain, true)).expect("there is room");
    fs::write(at("a.mcap.zstd"), zstd(&file(3..5, plain, true))).expect("there is room");
    database(&at("c.db3"), 5..7);
    fs::write(at("extra.mcap"), file(7..8, plain, true)).expect("there is room");
    let list = "rosbag2_bagfile_information:\n  version: 9\n  storage_identifier: mcap\n  relative_file_paths:\n    - b.mcap\n    - old_name/a.mcap\n    - c.db3\n    - gone.mcap\n    - ../../etc/passwd\n";
    fs::write(at("metadata.yaml"), list).expect("there is room");
    for path in [folder.path().to_owned(), at("metadata.yaml")] {
        let (times, damage) = indices(&path);
        assert_eq!((times, damage.files), ((1..8).collect(), 2), "{}", path.display());
    }
    let notes = Listing::of(folder.path()).expect("there").notes;
    assert_eq!(notes.len(), 3, "{notes:?}");
    for list in ["", "[", "a: &a [*a, *a]", "rosbag2_bagfile_information: 9"] {
        fs::write(at("metadata.yaml"), list).expect("there is room");
        let (mut times, damage) = indices(folder.path());
        times.sort_unstable();
        assert_eq!((times, damage), ((1..8).collect(), Damage::default()), "{list}");
    }
}

#[test]
fn what_is_lost_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let whole = file(1..6, |bytes| bytes, false);
    fs::write(at("cut.mcap"), &whole[..whole.len() * 2 / 3]).expect("there is room");
    let (times, damage) = indices(&at("cut.mcap"));
    assert!((1..5).contains(&times.len()) && damage.cut_bytes > 0, "{damage}");
    let packed = zstd(&file(1..5000, |bytes| bytes, false));
    fs::write(at("cut.mcap.zstd"), &packed[..packed.len() * 2 / 3]).expect("there is room");
    let (times, damage) = indices(&at("cut.mcap.zstd"));
    assert!((1..4999).contains(&times.len()) && damage.unclosed, "{damage}");
    fs::write(at("undecodable.mcap"), file(1..6, |bytes| bytes[..bytes.len() / 2].to_vec(), true))
        .expect("there is room");
    assert_eq!(indices(&at("undecodable.mcap")), (Vec::new(), Damage { messages: 5, ..Damage::default() }));
    // Half a database.
    database(&at("x.db3"), 1..2000);
    let bytes = fs::read(at("x.db3")).expect("there");
    fs::write(at("half.db3"), &bytes[..bytes.len() / 2]).expect("there is room");
    match Bag::open(&at("half.db3")).expect("there").topics() {
        Err(error) => assert!(matches!(error, RecordError::Sqlite { .. }), "{error}"),
        Ok(_) => assert!(indices(&at("half.db3")).1.has_lost()),
    }
}

#[test]
fn other_encodings_and_other_bags_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for encoding in ["ros1", "json"] {
        let kind = "sensor_msgs/JointState";
        fs::write(at("x.mcap"), Raw::file().channel(1, "/j", kind, encoding).message(1, 1, 1, b"{}").end())
            .expect("there is room");
        let (topics, _) = Bag::open(&at("x.mcap")).expect("there").topics().expect("readable");
        let expected =
            BagTopic { name: "/j".to_owned(), kind: kind.to_owned(), encoding: encoding.to_owned(), messages: 1 };
        assert_eq!(topics, [expected]);
        assert!(topics[0].has_other_joint_states() && !topics[0].has_joint_states());
    }
    fs::write(at("ros1.bag"), b"#ROSBAG V2.0\nrest").expect("there is room");
    let error = Bag::open(&at("ros1.bag")).expect("there").topics().expect_err("ROS 1").to_string();
    assert!(error.contains("a bag of ROS 1") && error.contains("rosbags-convert --src"), "{error}");
    let empty = tempfile::tempdir().expect("a folder");
    assert!(matches!(Bag::open(empty.path()), Err(RecordError::Empty { .. })));
}

/// A database that would run for ever, or fill the memory, is refused.
#[test]
fn a_database_that_does_something_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let topics = "CREATE TABLE topics(id INTEGER PRIMARY KEY,name TEXT,type TEXT,serialization_format TEXT);";
    let cases = [
        (
            "CREATE VIEW messages AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i AS topic_id, i AS timestamp, i AS data FROM n;",
            "has no table 'messages'",
        ),
        (
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data GENERATED ALWAYS AS (zeroblob(999999999)) VIRTUAL);",
            "has no column 'data'",
        ),
        ("CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp);", "has no column 'data'"),
    ];
    for (number, (messages, expected)) in cases.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.db3"));
        let database = rusqlite::Connection::open(&path).expect("there is room");
        database.execute_batch(&format!("{topics}{messages}")).expect("there is room");
        drop(database);
        let error = Bag::open(&path).expect("there").topics().expect_err("no bag").to_string();
        assert!(error.contains(expected), "{error}");
    }
    // Long, but few bytes in the file: a page that is not there.
    let path = folder.path().join("long.db3");
    database(&path, 1..2);
    let database = rusqlite::Connection::open(&path).expect("there");
    database
        .execute("INSERT INTO messages(topic_id,timestamp,data) VALUES(3,9,zeroblob(70000000))", ())
        .expect("there is room");
    drop(database);
    assert_eq!(indices(&path), (vec![1], Damage { too_long: 1, ..Damage::default() }));
    let packed = zstd(&fs::read(&path).expect("there"));
    fs::write(folder.path().join("long.db3.zstd"), &packed).expect("there is room");
    assert_eq!(indices(&folder.path().join("long.db3.zstd")).0, [1]);
    drop(Cursor::new(packed));
}
