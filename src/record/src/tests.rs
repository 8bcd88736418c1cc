//! Recordings, written, damaged and read.

mod stumbling;

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use thalweg_task::{ExpectedNumbers, Pixels, Root, Seen};

use proptest::prelude::*;

use super::segment::{Disk, Sync};
use super::*;

mod foreign;
mod hostile;
mod ownership;
mod people;
mod recovery;

use thalweg_engine::{Answer, Leader, Statistics, StopReason};

/// Longest wait for what must happen; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(30);

fn options(folder: &Path) -> RecordOptions {
    RecordOptions {
        folder: folder.to_owned(),
        max_segment_bytes: u64::MAX,
        max_segment_duration: Duration::MAX,
        max_total_bytes: 0,
        queue: 1000,
    }
}

fn setup() -> Setup {
    Setup {
        node: "/left/thalweg".to_owned(),
        task: "planar_arm".to_owned(),
        fingerprint: "f".to_owned(),
        joints: ["shoulder", "elbow"].map(str::to_owned).to_vec(),
        theta: "identity".to_owned(),
        parameters: "{}".to_owned(),
        version: "0".to_owned(),
        ..Setup::default()
    }
}

/// A solve whose numbers follow from its index; bits that no rounding would spare.
fn solve(index: u64) -> Solve {
    let number = |place: u64| (index as f64 + 0.1 * place as f64).sin();
    let stamp_nanos = 1_700_000_000_000_000_000 + index as i64 * 5_000_000;
    Solve {
        index,
        person: None,
        stamp_nanos,
        received_nanos: stamp_nanos + 7,
        frame_id: "base".to_owned(),
        seen: Seen {
            joints: vec![number(1), f64::NAN],
            expected: Some(ExpectedNumbers { positions: vec![0.0, 0.25], weights: vec![0.0, 0.5], elapsed: 0.01 }),
            root: Some(Root {
                position: [number(2), 1.0, 2.0],
                rotation: [0.5; 4],
                scale: 1.1,
                is_seen: true,
                misfit: 0.0,
            }),
            ..Seen::default()
        },
        before: if index == 1 {
            Before::Cold
        } else {
            Before::Warm(Warm {
                z: vec![0.5; 4],
                loss: vec![1.0, 2.0],
                leader: Some(Leader { row: 1, behind: 0.125 }),
                offset: Some(vec![0.0, -0.25]),
                linearised: vec![0.25; 4],
            })
        },
        fresh: 1,
        z: (0..4).map(|place| number(place) as f32).collect(),
        answer: answer(&number),
        label: None,
        trace: None,
    }
}

/// Where something stands.
const ROOT: Root = Root { position: [0.0; 3], rotation: [0.5; 4], scale: 1.1, is_seen: false, misfit: 0.0 };

/// Two hypotheses of two joints and a point.
fn answer(number: &dyn Fn(u64) -> f64) -> Answer {
    Answer {
        deviation: Vec::new(),
        joints: vec![vec![number(0), number(1)], vec![number(2), number(3)]],
        points: vec![vec![[number(0), number(1), number(2)]], vec![[number(3), number(4), number(5)]]],
        roots: (4..6).map(|place| Root { position: [number(place); 3], ..ROOT }).collect(),
        images: Vec::new(),
        labels: Vec::new(),
        losses: vec![number(3).abs(), 2.0],
        weights: vec![0.75, 0.25],
        landscape: "identity".to_owned(),
        start: String::new(),
        statistics: Statistics { steps: 3, evaluations: 4, diverged: 0 },
        stop: Some(StopReason::Deadline),
        took: Duration::from_micros(1234),
    }
}

/// What the reader gives of [`solve`]s that follow each other in one file.
fn chained(index: u64, first: u64) -> Solve {
    let solve = solve(index);
    let before = if index == first { solve.before.clone() } else { Before::Chained };
    Solve { before, ..solve }
}

