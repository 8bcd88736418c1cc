//! What comes of it.

use std::fmt::Write;
use std::fs;

use thalweg_robot::kinematics::frames;
use thalweg_task::{mean, percentile};

use super::{CloudArguments, Scene};

/// Errors of one method with one gap and so many points.
pub(super) struct Row {
    gap: &'static str,
    points: usize,
    method: &'static str,
    degrees: Vec<f64>,
    millimetres: Vec<f64>,
    millis: Vec<f64>,
}

impl Row {
    pub(super) fn new(gap: &'static str, points: usize, method: &'static str) -> Self {
        Self { gap, points, method, degrees: Vec::new(), millimetres: Vec::new(), millis: Vec::new() }
    }

    /// Adds a frame.
    pub(super) fn add(&mut self, scene: &Scene, truth: &[f64], found: &[f64], seconds: f64) {
        let apart = scene.hidden.iter().map(|&joint| (found[joint] - truth[joint]).abs().to_degrees());
        self.degrees.extend(apart);
        // What is heard is as it is.
        let mut completed = truth.to_vec();
        scene.hidden.iter().for_each(|&joint| completed[joint] = found[joint]);
        let (truth, found) = (frames(&scene.robot, truth), frames(&scene.robot, &completed));
        let moved = truth
            .iter()
            .zip(&found)
            .map(|(truth, found)| 1e3 * (truth.translation.vector - found.translation.vector).norm());
        self.millimetres.extend(moved.filter(|apart| *apart > 0.0));
        self.millis.push(1e3 * seconds);
    }
}

/// Writes the table, and gives it.
pub(super) fn write(arguments: &CloudArguments, rows: &[Row]) -> anyhow::Result<String> {
    let frames = rows.first().map_or(0, |row| row.millis.len());
    let mut text = format!("{frames} frames, means; K = 8, {} steps; ms of one processor\n", arguments.steps);
    let mut last = None;
    for row in rows {
        if last != Some(row.gap) {
            write!(
                text,
                "\nsilent: {}\n\n| points | method | silent joints, deg | links that they move, mm | ms | ms, p99 |\n\
                 |---|---|---|---|---|---|\n",
                row.gap
            )?;
            last = Some(row.gap);
        }
        let [degrees, millimetres, millis] =
            [&row.degrees, &row.millimetres, &row.millis].map(|values| mean(values).unwrap_or(f64::NAN));
        let slowest = percentile(&row.millis, 0.99).unwrap_or(f64::NAN);
        let Row { points, method, .. } = row;
        writeln!(text, "| {points} | {method} | {degrees:.1} | {millimetres:.0} | {millis:.2} | {slowest:.2} |")?;
    }
    fs::create_dir_all(&arguments.output)?;
    fs::write(arguments.output.join("results.md"), &text)?;
    Ok(text)
}
