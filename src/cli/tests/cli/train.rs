//! `thalweg train theta`, from the first buffer to a solve on what it wrote.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use thalweg_engine::landscape::Landscape;

use crate::{Run, load, solve, thalweg};

/// A training of planar_arm in seconds; `more` comes after and may change everything.
fn arguments<'a>(output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let small = ["--hidden", "32", "--descents", "64", "--steps", "4", "--batch", "64", "--drawn", "256"];
    let task = ["train", "theta", "--task", "planar_arm", "--output", output];
    let preset: &[&str] = if more.contains(&"--preset") { &[] } else { &["--preset", "quick"] };
    [&task, preset, small.as_slice(), &["--validate-every", "5", "--validation-rows", "64"], more].concat()
}

fn train(output: &str, more: &[&str]) -> Run {
    thalweg(&arguments(output, more))
}

fn log(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map_while(|line| serde_json::from_str(line).ok()).collect()
}

fn landscape(path: &Path) -> String {
    Landscape::trained(path, load("planar_arm").spec()).unwrap().id().to_owned()
}

#[test]
fn any_task_can_be_trained_and_solved_on_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("theta.safetensors");
    let name = output.to_str().unwrap();
    let run = train(name, &["--buffers", "12", "--best-of", "2", "--keep", "2", "--epochs", "2"]).passed();
    assert!(run.out.starts_with(&format!("wrote {name}: held-out loss ")), "{}", run.out);
    let log = log(&folder.path().join("theta.log"));
    assert_eq!(log.len(), 12);
    let held_out: Vec<u64> =
        log.iter().filter(|line| line["held_out"].is_f64()).map(|line| line["buffer"].as_u64().unwrap()).collect();
    assert_eq!(held_out, [5, 10, 12]);
    assert!(!folder.path().join("theta.checkpoint").exists(), "a finished training leaves no checkpoint");
    let run = solve("planar_arm", r#"{"joints": {"joint_1": 0.3}}"#, &["--landscape", name]).passed();
    assert!(run.line("landscape").starts_with("trained, "), "{}", run.out);
}

/// A training with steps of its own, in seconds.
fn own_steps<'a>(output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let small = ["--hidden", "32", "--descents", "80", "--steps", "3", "--batch", "40", "--drawn", "256"];
    let task = ["train", "theta", "--task", "planar_arm", "--output", output];
    [&task, small.as_slice(), &["--validate-every", "5", "--validation-rows", "64"], more].concat()
}

#[test]
fn a_landscape_with_steps_of_its_own_is_a_start_and_a_landscape() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("theta.safetensors");
    let name = output.to_str().unwrap();
    let run = thalweg(&own_steps(name, &["--buffers", "60"])).passed();
    assert!(run.out.starts_with(&format!("wrote {name}: held-out loss ")), "{}", run.out);
    let log = log(&folder.path().join("theta.log"));
    let held_out = |line: &Value| line["held_out"].as_f64().unwrap();
    assert!(held_out(log.last().unwrap()) < held_out(&log[0]), "{log:?}");
    let seen = r#"{"joints": {"joint_1": 0.3}}"#;
    let run = solve("planar_arm", seen, &["--landscape", name]).passed();
    assert!(run.line("landscape").starts_with("trained, "), "{}", run.out);
    let run = solve("planar_arm", seen, &["--landscape", "identity", "--start", name]).passed();
    assert!(run.line("start").contains("theta.safetensors"), "{}", run.out);
    let steps = Landscape::trained(&output, load("planar_arm").spec()).unwrap();
    assert_eq!(steps.steps().unwrap().count(), 3);
    let refused = thalweg(&own_steps(name, &["--best-of", "2"]));
    assert!(refused.err.contains("best_of: got 2, expected 1 with steps of its own"), "{}", refused.err);
}

/// Starts a training that writes `output`, and kills it when its log has seven lines: without warning, not stopped.
fn kill_on_the_way<T: AsRef<std::ffi::OsStr>>(arguments: &[T], output: &Path) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_thalweg"))
        .args(arguments)
        .current_dir(thalweg_tests::root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while log(&output.with_extension("log")).len() < 7 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success() && !output.exists());
}

#[test]
fn a_killed_training_with_own_steps_resumes_to_the_same_landscape() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (whole, broken) = (path("whole.safetensors"), path("broken.safetensors"));
    let buffers = ["--buffers", "150"];
    thalweg(&own_steps(whole.to_str().unwrap(), &buffers)).passed();
    kill_on_the_way(&own_steps(broken.to_str().unwrap(), &buffers), &broken);
    thalweg(&own_steps(broken.to_str().unwrap(), &buffers)).passed();
    assert_eq!(landscape(&broken), landscape(&whole));
}

/// Killed without warning, not stopped: what is on the disk must do.
#[test]
fn a_killed_training_resumes_to_the_same_landscape() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (whole, broken) = (path("whole.safetensors"), path("broken.safetensors"));
    let buffers = ["--buffers", "150", "--keep", "2"];
    train(whole.to_str().unwrap(), &buffers).passed();
    kill_on_the_way(&arguments(broken.to_str().unwrap(), &buffers), &broken);
    let before = log(&path("broken.log")).len();
    train(broken.to_str().unwrap(), &buffers).passed();
    let resumed = &log(&path("broken.log"))[before..];
    assert!(resumed[0]["buffer"].as_u64().unwrap() > 6, "it began anew: {}", resumed[0]);
    assert_eq!(resumed.last(), log(&path("whole.log")).last());
    assert_eq!(landscape(&broken), landscape(&whole));
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("theta.safetensors");
    let name = output.to_str().unwrap();
    train(name, &["--buffers", "1"]).passed();
    // What lies in the checkpoint's place is a weights file, but no checkpoint.
    let checkpoint = folder.path().join("theta.checkpoint");
    std::fs::rename(&output, &checkpoint).unwrap();
    let sentence = format!(
        "checkpoint {}: belongs to another training, format was thalweg-landscape there, expected \
         thalweg-checkpoint; finish that one with its own options and data, or remove the file",
        checkpoint.display()
    );
    train(name, &["--buffers", "2"]).refused(4, &sentence);
}

#[test]
fn bad_options_are_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("theta.safetensors");
    let name = output.to_str().unwrap();
    train(name, &["--best-of", "3"]).refused(2, "descents: got 64, expected a multiple of best_of = 3");
    train(name, &["--online", "--keep", "2"]).refused(2, "keep: got 2, expected 1 with online, which has no buffer");
    train(name, &["--data", "."]).refused(2, "--data holds body poses; expected task body_pose, got planar_arm");
    let run = train(name, &["--preset", "papr"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("paper") && run.err.contains("quick"), "{}", run.err);
    if !tch::Cuda::is_available() {
        let run = train(name, &["--device", "cuda"]);
        assert_eq!(run.code, 2);
        assert!(run.err.contains("expected at least one CUDA device, or --device cpu"), "{}", run.err);
    }
}
