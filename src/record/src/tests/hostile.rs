//! Files that only want to cost, or to be believed.

use std::collections::BTreeMap;

use mcap::records::op;

use super::*;

/// The bytes of an MCAP file, record by record.
#[derive(Clone, Default)]
pub(super) struct Raw(Vec<u8>);

pub(super) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

pub(super) fn map(entries: &BTreeMap<String, String>) -> Vec<u8> {
    let body: Vec<u8> = entries.iter().flat_map(|(key, value)| [text(key), text(value)]).flatten().collect();
    [(body.len() as u32).to_le_bytes().to_vec(), body].concat()
}

impl Raw {
    pub(super) fn file() -> Self {
        Self(mcap::MAGIC.to_vec()).record(op::HEADER, &[text("ros2"), text("test")].concat())
    }

    pub(super) fn record(mut self, opcode: u8, body: &[u8]) -> Self {
        self.0.push(opcode);
        self.0.extend((body.len() as u64).to_le_bytes());
        self.0.extend(body);
        self
    }

    pub(super) fn setup(self, setup: &Setup) -> Self {
        self.record(op::METADATA, &[text("thalweg"), map(&setup.to_map())].concat())
    }

    pub(super) fn channel(self, id: u16, topic: &str, kind: &str, encoding: &str) -> Self {
        let schema = [&id.to_le_bytes()[..], &text(kind), &text("ros2msg"), &0u32.to_le_bytes()].concat();
        let channel = [&id.to_le_bytes()[..], &id.to_le_bytes(), &text(topic), &text(encoding), &0u32.to_le_bytes()];
        self.record(op::SCHEMA, &schema).record(op::CHANNEL, &channel.concat())
    }

    pub(super) fn message(self, id: u16, sequence: u32, time: u64, bytes: &[u8]) -> Self {
        let header =
            [&id.to_le_bytes()[..], &sequence.to_le_bytes(), &time.to_le_bytes(), &time.to_le_bytes()].concat();
        self.record(op::MESSAGE, &[&header, bytes].concat())
    }

    /// A chunk of these records, with a checksum, that claims a size.
    pub(super) fn chunk(self, records: &[u8], compression: &str, claim: impl FnOnce(u64) -> u64) -> Self {
        let packed = match compression {
            "zstd" => zstd::encode_all(records, 3).expect("memory"),
            _ => records.to_vec(),
        };
        let body = [
            &[0; 16][..],
            &claim(records.len() as u64).to_le_bytes(),
            &crc32fast::hash(records).to_le_bytes(),
            &text(compression),
            &(packed.len() as u64).to_le_bytes(),
            &packed,
        ];
        self.record(op::CHUNK, &body.concat())
    }

    pub(super) fn end(self) -> Vec<u8> {
        let end = self.record(op::DATA_END, &[0; 4]).record(op::FOOTER, &[0; 20]);
        [end.0.as_slice(), mcap::MAGIC].concat()
    }

    pub(super) fn records(self) -> Vec<u8> {
        self.0
    }
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.mcap");
    fs::write(&path, bytes).expect("there is room");
    (folder, path)
}

/// One recorded solve as a file.
fn one(solve: &Solve) -> Vec<u8> {
    one_at("/left/thalweg/solve", solve)
}

fn one_at(topic: &str, solve: &Solve) -> Vec<u8> {
    let records = Raw::default().channel(1, topic, "thalweg/msg/Solve", "cdr").message(
        1,
        super::super::segment::sequence(solve.index),
        1,
        &message::solve(solve, &solve.before),
    );
    Raw::file().setup(&setup()).chunk(&records.records(), "zstd", |size| size).end()
}

#[test]
fn a_solve_that_no_node_can_do_is_damage() {
    let hypotheses = |k: usize| Solve {
        z: vec![0.0; k],
        answer: Answer {
            deviation: Vec::new(),
            joints: vec![vec![0.0]; k],
            points: Vec::new(),
            roots: Vec::new(),
            losses: vec![0.0; k],
            weights: vec![0.0; k],
            ..solve(1).answer
        },
        before: Before::Cold,
        ..solve(1)
    };
    let steps = |steps: u32| {
        let answer = Answer { statistics: Statistics { steps, ..Statistics::default() }, ..solve(1).answer };
        Solve { answer, ..solve(1) }
    };
    let warm = |z: usize, loss: usize| Solve {
        before: Before::Warm(Warm { z: vec![0.0; z], loss: vec![0.0; loss], ..Warm::default() }),
        ..solve(2)
    };
    for (what, is_taken, solve) in [
        ("256 hypotheses", true, hypotheses(256)),
        ("257 hypotheses", false, hypotheses(257)),
        ("a million hypotheses", false, hypotheses(1_000_000)),
        ("no hypotheses", false, hypotheses(0)),
        ("as many steps as there are", true, steps(thalweg_task::limits::SOLVE_STEPS)),
        ("more steps", false, steps(thalweg_task::limits::SOLVE_STEPS + 1)),
        ("all steps", false, steps(u32::MAX)),
        ("index 0", false, Solve { index: 0, ..solve(1) }),
        ("the last index", false, Solve { index: u64::MAX, ..solve(1) }),
        ("the last index but one", true, Solve { index: u64::MAX - 1, ..solve(1) }),
        ("a warm start of two rows", true, warm(4, 2)),
        ("a warm start of 7 numbers for 8 rows", false, warm(7, 8)),
        ("a warm start of another dimension", false, warm(6, 2)),
        ("a warm start of nothing", false, warm(0, 0)),
        ("more fresh ones than any", false, Solve { fresh: u32::MAX, ..solve(1) }),
    ] {
        let (_folder, path) = written(&one(&solve));
        let (solves, damage) = read(&path);
        assert_eq!((solves.len(), damage.messages), (usize::from(is_taken), u64::from(!is_taken)), "{what}");
    }
}

