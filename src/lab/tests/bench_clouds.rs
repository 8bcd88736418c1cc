//! `thalweg-lab bench clouds` on the bundled motion of a robot.

use std::process::Command;

#[test]
fn every_gap_has_figures_of_every_method_and_a_camera_helps() {
    let output = tempfile::tempdir().expect("a folder");
    let run = Command::new(env!("CARGO_BIN_EXE_thalweg-lab"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(["bench", "clouds", "--points", "0,200", "--frames", "45", "--steps", "3", "--output"])
        .arg(output.path())
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{text}{}", String::from_utf8_lossy(&run.stderr));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| points"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 3 * 5, "{text}");
    for row in &rows {
        assert!(row[2..].iter().all(|cell| cell.parse::<f64>().is_ok_and(f64::is_finite)), "{row:?}");
    }
    let links = |points: &str, gap: usize| {
        let found = rows[5 * gap..][..5].iter().find(|row| row[0] == points && row[1].contains("default"));
        found.and_then(|row| row[3].parse::<f64>().ok()).expect("a figure")
    };
    // Of a robot of which nothing is heard, only the camera tells.
    assert!(links("200", 2) < links("0", 2), "{text}");
}
