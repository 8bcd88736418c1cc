//! `thalweg-lab bench streams` as a user runs it, on a part of the bundled motion.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;

use serde_json::Value;

#[test]
fn every_age_has_an_error_and_holding_is_exact_on_what_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg-lab"));
    command.args([
        "bench",
        "streams",
        "--rates",
        "60",
        "--thin",
        "12",
        "--steps",
        "2",
        "--methods",
        "hold,velocity,default",
    ]);
    command.args(["--try", "velocity.decay=0.1,0.2"]);
    command.args(["--scenarios", "bursts of 0.5 s,slow tracker", "--output"]).arg(folder.path());
    let output = command.current_dir(thalweg_tests::root()).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results: Value = serde_json::from_slice(&std::fs::read(folder.path().join("results.json")).unwrap()).unwrap();
    let rows = results["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 8, "three methods, one of them twice, in two scenarios");
    for row in rows {
        let measures = &row["measures"];
        let young = measures["by_age_deg"][0].as_f64().expect("a joint that was seen just before");
        assert!((0.0..30.0).contains(&young), "{row}");
        let visible = measures["visible_deg"].as_f64().unwrap();
        assert!(if row["method"] != "default" { visible < 1e-3 } else { (0.01..10.0).contains(&visible) }, "{row}");
        let coverage = measures["coverage"].as_array().map(|both| both.iter().map(|one| one.as_f64().unwrap()));
        let is_calibrated = |both: Vec<f64>| both[0] > 0.3 && both[0] < both[1] && both[1] <= 1.0;
        assert_eq!(
            coverage.map(|both| is_calibrated(both.collect())),
            (row["method"] == "default").then_some(true),
            "{row}"
        );
    }
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("### slow tracker, 60 Hz") && text.contains("| hold the last value |"), "{text}");
    assert!(text.contains("| constant velocity, decaying, velocity.decay 0.2 |"), "{text}");
    assert!(folder.path().join("age_bursts_of_0_5_s_60hz.svg").is_file());
}
