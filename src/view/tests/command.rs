//! The program by its exit codes and sentences, where there is no display, or nothing to show.

use std::process::{Command, Output};

fn view(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg_view"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).args(arguments);
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(name);
    }
    command.output().expect("it starts")
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

#[test]
fn v1_without_a_display_there_is_one_sentence() {
    for arguments in [&["--demo"][..], &[], &["--urdf", "urdf/human_21.urdf"]] {
        let output = view(arguments);
        let said = complaint(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("no display: neither DISPLAY nor WAYLAND_DISPLAY is set"), "{said}");
    }
}

#[test]
fn v1_a_display_that_does_not_answer_is_one_sentence() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg_view"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).arg("--demo");
    command.env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET").env("DISPLAY", ":4999");
    let output = command.output().expect("it starts");
    let said = complaint(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("display"), "{said}");
}

#[test]
fn v1_without_an_adapter_there_is_one_sentence() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg_view"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command.args(["--demo", "--headless", "--snapshot", "/nowhere/x.png"]).env("WGPU_ADAPTER_NAME", "no such card");
    let output = command.output().expect("it starts");
    let said = complaint(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("no graphics adapter"), "{said}");
}

#[test]
fn what_is_not_there_is_named() {
    let cases: [(&[&str], &str); 5] = [
        (&["--demo", "--hide", "wings", "--headless", "--snapshot", "x.png"], "no group of joints named wings"),
        (&["--recording", "/nowhere"], "/nowhere"),
        (&["--demo", "--urdf", "/nowhere.urdf"], "/nowhere.urdf"),
        (&["--demo", "--urdf", "Cargo.toml"], "Cargo.toml: no URDF"),
        (&["--headless", "--snapshot", "x.png"], "--recording PATH or --demo"),
    ];
    for (arguments, expected) in cases {
        let output = view(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(complaint(&output).contains(expected), "{arguments:?}: {}", complaint(&output));
    }
    assert_eq!(view(&["--size", "big"]).status.code(), Some(2));
    assert_eq!(view(&["--help"]).status.code(), Some(0));
}