/// Compares by bits: NaN is what was not seen.
fn assert_same(got: &Solve, expected: &Solve) {
    let bits = |solve: &Solve| solve.seen.joints.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(got), bits(expected));
    let blank = |solve: &Solve| Solve { seen: Seen { joints: Vec::new(), ..solve.seen.clone() }, ..solve.clone() };
    assert_eq!(blank(got), blank(expected));
}

fn read(path: &Path) -> (Vec<Solve>, Damage) {
    let mut reader = Reader::open(path).expect("readable");
    let solves = reader.solves().collect::<Result<Vec<_>, _>>().expect("readable");
    (solves, reader.damage())
}

fn record(folder: &Path, indices: std::ops::RangeInclusive<u64>) -> PathBuf {
    let recorder = Recorder::start(options(folder)).expect("a thread");
    recorder.begin(setup());
    indices.for_each(|index| recorder.put(Box::new(solve(index))));
    recorder.save().expect("there is a disk")
}

/// Makes a folder as a recorder does.
fn own_folder(folder: &Path) {
    fs::create_dir(folder).expect("there is room");
    super::files::mark(folder).expect("there is room");
}

fn active(folder: &Path) -> Vec<PathBuf> {
    files(folder, "active")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder).expect("readable").flatten().map(|entry| entry.path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()));
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    files.sort();
    files
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_was_recorded_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = record(folder.path(), 1..=20);
    let (solves, damage) = read(&path);
    assert_eq!((solves.len(), damage), (20, Damage::default()));
    for (solve, index) in solves.iter().zip(1..) {
        assert_same(solve, &chained(index, 1));
    }
    assert_eq!(Reader::open(&path).expect("readable").setup(), &setup());
    // The file after the saved one held nothing when the recorder was dropped.
    assert_eq!((files(folder.path(), "mcap").len(), active(folder.path()).len()), (1, 0));
    assert_eq!(recordings(folder.path()).expect("readable")[0], path);
}

#[test]
fn a_gap_is_followed_by_an_anchor() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(options(folder.path())).expect("a thread");
    recorder.begin(setup());
    [4, 5, 7].into_iter().for_each(|index| recorder.put(Box::new(solve(index))));
    let (solves, _) = read(&recorder.save().expect("there is a disk"));
    let before: Vec<&Before> = solves.iter().map(|solve| &solve.before).collect();
    assert!(matches!(before[..], [Before::Warm(_), Before::Chained, Before::Warm(_)]), "{before:?}");
}

#[test]
fn an_image_that_was_found_is_written_as_it_is_published() {
    let image = Pixels { channels: 3, height: 1, width: 2, data: vec![0.0, 1.0, 0.2, 1.5, -1.0, f32::NAN] };
    let bytes = message::found_image(&solve(1), &image);
    let step_and_length = [6, 0, 0, 0, 6, 0, 0, 0];
    assert!(bytes.ends_with(&[step_and_length.as_slice(), &[0, 51, 0, 255, 255, 0]].concat()), "{bytes:?}");
    assert!(bytes.windows(5).any(|text| text == b"rgb8\0"));
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(options(folder.path())).expect("a thread");
    recorder.begin(setup());
    let found = solve(1);
    let answer = Answer { images: vec![Arc::new(image)], ..found.answer.clone() };
    recorder.put(Box::new(Solve { answer, label: Some("a cat".to_owned()), ..found }));
    let path = recorder.save().expect("there is a disk");
    let (topics, _) = Bag::open(&path).expect("there").topics().expect("readable");
    let topics: Vec<_> = topics.iter().map(|topic| (topic.name.as_str(), topic.kind.as_str())).collect();
    assert!(topics.contains(&("/left/thalweg/label", "std_msgs/msg/String")), "{topics:?}");
    let (solves, damage) = read(&path);
    assert_eq!((solves.len(), damage), (1, Damage::default()));
    assert_same(&solves[0], &solve(1));
}

