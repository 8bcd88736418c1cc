//! `thalweg params`, run as a user runs it.

use std::process::Command;

use thalweg::Registry;
use thalweg_node::parameters::{dump, markdown};

/// Exit code, standard output, standard error.
fn params(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    let output = command.arg("params").args(arguments).output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn files_and_the_table_are_printed() {
    assert_eq!(params(&[]), (Some(0), dump(&Registry::shipped(), "body_pose").unwrap(), String::new()));
    assert_eq!(
        params(&["--task", "planar_arm"]),
        (Some(0), dump(&Registry::shipped(), "planar_arm").unwrap(), String::new())
    );
    assert_eq!(params(&["--markdown"]), (Some(0), markdown(&Registry::shipped()), String::new()));
}

#[test]
fn wrong_arguments_are_refused() {
    let sentence = "error: unknown task 'planar'; the nearest known name is 'planar_arm'\n";
    assert_eq!(params(&["--task", "planar"]), (Some(3), String::new(), sentence.to_owned()));
    assert_eq!(params(&["--markdown", "--task", "planar_arm"]).0, Some(2));
}
