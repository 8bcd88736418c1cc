//! What neither a crate boundary nor a lint can say: who may use whom, and how long a file is.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Longest file, lines.
const FILE_LINES: usize = 600;

/// Crates that one of ours only may name.
const FOREIGN: [(&str, &str); 2] = [("r2r", "thalweg-ros"), ("kiss3d", "thalweg-view")];

/// Where the lint on unsafe code is lifted.
const UNSAFE: [&str; 6] = [
    "src/distributed/src/ffi.rs",
    "src/engine/src/native/kernels/fetch.rs",
    "src/engine/tests/allocation.rs",
    "src/thalweg/src/plugins.rs",
    "src/thalweg/src/plugins/surroundings.rs",
    "src/view/src/graphics/x11.rs",
];

/// Last words of names of types and modules that say nothing.
const EMPTY_NAMES: [&str; 6] = ["Manager", "Helper", "Util", "Utils", "Handler", "Impl"];

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(thalweg_tests::root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every crate of thalweg with what it is built of, tests and examples aside.
fn manifests() -> Arrows {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).expect("cargo writes JSON");
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let needed = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"].is_null()).map(name).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| (name(package), needed(package)));
    packages.filter(|(name, _)| name.starts_with("thalweg")).collect()
}

/// The arrows that ARCHITECTURE.md draws, `a, b -> c -> d`, with the names of packages.
fn drawn() -> Arrows {
    let text = fs::read_to_string(thalweg_tests::root().join("ARCHITECTURE.md")).unwrap();
    let drawing = text.split("arrows -->").nth(1).expect("ARCHITECTURE.md has a drawing between two marks");
    let mut arrows = Arrows::new();
    for line in drawing.lines() {
        let ranks: Vec<Vec<_>> = line.split("->").map(|rank| rank.split(',').map(package).collect()).collect();
        for (from, to) in ranks.windows(2).flat_map(|pair| pair[0].iter().map(|from| (from, &pair[1]))) {
            arrows.entry(from.clone()).or_default().extend(to.iter().cloned());
        }
    }
    arrows
}

/// The package that lives in a room.
fn package(room: &str) -> String {
    if room.trim() == "thalweg" { "thalweg".to_owned() } else { format!("thalweg-{}", room.trim().replace('_', "-")) }
}

/// All that can be reached along arrows; an arrow that follows from others need not be drawn.
fn reached(arrows: &Arrows, from: &str) -> BTreeSet<String> {
    let next = arrows.get(from).into_iter().flatten().filter(|to| to.starts_with("thalweg"));
    next.flat_map(|to| reached(arrows, to).into_iter().chain([to.clone()])).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "rs");
    paths.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] }).filter(is_rust).collect()
}

/// Complains of one file.
fn complaints(path: &str, text: &str) -> Vec<String> {
    let length = text.lines().count();
    let mut bad = Vec::from_iter((length > FILE_LINES).then(|| format!("{path}: {length} lines")));
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//")) {
        let words: Vec<_> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let declared = words.windows(2).filter(|pair| ["struct", "enum", "trait", "type", "mod"].contains(&pair[0]));
        let is_empty = |name: &str| EMPTY_NAMES.iter().any(|last| name.ends_with(last) || name == last.to_lowercase());
        if declared.into_iter().any(|pair| is_empty(pair[1])) {
            bad.push(format!("{path}:{number}: the name says nothing"));
        }
        if words.contains(&"unsafe_code") && !line.contains("deny") && !UNSAFE.contains(&path) {
            bad.push(format!("{path}:{number}: unsafe code outside the files that ARCHITECTURE.md names"));
        }
    }
    bad
}

#[test]
fn crates_depend_on_each_other_as_drawn() {
    let (manifests, drawn) = (manifests(), drawn());
    assert!(manifests.len() > 10 && drawn.keys().all(|name| manifests.contains_key(name)));
    for (name, needed) in &manifests {
        assert_eq!(reached(&manifests, name), reached(&drawn, name), "left {name} is, right it is drawn");
        for (foreign, home) in FOREIGN {
            assert!(!needed.contains(foreign) || name == home, "{name} depends on {foreign}");
        }
    }
}

#[test]
fn files_stay_short_and_sound() {
    let root = thalweg_tests::root();
    let files: Vec<_> = ["src", "plugins", "tests", "examples"].map(|folder| rust_files(&root.join(folder))).concat();
    assert!(files.len() > 100, "the walk finds nothing");
    let path = |file: &Path| file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let bad = files.iter().flat_map(|file| complaints(&path(file), &fs::read_to_string(file).unwrap()));
    assert_eq!(bad.collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(complaints("a.rs", &"\n".repeat(FILE_LINES + 1)).len(), 1);
    let sample = format!("{0} FooManager;\n#![allow(unsafe{1})]\n{0} utils {{}}", "mod", "_code");
    assert_eq!(complaints("a.rs", &sample).len(), 3);
}