#[test]
fn a_solve_of_somebody_who_is_none_is_damage() {
    let of = |id: &str| Solve { person: Some(Person { id: id.to_owned(), arrival: 1 }), ..solve(1) };
    let long = "b".repeat(65);
    for (what, is_taken, topic, solve) in [
        ("somebody", true, "people/b7/solve", of("b7")),
        ("nobody in particular", true, "solve", solve(1)),
        ("the topic of another", false, "people/b9/solve", of("b7")),
        ("the topic of nobody", false, "solve", of("b7")),
        ("nobody's on the topic of somebody", false, "people/b7/solve", solve(1)),
        ("a digit first", false, "people/7/solve", of("7")),
        ("a letter of none", false, "people/b-7/solve", of("b-7")),
        ("a long identity", false, &format!("people/{long}/solve"), of(&long)),
    ] {
        let (_folder, path) = written(&one_at(&format!("/left/thalweg/{topic}"), &solve));
        let (solves, damage) = read(&path);
        assert_eq!((solves.len(), damage.messages), (usize::from(is_taken), u64::from(!is_taken)), "{what}");
    }
}

#[test]
fn an_image_that_claims_more_than_it_holds_costs_nothing() {
    let claimed = |height: u32, width: u32, channels: u32| {
        let mut encoder = super::super::cdr::Encoder::new();
        encoder.i32(0);
        encoder.u32(0);
        encoder.text("");
        [height, width].into_iter().for_each(|side| encoder.u32(side));
        encoder.text(&format!("32FC{channels}"));
        encoder.u8(0);
        encoder.u32(0);
        encoder.bytes(&[]);
        encoder.finish()
    };
    for (height, width, channels) in
        [(0, 7, u32::MAX), (7, 0, u32::MAX), (u32::MAX, u32::MAX, u32::MAX), (0, 0, 0), (1, 1, 17)]
    {
        assert_eq!(message::read_image(&claimed(height, width, channels)), None, "{height} x {width} x {channels}");
    }
}

#[test]
fn joints_are_counted_before_they_are_read() {
    let many = Setup { joints: vec![String::new(); 1_000_000], ..setup() };
    let (_folder, path) = written(&Raw::file().setup(&many).end());
    let error = Reader::open(&path).expect_err("too many").to_string();
    assert!(error.ends_with("has 1000000 joints; expected at most 4096"), "{error}");
    let most = Setup { joints: (0..4096).map(|joint| joint.to_string()).collect(), ..setup() };
    let (_folder, path) = written(&Raw::file().setup(&most).end());
    assert_eq!(Reader::open(&path).expect("as many as may be").setup(), &most);
    let mut names = super::super::cdr::Encoder::new();
    (0..2).for_each(|_| names.u32(0));
    names.text("");
    names.u32(4097);
    (0..4097).for_each(|_| names.text(""));
    (0..3).for_each(|_| names.f64s(&[]));
    assert_eq!(message::read_joint_state(&names.finish()), None);
}

#[test]
fn a_chunk_is_believed_only_as_far_as_it_goes() {
    let records = Raw::default().channel(1, "/x", "a", "cdr").message(1, 1, 1, b"").records();
    /// What a chunk says of its size, by the truth.
    type Claim = fn(u64) -> u64;
    let claims: [(&str, Claim); 5] = [
        ("0", |_| 0),
        ("less", |size| size - 1),
        ("more", |size| size + 1),
        ("a terabyte", |_| 1 << 40),
        ("all", |_| u64::MAX),
    ];
    for compression in ["zstd", ""] {
        for (claim, size) in claims {
            let (_folder, path) = written(&Raw::file().setup(&setup()).chunk(&records, compression, size).end());
            assert_eq!(read(&path).1.chunks, 1, "{claim} bytes claimed, {compression}");
        }
    }
}

