//! What the demo came to: about ten lines, and a picture.

use std::fmt::Write;

use thalweg_task::mean;

use super::scenes::{LYING, SILENT, Scenes, WHOLE, frame_of};
use super::{Answer, RATE};
use crate::eval::plot::palette::{BLUE, VERMILION};
use crate::eval::plot::{ErrorOverTime, ErrorPhase, ErrorSeries, Picture};

/// Ages of the silence of which errors are told, seconds.
const AGES: [(f64, f64); 4] = [(0.0, 0.2), (0.2, 1.0), (1.0, 3.0), (3.0, SILENT)];

/// What was measured.
pub(super) struct Summary {
    way: &'static str,
    /// Mean error of the joints of the arm in each frame, degrees: as answered, and where the last value is held.
    arm: [Vec<f64>; 2],
    /// Error of the knee in each frame, degrees: as answered, and as it came.
    knee: [Vec<f64>; 2],
    /// How surprising the knee is in each frame.
    surprise: Vec<f64>,
    /// Frames without an answer of their own.
    missed: usize,
    /// Seconds until the knee's surprise was above 1, and until a warning named it; and what that said.
    noticed: Option<f64>,
    warned: Option<(f64, String)>,
    /// Warnings before the knee lied.
    false_alarms: Vec<String>,
}

impl Summary {
    pub(super) fn of(scenes: &Scenes, answers: &[Answer], way: &'static str) -> Self {
        let [silent, lying] = [WHOLE, WHOLE + SILENT].map(frame_of);
        let held = &scenes.frames[silent - 1].truth;
        let (mut arm, mut knee) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        let mut last = scenes.frames[0].truth.clone();
        for (number, (frame, answer)) in scenes.frames.iter().zip(answers).enumerate() {
            last = answer.positions.clone().unwrap_or(last);
            let off = |positions: &[f64]| {
                let errors = scenes.arm.iter().map(|&joint| (positions[joint] - frame.truth[joint]).abs().to_degrees());
                mean(&errors.collect::<Vec<f64>>()).unwrap_or(0.0)
            };
            let holds = (silent..lying).contains(&number);
            arm[0].push(off(&last));
            arm[1].push(if holds { off(held) } else { 0.0 });
            let of_knee = |positions: &[f64]| (positions[scenes.knee] - frame.truth[scenes.knee]).abs().to_degrees();
            knee[0].push(of_knee(&last));
            knee[1].push(of_knee(&frame.sent));
        }
        let surprise = answers.iter().scan(0.0, |last, answer| {
            *last = answer.surprise.unwrap_or(*last);
            Some(*last)
        });
        let surprise: Vec<f64> = surprise.collect();
        let since = |number: usize| (number - lying) as f64 / RATE;
        let noticed = (lying..surprise.len()).find(|&number| surprise[number] > 1.0).map(since);
        let names_knee = |number: &usize| answers[*number].warning.contains("right_knee");
        let warned = (lying..answers.len()).find(names_knee);
        let warned = warned.map(|number| (since(number), answers[number].warning.clone()));
        let mut false_alarms: Vec<String> = answers[..lying].iter().map(|answer| answer.warning.clone()).collect();
        false_alarms.dedup();
        false_alarms.retain(|text| !text.is_empty());
        let missed = answers.iter().filter(|answer| answer.positions.is_none()).count();
        Self { way, arm, knee, surprise, missed, noticed, warned, false_alarms }
    }

    /// Tells it.
    ///
    /// # Errors
    /// Never, but that formatting may.
    pub(super) fn text(&self, robot: &str, picture: &str) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let (all, silent, lying) = (WHOLE + SILENT + LYING, WHOLE, WHOLE + SILENT);
        writeln!(
            text,
            "\nA Unitree G1 (task {robot}) moved for {all:.0} s, {RATE:.0} readings a second, {}: motion that its model has \
             not learned from.",
            self.way
        )?;
        writeln!(text, "From {silent:.0} to {lying:.0} s its left arm was silent. Mean error of its joints, degrees:")?;
        let ages = AGES.map(|(from, to)| format!("{:>12}", format!("{from} to {to} s")));
        writeln!(text, "  {:<22}{}", "silent for", ages.concat())?;
        for (name, errors) in ["thalweg", "hold the last value"].iter().zip(&self.arm) {
            let of = |(from, to): (f64, f64)| mean(&errors[frame_of(silent + from)..frame_of(silent + to)]);
            let cells = AGES.map(|age| format!("{:>12.1}", of(age).unwrap_or(0.0)));
            writeln!(text, "  {name:<22}{}", cells.concat())?;
        }
        writeln!(text, "From {lying:.0} s on its right knee said 20 degrees more than it was.")?;
        match self.noticed {
            Some(after) => writeln!(text, "  ~/surprise of the knee passed 1 after {after:.1} s.")?,
            None => writeln!(text, "  ~/surprise of the knee did not pass 1 within {LYING:.0} s.")?,
        }
        match &self.warned {
            Some((after, said)) => writeln!(text, "  A warning named it after {after:.1} s: {said}.")?,
            None => writeln!(text, "  No warning named it.")?,
        }
        writeln!(text, "  Warnings before that, of joints that did not lie: {}.", self.false_alarms.len())?;
        if self.missed > 0 {
            writeln!(text, "The machine was busy: {} readings had no answer of their own.", self.missed)?;
        }
        writeln!(text, "Picture: {picture}. What it means: docs/robots.md.")?;
        Ok(text)
    }

    /// Draws errors and surprise over time.
    pub(super) fn draw(&self, scenes: &Scenes) -> Picture {
        let [silent, lying] = [WHOLE, WHOLE + SILENT].map(frame_of);
        let phase = |title: &str, errors: &[Vec<f64>; 2], from: usize, to: usize| ErrorPhase {
            title: title.to_owned(),
            arms: (0..2)
                .map(|arm| ErrorSeries {
                    hidden_deg: errors[arm][from..to].to_vec(),
                    loss: if arm == 0 {
                        self.surprise[from..to].iter().map(|s| s.max(0.01)).collect()
                    } else {
                        Vec::new()
                    },
                })
                .collect(),
        };
        ErrorOverTime {
            title: "A Unitree G1: its left arm falls silent, then its right knee lies".to_owned(),
            arms: vec![("thalweg".to_owned(), BLUE), ("the last value, or what came".to_owned(), VERMILION)],
            phases: vec![
                phase("all is seen", &self.arm, 0, silent),
                phase("left arm silent", &self.arm, silent, lying),
                phase("right knee lies", &self.knee, lying, scenes.frames.len()),
            ],
            fps: RATE,
            labels: ["error in degrees", "knee: surprise"],
        }
        .draw()
    }
}
