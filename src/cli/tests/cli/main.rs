//! The real program, run as a user runs it: what it prints, writes and refuses.
#![allow(clippy::unwrap_used, missing_docs)]

mod adopt;
mod bad_input;
mod check;
mod doctor;
mod generate;
mod images;
mod new;
mod params;
mod ranks;
mod retrain;
mod solve_arm;
mod solve_body;
mod train;
mod weights;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tch::{Device, Kind};
use thalweg::Registry;
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_task::{LoadOptions, Task};

/// What a run has left.
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    /// Ends the test unless the program succeeded and had nothing to complain about.
    fn passed(self) -> Self {
        assert!(self.code == 0 && self.err.is_empty(), "exit code {}: {}", self.code, self.err);
        self
    }

    /// Ends the test unless the program refused with this code and this one sentence.
    fn refused(&self, code: i32, sentence: &str) {
        assert_eq!((self.code, self.err.as_str()), (code, format!("error: {sentence}\n").as_str()));
        assert_eq!(self.out, "");
    }

    /// The rest of the first line that begins so.
    fn line(&self, title: &str) -> &str {
        let line = self.out.lines().find_map(|line| line.strip_prefix(title));
        line.unwrap_or_else(|| panic!("no line begins with {title}:\n{}", self.out)).trim()
    }
}

/// Runs the program in the root of the repository, with `input` on standard input.
fn thalweg_with(input: &str, args: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.args(args).current_dir(thalweg_tests::root());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A program that refuses its options does not read; its pipe is closed then.
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    let code = output.status.code().expect("the program is not killed");
    Run { code, out: text(output.stdout), err: text(output.stderr) }
}

fn thalweg(args: &[&str]) -> Run {
    thalweg_with("", args)
}

/// Solves an observation of a task; fixed steps, so that results can be compared.
fn solve(task: &str, obs: &str, more: &[&str]) -> Run {
    thalweg_with(obs, &[&["solve", "--task", task, "-", "--steps", "60"], more].concat())
}

fn load(task: &str) -> Box<dyn Task> {
    // As the program does: another number of threads may give other bits.
    tch::set_num_threads(1);
    let models = thalweg_tests::root().join("models");
    Registry::shipped()
        .load(task, &LoadOptions { models, ..LoadOptions::default() })
        .expect("the shipped weights are sound")
}

/// Reads a solution and checks that it holds no null, hence no NaN.
fn read_solution(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the solution was written");
    let solution: Value = serde_json::from_str(&text).expect("it is JSON");
    assert!(!text.contains("null"), "{text}");
    solution
}

/// Writes a small untrained landscape for planar_arm and returns its path.
fn arm_landscape(folder: &Path) -> PathBuf {
    let path = folder.join("arm_theta.safetensors");
    let shape = LandscapeShape { z: 4, x: 3, hidden: 8 };
    let landscape = Landscape::random(&shape, 0, Kind::Float, Device::Cpu).expect("the shape is sound");
    landscape.save(&path, load("planar_arm").spec(), &[]).expect("the folder is ours");
    path
}

#[test]
fn tasks_are_listed() {
    let listed = thalweg(&["tasks"]).passed().out;
    let rows: Vec<Vec<&str>> =
        listed.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
    assert_eq!(rows.len(), 1 + Registry::shipped().entries().len(), "{listed}");
    assert_eq!(rows[0], ["task", "observes", "summary"]);
    assert_eq!(rows[1][..2], ["body_pose", "joints"]);
    assert_eq!(rows[2][..2], ["planar_arm", "joints, points"]);
    assert_eq!(rows[3][..2], ["gan_inversion", "image"]);
    assert_eq!(rows[4][..2], ["image_defence", "image"]);
    assert_eq!(rows[5][..2], ["robot", "joints"]);
    assert_eq!(rows[6][..2], ["scripted", "joints, image, points"]);
}

#[test]
fn tasks_are_listed_as_json() {
    let listed: Value = serde_json::from_str(&thalweg(&["tasks", "--json"]).passed().out).expect("it is JSON");
    assert_eq!(listed[0]["name"], "body_pose");
    assert_eq!(listed[1]["observes"], serde_json::json!(["joints", "points"]));
    assert_eq!(listed[1]["summary"], thalweg_planar_arm::ENTRY.summary);
}

#[test]
fn help_tells_the_exit_codes() {
    let help = thalweg(&["--help"]).passed().out;
    for text in ["2 wrong usage", "3 bad input", "4 weights missing", "5 a check failed"] {
        assert!(help.contains(text), "{help}");
    }
    for command in ["tasks", "check", "solve"] {
        assert!(thalweg(&[command, "--help"]).passed().out.contains(&format!("Usage: thalweg {command}")));
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    let mut child = command.arg("tasks").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
