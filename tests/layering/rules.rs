//! What must be absent from the tree, and the limits it keeps.

use crate::source::Source;

/// Longest file, lines.
const FILE_LINES: usize = 600;

/// Longest function, lines.
const FUNCTION_LINES: usize = 80;

/// Crates that one folder only may name.
const FOREIGN: [(&str, &str); 2] = [("r2r", "src/ros/"), ("kiss3d", "view/")];

/// Where `unsafe` is allowed. The two FFI files join this list when they are written.
const UNSAFE: [&str; 3] = ["src/fused/", "tests/allocation.rs", "view/src/graphics/x11.rs"];

/// Words that mean a clock, a thread, a channel or a file.
const OUTSIDE_WORLD: [&str; 7] = ["Instant", "SystemTime", "mpsc", "tokio", "crossbeam", "File", "OpenOptions"];

/// Modules of the standard library that mean the same.
const OUTSIDE_MODULES: [&str; 4] = ["fs", "thread", "net", "process"];

/// Last words of names that say nothing.
const EMPTY_NAMES: [&str; 7] = ["Manager", "Helper", "Helpers", "Util", "Utils", "Handler", "Impl"];

/// A rule over one file: the complaints, each with path and line.
type Rule = fn(&Source) -> Vec<String>;

/// All rules over source files.
pub(crate) const RULES: [Rule; 7] = [foreign_names, unsafe_code, engine, clocks, sizes, names, unwraps];

/// Complains of every word in `source` that `forbidden` picks.
fn words(source: &Source, why: &str, forbidden: impl Fn(&str) -> bool) -> Vec<String> {
    let bad = source.words().filter(|(_, word)| forbidden(word));
    bad.map(|(line, word)| format!("{}:{line}: {word}: {why}", source.path)).collect()
}

/// ROS is named in `src/ros` only, windows in `view` only.
fn foreign_names(source: &Source) -> Vec<String> {
    let foreign = |word: &str| FOREIGN.iter().any(|(name, home)| word == *name && !source.is_in(&[home]));
    words(source, "only its own folder may name it", foreign)
}

/// `unsafe` stays where it is declared.
fn unsafe_code(source: &Source) -> Vec<String> {
    words(source, "allowed in the folders that ARCHITECTURE.md names only", |word| {
        word == "unsafe" && !source.is_in(&UNSAFE)
    })
}

/// The engine has no thread, no clock, no channel, no file.
fn engine(source: &Source) -> Vec<String> {
    if !source.is_in(&["src/engine/", "src/engine.rs"]) {
        return Vec::new();
    }
    let mut bad = words(source, "the engine is handed its budget and observers", |word| OUTSIDE_WORLD.contains(&word));
    let modules = source.code.lines().enumerate().filter(|(_, line)| names_module(line));
    bad.extend(modules.map(|(line, text)| format!("{}:{}: {}", source.path, line + 1, text.trim())));
    bad
}

/// Whether a line names one of [`OUTSIDE_MODULES`] as a path: `fs::`, `std::fs`, `std::{.., fs}`.
fn names_module(line: &str) -> bool {
    let code: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    let parts: Vec<_> = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').collect();
    let is_path = |module: &&str| {
        parts.iter().any(|part| {
            let mut path = part.split("::");
            path.clone().count() > 1 && path.any(|word| word == *module)
        })
    };
    let in_list = |module: &&str| code.contains("std::{") && parts.contains(module);
    OUTSIDE_MODULES.iter().any(|module| is_path(module) || in_list(module))
}

/// A task has no clock; its training and data code may tell the time.
fn clocks(source: &Source) -> Vec<String> {
    let offline = ["/train", "/dataset", "/bin/", "/examples/"].iter().any(|part| source.path.contains(part));
    if offline || !source.is_in(&["plugins/"]) {
        return Vec::new();
    }
    words(source, "a task has no clock", |word| word == "Instant" || word == "SystemTime")
}

/// Files and functions stay readable.
fn sizes(source: &Source) -> Vec<String> {
    let lines = source.code.lines().count();
    let file = (lines > FILE_LINES).then(|| format!("{}: {lines} lines, limit {FILE_LINES}", source.path));
    let long = source.functions().into_iter().filter(|(_, _, lines)| *lines > FUNCTION_LINES);
    let long = long.map(|(name, line, lines)| {
        format!("{}:{line}: fn {name} has {lines} lines, limit {FUNCTION_LINES}", source.path)
    });
    file.into_iter().chain(long).collect()
}

/// Types, traits and modules have names that say something.
fn names(source: &Source) -> Vec<String> {
    let words: Vec<_> = source.words().collect();
    let declared = words.windows(2).filter(|pair| ["struct", "enum", "trait", "type", "mod"].contains(&pair[0].1));
    let empty = declared.filter(|pair| says_nothing(pair[1].1));
    empty.map(|pair| format!("{}:{}: {} says nothing", source.path, pair[1].0, pair[1].1)).collect()
}

fn says_nothing(name: &str) -> bool {
    let snake = |suffix: &str| name == suffix.to_lowercase() || name.ends_with(&format!("_{}", suffix.to_lowercase()));
    // `Base` alone is a word like any other in robotics; as a suffix it is a base class.
    let base = name.len() > 4 && name.ends_with("Base");
    base || EMPTY_NAMES.iter().any(|suffix| name.ends_with(suffix) || snake(suffix))
}

/// `.unwrap()` is for tests.
fn unwraps(source: &Source) -> Vec<String> {
    if source.path.contains("tests/") || source.path.starts_with("benches/") {
        return Vec::new();
    }
    let source = source.without_tests();
    let bad = source.code.lines().enumerate().filter(|(_, line)| line.contains(".unwrap()"));
    bad.map(|(line, _)| format!("{}:{}: unwrap() outside tests", source.path, line + 1)).collect()
}

/// A plugin's manifest names no crate of this workspace but the contract.
pub(crate) fn manifest(path: &str, text: &str) -> Vec<String> {
    let mut section = "";
    let mut bad = Vec::new();
    for (line, content) in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).enumerate() {
        if content.starts_with('[') {
            section = content.trim_matches(['[', ']']);
        }
        let named = dependencies_named(section, content);
        bad.extend(
            named
                .filter(|name| *name != "thalweg-task")
                .map(|name| format!("{path}:{}: depends on {name}; a plugin depends on thalweg-task only", line + 1)),
        );
    }
    bad
}

/// Crates of this workspace that one line of a manifest names as dependencies.
fn dependencies_named<'a>(section: &'a str, line: &'a str) -> impl Iterator<Item = &'a str> {
    let is_header = line.starts_with('[');
    let in_dependencies = section.split('.').any(|part| part.ends_with("dependencies"));
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
    let last = if is_header { usize::MAX } else { 1 };
    let renamed = line.contains("package");
    words
        .enumerate()
        .filter(move |(index, word)| in_dependencies && word.starts_with("thalweg") && (renamed || *index < last))
        .map(|(_, word)| word)
}