#[test]
fn any_bag_with_joint_states_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = record(folder.path(), 1..=3);
    let bag = Bag::open(&path).expect("there");
    let (topics, notes) = bag.topics().expect("readable");
    let topics: Vec<_> =
        topics.iter().map(|topic| (topic.name.as_str(), topic.messages, topic.has_joint_states())).collect();
    let [seen, found] = ["/left/thalweg/observation/joint_states", "/left/thalweg/reconstruction"];
    assert_eq!(topics, [(seen, 3, true), (found, 3, true), ("/left/thalweg/solve", 3, false)]);
    for (topic, joints) in [(seen, 1), (found, 2)] {
        let states: Vec<_> = bag.joint_states(topic).collect::<Result<_, _>>().expect("readable");
        assert_eq!((states.len(), states[0].1.names.len(), states[0].0), (3, joints, solve(1).received_nanos));
    }
    assert_eq!(notes, Vec::<String>::new());
}

/// L2, L5, L10: wherever a file ends, what comes before is read.
#[test]
fn l5_a_file_that_is_cut_off_gives_what_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = fs::read(record(folder.path(), 1..=3)).expect("readable");
    let cut = folder.path().join("cut.mcap");
    for length in 0..whole.len() {
        fs::write(&cut, &whole[..length]).expect("there is room");
        match Reader::open(&cut) {
            Err(error) => {
                assert!(matches!(error, RecordError::NotMcap { .. } | RecordError::NoSetup { .. }), "{error}")
            }
            Ok(mut reader) => {
                let solves = reader.solves().filter(Result::is_ok).count();
                assert!(solves <= 3 && reader.solves().next().is_none());
            }
        }
    }
}

#[test]
fn l5_flipped_bits_are_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = record(folder.path(), 1..=5);
    let (whole, (expected, _)) = (fs::read(&path).expect("readable"), read(&path));
    let bad = folder.path().join("bad.mcap");
    for place in (0..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        fs::write(&bad, &bytes).expect("there is room");
        let Ok(mut reader) = Reader::open(&bad) else { continue };
        for solve in reader.solves().flatten() {
            assert!(expected.iter().any(|whole| whole.z == solve.z), "bit {place} made up a solve: {solve:?}");
        }
    }
}

#[test]
fn l5_recovery_makes_a_whole_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = record(folder.path(), 1..=5);
    let bytes = fs::read(&path).expect("readable");
    let left = folder.path().join("left_0.mcap.active");
    // Index and end of the data are gone, and half a record stands there instead.
    let end = bytes.windows(9).rposition(|w| w[0] == 0x0f && w[1] == 4).expect("the end of the data");
    fs::write(&left, [&bytes[..end], &[6, 99, 0, 0]].concat()).expect("there is room");
    let recovered = recover(&left, None).expect("most of it is whole");
    assert_eq!(recovered.damage, Damage { cut_bytes: 4, unclosed: true, ..Damage::default() });
    assert_eq!((recovered.path.clone(), left.exists()), (folder.path().join("left_0.mcap"), false));
    let (solves, damage) = read(&recovered.path);
    assert_eq!((solves.len(), damage), (5, Damage::default()));
    assert_same(&solves[4], &chained(5, 1));
    let error = recover(&folder.path().join("none.mcap"), None).expect_err("there is none");
    assert!(matches!(error, RecordError::Io { .. }));
    fs::write(&left, b"no mcap").expect("there is room");
    assert!(matches!(recover(&left, None), Err(RecordError::Taken { .. })) && left.exists());
    fs::remove_file(folder.path().join("left_0.mcap")).expect("there");
    assert!(matches!(recover(&left, None), Err(RecordError::NotMcap { .. })) && left.exists());
}

#[test]
fn l8_another_format_is_refused_by_name() {
    let mut map = setup().to_map();
    map.insert("format".to_owned(), "3".to_owned());
    let error = Setup::from_map(&map, Path::new("a.mcap")).expect_err("too new");
    assert_eq!(error.to_string(), "a.mcap: recorded in format 3, expected format 2");
}

