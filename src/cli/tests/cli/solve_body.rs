//! `thalweg solve` on the body, with the shipped weights.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde_json::{Map, Value};
use tch::{Kind, Tensor};
use tempfile::tempdir;
use thalweg::motion::Motion;

use crate::{Run, load, read_solution, solve, thalweg};

/// Steps that bring the seen joints to the truth; the default budget is for service, not for proof.
const STEPS: [&str; 4] = ["--steps", "300", "--rate", "0.1"];

/// Greatest mean error of seen joints, degrees for each axis. Measured on draws of the prior: 0.7 to 1.4.
const SEEN_DEG: f64 = 3.0;

/// Latents `[3, 48]` of the prior.
fn latents() -> Tensor {
    let random = StdRng::seed_from_u64(5);
    let values: Vec<f32> = random.sample_iter(StandardNormal).take(3 * 48).collect();
    Tensor::from_slice(&values).view([3, 48])
}

fn write_motion(folder: &Path) -> PathBuf {
    let path = folder.join("motion.safetensors");
    let task = load("body_pose");
    let joints = task.render(&task.forward(&latents()).expect("latents fit")).expect("F fits").joints;
    let motion = Motion { joints: joints.expect("a body has joints"), fps: 30.0 };
    motion.save(&path, task.spec(), "drawn from the prior").expect("the folder is ours");
    path
}

/// Joint angles by name of one latent, as exactly as a motion file holds them.
fn truth(frame: i64) -> Map<String, Value> {
    let task = load("body_pose");
    let y_hat = task.forward(&latents().narrow(0, frame, 1)).expect("the latent fits");
    let joints = task.render(&y_hat).expect("F fits").joints.expect("a body has joints");
    let held = joints.view(-1).to_kind(Kind::Half).to_kind(Kind::Float);
    let values = Vec::<f32>::try_from(&held).expect("they are f32");
    task.spec().joints.iter().zip(values).map(|(joint, value)| (joint.name.clone(), value.into())).collect()
}

fn mean_error(run: &Run, title: &str) -> f64 {
    let words: Vec<&str> = run.line(title).split_whitespace().collect();
    assert_eq!((words[..2].join(" ").as_str(), words[3]), ("mean error", "deg,"), "{words:?}");
    words[2].parse().expect("the third word is a number")
}

#[test]
fn hidden_arms_are_completed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("solution.json");
    let obs = serde_json::json!({ "joints": truth(0) }).to_string();
    let args = ["solve", "-", "--hide", "arms", "--output", path.to_str().unwrap()];
    let run = crate::thalweg_with(&obs, &[&args[..], &STEPS].concat()).passed();
    assert_eq!(run.line("observed"), "39 of 63 values of joints (standard input)");
    assert_eq!(run.line("landscape"), "identity");
    assert!(run.line("start").ends_with("/models/body_pose_theta.safetensors)"), "{}", run.out);
    assert_eq!(run.line("search"), "adam, rate 0.1 (fused), 8 hypotheses, seed 0");
    assert!(mean_error(&run, "seen") < SEEN_DEG, "{}", run.out);
    assert!(run.out.contains("  left_elbow_x ") && !run.out.contains("  neck_x "), "{}", run.out);
    let best = &read_solution(&path)["hypotheses"][0];
    assert_eq!(best["joints"].as_object().unwrap().len(), 63);
    assert_eq!(best["points"].as_array().unwrap().len(), 22);
    assert_eq!(best["x"].as_array().unwrap().len(), 48);
}

/// Places of one latent with their names, pelvis first.
fn places(frame: i64) -> Vec<(String, Value)> {
    let task = load("body_pose");
    let y_hat = task.forward(&latents().narrow(0, frame, 1)).expect("the latent fits");
    let points = task.render(&y_hat).expect("F fits").points.expect("a body has places");
    let points = Vec::<f32>::try_from(&points.view(-1)).expect("they are f32");
    let names = std::iter::once("pelvis").chain(thalweg_body_pose::skeleton::NAMES);
    names.zip(points.chunks(3)).map(|(name, point)| (name.to_owned(), serde_json::json!(point))).collect()
}

