//! Files are read and written with suspicion.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use thalweg_nn::files::{NewFile, open_append, open_regular, read_limited, read_text, write_atomically};

/// One of each kind that is no regular file, and what it is called.
fn odd(folder: &Path) -> Vec<(PathBuf, &'static str)> {
    let (pipe, socket) = (folder.join("pipe"), folder.join("socket"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    drop(UnixListener::bind(&socket).unwrap());
    vec![
        (pipe, "a pipe"),
        (socket, "a socket"),
        (folder.to_owned(), "a folder"),
        (PathBuf::from("/dev/null"), "a device"),
    ]
}

#[test]
fn what_is_no_regular_file_is_not_read_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    for (path, kind) in odd(folder.path()) {
        for error in [open_regular(&path).map(drop), read_limited(&path, 9).map(drop), read_text(&path, 9).map(drop)] {
            let error = error.unwrap_err();
            assert_eq!(error.to_string(), format!("no regular file, but {kind}"));
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }
}

#[test]
fn what_is_no_regular_file_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link, dangling) =
        (folder.path().join("t"), folder.path().join("link"), folder.path().join("dangling"));
    fs::write(&target, b"old").unwrap();
    symlink(&target, &link).unwrap();
    symlink(folder.path().join("nowhere"), &dangling).unwrap();
    let links = [(link.clone(), "a symbolic link"), (dangling, "a symbolic link")];
    for (path, kind) in odd(folder.path()).into_iter().chain(links) {
        for error in
            [write_atomically(&path, b"new").unwrap_err().to_string(), open_append(&path).unwrap_err().to_string()]
        {
            assert!(error.ends_with(&format!("no regular file, but {kind}")), "{}: {error}", path.display());
        }
    }
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && !folder.path().join("nowhere").exists());
}

#[test]
fn a_link_with_the_name_of_what_is_being_written_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (victim, path) = (folder.path().join("victim"), folder.path().join("w"));
    fs::write(&victim, b"mine").unwrap();
    // The names that could be foreseen before.
    symlink(&victim, folder.path().join(format!("w.partial-{}", std::process::id()))).unwrap();
    symlink(&victim, folder.path().join(".w.partial-")).unwrap();
    write_atomically(&path, b"new").unwrap();
    assert_eq!((fs::read(&victim).unwrap(), fs::read(&path).unwrap()), (b"mine".to_vec(), b"new".to_vec()));
}

#[test]
fn a_new_file_replaces_or_refuses_and_leaves_nothing_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w");
    let begun = |bytes: &[u8]| {
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(bytes).unwrap();
        file
    };
    drop(begun(b"half"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    begun(b"first").place().unwrap();
    assert_eq!(begun(b"second").place().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"first");
    begun(b"third").replace().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"third");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // A folder that took the place of the file meanwhile stays.
    let file = begun(b"fourth");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(file.replace().unwrap_err().to_string(), "no regular file, but a folder");
}

#[test]
fn w14_what_killed_writers_left_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let writing = NewFile::create(&at("w")).unwrap();
    for name in [".w.partial-abc", ".v.partial-abc", "w.partial-1"] {
        fs::write(at(name), b"half").unwrap();
    }
    write_atomically(&at("w"), b"new").unwrap();
    let mut left: Vec<std::ffi::OsString> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(
        (left.len(), &left[0], left[2..].to_vec()),
        (4, &".v.partial-abc".into(), vec!["w".into(), "w.partial-1".into()])
    );
    writing.replace().unwrap();
}

#[test]
fn a_limit_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w");
    fs::write(&path, b"12345").unwrap();
    assert_eq!(read_limited(&path, 5).unwrap(), b"12345");
    let error = read_limited(&path, 4).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::FileTooLarge, "5 bytes; expected at most 4"));
    fs::write(&path, b"\xff").unwrap();
    assert_eq!(read_text(&path, 4).unwrap_err().kind(), ErrorKind::InvalidData);
}