#[test]
fn l9_numbers_that_are_not_finite_are_left_out_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(options(folder.path())).expect("a thread");
    recorder.begin(setup());
    recorder.put(Box::new(solve(1)));
    recorder.put(Box::new(Solve { z: vec![f32::NAN; 4], ..solve(2) }));
    recorder
        .put(Box::new(Solve { trace: Some(Trace { z: vec![0.0; 4], loss: vec![f64::INFINITY, 0.0] }), ..solve(3) }));
    recorder.put(Box::new(solve(4)));
    let (solves, damage) = read(&recorder.save().expect("there is a disk"));
    assert_eq!(solves.iter().map(|solve| solve.index).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(damage.not_finite, 2);
}

#[test]
fn l7_the_oldest_files_are_removed_and_never_the_active_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = fs::metadata(record(folder.path(), 1..=50)).expect("there").len();
    let limit = one * 5 / 2;
    let recorder =
        Recorder::start(RecordOptions { max_total_bytes: limit, ..options(folder.path()) }).expect("a thread");
    recorder.begin(setup());
    for round in 0..5 {
        (1..=50).for_each(|index| recorder.put(Box::new(solve(round * 50 + index))));
        recorder.save().expect("there is a disk");
        let size: u64 = files(folder.path(), "mcap").iter().map(|path| fs::metadata(path).expect("there").len()).sum();
        assert!(size <= limit, "round {round}: {size}");
        assert_eq!(active(folder.path()).len(), 1);
    }
    // The first session's folder went with its files; what is listed is there.
    let sessions: Vec<_> = fs::read_dir(folder.path()).expect("readable").flatten().collect();
    assert_eq!(sessions.len(), 1);
    let bag: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(sessions[0].path().join("metadata.yaml")).expect("there"))
            .expect("JSON");
    let listed = bag["rosbag2_bagfile_information"]["relative_file_paths"].as_array().expect("a list").clone();
    let there = files(folder.path(), "mcap");
    let names: Vec<_> =
        there.iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!(listed, names);
}

#[test]
fn files_are_changed_by_size_and_by_time() {
    let folder = tempfile::tempdir().expect("a folder");
    for (max_segment_bytes, max_segment_duration) in [(1, Duration::MAX), (u64::MAX, Duration::ZERO)] {
        let changed = RecordOptions { max_segment_bytes, max_segment_duration, ..options(folder.path()) };
        let recorder = Recorder::start(changed).expect("a thread");
        recorder.begin(setup());
        (1..=3).for_each(|index| recorder.put(Box::new(solve(index))));
        recorder.end();
        assert_eq!(recorder.report().segments, 4, "one before each solve, and the last");
    }
}

#[test]
fn l6_a_file_that_is_being_written_is_let_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = Recorder::start(options(folder.path())).expect("a thread");
    one.begin(setup());
    let other = Recorder::start(options(folder.path())).expect("a thread");
    other.begin(setup());
    assert_eq!(active(folder.path()).len(), 2, "both are there");
    one.put(Box::new(solve(1)));
    assert_eq!(read(&one.save().expect("it is ours still")).0.len(), 1);
}

/// L2, L10: whatever was flushed is there when the process dies, and the next recorder makes a whole file of it.
#[test]
fn l10_what_was_flushed_survives() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(options(folder.path())).expect("a thread");
    recorder.begin(setup());
    (1..=4).for_each(|index| recorder.put(Box::new(solve(index))));
    let file = recorder.report().file.expect("recording");
    wait_for("a flush", || read(&file).0.len() == 4);
    recorder.put(Box::new(solve(5)));
    let dead = tempfile::tempdir().expect("a folder");
    let left = dead.path().join("session/session_0.mcap.active");
    own_folder(&dead.path().join("session"));
    fs::copy(&file, &left).expect("there is room");
    let next = Recorder::start(options(dead.path())).expect("a thread");
    next.begin(setup());
    let (solves, damage) = read(&left.with_extension(""));
    assert!((4..=5).contains(&solves.len()) && !damage.has_lost(), "{damage}");
    assert!(!left.exists());
}

