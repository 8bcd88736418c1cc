//! The pictures.

use std::path::Path;

use crate::eval::plot::palette::{BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION};
use crate::eval::plot::{Bar, BarGroup, Bars, Curve, Curves, HeatMaps};
use plotters::style::{Color, RGBAColor, RGBColor};

use super::arms::{ARMS, Arm};
use super::report::Report;
use super::tables::mean_of;

/// Colours, one after the other; then all of them again, paler.
const COLORS: [RGBColor; 8] = [VERMILION, BLUE, GREEN, ORANGE, PURPLE, SKY, INK, GREY];
const PALER: [f64; 3] = [1.0, 0.55, 0.3];

/// Draws what was measured.
pub(super) fn write(report: &Report, folder: &Path) -> anyhow::Result<()> {
    for (index, test) in report.tests.iter().enumerate() {
        if !report.steps.is_empty() {
            steps(report, test).draw().save(folder, &format!("loss_steps_{index}"))?;
        }
        if !report.budgets.is_empty() {
            budgets(report, test).draw().save(folder, &format!("loss_milliseconds_{index}"))?;
        }
        if !report.completions.is_empty() {
            completions(report, test).draw().save(folder, &format!("hidden_joints_{index}"))?;
        }
    }
    if !report.surfaces.is_empty() {
        surfaces(report).draw().save(folder, "landscapes")?;
    }
    Ok(())
}

fn surfaces(report: &Report) -> HeatMaps {
    HeatMaps {
        title:
            "Loss around the best solution of one held-out pose, along the main directions of all solutions (crosses)"
                .to_owned(),
        scale: "loss of Eq. 6".to_owned(),
        panels: report.surfaces.iter().map(super::surface::Surface::panel).collect(),
    }
}

/// Methods in the order of colours: those with trained landscapes first, for they get the strong ones.
fn ordered(wanted: impl Fn(&Arm) -> bool) -> Vec<(&'static Arm, RGBAColor)> {
    let mut arms: Vec<&Arm> = ARMS.iter().filter(|arm| wanted(arm)).collect();
    arms.sort_by_key(|arm| !arm.is_ours());
    let color = |index: usize| COLORS[index % COLORS.len()].mix(PALER[(index / COLORS.len()).min(PALER.len() - 1)]);
    arms.into_iter().enumerate().map(|(index, arm)| (arm, color(index))).collect()
}

fn steps(report: &Report, test: &str) -> Curves {
    let has = |arm: &Arm| report.steps.iter().any(|row| row.arm == arm.key && row.test == test);
    let curve = |(arm, color): (&Arm, RGBAColor)| {
        let row = report.steps.iter().find(|row| row.arm == arm.key && row.test == test);
        let at = |step: u32| Some((f64::from(step), mean_of(&row?.at(step)?)));
        let points: Vec<_> = (1..=200).filter_map(at).collect();
        (!points.is_empty()).then(|| Curve { name: arm.name.to_owned(), color, points })
    };
    Curves {
        title: format!("Whole observations, {test}: loss against steps"),
        across: "steps (rates chosen at 2, 20 and 200 steps)".to_owned(),
        upward: "loss of Eq. 6, mean over poses".to_owned(),
        curves: ordered(has).into_iter().filter_map(curve).collect(),
    }
}

fn budgets(report: &Report, test: &str) -> Curves {
    let rows = |arm: &Arm| {
        let key = arm.key;
        report.budgets.iter().filter(move |row| row.arm == key && row.test == test)
    };
    let curve = |(arm, color): (&Arm, RGBAColor)| Curve {
        name: arm.name.to_owned(),
        color,
        points: rows(arm).map(|row| (row.budget_ms, mean_of(&row.loss))).collect(),
    };
    Curves {
        title: format!("Whole observations, {test}: loss against time, one pose at a time"),
        across: "milliseconds from the observation (rate and K chosen at each)".to_owned(),
        upward: "loss of Eq. 6, mean over poses".to_owned(),
        curves: ordered(|arm| rows(arm).next().is_some()).into_iter().map(curve).collect(),
    }
}

fn completions(report: &Report, test: &str) -> Bars {
    let has = |arm: &Arm| report.completions.iter().any(|row| row.arm == arm.key && row.test == test);
    let methods = ordered(has);
    let mut masks: Vec<&str> = Vec::new();
    for row in report.completions.iter().filter(|row| row.test == test) {
        if !masks.contains(&row.mask.as_str()) {
            masks.push(&row.mask);
        }
    }
    let group = |mask: &str| {
        let bar = |(arm, _): &(&Arm, RGBAColor)| {
            let of = |measure| mean_of(&report.completion_values(arm.key, test, mask, measure));
            let value = of(|row| row.summaries.last().map_or(f64::NAN, |summary| summary.hidden_deg.mean));
            let mark = of(|row| row.summaries.last().map_or(f64::NAN, |summary| summary.hidden_deg.min));
            value.is_finite().then_some(Bar { value, mark })
        };
        BarGroup { name: mask.to_owned(), bars: methods.iter().map(bar).collect() }
    };
    Bars {
        title: format!("Hidden joints, {test}: mean over hypotheses (bar) and the least of them (mark)"),
        upward: "degrees".to_owned(),
        groups: masks.into_iter().map(group).collect(),
        methods: methods.iter().map(|(arm, color)| (arm.name.to_owned(), *color)).collect(),
    }
}
