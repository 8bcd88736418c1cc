//! Pictures: accuracy against steps, and against the strength of the attack.

use std::path::Path;

use plotters::style::RGBColor;

use super::attacked::SHOWN;
use super::cells::{Results, Row};
use super::world::{PLAIN, World};
use crate::eval::plot::palette::{BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION};
use crate::eval::plot::{Bar, BarGroup, Bars};

const COLORS: [RGBColor; 6] = [BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY];

/// Draws what was measured.
pub(super) fn draw(world: &World, results: &Results, folder: &Path) -> anyhow::Result<()> {
    for defended in &world.defended {
        let of = |row: &&Row| row.defence == defended.name && row.arm == PLAIN;
        let rows: Vec<&Row> = results.rows.iter().filter(of).collect();
        if !rows.is_empty() {
            steps(&defended.name, &rows).draw().save(folder, &format!("steps_{}", defended.name))?;
        }
        let points = || results.strengths.iter().filter(|(name, ..)| *name == defended.name);
        if points().next().is_some() {
            let groups = points().map(|(_, radius, none, repaired)| BarGroup {
                name: format!("{:.0}/255", radius * 255.0),
                bars: [none, repaired].map(|cell| Some(bar(cell.share(), cell.interval()))).to_vec(),
            });
            let methods = vec![("none".to_owned(), BLUE.into()), ("5 steps".to_owned(), VERMILION.into())];
            let upward = "% right; mark: lower end of the 95 % interval".to_owned();
            let title =
                format!("{}: accuracy against the radius (L2) of an attack on the classifier alone", defended.name);
            let bars = Bars { title, upward, methods, groups: groups.collect() };
            bars.draw().save(folder, &format!("strength_{}", defended.name))?;
        }
    }
    Ok(())
}

fn bar(share: f64, [low, _]: [f64; 2]) -> Bar {
    Bar { value: share * 100.0, mark: low * 100.0 }
}

/// A group of bars for each attack: without a repair, and after some steps.
fn steps(name: &str, rows: &[&Row]) -> Bars {
    let after = SHOWN.iter().map(|steps| format!("{steps} step{}", if *steps == 1 { "" } else { "s" }));
    let names = std::iter::once("none".to_owned()).chain(after);
    let methods = names.zip(COLORS).map(|(name, color)| (name, color.into())).collect();
    let group = |row: &&Row| {
        let cells = std::iter::once(row.none).chain(row.repaired.iter().copied());
        let bars = cells.map(|cell| Some(bar(cell.share(), cell.interval()))).collect();
        BarGroup { name: format!("{} {}", row.attack, row.threat), bars }
    };
    let shown = rows.iter().filter(|row| ["clean", "static", "adaptive"].contains(&row.attack.as_str()));
    Bars {
        title: format!("{name}: accuracy against steps of the repair"),
        upward: "% right; mark: lower end of the 95 % interval".to_owned(),
        methods,
        groups: shown.map(group).collect(),
    }
}