/// Many small things in few bytes: they are read, one at a time.
#[test]
fn a_bomb_of_messages_is_counted_and_one_of_definitions_refused() {
    let messages = Raw::default().channel(1, "/x", "a", "cdr").records();
    let one = Raw::default().message(1, 1, 1, b"").records();
    let bomb = [messages, one.repeat(300_000)].concat();
    let file = Raw::file().setup(&setup()).chunk(&bomb, "zstd", |size| size).end();
    assert!(file.len() < 20_000, "{}", file.len());
    let (_folder, path) = written(&file);
    let mut reader = Reader::open(&path).expect("readable");
    assert_eq!(
        (reader.solves().count(), reader.topics().get("/x"), reader.damage()),
        (0, Some(&300_000), Damage::default())
    );

    // The same topic again and again is one; others are many.
    let same = Raw::default().channel(1, "/x", "a", "cdr").records().repeat(100_000);
    let (_folder, path) = written(&Raw::file().setup(&setup()).chunk(&same, "zstd", |size| size).end());
    assert_eq!(read(&path).1, Damage::default());
    let long = "x".repeat(1 << 20);
    let others = (0..40).fold(Raw::default(), |raw, id| raw.channel(id, &format!("/{id}/{long}"), "a", "cdr"));
    let (_folder, path) = written(&Raw::file().setup(&setup()).chunk(&others.records(), "zstd", |size| size).end());
    let mut reader = Reader::open(&path).expect("readable so far");
    let error = reader.solves().next().expect("an error").expect_err("too many definitions");
    assert!(matches!(error, RecordError::TooLarge { what: "definitions", .. }), "{error}");
}

#[test]
fn a_record_that_is_too_long_is_passed_over() {
    let long = vec![0; (64 << 20) + 1];
    let records = Raw::default()
        .channel(1, "/left/thalweg/solve", "thalweg/msg/Solve", "cdr")
        .message(1, 1, 1, &long)
        .message(1, 1, 1, &message::solve(&solve(1), &solve(1).before));
    let (_folder, path) = written(&Raw::file().setup(&setup()).chunk(&records.records(), "zstd", |size| size).end());
    let (solves, damage) = read(&path);
    assert_eq!((solves.len(), damage), (1, Damage { too_long: 1, ..Damage::default() }));
}

/// A12: whatever bit of what stands before the chunks is turned, it is refused or told.
#[test]
fn a_bit_of_the_metadata_that_is_turned_is_never_silent() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = fs::read(record(folder.path(), 1..=2)).expect("readable");
    let chunks = whole.windows(9).position(|w| w[0] == op::CHUNK && w[7..] == [0, 0]).expect("a chunk");
    let bad = folder.path().join("bad.mcap");
    for bit in 8 * mcap::MAGIC.len()..8 * chunks {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&bad, &bytes).expect("there is room");
        if let Ok(mut reader) = Reader::open(&bad) {
            let setup = reader.setup().clone();
            let solves = reader.solves().filter(Result::is_ok).count();
            assert!(reader.damage().has_lost(), "bit {bit}: {solves} solves, {setup:?}");
            assert_eq!(setup, super::setup(), "bit {bit}");
        }
    }
    // The checksum of the file alone: a recording of the format before has no other.
    let mut old = setup().to_map();
    old.insert("format".to_owned(), "1".to_owned());
    old.remove("blake3");
    assert_eq!(Setup::from_map(&old, Path::new("a.mcap")).expect("read still"), setup());
}

#[test]
fn a_turned_bit_of_the_index_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = fs::read(record(folder.path(), 1..=2)).expect("readable");
    let end = whole.windows(9).rposition(|w| w[0] == op::DATA_END && w[1] == 4).expect("the end of the data");
    let bad = folder.path().join("bad.mcap");
    for place in end + 13..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        fs::write(&bad, &bytes).expect("there is room");
        let (solves, damage) = read(&bad);
        assert!(solves.len() == 2 && (damage.checksums == 1 || damage.unclosed), "byte {place}: {damage}");
    }
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("x.mcap");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    for path in [pipe.as_path(), Path::new("/dev/zero")] {
        let errors = [
            Reader::open(path).map(drop).expect_err("no file"),
            recover(path, Some(&folder.path().join("y"))).map(drop).expect_err("no file"),
            Bag::open(path).expect("a path").topics().map(drop).expect_err("no file"),
        ];
        for error in errors {
            assert!(error.to_string().contains("no regular file"), "{error}");
        }
    }
}

/// Every file is read to its end or refused, whatever it is.
#[test]
fn random_damage_never_panics() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = fs::read(record(folder.path(), 1..=3)).expect("readable");
    let (bad, mut seed) = (folder.path().join("bad.mcap"), 88_172_645_463_325_252_u64);
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize % below
    };
    for round in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..=random(4) {
            let place = random(bytes.len());
            match random(3) {
                0 => bytes[place] = random(256) as u8,
                1 => bytes.truncate(place.max(9)),
                _ => drop(bytes.splice(place..place, (0..random(20)).map(|_| 0xff).collect::<Vec<_>>())),
            }
        }
        fs::write(&bad, &bytes).expect("there is room");
        if let Ok(mut reader) = Reader::open(&bad) {
            let _count = reader.solves().count();
        }
        let output = folder.path().join(format!("{round}.mcap"));
        if recover(&bad, Some(&output)).is_ok() {
            fs::remove_file(&output).expect("it was made");
        }
        drop(Bag::open(&bad).expect("a path").topics());
    }
}
