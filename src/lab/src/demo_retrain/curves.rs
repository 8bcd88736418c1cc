//! Curves of loss against steps, before and after a retraining.

use std::path::Path;

use plotters::style::{Color, RGBColor};
use thalweg_cli::train::retrain::RECORDED;
use thalweg_train::{Judged, PromotionReport};

use crate::eval::plot::palette::{BLUE, VERMILION};
use crate::eval::plot::{Curve, Curves};

/// Draws the curves of each set into a folder.
///
/// # Errors
/// What cannot be written.
pub(super) fn save(verdict: &PromotionReport, folder: &Path) -> anyhow::Result<()> {
    for judged in &verdict.sets {
        let name = if judged.set == RECORDED { "retrain_recordings" } else { "retrain_shipped" };
        curves(judged).draw().save(folder, name)?;
    }
    Ok(())
}

fn curves(judged: &Judged) -> Curves {
    let curve = |(name, color, losses): (&str, RGBColor, &[f64])| Curve {
        name: name.to_owned(),
        color: color.to_rgba(),
        points: losses.iter().enumerate().map(|(step, loss)| (step as f64, *loss)).collect(),
    };
    let both = [("before", VERMILION, judged.current.as_slice()), ("after", BLUE, judged.new.as_slice())];
    Curves {
        title: format!("Loss against steps on {}, {} observations", judged.set, judged.observations),
        across: "steps".to_owned(),
        upward: "loss of the best hypothesis, hidden parts included".to_owned(),
        curves: both.map(curve).into(),
    }
}