#[test]
fn l2_what_cannot_be_recovered_is_put_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = folder.path().join("left");
    own_folder(&session);
    let left = session.join("left_0.mcap.active");
    fs::write(&left, b"").expect("there is room");
    let recorder = Recorder::start(options(folder.path())).expect("a thread");
    recorder.begin(setup());
    assert!(!left.exists() && session.join("left_0.mcap.damaged").exists());
    assert_eq!(recorder.report().failure, None);
}

#[test]
fn l3_a_folder_that_is_a_file_is_one_failure_and_recording_resumes() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("recordings");
    fs::write(&place, b"in the way").expect("there is room");
    let recorder = Recorder::start(options(&place)).expect("a thread");
    recorder.begin(setup());
    recorder.put(Box::new(solve(1)));
    wait_for("a drop", || recorder.report().dropped == 1);
    let failure = recorder.report().failure.expect("there is no folder");
    assert!(failure.starts_with(&place.display().to_string()), "{failure}");
    fs::remove_file(&place).expect("there");
    wait_for("recording", || recorder.report().file.is_some());
    assert_eq!(recorder.report().failure, None);
    recorder.put(Box::new(solve(2)));
    assert_eq!(read(&recorder.save().expect("there is a disk")).0.len(), 1);
}

#[test]
fn l3_a_folder_that_is_removed_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("recordings");
    let recorder = Recorder::start(options(&place)).expect("a thread");
    recorder.begin(setup());
    fs::remove_dir_all(&place).expect("there");
    wait_for("another folder", || place.exists() && recorder.report().failure.is_none() && !active(&place).is_empty());
    recorder.put(Box::new(solve(2)));
    assert_eq!(read(&recorder.save().expect("there is a disk")).0.len(), 1);
}

/// A disk that can be full, or slow.
struct Odd {
    file: File,
    is_full: Arc<AtomicBool>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Write for Odd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full.load(Ordering::Acquire) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let (is_shut, bell) = &*self.gate;
        drop(bell.wait_while(is_shut.lock().expect("no panic"), |is_shut| *is_shut).expect("no panic"));
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Odd {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.file.seek(place)
    }
}

impl Disk for Odd {
    fn sync(&self) -> io::Result<Sync> {
        Ok(Box::new(|| Ok(())))
    }
}

struct Fault {
    is_full: Arc<AtomicBool>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    recorder: Recorder,
}

impl Fault {
    fn new(folder: &Path, queue: usize) -> Self {
        let (is_full, gate): (Arc<AtomicBool>, Arc<(Mutex<bool>, Condvar)>) = Default::default();
        let (full, shut) = (Arc::clone(&is_full), Arc::clone(&gate));
        let open = move |path: &Path| -> io::Result<Box<dyn Disk>> {
            let file = super::files::create_locked(path)?;
            Ok(Box::new(Odd { file, is_full: Arc::clone(&full), gate: Arc::clone(&shut) }))
        };
        let recorder = Recorder::on(RecordOptions { queue, ..options(folder) }, Box::new(open)).expect("a thread");
        recorder.begin(setup());
        Self { is_full, gate, recorder }
    }

    fn shut(&self, is_shut: bool) {
        *self.gate.0.lock().expect("no panic") = is_shut;
        self.gate.1.notify_all();
    }
}

#[test]
fn l1_a_full_disk_stops_the_recording_until_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let fault = Fault::new(folder.path(), 100);
    let recorder = &fault.recorder;
    recorder.put(Box::new(solve(1)));
    let first = recorder.report().file.expect("recording");
    wait_for("a flush", || read(&first).0.len() == 1);
    fault.is_full.store(true, Ordering::Release);
    recorder.put(Box::new(solve(2)));
    wait_for("a failure", || recorder.report().failure.is_some());
    let failure = recorder.report().failure.expect("just seen");
    assert!(failure.contains(&first.display().to_string()) && failure.contains("no storage space"), "{failure}");
    recorder.put(Box::new(solve(3)));
    wait_for("a drop", || recorder.report().dropped == 1);
    fault.is_full.store(false, Ordering::Release);
    wait_for("recording", || recorder.report().failure.is_none());
    // What was flushed before is recovered by then.
    assert_eq!(read(&first.with_extension("")).0.len(), 1);
    recorder.put(Box::new(solve(4)));
    assert_eq!(read(&recorder.save().expect("there is a disk")).0.len(), 1);
}

