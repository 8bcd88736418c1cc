//! Weights that are missing, damaged, or of something else: exit code 4.

use std::fs;
use std::path::Path;

use tch::{Device, Kind, Tensor};
use tempfile::tempdir;
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_nn::weights;
use thalweg_task::TaskSpec;

use crate::{Run, arm_landscape, load, solve};

/// Solves the body with the weights in `models`.
fn body(models: &Path) -> Run {
    solve("body_pose", r#"{"joints": {"neck_x": 0.1}}"#, &["--models", models.to_str().unwrap()])
}

/// Solves the arm on a landscape file.
fn arm(landscape: &Path, more: &[&str]) -> Run {
    let args = [&["--landscape", landscape.to_str().unwrap()], more].concat();
    solve("planar_arm", r#"{"joints": {"joint_1": 0.1}}"#, &args)
}

/// Ends the test unless the weights were refused, in one line that begins with `start`.
fn refused(run: &Run, start: &str) {
    assert_eq!((run.code, run.out.as_str()), (4, ""), "{}", run.err);
    assert!(run.err.starts_with(&format!("error: {start}")) && run.err.lines().count() == 1, "{}", run.err);
}

#[test]
fn damaged_models_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("body_pose.safetensors");
    let name = path.display();
    body(folder.path()).refused(4, &format!("{name}: No such file or directory (os error 2)"));
    let shipped = thalweg_tests::root().join("models/body_pose.safetensors");
    let whole = fs::read(shipped).expect("the weights are shipped");
    for bytes in [&whole[..whole.len() / 2], &whole[..5], b"", b"this is text, not weights", &[0xff; 64]] {
        fs::write(&path, bytes).unwrap();
        refused(&body(folder.path()), &format!("{name}: not a whole safetensors file: "));
    }
    fs::copy(arm_landscape(folder.path()), &path).unwrap();
    refused(&body(folder.path()), &format!("{name}: metadata 'format': expected 'thalweg-body-pose', got "));
}

#[test]
fn damaged_landscapes_are_refused() {
    let folder = tempdir().unwrap();
    let path = arm_landscape(folder.path());
    let name = path.display();
    assert_eq!(arm(&path, &[]).passed().code, 0);
    let whole = fs::read(&path).unwrap();
    for bytes in [&whole[..whole.len() - 1], &whole[..100], b"{}"] {
        fs::write(&path, bytes).unwrap();
        refused(&arm(&path, &[]), &format!("landscape {name}: not a whole safetensors file: "));
    }
    fs::remove_file(&path).unwrap();
    arm(&path, &[]).refused(4, &format!("landscape {name}: No such file or directory (os error 2)"));
}

/// Writes a random landscape for whatever `spec` says it is for.
fn write_for(spec: &TaskSpec, path: &Path) {
    let shape = LandscapeShape { z: 4, x: spec.latent, hidden: 8 };
    let landscape = Landscape::random(&shape, 0, Kind::Float, Device::Cpu).expect("the shape is sound");
    landscape.save(path, spec, &[]).expect("the folder is ours");
}

#[test]
fn landscapes_of_something_else_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("theta.safetensors");
    let name = path.display();
    let spec = load("planar_arm").spec().clone();
    write_for(&TaskSpec { name: "planar_leg".to_owned(), ..spec.clone() }, &path);
    arm(&path, &[]).refused(4, &format!("landscape {name}: trained for task planar_leg, expected task planar_arm"));
    write_for(&TaskSpec { latent: 5, ..spec.clone() }, &path);
    arm(&path, &[]).refused(4, &format!("landscape {name}: maps to 5 latent dimensions, task planar_arm has 3"));
    write_for(&spec, &path);
    let other_model = arm(&path, &["--parameter", "limit=2"]);
    let model = |limit| format!("planar_arm-1 lengths [0.3, 0.25, 0.15] limit {limit}");
    other_model.refused(
        4,
        &format!(
            "landscape {name}: trained for model {} of task planar_arm, expected model {}; train it again",
            model("2.6"),
            model("2.0")
        ),
    );
}

#[test]
fn landscapes_of_wrong_shapes_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("theta.safetensors");
    let name = path.display();
    let spec = load("planar_arm").spec().clone();
    let sizes: [(&str, &[i64]); 6] = [
        ("theta.0.weight", &[8, 5]),
        ("theta.0.bias", &[8]),
        ("theta.1.weight", &[8, 8]),
        ("theta.1.bias", &[8]),
        ("theta.2.weight", &[3, 8]),
        ("theta.2.bias", &[3]),
    ];
    let tensors = sizes.map(|(name, size)| (name.to_owned(), Tensor::zeros(size, (Kind::Float, Device::Cpu))));
    let metadata = [
        ("format", "thalweg-landscape"),
        ("version", "1"),
        ("task", "planar_arm"),
        ("fingerprint", spec.fingerprint.as_str()),
        ("z", "4"),
        ("x", "3"),
        ("hidden", "8"),
    ];
    weights::save(&path, &tensors, &metadata.map(|(key, value)| (key, value.to_owned()))).unwrap();
    arm(&path, &[]).refused(4, &format!("landscape {name}: tensor theta.0.weight: expected shape [8, 4], got [8, 5]"));
    weights::save(&path, &tensors[1..], &metadata.map(|(key, value)| (key, value.to_owned()))).unwrap();
    refused(&arm(&path, &[]), &format!("landscape {name}: lacks tensors: theta.0.weight"));
}

#[test]
fn a_damaged_shipped_landscape_is_not_skipped() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("planar_arm_theta.safetensors");
    fs::write(&path, "damaged").unwrap();
    let models = folder.path().to_str().unwrap();
    let run = solve("planar_arm", r#"{"joints": {"joint_1": 0.1}}"#, &["--models", models]);
    refused(&run, &format!("landscape {}: not a whole safetensors file: ", path.display()));
}