#[test]
fn places_of_joints_are_reached_where_they_count() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("solution.json");
    let obs = serde_json::json!({ "points": Map::from_iter(places(0)) }).to_string();
    let weight = ["--parameter", "point_weight=10", "--optimizer", "lm"];
    solve("body_pose", &obs, &[&weight[..], &["--output", path.to_str().unwrap()]].concat()).passed();
    let got = read_solution(&path)["hypotheses"][0]["points"].clone();
    for (name, expected) in places(0) {
        let apart = |axis: usize| got[&name][axis].as_f64().unwrap() - expected[axis].as_f64().unwrap();
        let distance = (0..3).map(|axis| apart(axis).powi(2)).sum::<f64>().sqrt();
        assert!(distance < 0.02, "{name}: {distance} m from where it was seen");
    }
    solve("body_pose", &obs, &[])
        .refused(3, "standard input: task body_pose does not observe points; it observes joints");
}

#[test]
fn a_recorded_frame_has_a_truth() {
    let folder = tempdir().unwrap();
    let motion = write_motion(folder.path());
    let motion = motion.to_str().unwrap();
    let args = ["solve", "--recording", motion, "--frame", "1", "--hide", "left_arm", "--hide", "head_x"];
    let run = thalweg(&[&args[..], &STEPS].concat()).passed();
    assert_eq!(run.line("observed"), format!("50 of 63 values of joints (frame 1 of {motion})"));
    assert!(mean_error(&run, "seen") < SEEN_DEG, "{}", run.out);
    assert!(mean_error(&run, "hidden") < 180.0);
    let row = run.out.lines().find(|line| line.starts_with("  head_x ")).expect("it is hidden, hence listed");
    let shown: f64 =
        row.split_once("truth").and_then(|(_, truth)| truth.split_whitespace().next()?.parse().ok()).unwrap();
    let expected = truth(1)["head_x"].as_f64().unwrap().to_degrees();
    assert!((shown - expected).abs() < 0.01, "{row}: expected {expected}");
}

#[test]
fn a_frame_and_its_joints_are_one_problem() {
    let folder = tempdir().unwrap();
    let motion = write_motion(folder.path());
    let [of_frame, of_joints] = ["frame.json", "joints.json"].map(|name| folder.path().join(name));
    let args = ["--recording", motion.to_str().unwrap(), "--frame", "2", "--output", of_frame.to_str().unwrap()];
    thalweg(&[&["solve", "--hide", "legs", "--steps", "60"], &args[..]].concat()).passed();
    let obs = serde_json::json!({ "stamp_nanos": 66_666_666, "joints": truth(2) }).to_string();
    solve("body_pose", &obs, &["--hide", "legs", "--output", of_joints.to_str().unwrap()]).passed();
    let [of_frame, of_joints] = [of_frame, of_joints].map(|path| read_solution(&path));
    assert!(of_frame == of_joints, "a frame gives another solution than its joints");
}

#[test]
fn frames_and_recordings_are_checked() {
    let folder = tempdir().unwrap();
    let motion = write_motion(folder.path());
    let motion = motion.to_str().unwrap();
    thalweg(&["solve", "--recording", motion, "--frame", "3"])
        .refused(3, &format!("recording {motion}: there is no frame 3; expected 0 to 2"));
    let of_arm = thalweg(&["solve", "--task", "planar_arm", "--recording", motion, "--frame", "0"]);
    of_arm.refused(3, &format!("recording: {motion}: metadata 'task': expected 'planar_arm', got 'body_pose'"));
    thalweg(&["solve", "--recording", "no/motion", "--frame", "0"])
        .refused(3, "recording: no/motion: No such file or directory (os error 2)");
    assert_eq!(thalweg(&["solve", "--recording", motion]).code, 2);
    assert_eq!(thalweg(&["solve", "--frame", "0", "-"]).code, 2);
}

#[test]
fn a_start_can_be_left_out() {
    let run = solve("body_pose", r#"{"joints": {"neck_x": 0.1}}"#, &["--start", "none"]).passed();
    assert_eq!((run.line("start"), run.line("landscape")), ("drawn", "identity"));
}
