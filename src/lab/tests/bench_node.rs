//! `thalweg-lab bench-node`.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn bench_node(options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg-lab"));
    command.current_dir(thalweg_tests::root()).arg("bench-node").args(options).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program prints UTF-8")
}

#[cfg(not(feature = "ros"))]
#[test]
fn without_ros_there_is_nothing_to_measure() {
    let sentence = "this build has no ROS; build thalweg with --features ros where a ROS 2 prefix is sourced";
    let run = bench_node(&[]);
    assert_eq!((run.status.code(), text(&run.stderr)), (Some(1), format!("error: {sentence}\n")));
}

/// Runs the real node; what it takes is the machine's affair.
#[cfg(feature = "ros")]
#[test]
fn every_message_is_accounted_for() {
    use serde_json::Value;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.json");
    let options = ["--rates", "20", "--flood-rates", "500", "--seconds", "4", "--json", path.to_str().unwrap()];
    let run = bench_node(&options);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let out = text(&run.stdout);
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).expect("it is JSON");
    let [echo, node] = report["round_trips"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!((&echo["who"], &node["who"]), (&Value::from("echo"), &Value::from("node")));
    for row in [echo, node] {
        let count = |key: &str| row[key].as_u64().unwrap();
        assert!(count("answered") > 0 && count("sent") == count("answered") + count("missed"), "{row}");
        assert!(row["p50_ms"].as_f64() <= row["p99_ms"].as_f64() && row["p99_ms"].as_f64() <= row["max_ms"].as_f64());
    }
    assert!(report["ages"][0]["worst_age_ms"].as_f64() >= report["ages"][0]["solve_mean_ms"].as_f64(), "{report}");
    assert!(out.contains("round trips\n") && out.contains("age of the newest data\n"), "{out}");
}
