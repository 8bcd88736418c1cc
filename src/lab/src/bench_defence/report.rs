//! Tables, as Markdown.

use std::fmt::Write;

use super::cells::{Cell, Results, Row};
use super::world::World;

/// Writes the whole report.
pub(super) fn text(world: &World, results: &Results) -> anyhow::Result<String> {
    let sizes = &world.sizes;
    let mut text = String::from("# Defending classifiers of images\n\n");
    writeln!(
        text,
        "Per cent of images that are classified rightly, with intervals of 95 % (Wilson). {} test images, {} of them \
         under the ensemble, {} under the adaptive attack; options chosen on {} validation images.\n",
        sizes.test, sizes.ensemble, sizes.adaptive, sizes.validation
    )?;
    rows_table(
        &mut text,
        results,
        "Attacks that do not know of the repair",
        &["clean", "static", "transfer", "ensemble"],
    )?;
    text.push_str(
        "*gentle*: with options that keep clean validation images. *noise*: as many steps of the same size, in directions that \
         are drawn: the control.\n\n",
    );
    rows_table(&mut text, results, "Attacks through the repair", &["adaptive", "unrolled", "BPDA"])?;
    ensembles(&mut text, results)?;
    why(&mut text, results)?;
    costs(&mut text, results)?;
    chosen(&mut text, results)?;
    Ok(text)
}

fn rows_table(text: &mut String, results: &Results, title: &str, attacks: &[&str]) -> anyhow::Result<()> {
    let rows: Vec<&Row> = results.rows.iter().filter(|row| attacks.contains(&row.attack.as_str())).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(text, "## {title}\n")?;
    writeln!(text, "| classifier | attack | within | images | descends | none | 1 step | 3 steps | 5 steps |")?;
    writeln!(text, "|---|---|---|---|---|---|---|---|---|")?;
    for attack in attacks {
        for row in rows.iter().filter(|row| row.attack == *attack) {
            let Row { defence, attack, threat, arm, none, repaired } = row;
            let cells: Vec<String> = repaired.iter().map(|cell| cell.text()).collect();
            let (images, none) = (none.of, none.text());
            writeln!(text, "| {defence} | {attack} | {threat} | {images} | {arm} | {none} | {} |", cells.join(" | "))?;
        }
    }
    text.push('\n');
    Ok(())
}

fn ensembles(text: &mut String, results: &Results) -> anyhow::Result<()> {
    if results.ensembles.is_empty() {
        return Ok(());
    }
    writeln!(text, "## Classifiers without a repair\n")?;
    writeln!(text, "| classifier | within | images | clean | APGD-CE | then APGD-DLR | then Square | Square alone |")?;
    writeln!(text, "|---|---|---|---|---|---|---|---|")?;
    for row in &results.ensembles {
        let cells = [row.clean, row.after_ce, row.after_dlr, row.after_square, row.square].map(Cell::text);
        writeln!(text, "| {} | {} | {} | {} |", row.defence, row.threat, row.clean.of, cells.join(" | "))?;
    }
    text.push('\n');
    Ok(())
}

fn why(text: &mut String, results: &Results) -> anyhow::Result<()> {
    if results.losses.is_empty() {
        return Ok(());
    }
    writeln!(text, "## What the loss tells\n")?;
    writeln!(
        text,
        "Mean loss before a repair and after five steps. *told apart*: how often an attacked image has more loss than a clean \
         one, 0.5 by chance. *length*: of the repair over that of the attack; *back*: cosine between the repair and the way \
         back to the clean image.\n"
    )?;
    writeln!(text, "| classifier | attack | clean | attacked | told apart | length | back |")?;
    writeln!(text, "|---|---|---|---|---|---|---|")?;
    for row in &results.losses {
        let ([c0, c1], [a0, a1]) = (row.clean, row.attacked);
        writeln!(
            text,
            "| {} | {} | {c0:.3} to {c1:.3} | {a0:.3} to {a1:.3} | {:.2} | {} | {} |",
            row.defence,
            row.threat,
            row.told_apart,
            text_of(row.length),
            text_of(row.back)
        )?;
    }
    text.push('\n');
    Ok(())
}

/// A number, or a dash where there is none.
fn text_of(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

fn costs(text: &mut String, results: &Results) -> anyhow::Result<()> {
    if results.costs.is_empty() {
        return Ok(());
    }
    writeln!(text, "## Time\n")?;
    writeln!(
        text,
        "Milliseconds of one core, the median of 15; in brackets how many times that of the classifier alone.\n"
    )?;
    writeln!(text, "| classifier | images at once | none | 1 step | 3 steps | 5 steps |\n|---|---|---|---|---|---|")?;
    for row in &results.costs {
        let factor = |ms: &f64| format!("{ms:.2} ({:.0}x)", ms / row.none);
        let cells: Vec<String> = row.repaired.iter().map(factor).collect();
        writeln!(text, "| {} | {} | {:.2} | {} |", row.defence, row.batch, row.none, cells.join(" | "))?;
    }
    text.push('\n');
    Ok(())
}

fn chosen(text: &mut String, results: &Results) -> anyhow::Result<()> {
    writeln!(text, "## Options, chosen on validation images\n")?;
    writeln!(
        text,
        "Per cent of attacked (L2 256/255) and of clean validation images that are right: none, 1, 3, 5 steps.\n"
    )?;
    writeln!(
        text,
        "| classifier | descends | rate | bound | lambda | tau | views | attacked | clean |\n|---|---|---|---|---|---|---|---|---|"
    )?;
    let list = |shares: &[f64]| {
        let shares: Vec<String> = shares.iter().map(|share| format!("{:.1}", share * 100.0)).collect();
        shares.join(", ")
    };
    for row in &results.chosen {
        let (attacked, clean) = (list(&row.attacked), list(&row.clean));
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {attacked} | {clean} |",
            row.defence, row.arm, row.rate, row.bound, row.shrinkage, row.temperature, row.views
        )?;
    }
    text.push('\n');
    Ok(())
}
