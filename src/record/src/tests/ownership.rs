//! What a recorder touches: files that say they are of thalweg, in folders that a recorder has made; nothing else.

use std::os::unix::fs::symlink;
use std::time::SystemTime;

use super::*;

/// Content of a whole folder tree, by path.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("readable").flatten() {
        let kind = entry.file_type().expect("there");
        if kind.is_dir() {
            found.extend(content(&entry.path()));
        } else if kind.is_file() {
            found.push((entry.path(), fs::read(entry.path()).expect("readable")));
        }
    }
    found.sort();
    found
}

/// Whole recordings and remains of others in a folder, none of them in a folder that a recorder has made.
fn foreign(root: &Path) {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let ours = fs::read(record(elsewhere.path(), 1..=50)).expect("readable");
    let bag = root.join("rosbag2_demo");
    fs::create_dir_all(&bag).expect("there is room");
    for (name, bytes) in [
        ("rosbag2_demo/rosbag2_demo_0.mcap", ours.as_slice()),
        ("rosbag2_demo/metadata.yaml", b"rosbag2_bagfile_information: {version: 5}\n"),
        ("rosbag2_demo/rosbag2_demo_0.mcap.active", &ours[..ours.len() / 2]),
        ("rosbag2_demo/notes.active", b"notes"),
        ("notes.active", b"notes"),
        ("old.mcap", &ours),
        ("old.mcap.active", &ours),
        ("metadata.yaml", b"not even YAML: ["),
    ] {
        fs::write(root.join(name), bytes).expect("there is room");
    }
}

#[test]
fn what_others_have_left_is_let_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    foreign(folder.path());
    let before = content(folder.path());
    let recorder = Recorder::start(RecordOptions { max_total_bytes: 1, ..options(folder.path()) }).expect("a thread");
    recorder.begin(setup());
    for round in 0..3 {
        (1..=20).for_each(|index| recorder.put(Box::new(solve(round * 20 + index))));
        recorder.save().expect("there is a disk");
    }
    recorder.end();
    assert_eq!(recorder.report().failure, None);
    let after = content(folder.path());
    assert!(
        before.iter().all(|file| after.contains(file)),
        "{:?}",
        after.iter().map(|(path, _)| path).collect::<Vec<_>>()
    );
    // And nothing of ours is left but what was removed last.
    assert_eq!(after.len(), before.len(), "{:?}", after.iter().map(|(path, _)| path).collect::<Vec<_>>());
}

#[test]
fn in_a_folder_of_ours_what_is_not_ours_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = record(folder.path(), 1..=50).parent().expect("a folder").to_owned();
    let name = session.file_name().expect("a name").to_string_lossy().into_owned();
    let (victim, link) = (folder.path().join("victim"), session.join(format!("{name}_8.mcap")));
    fs::write(&victim, b"mine").expect("there is room");
    symlink(&victim, &link).expect("there is room");
    // Called as ours, and an MCAP file of others; called otherwise, and ours.
    let other = session.join(format!("{name}_9.mcap"));
    fs::write(&other, hostile::Raw::file().channel(1, "/x", "a", "cdr").message(1, 1, 1, b"").end())
        .expect("there is room");
    let copy = session.join("copy.mcap");
    fs::copy(session.join(format!("{name}_0.mcap")), &copy).expect("there is room");
    super::super::files::remove_oldest(folder.path(), 1).expect("ours can be removed");
    assert!(!session.join(format!("{name}_0.mcap")).exists(), "that one is ours");
    assert!(victim.exists() && link.exists() && other.exists() && copy.exists() && session.join(".thalweg").exists());
}

#[test]
fn a_list_that_is_not_ours_is_never_written_and_keeps_its_files() {
    for list in [&b"rosbag2_bagfile_information:\n  version: 9\n"[..], b"{", b"", b"\xff", b"{\"a\": 1}"] {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder =
            Recorder::start(RecordOptions { max_total_bytes: 1, ..options(folder.path()) }).expect("a thread");
        recorder.begin(setup());
        recorder.put(Box::new(solve(1)));
        let session = recorder.report().file.expect("recording").parent().expect("a folder").to_owned();
        fs::write(session.join("metadata.yaml"), list).expect("there is room");
        let file = recorder.save().expect("the recording goes on");
        recorder.put(Box::new(solve(2)));
        recorder.end();
        assert_eq!(recorder.report().failure, None);
        assert_eq!(fs::read(session.join("metadata.yaml")).expect("there"), list);
        assert!(file.exists(), "whoever made the list counts on it");
    }
}

/// A4: a list that says of a file that it ended before it began.
#[test]
fn a_list_of_ours_may_say_what_it_likes() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = folder.path().join("session");
    own_folder(&session);
    let of = |name: &str, count: u64| {
        format!(r#"{{"path":"{name}","start":9,"end":1,"topics":{{"/x":["a",{count}],"/y":["a",{count}]}}}}"#)
    };
    let files = format!("[{},{}]", of("a.mcap", u64::MAX), of("b.mcap", u64::MAX));
    let list = serde_json::json!({"rosbag2_bagfile_information": {"custom_data": {"thalweg_files": files}}});
    fs::write(session.join("metadata.yaml"), list.to_string()).expect("there is room");
    let elsewhere = tempfile::tempdir().expect("a folder");
    fs::copy(record(elsewhere.path(), 1..=5), session.join("session_0.mcap.active")).expect("there is room");
    let recorder = Recorder::start(options(folder.path())).expect("a thread");
    recorder.begin(setup());
    recorder.put(Box::new(solve(1)));
    recorder.save().expect("the thread lives");
    assert!(session.join("session_0.mcap").exists(), "recovered");
    let text = fs::read_to_string(session.join("metadata.yaml")).expect("there");
    assert!(text.contains("session_0.mcap") && text.contains("a.mcap"), "{text}");
}

/// The lock is there before the name: another node's clean-up never finds a file that is just begun.
#[test]
fn a_file_that_is_just_begun_is_never_taken_for_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_owned();
    let end = SystemTime::now() + Duration::from_secs(2);
    let tidier = std::thread::spawn(move || {
        while SystemTime::now() < end {
            super::super::files::recover_left(&root);
        }
    });
    let session = folder.path().join("session");
    own_folder(&session);
    let mut made = 0;
    while SystemTime::now() < end {
        let path = session.join(format!("session_{made}.mcap.active"));
        let file = super::super::files::create_locked(&path).expect("nobody has the name");
        assert!(path.exists(), "taken away while it is locked");
        fs::remove_file(&path).expect("it is ours");
        drop(file);
        made += 1;
    }
    tidier.join().expect("no panic");
    assert!(made > 10 && files(folder.path(), "damaged").is_empty(), "{made}");
}
