//! `thalweg-lab bench trackers` on the bundled motion.

use std::process::Command;

#[test]
fn every_hole_has_figures_of_every_method() {
    let output = tempfile::tempdir().expect("a folder");
    let run = Command::new(env!("CARGO_BIN_EXE_thalweg-lab"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(["bench", "trackers", "--tables", "coco_17", "--frames", "16", "--steps", "1", "--output"])
        .arg(output.path())
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{text}{}", String::from_utf8_lossy(&run.stderr));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| method"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 5 * 5, "{text}");
    assert_eq!(text.matches("Mirrored, ").count(), 5, "{text}");
    for row in &rows {
        let figures = row[1..].iter().filter(|cell| !cell.is_empty());
        assert!(figures.clone().all(|cell| cell.parse::<f64>().is_ok_and(f64::is_finite)), "{row:?}");
        assert!(figures.count() >= 5, "{row:?}");
    }
    // With everything in view the default knows where the body stands.
    let whole = rows.iter().find(|row| row[0].contains("default")).expect("a default");
    assert!(whole[4].parse::<f64>().is_ok_and(|millimetres| millimetres < 100.0), "{whole:?}");
}
