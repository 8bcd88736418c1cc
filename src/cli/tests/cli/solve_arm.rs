//! `thalweg solve` on the arm, whose truth is known in closed form.

use serde_json::Value;
use tempfile::tempdir;
use thalweg_planar_arm::{Arm, Parameters};

use crate::{arm_landscape, read_solution, solve, thalweg_with};

/// Angles within the limits and away from a straight arm, radians.
const ANGLES: [f64; 3] = [0.4, 0.9, -0.6];

fn tips() -> [[f64; 2]; 3] {
    Arm::new(Parameters::default()).forward(ANGLES)
}

fn solution(obs: &str, more: &[&str]) -> Value {
    let folder = tempdir().expect("there is room for temporary files");
    let path = folder.path().join("solution.json");
    solve("planar_arm", obs, &[&["--output", path.to_str().unwrap()], more].concat()).passed();
    read_solution(&path)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("it is a list").iter().map(|number| number.as_f64().expect("it is a number")).collect()
}

fn near(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-4, "got {got}, expected {expected}");
}

#[test]
fn a_seen_tip_is_reached() {
    let [x, y] = tips()[2];
    let obs = format!(r#"{{"stamp_nanos": 42, "points": {{"tip_3": [{x}, {y}, null]}}}}"#);
    let solution = solution(&obs, &["--optimizer", "lm"]);
    let best = &solution["hypotheses"][0];
    let tip = numbers(&best["points"]["tip_3"]);
    near(tip[0], x);
    near(tip[1], y);
    assert_eq!(solution["stamp_nanos"], 42);
    assert_eq!(solution["landscape"], "identity");
    let joints = ["joint_1", "joint_2", "joint_3"].map(|name| best["joints"][name].as_f64().unwrap());
    let [x_of_joints, y_of_joints] = Arm::new(Parameters::default()).forward(joints)[2];
    near(x_of_joints, x);
    near(y_of_joints, y);
}

#[test]
fn hypotheses_are_ranked_and_weighed() {
    let [x, y] = tips()[2];
    let solution = solution(&format!(r#"{{"points": {{"tip_3": [{x}, {y}, 0]}}}}"#), &["--hypotheses", "5"]);
    let hypotheses = solution["hypotheses"].as_array().unwrap();
    let field = |name: &str| hypotheses.iter().map(|one| one[name].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(field("rank"), [1.0, 2.0, 3.0, 4.0, 5.0]);
    assert!(field("loss").is_sorted());
    near(field("weight").iter().sum(), 1.0);
    assert!(hypotheses.iter().all(|one| numbers(&one["x"]).len() == 3));
    assert_eq!(solution["statistics"]["steps"], 60);
    assert_eq!(solution["statistics"]["stop"], "steps");
    assert_eq!(solution["statistics"]["diverged"], 0);
}

#[test]
fn seen_joints_place_the_tips() {
    let [a, b, c] = ANGLES;
    let as_joint_state =
        format!(r#"{{"joints": {{"name": ["joint_3", "joint_1", "joint_2"], "position": [{c}, {a}, {b}]}}}}"#);
    let by_name = format!(r#"{{"joints": {{"joint_1": {a}, "joint_2": {b}, "joint_3": {c}}}}}"#);
    let solution = [as_joint_state, by_name].map(|obs| solution(&obs, &["--optimizer", "lm"]));
    assert_eq!(solution[0], solution[1]);
    for (name, tip) in ["tip_1", "tip_2", "tip_3"].into_iter().zip(tips()) {
        let got = numbers(&solution[0]["hypotheses"][0]["points"][name]);
        near(got[0], tip[0]);
        near(got[1], tip[1]);
        near(got[2], 0.0);
    }
}

#[test]
fn hidden_readings_are_not_used() {
    let [x, y] = tips()[2];
    let lies = format!(r#"{{"joints": {{"joint_1": 2.5}}, "points": {{"tip_1": [9, 9, 9], "tip_3": [{x}, {y}, 0]}}}}"#);
    let plain = format!(r#"{{"points": {{"tip_3": [{x}, {y}, 0]}}}}"#);
    let hidden = solution(&lies, &["--hide", "joint_1,tip_1"]);
    assert_eq!(hidden["hypotheses"], solution(&plain, &[])["hypotheses"]);
    assert_ne!(hidden["hypotheses"], solution(&lies, &[])["hypotheses"]);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = tempdir().unwrap();
    let bytes = |name: &str, seed: &str| {
        let path = folder.path().join(name);
        let obs = r#"{"points": {"tip_3": [0.3, 0.2, 0]}}"#;
        solve("planar_arm", obs, &["--seed", seed, "--output", path.to_str().unwrap()]).passed();
        std::fs::read(path).unwrap()
    };
    let first = bytes("a", "7");
    assert_eq!(first, bytes("b", "7"));
    assert_ne!(first, bytes("c", "8"));
}

#[test]
fn the_report_says_what_was_done() {
    let run = solve("planar_arm", r#"{"joints": {"joint_1": 0.5}, "points": {"tip_3": [0.3, 0.2, 0]}}"#, &[]).passed();
    assert_eq!(run.line("observed"), "1 of 3 values of joints, 3 of 9 values of points (standard input)");
    assert_eq!(run.line("landscape"), "identity");
    assert_eq!(run.line("start"), "drawn");
    assert_eq!(run.line("search"), "adam, rate 0.2 (tch), 8 hypotheses, seed 0");
    assert_eq!(run.line("stopped"), "by steps; 0 diverged");
    assert!(run.line("solved").starts_with("60 steps, 61 evaluations in "), "{}", run.out);
    assert!(run.out.contains("  joint_2 ") && !run.out.contains("  joint_1 "), "{}", run.out);
    let all = solve("planar_arm", r#"{"joints": {"joint_1": 0.5}}"#, &["--all"]).passed();
    assert!(all.out.contains("  joint_1 "), "{}", all.out);
}

#[test]
fn landscapes_can_be_chosen() {
    let folder = tempdir().unwrap();
    let path = arm_landscape(folder.path());
    let obs = r#"{"joints": {"joint_1": 0.5}}"#;
    let landscape = |name: &str| solve("planar_arm", obs, &["--landscape", name]).passed().line("landscape").to_owned();
    assert_eq!(landscape("identity"), "identity");
    assert_eq!(landscape("random"), "random, untrained, seed 0");
    let trained = landscape(path.to_str().unwrap());
    assert!(trained.starts_with("trained, ") && trained.contains(path.to_str().unwrap()), "{trained}");
}

#[test]
fn limits_end_the_solve() {
    let obs = r#"{"points": {"tip_3": [0.3, 0.2, 0]}}"#;
    let run = |limits: &[&str]| {
        let args = [&["solve", "--task", "planar_arm", "-"], limits].concat();
        thalweg_with(obs, &args).passed()
    };
    assert_eq!(run(&["--tolerance", "0.5"]).line("stopped"), "by tolerance; 0 diverged");
    assert_eq!(run(&["--tolerance", "0", "--steps", "3"]).line("stopped"), "by steps; 0 diverged");
    let timed = run(&["--budget-ms", "2.5"]);
    assert!(timed.line("solved").ends_with("of 2.5 ms, after a warm-up of 50 steps"), "{}", timed.out);
    assert!(run(&[]).line("solved").ends_with("of 8 ms, after a warm-up of 50 steps"));
}
