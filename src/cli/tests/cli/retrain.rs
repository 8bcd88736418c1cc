//! `thalweg train theta --from-recordings`: promoted, or kept out with a reason.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tch::{Device, Kind};
use thalweg_engine::landscape::Landscape;
use thalweg_nn::weights::Weights;

use crate::{Run, load, thalweg};
use thalweg_tests::recording::record;

pub(crate) const SMALL: [&str; 8] = ["--descents", "64", "--steps", "4", "--batch", "64", "--drawn", "256"];

/// A landscape that has hardly been trained, and a recording on it; gives their paths and the landscape.
pub(crate) fn recorded(folder: &Path) -> (String, String, Landscape) {
    let theta = folder.join("theta.safetensors");
    let name = theta.to_str().unwrap().to_owned();
    let task = ["train", "theta", "--task", "planar_arm", "--hidden", "32", "--buffers", "2", "--output", &name];
    thalweg(&[&task, SMALL.as_slice()].concat()).passed();
    let landscape = Landscape::trained(&theta, load("planar_arm").spec()).unwrap();
    let recordings = folder.join("recordings");
    record(&recordings, landscape.shallow_clone(), 200);
    (name, recordings.to_str().unwrap().to_owned(), landscape)
}

fn retrain(recordings: &str, current: &str, output: &str, more: &[&str]) -> Run {
    let task = ["train", "theta", "--task", "planar_arm", "--from-recordings", recordings];
    thalweg(&[&task, SMALL.as_slice(), &["--landscape", current, "--output", output], more].concat())
}

/// Lists what was recorded as a person would who has looked at it.
fn approve(folder: &Path, recordings: &str) -> String {
    let list = folder.join("approved");
    let listed =
        Command::new("sh").args(["-c", "sha256sum $(find \"$0\" -name '*.mcap')", recordings]).output().unwrap();
    assert!(listed.status.success() && !listed.stdout.is_empty());
    std::fs::write(&list, listed.stdout).unwrap();
    list.to_str().unwrap().to_owned()
}

#[test]
fn a_better_landscape_is_promoted_with_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let (current, recordings, before) = recorded(folder.path());
    let output = folder.path().join("new.safetensors");
    let report = folder.path().join("report");
    let list = approve(folder.path(), &recordings);
    let more = ["--buffers", "30", "--rate-theta", "0.002", "--report", report.to_str().unwrap(), "--approved", &list];
    let run = retrain(&recordings, &current, output.to_str().unwrap(), &more).passed();
    assert!(run.out.contains("1 recordings, 200 solves: 140 to train on, 20 to validate, 40 held out"), "{}", run.out);
    assert!(run.line("promoted, for it is better on ").ends_with("new.safetensors"), "{}", run.out);
    let after = Landscape::trained(&output, load("planar_arm").spec()).unwrap();
    let text = std::fs::read_to_string(report.join("retrain.json")).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((told["current"].as_str(), told["new"].as_str()), (Some(before.id()), Some(after.id())));
    assert_eq!(told["promoted"], true);
    let recorded = &told["verdict"]["sets"][0];
    let at = |curve: &str| recorded[curve][recorded["steps"].as_u64().unwrap() as usize].as_f64().unwrap();
    assert!(at("new") < at("current"), "{recorded}");
    let told: String = Weights::open(&output, Kind::Float, Device::Cpu).unwrap().meta("recordings").unwrap();
    let approved = std::fs::read_to_string(&list).unwrap();
    assert_eq!(told.split_once("  ").unwrap().0, approved.split_once("  ").unwrap().0);
}

#[test]
fn a_worse_landscape_is_kept_beside_and_the_current_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (current, recordings, _) = recorded(folder.path());
    let before = std::fs::read(&current).unwrap();
    // A rate that ruins it, and no validation that would keep the start.
    let more = ["--buffers", "1", "--rate-theta", "0.3", "--validate-every", "0"];
    let run = retrain(&recordings, &current, &current, &more);
    let beside = folder.path().join("theta.rejected.safetensors");
    let end = format!("; the current landscape stays, the new one is {}\n", beside.display());
    assert_eq!(run.code, 5, "{}", run.err);
    assert!(run.err.starts_with("error: not promoted: it is worse on ") && run.err.ends_with(&end), "{}", run.err);
    assert_eq!(std::fs::read(&current).unwrap(), before);
    assert!(beside.exists());
}

#[test]
fn what_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (current, _, _) = recorded(folder.path());
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let run = retrain(empty.to_str().unwrap(), &current, &current, &[]);
    assert!(
        run.code != 0 && run.err.contains("expected at least one recording (.mcap, .db3), found none"),
        "{}",
        run.err
    );
    let recordings = folder.path().join("recordings");
    let list = folder.path().join("approved");
    std::fs::write(&list, format!("{}  other.mcap\n", "0".repeat(64))).unwrap();
    let run = retrain(recordings.to_str().unwrap(), &current, &current, &["--approved", list.to_str().unwrap()]);
    assert!(run.code == 3 && run.err.contains("none of 1 recordings is on "), "{} {}", run.code, run.err);
    let run = thalweg(&["train", "theta", "--mix", "."]);
    assert!(run.code == 2 && run.err.contains("--from-recordings"), "{}", run.err);
}

/// Files by name and by pattern, each once; the manifest in the metadata tells them; memory bounds what is held.
#[test]
fn lists_and_patterns_of_recordings_are_read_within_the_memory_that_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let (current, recordings, landscape) = recorded(folder.path());
    record(&folder.path().join("more"), landscape, 150);
    let output = folder.path().join("new.safetensors");
    let patterns = [format!("{recordings}/**/*.mcap"), format!("{}/m*", folder.path().display()), recordings];
    let task = ["train", "theta", "--task", "planar_arm", "--landscape", &current, "--buffers", "1"];
    let from = [&["--from-recordings"], &patterns.each_ref().map(String::as_str)[..]].concat();
    let of = |more: &[&str]| {
        let output = ["--output", output.to_str().unwrap()];
        thalweg(&[&task, SMALL.as_slice(), &output, from.as_slice(), more].concat())
    };
    let run = of(&[]);
    assert!(run.out.starts_with("2 recordings, 350 solves: "), "{} {}", run.out, run.err);
    let written = if run.code == 0 { output.clone() } else { output.with_extension("rejected.safetensors") };
    let told: String = Weights::open(&written, Kind::Float, Device::Cpu).unwrap().meta("recordings").unwrap();
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.lines().all(|line| line.split_once("  ").unwrap().0.len() == 64), "{told}");
    let refused = thalweg(&[&task[..], &["--from-recordings", "no/such*"]].concat());
    assert!(refused.err.contains("no/such*: no file or folder has such a name"), "{}", refused.err);
}
