//! A node that a stranger's crate builds for a task of its own: `examples/own_node`.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

use thalweg_tests::root;

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
    let node = root().join("target/release/own_node");
    assert!(node.is_file(), "no program at {}: build it with `make programs`", node.display());
    let dump = |task: &str| Command::new(&node).arg(format!("--dump-params={task}")).output().unwrap();
    let parameters = succeeded(&dump("my_task"));
    assert!(parameters.contains("task my_task: two fingers of a gripper"), "{parameters}");
    assert!(parameters.contains("sigma: 0.0005"), "{parameters}");
    assert!(succeeded(&dump("planar_arm")).contains("lengths"), "the shipped tasks are there, too");
    let refused = dump("my_tusk");
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && error.contains("'my_task'"), "{error}");
}
