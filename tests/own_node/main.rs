//! A stranger's crate builds its own node: `examples/own_node`, outside the workspace.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use thalweg_tests::root;

/// Crates of this repository that the node is made of: compiled a second time here, for they belong to another
/// workspace, so as quickly as can be. Everything else is taken from the workspace's own build where the features are
/// the same, and kept for the next time where they are not.
const CRATES: [&str; 11] = [
    "own_node",
    "thalweg",
    "thalweg-body-pose",
    "thalweg-engine",
    "thalweg-gan-inversion",
    "thalweg-nn",
    "thalweg-node",
    "thalweg-planar-arm",
    "thalweg-record",
    "thalweg-ros",
    "thalweg-task",
];

/// Copies the crate to where its relative paths hold, with the workspace's versions of what it depends on.
fn copied() -> PathBuf {
    let (from, to) = (root().join("examples/own_node"), root().join("target/own_node"));
    fs::create_dir_all(to.join("src")).unwrap();
    for file in ["Cargo.toml", "src/main.rs", "src/my_task.rs"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    fs::copy(root().join("Cargo.lock"), to.join("Cargo.lock")).unwrap();
    to
}

/// Builds it into the folder that this test was built into.
fn built(folder: &Path) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).expect("TARGET/release/deps/PROGRAM");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).args(["build", "--offline", "--release", "--target-dir"]).arg(target);
    for option in ["overflow-checks=true", "debug=0"] {
        cargo.args(["--config", &format!("profile.release.{option}")]);
    }
    for name in CRATES {
        cargo.args(["--config", &format!("profile.release.package.{name}.opt-level=0")]);
    }
    succeeded(&cargo.output().unwrap());
    target.join("release/own_node")
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_task_of_one_s_own_has_a_node_of_its_own() {
    if std::env::var("THALWEG_ROS").as_deref() != Ok("1") {
        eprintln!("SKIPPED: THALWEG_ROS is not 1, and a node cannot be built without ROS 2");
        return;
    }
    let node = built(&copied());
    let dump = |task: &str| Command::new(&node).arg(format!("--dump-params={task}")).output().unwrap();
    let parameters = succeeded(&dump("my_task"));
    assert!(parameters.contains("task my_task: two fingers of a gripper"), "{parameters}");
    assert!(parameters.contains("sigma: 0.0005"), "{parameters}");
    assert!(succeeded(&dump("planar_arm")).contains("lengths"), "the shipped tasks are there, too");
    let refused = dump("my_tusk");
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && error.contains("'my_task'"), "{error}");
}
