//! `thalweg-lab demo` as a user runs it, on the shipped weights and the shipped motion.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Exit code of weights that are missing, damaged or made for something else.
const WEIGHTS: i32 = 4;

fn demo(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg-lab"));
    command.current_dir(thalweg_tests::root()).arg("demo").args(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program prints UTF-8")
}

/// Decodes a PNG file whole; returns its size and how many of its pixels are not white.
fn decode(path: &Path) -> ((u32, u32), usize) {
    let mut reader = png::Decoder::new(fs::File::open(path).unwrap()).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    let inked = pixels[..frame.buffer_size()].chunks(3).filter(|pixel| **pixel != [255, 255, 255]).count();
    ((frame.width, frame.height), inked)
}

/// Every number below a JSON value, by path; null and infinities do not come through JSON.
fn check_finite(path: &str, value: &Value) {
    match value {
        Value::Null => assert_eq!(path, "/peak_memory_mb", "null at {path}"),
        Value::Number(number) => assert!(number.as_f64().is_some_and(f64::is_finite), "{path}: {number}"),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| check_finite(&format!("{path}/{index}"), item));
        }
        Value::Object(entries) => entries.iter().for_each(|(key, item)| check_finite(&format!("{path}/{key}"), item)),
        Value::Bool(_) | Value::String(_) => {}
    }
}

/// Checks what must hold among the numbers of one method in one phase.
fn check_method(method: &Value, hidden: &str) {
    let number = |key: &str| method[key].as_f64().unwrap_or_else(|| panic!("{key} of {method}"));
    // Of six frames two show everything.
    assert_eq!(number("frames"), 4.0);
    for unit in ["deg", "mm"] {
        let [best, least, average] = ["", "_min", "_mean"].map(|which| number(&format!("hidden_{unit}{which}")));
        assert!(0.0 < least && least <= best && least <= average, "{hidden}: {best} {least} {average}");
    }
    assert!(number("hidden_deg") < 180.0 && number("visible_deg") < 180.0);
    assert!(number("visible_deg") > 0.0 && number("diversity_cm") > 0.0);
    assert!(number("solve_ms_p50") <= number("solve_ms_p99"));
    assert!(number("overruns") <= 4.0);
}

#[test]
fn a_short_demo_writes_two_pictures_and_consistent_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(&["--in-process", "--fast", "--frames", "6", "--output", folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for (name, size) in [("demo_error", (1600, 860)), ("demo_filmstrip", (1600, 1514))] {
        let (decoded, inked) = decode(&folder.path().join(format!("{name}.png")));
        assert_eq!(decoded, size, "{name}");
        assert!(inked > 100_000, "{name} has {inked} pixels that are not white");
        let svg = fs::read_to_string(folder.path().join(format!("{name}.svg"))).unwrap();
        assert!(svg.starts_with("<svg width=\"1600\"") && svg.trim_end().ends_with("</svg>"), "{name}");
        assert!(!svg.contains("NaN"), "{name}");
    }
    let report: Value = serde_json::from_slice(&fs::read(folder.path().join("demo.json")).unwrap()).unwrap();
    check_finite("", &report);
    assert_eq!(report["settings"]["methods"], serde_json::json!(["start", "theta", "x-descent", "x-cold"]));
    assert_eq!(report["settings"]["landscapes"][0], "identity");
    assert_eq!(report["settings"]["engines"][0], "start: levenberg_marquardt by fused");
    let phases = report["phases"].as_array().unwrap();
    assert_eq!(phases.iter().map(|phase| phase["hidden"].as_str().unwrap()).collect::<Vec<_>>(), ["arms", "legs"]);
    let printed = text(&output.stdout);
    assert_eq!(report["settings"]["engines"][1], "theta: adam by fused");
    let lines: Vec<&str> = printed.lines().skip_while(|line| !line.starts_with("A body moved")).collect();
    assert!((9..=10).contains(&lines.len()), "{printed}");
    for name in ["demo_filmstrip.png", "demo_error.png", "demo.json"] {
        assert!(printed.contains(folder.path().join(name).to_str().unwrap()), "{printed}");
    }
    for phase in phases {
        let methods = phase["methods"].as_array().unwrap();
        assert_eq!(methods.len(), 4);
        methods.iter().for_each(|method| check_method(method, phase["hidden"].as_str().unwrap()));
        let verdicts = phase["verdicts"].as_array().unwrap();
        assert_eq!(verdicts.len(), 3);
        for (other, verdict) in methods[1..].iter().zip(verdicts) {
            check_verdict([&methods[0], other], verdict.as_str().unwrap());
        }
        let hold = phase["hold_deg"].as_f64().unwrap();
        assert!(hold > 0.0 && lines[4].contains(&format!("{hold:.1}")), "{printed}");
        let own = methods[0]["hidden_deg"].as_f64().unwrap();
        assert!(lines[3].contains(&format!("{own:.1} (")), "{printed}");
    }
}

/// The sentence names first the method whose number is smaller, and counts a difference from a tenth on.
fn check_verdict([a, b]: [&Value; 2], verdict: &str) {
    let error = |method: &Value| method["hidden_deg"].as_f64().unwrap();
    let better = if error(a) <= error(b) { a } else { b };
    let expected = format!("{} errs by {:.2} degrees", better["method"].as_str().unwrap(), error(better));
    assert!(verdict.contains(&expected), "{verdict}; expected {expected}");
    let less = 1.0 - error(better) / error(if error(a) <= error(b) { b } else { a });
    assert_eq!(verdict.contains("% less"), less >= 0.1, "{verdict}; {less}");
}

/// Runs with wrong arguments; returns the error, which must be one line.
fn refused(arguments: &[&str], code: i32) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec!["--in-process", "--fast", "--frames", "2", "--output", folder.path().to_str().unwrap()];
    all.extend(arguments);
    let output = demo(&all);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "files were written");
    error
}

