//! The tree keeps the architecture: what may not be named where, and how long things are.

#![allow(clippy::unwrap_used)]

mod rules;
mod source;

use std::fs;
use std::path::Path;

use rules::{RULES, manifest};
use source::Source;

/// Folders that are walked; `view` comes and goes with its feature.
const FOLDERS: [&str; 5] = ["src", "plugins", "view", "tests", "benches"];

fn root() -> &'static Path {
    thalweg_tests::root()
}

/// All files below a folder whose name ends so: path from the root, and text.
fn walk(folder: &Path, ending: &str) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() && !path.ends_with("target") {
            files.extend(walk(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

fn complaints(path: &str, text: &str) -> Vec<String> {
    let source = Source::new(path, text);
    RULES.iter().flat_map(|rule| rule(&source)).collect()
}

/// Fails unless the sample is refused, once, with a sentence that contains `text`.
fn refused(path: &str, sample: &str, text: &str) {
    let complaints = complaints(path, sample);
    assert_eq!(complaints.len(), 1, "{path}: {sample}: {complaints:?}");
    assert!(complaints[0].contains(text), "{}", complaints[0]);
}

fn accepted(path: &str, sample: &str) {
    assert_eq!(complaints(path, sample), Vec::<String>::new(), "{path}: {sample}");
}

#[test]
fn the_tree_keeps_the_architecture() {
    let files: Vec<_> = FOLDERS.iter().flat_map(|folder| walk(&root().join(folder), ".rs")).collect();
    assert!(files.iter().any(|(path, _)| path == "plugins/task/src/task.rs"), "the walk finds nothing");
    let bad: Vec<_> = files.iter().flat_map(|(path, text)| complaints(path, text)).collect();
    assert!(bad.is_empty(), "{} complaints:\n{}", bad.len(), bad.join("\n"));
}

#[test]
fn plugins_depend_on_the_contract_only() {
    let manifests = walk(&root().join("plugins"), "Cargo.toml");
    assert!(manifests.len() >= 2, "the walk finds no plugins");
    let bad: Vec<_> = manifests.iter().flat_map(|(path, text)| manifest(path, text)).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn foreign_names_are_refused() {
    refused("src/engine/engine.rs", "use r2r::Node;", "src/engine/engine.rs:1: r2r");
    refused("src/registry/mod.rs", "fn f() {}\nuse kiss3d::window::Window;", "mod.rs:2: kiss3d");
    refused("view/src/lib.rs", "use r2r::Node;", "r2r");
    accepted("src/ros/node.rs", "use r2r::Node;");
    accepted("view/src/lib.rs", "use kiss3d::window::Window;");
    accepted("src/lib.rs", "//! r2r and kiss3d in words\nconst A: &str = \"r2r\"; fn r2r_free() {}");
}

#[test]
fn unsafe_code_is_refused() {
    refused("plugins/x/src/lib.rs", "fn f() { unsafe { g() } }", "unsafe");
    accepted("src/fused/kernel.rs", "fn f() { unsafe { g() } }");
    accepted("src/lib.rs", "#![deny(unsafe_code)] // unsafe\n/* unsafe /* unsafe */ unsafe */ fn f() {}");
}

#[test]
fn an_engine_with_a_world_is_refused() {
    let samples =
        ["let t = Instant::now();", "use std::fs::read;", "let h = std::thread::spawn(f);", "use std::{fmt, fs};"];
    for sample in samples.into_iter().chain(["thread::sleep(d);", "let (a, b) = mpsc::channel();"]) {
        refused("src/engine/budget.rs", sample, "src/engine/budget.rs:1");
        accepted("src/bin/thalweg/main.rs", sample);
    }
    accepted(
        "src/engine/threads.rs",
        "tch::set_num_threads(thread_count); use std::time::Duration; let fs = 1; // Instant",
    );
}

#[test]
fn a_task_with_a_clock_is_refused() {
    refused("plugins/x/src/task.rs", "let t = std::time::Instant::now();", "a task has no clock");
    accepted("plugins/x/src/train/mod.rs", "let t = std::time::Instant::now();");
}

#[test]
fn long_files_and_functions_are_refused() {
    accepted("src/a.rs", &"\n".repeat(600));
    refused("src/a.rs", &"\n".repeat(601), "src/a.rs: 601 lines");
    let function = |lines: usize| format!("fn short() {{}}\nfn f(a: [u8; 3]) -> u8 {{{}}}\n", "\n".repeat(lines - 1));
    accepted("src/a.rs", &function(80));
    refused("src/a.rs", &function(81), "src/a.rs:2: fn f has 81 lines");
    let braces = format!("fn f() {{ let a = \"}}\"; let b = '}}'; // }}\n{}}}", "\n".repeat(80));
    refused("src/a.rs", &braces, "fn f has 82 lines");
    let method = format!("trait T {{ fn a(&self);\nfn b(&self) {{{}}} }}", "\n".repeat(90));
    refused("src/a.rs", &method, "src/a.rs:2: fn b has 91 lines");
}

#[test]
fn names_that_say_nothing_are_refused() {
    let names = ["struct TaskManager;", "enum StateHandler {}", "trait NodeBase {}", "type A = B; struct FooImpl;"];
    for name in names.into_iter().chain(["mod utils;", "mod test_util;", "struct Helper;"]) {
        refused("src/a.rs", name, "says nothing");
    }
    accepted("src/a.rs", "struct Base; struct Database; fn handler() {} impl X for Y {} // struct FooImpl");
}

#[test]
fn unwrap_outside_tests_is_refused() {
    refused("src/a.rs", "fn f() { g().unwrap(); }", "src/a.rs:1: unwrap()");
    let tested = "fn f() {}\n#[cfg(test)]\nmod tests {\n fn t() { g().unwrap(); }\n}\n";
    accepted("src/a.rs", tested);
    refused("src/a.rs", &format!("{tested}fn h() {{ g().unwrap(); }}"), "src/a.rs:6");
    accepted("tests/a.rs", "fn f() { g().unwrap(); }");
    accepted("src/a.rs", "fn f() { g().unwrap_or(1); \".unwrap()\"; } // .unwrap()");
}

#[test]
fn manifests_that_name_a_neighbour_are_refused() {
    let refused = |text: &str, name: &str| {
        let bad = manifest("plugins/x/Cargo.toml", text);
        assert!(bad.len() == 1 && bad[0].contains(&format!("depends on {name};")), "{text}: {bad:?}");
    };
    refused("[dependencies]\nthalweg = { path = \"../..\" }", "thalweg");
    refused("[dependencies]\nthalweg-planar-arm.workspace = true", "thalweg-planar-arm");
    refused("[dev-dependencies]\narm = { package = \"thalweg-planar-arm\" }", "thalweg-planar-arm");
    refused("[dependencies.thalweg]\npath = \"../..\"", "thalweg");
    refused("[target.'cfg(unix)'.dependencies]\nthalweg = \"1\"", "thalweg");
    let sound =
        "[package]\nname = \"thalweg-x\"\n[dependencies]\nthalweg-task.workspace = true # not thalweg\ntch = \"1\"";
    assert_eq!(manifest("plugins/x/Cargo.toml", sound), Vec::<String>::new());
}

#[test]
fn literals_are_told_from_code() {
    let code = |text: &str| Source::new("src/a.rs", text).code.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(code("a(\"x \\\" y\", b)"), "a( , b)");
    assert_eq!(code("a(r#\"x \" y\"#, b\"z\", br\"q\\\", c)"), "a( , , , c)");
    assert_eq!(code("a('\"', '\\'', '\\u{41}', b'x', c)"), "a( , , , b , c)");
    assert_eq!(code("fn f<'a>(x: &'a str) -> &'static str { x } // y"), "fn f<'a>(x: &'a str) -> &'static str { x }");
    assert_eq!(code("for_str\"s\"; r#type; é"), "for_str ; r#type; é");
}
