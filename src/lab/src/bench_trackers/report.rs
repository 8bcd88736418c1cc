//! What comes of it.

use std::fmt::Write;
use std::fs;

use nalgebra::{Quaternion, UnitQuaternion, Vector3};
use thalweg_body_pose::kinematics::{Rotations, forward};
use thalweg_body_pose::skeleton::JOINTS;
use thalweg_task::{Root, mean};

use super::TrackerArguments;
use super::scenes::Scene;

/// Errors of one method with one table and one hole.
pub(super) struct Row {
    table: String,
    hole: &'static str,
    method: &'static str,
    hidden_degrees: Vec<f64>,
    hidden_mm: Vec<f64>,
    seen_mm: Vec<f64>,
    root_mm: Vec<f64>,
    root_degrees: Vec<f64>,
    scale_percent: Vec<f64>,
    millis: Vec<f64>,
    /// [`thalweg_engine::Engine::handedness`] of the frames of each clip, where the method has stored poses.
    sides: Vec<Vec<f64>>,
}

impl Row {
    pub(super) fn new(table: &str, hole: &'static str, method: &'static str) -> Self {
        let none = Vec::new;
        Self {
            table: table.to_owned(),
            hole,
            method,
            hidden_degrees: none(),
            hidden_mm: none(),
            seen_mm: none(),
            root_mm: none(),
            root_degrees: none(),
            scale_percent: none(),
            millis: none(),
            sides: Vec::new(),
        }
    }

    /// Adds a frame.
    pub(super) fn add(&mut self, scene: &Scene, frame: usize, (pose, root): (&Rotations, &Root), seconds: f64) {
        let (truth, stood) = (&scene.truth[frame], &scene.roots[frame]);
        let places = forward(pose).positions;
        for joint in 0..JOINTS {
            let place = Vector3::from(root.place(places[joint + 1].into()));
            let millimetres = 1e3 * (place - scene.places[frame][joint + 1]).norm();
            if scene.is_seen_place(joint) {
                self.seen_mm.push(millimetres);
            } else {
                self.hidden_mm.push(millimetres);
            }
        }
        self.hidden_degrees.extend(scene.hidden.iter().map(|&joint| pose[joint].angle_to(&truth[joint]).to_degrees()));
        let apart = Vector3::from(root.position) - Vector3::from(stood.position);
        self.root_mm.push(1e3 * apart.norm());
        self.root_degrees.push(turn(root).angle_to(&turn(stood)).to_degrees());
        self.scale_percent.push(100.0 * (root.scale / stood.scale - 1.0).abs());
        self.millis.push(1e3 * seconds);
    }

    /// Adds how much better the mirror image of each frame of a clip fits stored poses than the frame.
    pub(super) fn add_sides(&mut self, clip: Vec<f64>) {
        self.sides.extend(Some(clip).filter(|clip| !clip.is_empty()));
    }

    /// In words, how often a mirror image fits better than what was seen.
    fn told_sides(&self) -> Option<String> {
        let all: Vec<f64> = self.sides.iter().flatten().copied().collect();
        let swapped = all.iter().filter(|ratio| **ratio > 0.0).count();
        let clips: Vec<f64> = self.sides.iter().filter_map(|clip| mean(clip)).collect();
        let greatest = clips.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let share = 100.0 * swapped as f64 / all.len().max(1) as f64;
        mean(&all).map(|mean| {
            format!(
                "Mirrored, {share:.1} % of {} frames fit stored poses better; log ratio of misfits {mean:.2}, mean; \
                 {greatest:.2}, greatest mean of {} clips\n",
                all.len(),
                clips.len()
            )
        })
    }

    fn cells(&self) -> [Option<f64>; 7] {
        let Self { hidden_degrees, hidden_mm, seen_mm, root_mm, root_degrees, scale_percent, millis, .. } = self;
        [hidden_degrees, hidden_mm, seen_mm, root_mm, root_degrees, scale_percent, millis].map(|values| mean(values))
    }
}

fn turn(root: &Root) -> UnitQuaternion<f64> {
    let [i, j, k, w] = root.rotation;
    UnitQuaternion::new_normalize(Quaternion::new(w, i, j, k))
}

/// Writes the table, and gives it.
pub(super) fn write(arguments: &TrackerArguments, clips: usize, rows: &[Row]) -> anyhow::Result<String> {
    let frames = rows.first().map_or(0, |row| row.millis.len());
    let mut text = format!("{clips} clips, {frames} frames, means; K = 8, {} steps\n", arguments.steps);
    let mut last = None;
    for row in rows {
        if last != Some((&row.table, row.hole)) {
            write!(
                text,
                "\n{}, {}\n\n| method | hidden joints, deg | hidden places, mm | seen places, mm | root, mm | root, deg | \
                 size, % | ms |\n|---|---|---|---|---|---|---|---|\n",
                row.table, row.hole
            )?;
            last = Some((&row.table, row.hole));
        }
        write!(text, "| {} |", row.method)?;
        for (place, cell) in row.cells().into_iter().enumerate() {
            match cell {
                Some(value) if place == 6 => write!(text, " {value:.2} |")?,
                Some(value) => write!(text, " {value:.1} |")?,
                None => text.push_str(" |"),
            }
        }
        text.push('\n');
        text.extend(row.told_sides().map(|told| format!("\n{told}")));
    }
    fs::create_dir_all(&arguments.output)?;
    fs::write(arguments.output.join("results.md"), &text)?;
    Ok(text)
}
