//! `thalweg doctor`.

use std::fs;
use std::process::Command;

use tempfile::tempdir;

use crate::{Run, thalweg};

/// Runs it where no other node of this machine is in sight.
fn doctor(args: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.arg("doctor").args(args).current_dir(thalweg_tests::root());
    command.env("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF").env_remove("ROS_DOMAIN_ID").env_remove("ROS_LOCALHOST_ONLY");
    let output = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    let code = output.status.code().expect("the program is not killed");
    Run { code, out: text(output.stdout), err: text(output.stderr) }
}

/// What is looked at in every build.
const CHECKS: [&str; 12] = [
    "parameters",
    "task",
    "landscape",
    "libtorch",
    "threads",
    "device",
    "gpu",
    "device auto",
    "processor",
    "log folder",
    "display",
    "python",
];

/// The line about one thing, which is there once.
fn line<'a>(run: &'a Run, what: &str) -> &'a str {
    let is_about = |line: &&str| line.get(6..).is_some_and(|rest| rest.starts_with(&format!("{what}: ")));
    let lines: Vec<&str> = run.out.lines().filter(is_about).collect();
    assert_eq!(lines.len(), 1, "{what}:\n{}", run.out);
    lines[0]
}

#[test]
fn a_healthy_machine_passes() {
    let run = doctor(&[]).passed();
    for what in CHECKS {
        line(&run, what);
    }
    for what in ["parameters", "task", "landscape", "device", "device auto"] {
        assert!(line(&run, what).starts_with("ok    "), "{}", run.out);
    }
    assert!(run.out.lines().all(|line| line.starts_with("ok    ") || line.starts_with("warn  ")), "{}", run.out);
    let is_cured = |line: &str| !line.starts_with("warn") || line.contains("; ");
    assert!(run.out.lines().all(is_cured), "a warning without a cure:\n{}", run.out);
}

#[test]
fn a_folder_without_weights_fails_with_the_cure() {
    let folder = tempdir().unwrap();
    let models = folder.path().to_str().unwrap();
    let run = doctor(&["--models", models]);
    assert_eq!((run.code, run.err.as_str()), (5, "error: one check failed: task\n"));
    let told = line(&run, "task");
    let file = format!("FAIL  task: {models}/body_pose.safetensors: No such file or directory (os error 2); ");
    assert!(told.starts_with(&file) && told.contains("--models") && told.ends_with(models), "{told}");
    assert!(line(&run, "python").starts_with("ok"), "the other checks go on");
}

#[test]
fn a_landscape_of_something_else_fails() {
    let run = doctor(&["--landscape", "assets/motion.safetensors"]);
    assert_eq!((run.code, run.err.as_str()), (5, "error: one check failed: landscape\n"));
    assert!(line(&run, "landscape").contains("assets/motion.safetensors"), "{}", run.out);
    let run = doctor(&["--task", "planar_arm"]).passed();
    assert!(line(&run, "landscape").starts_with("warn  ") && line(&run, "landscape").contains("thalweg train theta"));
}

#[test]
fn parameter_files_are_looked_at() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("node.yaml");
    let file = path.to_str().unwrap();
    fs::write(&path, thalweg(&["params"]).passed().out).unwrap();
    let run = doctor(&["--params-file", file]).passed();
    let told = line(&run, "parameters");
    assert!(told.starts_with("ok    parameters: ") && told.contains(" given to /thalweg, "), "{}", run.out);
    fs::write(&path, "/other:\n  ros__parameters:\n    task: body_pose\n").unwrap();
    let run = doctor(&["--params-file", file]);
    assert_eq!((run.code, run.err.as_str()), (5, "error: one check failed: parameters\n"));
    assert!(
        run.out.contains("FAIL  parameters: ") && run.out.contains("has parameters only for /other"),
        "{}",
        run.out
    );
    assert!(run.out.contains("thalweg params"), "{}", run.out);
}

/// The same file, for a node that launch starts in a namespace.
#[test]
fn a_node_in_a_namespace_is_looked_at_where_it_is() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("fleet.yaml");
    let file = path.to_str().unwrap();
    fs::write(&path, "/robot1/thalweg:\n  ros__parameters:\n    hypotheses: 4\n").unwrap();
    assert_eq!(doctor(&["--params-file", file]).code, 5, "there is no such node without a namespace");
    let run = doctor(&["--ros-args", "-r", "__ns:=/robot1", "-r", "joint_states:=/arm/state", "--params-file", file])
        .passed();
    assert!(line(&run, "parameters").contains("1 given to /robot1/thalweg"), "{}", run.out);
    if cfg!(feature = "ros") {
        assert!(line(&run, "node").contains("/robot1/thalweg"), "{}", run.out);
        assert!(line(&run, "publishers").contains("/arm/state"), "{}", run.out);
    }
}