#[test]
fn l4_a_slow_disk_drops_and_never_blocks() {
    let folder = tempfile::tempdir().expect("a folder");
    let fault = Fault::new(folder.path(), 8);
    fault.shut(true);
    // Handing in never waits, however long the disk takes; more than the queue holds is dropped.
    let recorder = &fault.recorder;
    let mut put = 0;
    wait_for("the queue to be full", || {
        recorder.report().dropped > 0 || {
            recorder.put(Box::new(solve(1)));
            false
        }
    });
    (1..=200).for_each(|index| {
        recorder.put(Box::new(solve(index)));
        put = index;
    });
    assert!(recorder.report().dropped >= put - 8);
    fault.shut(false);
    assert!(!read(&recorder.save().expect("there is a disk")).0.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_are_read_as_they_were_written(
        k in 1usize..5, z in 1usize..4, steps in 0usize..4,
        values in proptest::collection::vec(-1e3f64..1e3, 100), nanos in 0i64..i64::from(u32::MAX) * 1_000_000_000 / 2,
        frame in "[a-z\u{e4}]{0,9}", landscape in "[ -~]{0,20}", id in "[a-z_][a-z0-9_]{0,63}",
    ) {
        let take = |count: usize| values.iter().cycle().take(count).copied().collect::<Vec<f64>>();
        let single = |count: usize| take(count).iter().map(|value| *value as f32).collect::<Vec<f32>>();
        let trace = Trace { z: single((steps + 1) * k * z), loss: take((steps + 1) * k) };
        let image = Pixels { channels: k as u32, height: z as u32, width: 2, data: single(k * z * 2) };
        let joints = take(k * 2).chunks(2).map(<[f64]>::to_vec).collect();
        let points = take(k * 3).as_chunks().0.iter().map(|point| vec![*point]).collect();
        let found = solve(9);
        let roots = vec![ROOT; k];
        let answer = Answer { joints, points, roots, losses: take(k), weights: take(k), landscape, ..found.answer };
        let before = Before::Warm(Warm { z: single(2 * z), loss: take(2), ..Warm::default() });
        let person = Some(Person { id, arrival: nanos as u64 });
        let written = Solve {
            person,
            before, stamp_nanos: nanos, received_nanos: nanos, frame_id: frame, z: single(k * z), answer, ..found
        };
        prop_assert_eq!(&message::read_solve(&message::solve(&written, &written.before)).expect("whole"),
            &Solve {
                seen: Seen { expected: written.seen.expected.clone(), root: written.seen.root, ..Seen::default() },
                ..written.clone()
            });
        prop_assert_eq!(message::read_descent(&message::descent(&written, &trace)), Some((9, trace)));
        prop_assert_eq!(message::read_image(&message::observed_image(&written, &image)), Some(image));
        let points: Vec<[f32; 3]> = single(3 * z).as_chunks().0.to_vec();
        for confidence in [Vec::new(), vec![0.25; z]] {
            let seen = Seen { points: points.clone(), confidence: confidence.clone(), ..Seen::default() };
            let written = Solve { seen, ..written.clone() };
            prop_assert_eq!(message::read_points(&message::observed_points(&written)), Some((points.clone(), confidence)));
        }
    }

    #[test]
    fn any_message_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [&[0, 1, 0, 0], bytes.as_slice()].concat();
        drop((message::read_solve(&bytes), message::read_descent(&bytes), message::read_image(&bytes)));
        drop((message::read_points(&bytes), message::read_joint_state(&bytes)));
    }
}
