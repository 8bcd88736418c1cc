//! What was measured, and how sure that is.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Quantile of the normal distribution for intervals of 95 %.
const Z_95: f64 = 1.959_964;

/// How many of some images were classified rightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) right: u32,
    pub(super) of: u32,
}

impl Cell {
    /// Counts `right`, `[B]`, booleans.
    pub(super) fn count(right: &Tensor) -> Self {
        let count = right.sum(Kind::Int64).int64_value(&[]);
        Self { right: u32::try_from(count).unwrap_or(0), of: u32::try_from(right.numel()).unwrap_or(u32::MAX) }
    }

    /// The share, from 0 to 1.
    pub(super) fn share(self) -> f64 {
        f64::from(self.right) / f64::from(self.of.max(1))
    }

    /// The interval of 95 % (Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927).
    pub(super) fn interval(self) -> [f64; 2] {
        let (n, p) = (f64::from(self.of.max(1)), self.share());
        let square = Z_95 * Z_95;
        let middle = p + square / (2.0 * n);
        let half = Z_95 * (p * (1.0 - p) / n + square / (4.0 * n * n)).sqrt();
        let bound = |value: f64| (value / (1.0 + square / n)).clamp(0.0, 1.0);
        [bound(middle - half), bound(middle + half)]
    }

    /// Per cent, with the interval.
    pub(super) fn text(self) -> String {
        let [low, high] = self.interval();
        format!("{:.1} ({:.1} to {:.1})", self.share() * 100.0, low * 100.0, high * 100.0)
    }
}

/// What is classified after a repair: the images of one attack, by number of steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    /// Name of the classifier.
    pub(super) defence: String,
    /// What was done to the images.
    pub(super) attack: String,
    /// Within which ball.
    pub(super) threat: String,
    /// Where the repair descends: r, or a landscape.
    pub(super) arm: String,
    /// Without a repair.
    pub(super) none: Cell,
    /// After 1, 3, 5 steps.
    pub(super) repaired: Vec<Cell>,
}

/// Options of a descent, chosen on validation images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chosen {
    pub(super) defence: String,
    pub(super) arm: String,
    /// Adam's rate, grey levels for r.
    pub(super) rate: f64,
    /// Greatest length of a correction.
    pub(super) bound: f64,
    /// Weight lambda and temperature tau.
    pub(super) shrinkage: f64,
    pub(super) temperature: f64,
    /// Number of views.
    pub(super) views: i64,
    /// Share of attacked and of clean validation images that are right without a repair, and after 1, 3, 5 steps.
    pub(super) attacked: Vec<f64>,
    pub(super) clean: Vec<f64>,
}

/// Share of clean validation images that a gentle repair may lose, on average over all numbers of steps.
const MAY_LOSE: f64 = 0.01;

impl Chosen {
    /// By what options are compared: what is gained of attacked images, on average over all numbers of steps. Where clean images
    /// were counted, whatever keeps them comes before whatever does not.
    pub(super) fn score(&self) -> f64 {
        match gain(&self.clean) {
            lost if lost < -MAY_LOSE => lost,
            _ => 1.0 + gain(&self.attacked),
        }
    }
}

/// What repairs add to a share without one, on average; 0 where nothing was counted.
fn gain(shares: &[f64]) -> f64 {
    match shares {
        [none, repaired @ ..] if !repaired.is_empty() => repaired.iter().sum::<f64>() / repaired.len() as f64 - none,
        _ => 0.0,
    }
}

/// The undefended classifier under attacks that have no parameters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ensemble {
    pub(super) defence: String,
    pub(super) threat: String,
    pub(super) clean: Cell,
    /// After each attack, what stands against it and those before.
    pub(super) after_ce: Cell,
    pub(super) after_dlr: Cell,
    pub(super) after_square: Cell,
    /// Against Square alone.
    pub(super) square: Cell,
}

/// How the loss of a repair goes with being right: why a repair helps, or why it does not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Losses {
    pub(super) defence: String,
    pub(super) threat: String,
    /// Mean loss of clean images and of attacked ones, before a repair and after the most steps.
    pub(super) clean: [f64; 2],
    pub(super) attacked: [f64; 2],
    /// How often an attacked image has more loss than a clean one drawn at random: area under the ROC curve.
    pub(super) told_apart: f64,
    /// Length of the repair over that of the attack, and the cosine between the repair and the way back; none where the attack
    /// changed no image.
    pub(super) length: Option<f64>,
    pub(super) back: Option<f64>,
}

/// Time of one image, without and with a repair.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cost {
    pub(super) defence: String,
    /// Images at once.
    pub(super) batch: i64,
    /// Milliseconds of one core for them all: classified as they are, and after 1, 3, 5 steps.
    pub(super) none: f64,
    pub(super) repaired: Vec<f64>,
}

/// All blocks.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) chosen: Vec<Chosen>,
    pub(super) rows: Vec<Row>,
    pub(super) ensembles: Vec<Ensemble>,
    pub(super) losses: Vec<Losses>,
    pub(super) costs: Vec<Cost>,
    /// Accuracy against the radius of the static attack: classifier, radius, without and with a repair.
    pub(super) strengths: Vec<(String, f64, Cell, Cell)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(attacked: &[f64], clean: &[f64]) -> Chosen {
        Chosen {
            defence: String::new(),
            arm: String::new(),
            rate: 1.0,
            bound: 1.0,
            shrinkage: 0.0,
            temperature: 0.1,
            views: 4,
            attacked: attacked.to_vec(),
            clean: clean.to_vec(),
        }
    }

    #[test]
    fn options_that_keep_clean_images_come_first_where_these_are_counted() {
        let (strong, gentle) = ([0.1, 0.5, 0.7], [0.1, 0.1, 0.3]);
        let kept = chosen(&gentle, &[0.8, 0.8, 0.785]);
        let lost = chosen(&strong, &[0.8, 0.8, 0.7]);
        let worse = chosen(&strong, &[0.8, 0.6, 0.6]);
        assert!(kept.score() > lost.score() && lost.score() > worse.score());
        assert!(chosen(&strong, &[]).score() > chosen(&gentle, &[]).score());
        assert!((kept.score() - 1.1).abs() < 1e-9, "{}", kept.score());
    }

    #[test]
    fn intervals_are_wilsons() {
        let [low, high] = Cell { right: 8, of: 10 }.interval();
        assert!((low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4, "{low} {high}");
        let [low, high] = Cell { right: 0, of: 100 }.interval();
        assert!(low.abs() < 1e-12 && (high - 0.0370).abs() < 1e-4, "{low} {high}");
    }
}