#[test]
fn missing_files_are_named() {
    let error = refused(&["--models", "no/such/models"], WEIGHTS);
    assert!(error.contains("no/such/models/body_pose.safetensors") && error.lines().count() == 1, "{error}");
    let error = refused(&["--motion", "no/such/motion.safetensors"], WEIGHTS);
    assert!(error.contains("no/such/motion.safetensors") && error.lines().count() == 1, "{error}");
    let error = refused(&["--landscape", "no/such/theta.safetensors"], WEIGHTS);
    assert!(error.contains("no/such/theta.safetensors") && error.lines().count() == 1, "{error}");
}

#[test]
fn a_file_that_is_no_motion_is_refused() {
    let error = refused(&["--motion", "models/body_pose.safetensors"], WEIGHTS);
    assert!(error.contains("thalweg-motion") && error.lines().count() == 1, "{error}");
}

#[test]
fn options_outside_their_range_are_refused_as_usage() {
    for wrong in [["--budget-ms", "0"], ["--budget-ms", "NaN"], ["--hypotheses", "0"], ["--frames", "0"]] {
        let error = refused(&wrong, 2);
        assert!(error.contains(wrong[0]), "{error}");
    }
}

#[test]
fn a_file_in_the_place_of_the_output_folder_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = demo(&["--in-process", "--fast", "--frames", "2", "--output", file.path().to_str().unwrap()]);
    assert!(!output.status.success());
    let error = text(&output.stderr);
    assert!(error.contains(file.path().to_str().unwrap()), "{error}");
}

#[test]
fn a_robot_whose_arm_falls_silent_is_completed_better_than_by_its_last_value() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_thalweg-lab"))
        .current_dir(thalweg_tests::root())
        .args(["demo-robot", "--in-process", "--output", folder.path().to_str().unwrap()])
        .output()
        .expect("the program starts");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    let row = |name: &str| -> Vec<f64> {
        let line =
            out.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{name}: {out}"));
        line.trim_start().trim_start_matches(name).split_whitespace().map(|cell| cell.parse().unwrap()).collect()
    };
    let [found, held] = ["thalweg", "hold the last value"].map(row);
    assert_eq!((found.len(), held.len()), (4, 4), "{out}");
    assert!(found[3] < held[3], "after three seconds: {out}");
    assert!(out.contains("said 20 degrees more") && out.contains("that did not lie: 0"), "{out}");
    let ((width, height), inked) = decode(&folder.path().join("demo_robot.png"));
    assert!(inked > 1000 && width > 800 && height > 400);
}
