//! Collects what the pictures and the report show, and draws the pictures.

use std::path::{Path, PathBuf};

use crate::eval::plot::palette::{BLUE, GREEN, VERMILION};
use crate::eval::plot::{ErrorOverTime, ErrorPhase, ErrorSeries, Filmstrip, FilmstripRow, Moment as Pose};
use crate::eval::skeleton::Skeleton;
use tch::Tensor;
use thalweg_body_pose::rotation::geodesic;
use thalweg_task::{mean, numbers};

use super::measurement::Measurement;
use super::player::{Moment, Phase};

/// Poses of each phase that the filmstrip shows.
const POSES: i64 = 4;

/// One phase, measured and in part photographed.
pub(super) struct Recorded {
    pub(super) group: &'static str,
    /// Frames in which everything was seen.
    pub(super) shown: i64,
    /// Errors of hidden joints where the last pose that was seen whole is held: mean of each frame after it, degrees.
    pub(super) held: Vec<f64>,
    /// That pose.
    last: Option<Tensor>,
    /// Arm by arm, frame by frame.
    pub(super) measured: Vec<Vec<Measurement>>,
    /// When, and for each arm what.
    poses: Vec<(f64, Vec<Pose>)>,
}

/// Everything that was recorded.
pub(super) struct Album {
    pub(super) phases: Vec<Recorded>,
    frames: i64,
    fps: f64,
}

impl Album {
    pub(super) fn new(frames: i64, fps: f64) -> Self {
        Self { phases: Vec::new(), frames, fps }
    }

    pub(super) fn open(&mut self, phase: &Phase, arms: usize) {
        let (group, shown, measured) = (phase.group, phase.shown, vec![Vec::new(); arms]);
        self.phases.push(Recorded { group, shown, held: Vec::new(), last: None, measured, poses: Vec::new() });
    }

    pub(super) fn add(&mut self, moment: &Moment<'_>) {
        let Some(recorded) = self.phases.last_mut() else { return };
        if moment.index < recorded.shown {
            recorded.last = Some(moment.truth.shallow_clone());
        } else if let Some(last) = &recorded.last {
            let errors: Vec<f64> = numbers(&geodesic(last, moment.truth).rad2deg());
            recorded.held.extend(mean(&moment.phase.hidden.iter().map(|joint| errors[*joint]).collect::<Vec<_>>()));
        }
        let measured = recorded.measured.iter_mut().zip(moment.measurements);
        measured.for_each(|(all, one)| all.push(one.clone()));
        if (0..POSES).any(|pose| moment.index == (2 * pose + 1) * self.frames / (2 * POSES)) {
            recorded.poses.push((moment.index as f64 / self.fps, poses(moment)));
        }
    }

    /// Writes both pictures, each as PNG and SVG; returns the paths.
    pub(super) fn save(&self, folder: &Path, arms: &[&str], budget_ms: f64) -> anyhow::Result<Vec<PathBuf>> {
        let errors = self.errors(arms, budget_ms).draw().save(folder, "demo_error")?;
        let strip = self.filmstrip(arms, budget_ms).draw().save(folder, "demo_filmstrip")?;
        Ok(errors.into_iter().chain(strip).collect())
    }

    fn errors(&self, arms: &[&str], budget_ms: f64) -> ErrorOverTime {
        let series = |measured: &Vec<Measurement>| ErrorSeries {
            hidden_deg: measured.iter().map(Measurement::hidden_deg).collect(),
            loss: measured.iter().map(|measurement| measurement.loss).collect(),
        };
        let phase = |(index, recorded): (usize, &Recorded)| ErrorPhase {
            title: format!("{} hidden{}", recorded.group, if index > 0 { ", the same motion again" } else { "" }),
            arms: recorded.measured.iter().map(series).collect(),
        };
        ErrorOverTime {
            title: format!("Completing hidden limbs of a moving body: {budget_ms} ms for each frame and method"),
            arms: arms.iter().map(|arm| described(arm)).zip([BLUE, VERMILION, GREEN]).collect(),
            phases: self.phases.iter().enumerate().map(phase).collect(),
            fps: self.fps,
            labels: ["hidden joints: error in degrees", "visible: loss"],
        }
    }

    fn filmstrip(&self, arms: &[&str], budget_ms: f64) -> Filmstrip {
        let shots = || self.phases.iter().flat_map(|phase| phase.poses.iter().map(move |shot| (phase.group, shot)));
        let row = |(arm, name): (usize, &&str)| FilmstripRow {
            name: (*name).to_owned(),
            moments: shots().map(|(_, (_, poses))| poses[arm].clone()).collect(),
        };
        Filmstrip {
            title: format!("Hidden limbs, completed within {budget_ms} ms"),
            captions: shots().map(|(group, (time, _))| format!("{group} hidden, {time:.1} s")).collect(),
            rows: arms.iter().enumerate().map(row).collect(),
        }
    }
}

fn described(arm: &str) -> String {
    match arm {
        "start" => "start: from two steps of theta".to_owned(),
        "theta" => "theta: on the learned landscape".to_owned(),
        "x-descent" => "x-descent: in the latent of F".to_owned(),
        "x-cold" => "x-cold: in the latent of F, every frame from scratch".to_owned(),
        other => other.to_owned(),
    }
}

/// Photographs the answers of all arms.
fn poses(moment: &Moment<'_>) -> Vec<Pose> {
    let truth = Skeleton::of(&moment.truth.get(0));
    let rows = |rotations: &Tensor| (0..rotations.size()[0]).map(|row| Skeleton::of(&rotations.get(row))).collect();
    let answered = moment.answers.iter().zip(moment.measurements);
    let pose = |(answer, measured): (&super::arm::Answer, &Measurement)| Pose {
        truth: truth.clone(),
        hypotheses: rows(&answer.rotations),
        hidden: moment.phase.hidden.clone(),
        note: format!("{:.0}°, {:.0} mm", measured.hidden_deg(), measured.hidden_mm()),
    };
    answered.map(pose).collect()
}
