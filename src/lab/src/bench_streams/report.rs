//! Tables, JSON and curves of error against age.

use std::fmt::Write;

use plotters::style::Color;
use serde::Serialize;
use serde_json::json;

use super::measures::{AGES, Measures};
use super::{METHODS, StreamArguments};
use crate::clips::Clip;
use crate::eval::plot::palette::{BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION};
use crate::eval::plot::{Curve, Curves};

/// One method in one scenario.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) rate: f64,
    pub(super) scenario: &'static str,
    pub(super) method: &'static str,
    pub(super) name: String,
    pub(super) measures: Measures,
}

/// Writes results.json, results.md and curves; gives the tables.
pub(super) fn write(arguments: &StreamArguments, clips: &[Clip], rows: &[Row]) -> anyhow::Result<String> {
    let folder = &arguments.output;
    std::fs::create_dir_all(folder)?;
    let names: Vec<&str> = clips.iter().map(|clip| clip.name.as_str()).collect();
    let results =
        json!({ "clips": names, "steps": arguments.steps, "thin": arguments.thin, "ages_s": AGES, "rows": rows });
    std::fs::write(folder.join("results.json"), serde_json::to_string_pretty(&results)? + "\n")?;
    let mut text = String::new();
    let mut sections: Vec<(f64, &str)> = rows.iter().map(|row| (row.rate, row.scenario)).collect();
    sections.dedup();
    for (rate, scenario) in sections {
        let own: Vec<&Row> = rows.iter().filter(|row| row.rate == rate && row.scenario == scenario).collect();
        section(&mut text, (rate, scenario), &own)?;
        let name = format!("age_{}_{rate}hz", scenario.replace([' ', '.'], "_"));
        curves((rate, scenario), &own).draw().save(folder, &name)?;
    }
    std::fs::write(folder.join("results.md"), &text)?;
    Ok(text)
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn section(text: &mut String, (rate, scenario): (f64, &str), rows: &[&Row]) -> std::fmt::Result {
    let has = |bin: &usize| rows.iter().any(|row| row.measures.by_age_deg[*bin].is_some());
    let bins: Vec<usize> = (0..AGES.len()).filter(has).collect();
    let heads: String = bins.iter().map(|bin| format!(" <= {} s |", AGES[*bin])).collect();
    writeln!(text, "\n### {scenario}, {rate} Hz\n\nHidden joints by age of the dropout, degrees:\n")?;
    writeln!(text, "| method |{heads} all |\n|---|{}---|", "---|".repeat(bins.len()))?;
    for row in rows {
        let cells: String = bins.iter().map(|bin| format!(" {} |", number(row.measures.by_age_deg[*bin], 1))).collect();
        writeln!(text, "| {} |{cells} {} |", row.name, number(row.measures.hidden_deg, 1))?;
    }
    writeln!(
        text,
        "\n| method | visible, deg | jitter hidden / visible | farthest turn, deg | jumps / min | switches / min | within 68 / 95 % | ms p50 / p99 |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|---|")?;
    for row in rows {
        let Measures {
            visible_deg,
            jitter,
            greatest_jump_deg,
            jumps_a_minute,
            switches_a_minute,
            coverage,
            p50_ms,
            p99_ms,
            ..
        } = &row.measures;
        writeln!(
            text,
            "| {} | {} | {} / {} | {greatest_jump_deg:.1} | {jumps_a_minute:.1} | {switches_a_minute:.1} | {} / {} | {} / {} |",
            row.name,
            number(*visible_deg, 2),
            number(jitter[0], 2),
            number(jitter[1], 2),
            number(coverage.map(|[middle, _]| middle * 100.0), 0),
            number(coverage.map(|[_, most]| most * 100.0), 0),
            number(*p50_ms, 2),
            number(*p99_ms, 2),
        )?;
    }
    Ok(())
}

fn curves((rate, scenario): (f64, &str), rows: &[&Row]) -> Curves {
    let color = |key: &str| match METHODS.iter().position(|method| method.key == key).unwrap_or(0) {
        last if last + 1 == METHODS.len() => VERMILION.to_rgba(),
        place => [GREY, BLUE, SKY, PURPLE, ORANGE, GREEN, INK][place % 7].to_rgba(),
    };
    let begin = |bin: usize| if bin == 0 { 0.02 } else { AGES[bin - 1] };
    let curve = |row: &&Row| Curve {
        name: row.name.replace("**", ""),
        color: color(row.method),
        // In the middle of the bin.
        points: (0..AGES.len())
            .filter_map(|bin| Some(((begin(bin) * AGES[bin]).sqrt(), row.measures.by_age_deg[bin]?)))
            .collect(),
    };
    Curves {
        title: format!("Hidden joints, {scenario}, {rate} Hz"),
        across: "age of the dropout, seconds".to_owned(),
        upward: "mean error, degrees".to_owned(),
        curves: rows.iter().map(curve).collect(),
    }
}
