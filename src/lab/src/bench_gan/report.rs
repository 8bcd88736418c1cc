//! Tables and claims, as Markdown.

use std::fmt::Write;

use super::completions::{Completion, REGIONS};
use super::curves::Curve;
use super::world::{Arm, World};

/// Steps that the table shows, as far as descents went.
const SHOWN: [u32; 11] = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/// Writes the whole report.
pub(super) fn text(world: &World, curves: &[Curve], completions: &[Completion]) -> anyhow::Result<String> {
    let mut text = String::from("# Inverting a face generator\n\n");
    let sizes = &world.sizes;
    writeln!(
        text,
        "{} images of each kind, {} steps, rates chosen on {} others; completions of {} images, {} hypotheses, {} steps.\n",
        sizes.images,
        sizes.steps,
        sizes.tuning,
        sizes.completions,
        super::completions::HYPOTHESES,
        sizes.completion_steps
    )?;
    for note in &world.notes {
        writeln!(text, "Left out: {note}.\n")?;
    }
    for test in &world.tests {
        let of_test: Vec<&Curve> = curves.iter().filter(|curve| curve.test == test.name).collect();
        if of_test.is_empty() {
            continue;
        }
        steps_table(&mut text, test.name, sizes.steps, &of_test)?;
        claims(&mut text, test.name, sizes.steps, &of_test)?;
    }
    if !completions.is_empty() {
        completion_table(&mut text, world, completions)?;
    }
    Ok(text)
}

fn steps_table(text: &mut String, test: &str, last: u32, curves: &[&Curve]) -> anyhow::Result<()> {
    let mut shown: Vec<u32> = SHOWN.into_iter().filter(|steps| *steps < last).collect();
    shown.push(last);
    writeln!(text, "## Whole images, {test}: LPIPS + L2 after so many steps\n")?;
    writeln!(text, "Means over images; of the last one the standard error, too.\n")?;
    let heads: Vec<String> = shown.iter().map(ToString::to_string).collect();
    writeln!(text, "| method | {} | ms of a core a step, K = 1 | rates |", heads.join(" | "))?;
    writeln!(text, "|---|{}---|---|", "---|".repeat(shown.len()))?;
    for curve in curves {
        let error = |steps: u32| curve.error_at(steps).filter(|_| steps == last);
        let error = |steps: u32| error(steps).map_or_else(String::new, |error| format!(" ± {error:.3}"));
        let cell =
            |steps: &u32| curve.at(*steps).map_or_else(String::new, |loss| format!("{loss:.3}{}", error(*steps)));
        let rates: Vec<String> = curve.chosen.iter().map(|(_, rate)| rate.to_string()).collect();
        let cells: Vec<String> = shown.iter().map(cell).collect();
        let (cells, ms, rates) = (cells.join(" | "), curve.step_ms(), rates.join(", "));
        writeln!(text, "| {} | {cells} | {ms:.0} | {rates} |", curve.arm)?;
    }
    text.push('\n');
    Ok(())
}

/// Compares with what the paper claims of theta: reached or not, by theta and by what else does not begin in X.
fn claims(text: &mut String, test: &str, last: u32, curves: &[&Curve]) -> anyhow::Result<()> {
    let of = |arm: Arm| curves.iter().find(|curve| curve.arm == arm.name());
    let Some(adam) = of(Arm::AdamX) else { return Ok(()) };
    let (fall, passes) = if test.starts_with("out") { (10, 3) } else { (15, 11) };
    writeln!(text, "| claim of the paper, for theta | method | measured here | |\n|---|---|---|---|")?;
    for arm in [Arm::Theta, Arm::ThetaThenX, Arm::Encoder] {
        let Some(ours) = of(arm) else { continue };
        let row = |text: &mut String, claim: String, measured: String, holds: bool| {
            let holds = if holds { "holds" } else { "does not hold" };
            writeln!(text, "| {claim} | {} | {measured} | {holds} |", ours.arm)
        };
        if let (Some(two), Some(twenty)) = (ours.at(2), adam.at(20)) {
            let measured = format!("{two:.3} against {twenty:.3}");
            row(text, "2 steps are as good as 20 of Adam in X".to_owned(), measured, two <= twenty)?;
        }
        if let (Some(end), Some(theirs)) = (ours.at(last), adam.at(last)) {
            let less = (1.0 - end / theirs) * 100.0;
            let claim = format!("in the end {fall} % lower than Adam in X (there after 2,000 steps)");
            row(text, claim, format!("{less:.0} % after {last}: {end:.3}, {theirs:.3}"), less >= f64::from(fall))?;
        }
        if let Some(guess) = of(Arm::Encoder).filter(|_| arm != Arm::Encoder).and_then(|curve| curve.at(0)) {
            let passed = (0..=last).find(|steps| ours.at(*steps).is_some_and(|loss| loss < guess));
            let measured = passed.map_or_else(|| format!("not within {last}"), |steps| format!("after {steps}"));
            let holds = passed.is_some_and(|steps| steps <= passes);
            row(text, format!("passes the encoder's guess within {passes} steps"), measured, holds)?;
        }
    }
    text.push('\n');
    Ok(())
}

fn completion_table(text: &mut String, world: &World, rows: &[Completion]) -> anyhow::Result<()> {
    writeln!(text, "## Gaps\n")?;
    writeln!(
        text,
        "| images | region | method | loss, all pixels (least of 8) | error, hidden | seen | diversity, hidden | seen |\n\
         |---|---|---|---|---|---|---|---|"
    )?;
    for (test, region) in world.tests.iter().flat_map(|test| REGIONS.map(|region| (test.name, region.name))) {
        for row in rows.iter().filter(|row| row.test == test && row.region == region) {
            let Completion { arm, test, region, loss, least_loss, hidden, visible, diversity, visible_diversity } = row;
            writeln!(
                text,
                "| {test} | {region} | {arm} | {loss:.3} ({least_loss:.3}) | {hidden:.0} | {visible:.0} | \
                 {diversity:.0} | {visible_diversity:.0} |"
            )?;
        }
    }
    text.push_str(
        "\n*error*: root mean square over pixels, of 255 levels, of the hypothesis that is handed out, against the image \
         before it was damaged. *diversity*: the same between two of the eight hypotheses.\n",
    );
    Ok(())
}
