//! `thalweg bench pose` as a user runs it, on the bundled motion, with tiny numbers.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The slowest methods are left to the real run.
const WITHOUT: &str = "x_lm_8,x_lm_prior,x_adam_prior,theta_lm,theta_x_adam,encoder_x_adam";

fn bench(output: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg-lab"));
    command.args(["bench", "pose", "--quick", "--poses", "2", "--timed-poses", "1", "--without", WITHOUT]);
    command.arg("--output").arg(output).args(more).current_dir(thalweg_tests::root());
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program prints UTF-8")
}

fn results(output: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(output.join("results.json")).unwrap()).expect("it is JSON")
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().expect("a finite number")).collect()
}

/// Whether two results are the same, but for the last digit that reading JSON may cost.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| same(value, &other[key]))
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= 1e-14 * one.abs()
        }
        _ => one == other,
    }
}

/// Ends the test unless errors are finite and the least of many is never above the mean.
fn check_completions(blocks: &serde_json::Map<String, Value>) {
    let rows: Vec<&Value> =
        blocks.iter().filter(|(key, _)| key.starts_with("completion/")).map(|(_, value)| value).collect();
    assert_eq!(rows.len(), 11 * 3, "eleven methods, three masks");
    for row in rows {
        let summaries = row["summaries"].as_array().unwrap();
        let counts: Vec<i64> = summaries.iter().map(|summary| summary["hypotheses"].as_i64().unwrap()).collect();
        assert_eq!(counts, [1, 5]);
        let of = |index: usize, name: &str| summaries[index]["hidden_deg"][name].as_f64().expect("a finite number");
        assert!(of(1, "min") <= of(0, "min") && of(1, "min") <= of(1, "mean") && of(1, "mean") < 180.0, "{row}");
        assert!(row["ranked_deg"].as_f64().expect("a finite number") >= of(1, "min") - 1e-9, "{row}");
        let differ = summaries[1]["diversity_cm"].as_f64().unwrap() > 0.0;
        // From zero there is one way.
        assert_eq!(differ, !row["arm"].as_str().unwrap().starts_with("x0_"), "{row}");
    }
}

#[test]
fn everything_is_measured_written_and_not_measured_twice() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("bench");
    let first = bench(&output, &[]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let out = text(&first.stdout);
    assert!(
        out.contains("## Claims") && out.contains("| a: 2 steps of theta, 20 of Adam in X, bundled motion |"),
        "{out}"
    );
    let report = std::fs::read_to_string(output.join("results.md")).unwrap();
    for title in [
        "Loss (Eq. 6) after steps",
        "Loss (Eq. 6) after milliseconds",
        "Ablation",
        "arms hidden",
        "Time of a solve",
        "Streams",
    ] {
        assert!(report.contains(&format!("## {title}")), "{title}: {report}");
    }
    assert!(report.contains("nearest training pose (needs training poses (--data))"), "{report}");
    for picture in ["landscapes.png", "loss_steps_0.svg", "loss_milliseconds_0.png", "hidden_joints_0.svg"] {
        assert!(output.join(picture).exists(), "{picture}");
    }
    let written = results(&output);
    let blocks = written["blocks"].as_object().unwrap();
    check_completions(blocks);
    for (key, curve) in blocks.iter().filter(|(key, _)| key.starts_with("steps/")) {
        let curve = numbers(curve);
        assert!(curve.windows(2).all(|pair| pair[1] <= pair[0]), "{key} rises: {curve:?}");
    }

    // Half of it is lost; what does not depend on the clock comes again.
    let kept: serde_json::Map<String, Value> = blocks.clone().into_iter().step_by(2).collect();
    let mut half = written.clone();
    half["blocks"] = Value::Object(kept);
    std::fs::write(output.join("results.json"), serde_json::to_vec(&half).unwrap()).unwrap();
    let again = bench(&output, &[]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    for (key, block) in results(&output)["blocks"].as_object().unwrap() {
        let is_timed = key.contains("budgets") || key.starts_with("solve times") || key.contains("streams");
        assert!(is_timed || same(block, &blocks[key]), "{key} differs");
    }

    let other = bench(&output, &["--seeds", "2"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(text(&other.stderr).contains("comes from other options, weights or data"), "{}", text(&other.stderr));
}

#[test]
fn what_is_missing_or_unknown_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = bench(folder.path(), &["--landscape-paper", "nowhere.safetensors"]);
    assert_eq!(missing.status.code(), Some(4), "{}", text(&missing.stderr));
    assert!(text(&missing.stderr).contains("nowhere.safetensors"), "{}", text(&missing.stderr));
    let data = bench(folder.path(), &["--data", "nowhere"]);
    assert_eq!(data.status.code(), Some(3), "{}", text(&data.stderr));
    let unknown = bench(folder.path(), &["--without", "y_adam"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown.stderr));
    assert!(text(&unknown.stderr).contains("expected one of mean_pose, nearest"), "{}", text(&unknown.stderr));
}
