//! Images of faces as a user inverts them: `demo-images`, `bench gan`, `train theta` and `train encoder`, tiny.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Runs a command of `thalweg-lab` and returns what it printed.
fn lab(arguments: &[&str]) -> String {
    printed(Path::new(env!("CARGO_BIN_EXE_thalweg-lab")), arguments)
}

/// Runs a command of `thalweg`, which is built beside it.
fn thalweg(arguments: &[&str]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_thalweg-lab")).with_file_name("thalweg");
    assert!(program.exists(), "there is no {}: run make programs first", program.display());
    printed(&program, arguments)
}

fn printed(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(thalweg_tests::root()).env_remove("THALWEG_DATA");
    let output = command.output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("the program prints UTF-8")
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn damaged_faces_are_repaired() {
    if !thalweg_tests::fetched::gan() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let printed = lab(&["demo-images", "--steps", "3", "--output", folder.path().to_str().unwrap()]);
    let rows = printed.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| face |")).count();
    assert_eq!(rows, 4, "one row for each damage: {printed}");
    let picture = std::fs::read(folder.path().join("repaired_faces.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 50_000, "{} bytes", picture.len());
}

/// Root mean square of 255 levels on the pixels that were seen, mean over the faces.
fn error_seen(printed: &str) -> f64 {
    let rows = printed.lines().filter_map(|line| line.split('|').nth(4)?.trim().parse::<f64>().ok());
    let errors: Vec<f64> = rows.collect();
    assert_eq!(errors.len(), 4, "{printed}");
    errors.iter().sum::<f64>() / 4.0
}

#[test]
fn repairs_from_the_shipped_start_agree_sooner_than_those_from_drawn_points() {
    if !thalweg_tests::fetched::gan() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let common = ["demo-images", "--steps", "2", "--output", folder.path().to_str().unwrap()];
    let (begun, drawn) = (lab(&common), lab(&[&common[..], &["--start", "none", "--rate", "0.3"]].concat()));
    assert!(begun.starts_with("landscape identity, start ") && drawn.contains("start none"), "{begun}{drawn}");
    let [begun, drawn] = [begun, drawn].map(|printed| error_seen(&printed));
    assert!(begun < 0.7 * drawn, "{begun} and {drawn} levels");
}

/// Trains a landscape and an encoder for some steps, and compares them with descents in X.
#[test]
fn what_was_trained_is_compared() {
    if !thalweg_tests::fetched::gan() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (theta, start) = (path(folder.path(), "theta.safetensors"), path(folder.path(), "start.safetensors"));
    let bench = path(folder.path(), "bench");
    let sizes = "--preset paper-gan --hidden 32 --descents 4 --steps 2 --buffers 2 --batch 4 --drawn 8 --mask-whole 1 \
                 --mask-joints 1 --mask-end-effectors 1 --validate-every 1 --validation-rows 2";
    let common = ["train", "theta", "--task", "gan_inversion", "--output", theta.as_str()];
    thalweg(&common.into_iter().chain(sizes.split_whitespace()).collect::<Vec<_>>());
    thalweg(&[
        "train",
        "encoder",
        "--steps",
        "3",
        "--deviation-steps",
        "2",
        "--batch",
        "2",
        "--image-every",
        "2",
        "--output",
        &start,
    ]);
    let sizes = "--images 2 --steps 20 --tuning 1 --completions 1 --completion-steps 2 --no-images";
    let common = ["bench", "gan", "--landscape", &theta, "--start", &start, "--output", &bench];
    let printed = lab(&common.into_iter().chain(sizes.split_whitespace()).collect::<Vec<_>>());
    for method in ["Adam in X", "random theta", "theta", "theta, 5 steps, then Adam in X", "encoder, then Adam in X"] {
        let rows = printed.lines().filter(|line| line.starts_with(&format!("| {method} |"))).count();
        let of_gaps = printed.lines().filter(|line| line.starts_with("| in distribution |"));
        let gaps = of_gaps.filter(|line| line.contains(&format!("| {method} | "))).count();
        assert!(rows == 1 && gaps == 2, "{method}: {printed}");
    }
    assert!(
        printed.contains("passes the encoder's guess") && printed.contains("nothing out of distribution"),
        "{printed}"
    );
    let results: Value =
        serde_json::from_slice(&std::fs::read(Path::new(&bench).join("results.json")).unwrap()).unwrap();
    let losses = results["blocks"]["curve/in distribution/Adam in X"]["losses"][2].as_array().unwrap();
    let losses: Vec<f64> = losses.iter().map(|loss| loss.as_f64().unwrap()).collect();
    assert!(losses.len() == 21 && losses.windows(2).all(|pair| pair[1] <= pair[0]), "the least so far: {losses:?}");
    assert!(losses[20] < 0.8 * losses[0], "Adam descends: {losses:?}");
    assert!(Path::new(&bench).join("loss_steps_0.svg").exists());
}
