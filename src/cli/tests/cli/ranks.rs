//! `thalweg train` on two processes, on loopback.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use thalweg_engine::landscape::Landscape;

use crate::retrain::{SMALL, recorded};
use crate::{load, thalweg};
use tch::{Device, Kind};
use thalweg_nn::weights::Weights;
use thalweg_tests::recording::record;

/// A training of planar_arm in seconds.
fn arguments<'a>(output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let task = ["train", "theta", "--task", "planar_arm", "--preset", "quick", "--output", output];
    let small = ["--hidden", "32", "--descents", "64", "--steps", "4", "--batch", "64", "--drawn", "256"];
    [&task, small.as_slice(), &["--validate-every", "1", "--validation-rows", "64"], more].concat()
}

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

/// Starts one rank of two.
fn rank(rank: usize, port: &str, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_thalweg"))
        .args(arguments)
        .current_dir(thalweg_tests::root())
        .envs([("RANK", rank.to_string().as_str()), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")])
        .envs([("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", port)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn both(arguments: &[&str]) -> [Child; 2] {
    let port = free_port();
    [0, 1].map(|index| rank(index, &port, arguments))
}

fn ended(children: [Child; 2]) -> [Output; 2] {
    children.map(|child| child.wait_with_output().unwrap())
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn log(output: &Path) -> Vec<Value> {
    let text = fs::read_to_string(output.with_extension("log")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn landscape(path: &Path) -> String {
    Landscape::trained(path, load("planar_arm").spec()).unwrap().id().to_owned()
}

/// Waits until the log has as many lines.
fn until(output: &Path, lines: usize, children: &mut [Child; 2]) {
    let begun = Instant::now();
    while log(output).len() < lines {
        assert!(children.iter_mut().all(|child| child.try_wait().unwrap().is_none()), "one has ended");
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is trained");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn two_processes_train_what_one_would_and_the_first_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (one, two) = (path("one.safetensors"), path("two.safetensors"));
    let buffers = ["--buffers", "3"];
    crate::thalweg(&arguments(one.to_str().unwrap(), &buffers)).passed();
    let done = ended(both(&arguments(two.to_str().unwrap(), &buffers)));
    assert!(done.iter().all(|output| output.status.success()), "{} {}", err(&done[0]), err(&done[1]));
    assert!(done[0].stdout.starts_with(b"wrote ") && done[1].stdout.is_empty(), "rank 0 alone tells");
    let (alone, together) = (log(&one), log(&two));
    assert_eq!((alone.len(), together.len()), (3, 3));
    for (alone, together) in alone.iter().zip(&together) {
        for name in ["first", "last", "update", "held_out"] {
            let [one, two] = [alone, together].map(|line| line[name].as_f64().unwrap());
            assert!((one - two).abs() < 1e-4 * one.abs().max(1.0), "{name}: {one} on one process, {two} on two");
        }
    }
}

/// Both are killed without warning; what rank 0 has kept is enough, and gives the same bits.
#[test]
fn killed_processes_resume_to_the_same_landscape() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (whole, broken) = (path("whole.safetensors"), path("broken.safetensors"));
    let buffers = ["--buffers", "60", "--keep", "2", "--patience", "0"];
    assert!(ended(both(&arguments(whole.to_str().unwrap(), &buffers))).iter().all(|output| output.status.success()));
    let mut children = both(&arguments(broken.to_str().unwrap(), &buffers));
    until(&broken, 7, &mut children);
    children.iter_mut().for_each(|child| child.kill().unwrap());
    ended(children);
    assert!(!broken.exists(), "it had ended before");
    let before = log(&broken).len();
    let done = ended(both(&arguments(broken.to_str().unwrap(), &buffers)));
    assert!(done.iter().all(|output| output.status.success()), "{} {}", err(&done[0]), err(&done[1]));
    assert!(log(&broken)[before]["buffer"].as_u64().unwrap() > 6, "it began anew");
    assert_eq!(landscape(&broken), landscape(&whole));
}

#[test]
fn a_process_that_dies_ends_the_job_and_is_named() {
    const TIMEOUT: u64 = 60;
    let folder = tempfile::tempdir().unwrap();
    for dead in [0, 1] {
        let output = folder.path().join(format!("theta{dead}.safetensors"));
        let more = ["--buffers", "1000000", "--patience", "0", "--timeout", &TIMEOUT.to_string()];
        let mut children = both(&arguments(output.to_str().unwrap(), &more));
        until(&output, 3, &mut children);
        let begun = Instant::now();
        children[dead].kill().unwrap();
        let done = ended(children);
        assert!(begun.elapsed() < Duration::from_secs(TIMEOUT), "{:?}", begun.elapsed());
        // Above it a rank may be named that was slow on this machine.
        let text = err(&done[1 - dead]);
        let told: Vec<&str> = text.lines().filter(|line| !line.starts_with("note: rank ")).collect();
        assert_eq!(done[1 - dead].status.code(), Some(1), "{text}");
        assert!(
            told[0].starts_with(&format!("error: rank {dead}")) && told[0].contains(" ended or cannot be reached"),
            "{text}"
        );
        assert_eq!(told.len(), 1, "{text}");
    }
}

#[test]
fn other_options_are_refused_on_all_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("theta.safetensors");
    let port = free_port();
    let of = |seed| arguments(output.to_str().unwrap(), &["--buffers", "2", "--seed", seed]);
    let done = ended([rank(0, &port, &of("1")), rank(1, &port, &of("2"))]);
    for output in &done {
        assert_eq!(output.status.code(), Some(5));
        assert!(
            err(output).starts_with("error: options: not the same on all ranks, rank 1 differs"),
            "{}",
            err(output)
        );
    }
}

/// What one process cannot do, the other is told.
#[test]
fn an_error_of_one_process_is_told_by_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("theta.safetensors");
    let port = free_port();
    let more = ["--buffers", "1000000", "--patience", "0"];
    let whole = arguments(output.to_str().unwrap(), &more);
    let bad = [&whole[..], &["--landscape", "missing.safetensors"]].concat();
    let done = ended([rank(0, &port, &whole), rank(1, &port, &bad)]);
    assert!(err(&done[1]).contains("missing.safetensors"), "{}", err(&done[1]));
    let text = err(&done[0]);
    assert!(text.starts_with("error: rank 1 has ended: ") && text.contains("missing.safetensors"), "{text}");
}

#[test]
fn an_environment_that_is_half_set_is_refused() {
    let half = Command::new(env!("CARGO_BIN_EXE_thalweg"))
        .args(["train", "theta", "--task", "planar_arm"])
        .env("RANK", "1")
        .env_remove("WORLD_SIZE")
        .output()
        .unwrap();
    assert_eq!(half.status.code(), Some(2));
    let expected = "error: RANK is set, but WORLD_SIZE, MASTER_ADDR, MASTER_PORT not; expected all of RANK, WORLD_SIZE, \
                    MASTER_ADDR and MASTER_PORT, or none\n";
    assert_eq!(err(&half), expected);
}

#[test]
fn what_is_one_process_refuses_to_be_several() {
    let nowhere = ["--output", "nowhere.safetensors"];
    let motion = [&["train", "motion", "--data", "nowhere"], nowhere.as_slice()].concat();
    let commands = [motion, vec!["adopt", "nowhere.urdf", "nowhere.csv", "--output", "nowhere"]];
    for command in &commands {
        for output in ended(both(command)) {
            assert_eq!(output.status.code(), Some(2), "{}", err(&output));
            assert!(
                err(&output).starts_with("error: WORLD_SIZE: got '2', expected 1, for this command"),
                "{}",
                err(&output)
            );
        }
    }
}

/// Each process reads its files only; both have what one alone would have, and the manifest names all.
#[test]
fn recordings_are_read_by_one_process_each() {
    let folder = tempfile::tempdir().unwrap();
    let (current, recordings, start) = recorded(folder.path());
    record(&Path::new(&recordings).join("more"), start.shallow_clone(), 90);
    fs::write(Path::new(&recordings).join("other.mcap"), b"no recording").unwrap();
    record(&folder.path().join("third"), start, 40);
    let third = folder.path().join("third");
    let from = ["--from-recordings", &recordings, third.to_str().unwrap()];
    let of = |output: &Path| {
        let task = ["train", "theta", "--task", "planar_arm", "--landscape", &current, "--buffers", "1"];
        let all = [&task, SMALL.as_slice(), &from, &["--output", output.to_str().unwrap()]].concat();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let manifest = |output: &Path| {
        let written = if output.exists() { output.to_owned() } else { output.with_extension("rejected.safetensors") };
        Weights::open(&written, Kind::Float, Device::Cpu).unwrap().meta::<String>("recordings").unwrap()
    };
    let (alone, together) = (folder.path().join("alone.safetensors"), folder.path().join("together.safetensors"));
    let run = thalweg(&of(&alone).iter().map(String::as_str).collect::<Vec<_>>());
    let outputs = ended(both(&of(&together).iter().map(String::as_str).collect::<Vec<_>>()));
    let told = String::from_utf8_lossy(&outputs[0].stdout).into_owned();
    assert!(told.starts_with("3 recordings, 330 solves: "), "{told} {}", err(&outputs[0]));
    assert_eq!(told.lines().take(3).collect::<Vec<_>>(), run.out.lines().take(3).collect::<Vec<_>>());
    assert_eq!(manifest(&together), manifest(&alone));
    assert_eq!(manifest(&together).lines().count(), 3);
    let missing = folder.path().join("missing.mcap");
    let refused: Vec<String> = of(&together).into_iter().chain([missing.to_str().unwrap().to_owned()]).collect();
    let position = refused.iter().position(|argument| argument == third.to_str().unwrap()).unwrap();
    let refused: Vec<&str> = refused
        .iter()
        .enumerate()
        .map(|(at, argument)| if at == position { missing.to_str().unwrap() } else { argument.as_str() })
        .take(refused.len() - 1)
        .collect();
    for output in ended(both(&refused)) {
        assert!(!output.status.success() && err(&output).contains("missing.mcap"), "{}", err(&output));
    }
}
