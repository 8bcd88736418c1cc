//! The numbers of the answer that is shown, and what the colours mean.

use kiss3d::window::Window;
use thalweg_node::display::ShownAnswer;

use super::sheet::Sheet;
use super::{MARGIN, Told};
use crate::palette::{self, Rgb};

/// Width of the card of numbers, logical pixels.
const WIDTH: f32 = 236.0;
/// Height of a row.
const ROW: f32 = 19.0;
/// Letters that are shown of a landscape's identity.
const IDENTITY: usize = 14;

pub(super) fn write(sheet: &mut Sheet, window: &mut Window, told: &Told<'_>) {
    let Some(shown) = told.shown else { return };
    let rows = rows(shown, told);
    let height = 40.0 + ROW * rows.len() as f32 + 6.0;
    sheet.card((MARGIN, MARGIN), (WIDTH, height));
    let (left, right) = (MARGIN + 12.0, MARGIN + WIDTH - 12.0);
    let title = format!("Hypothesis {} of {}", told.chosen + 1, shown.hypotheses.max(1));
    sheet.text(window, &title, (left, MARGIN + 10.0), 14.5, palette::INK);
    if let Some(weight) = shown.answer.weights.get(told.chosen) {
        sheet.text_to(window, &format!("{:.0} %", weight * 100.0), (right, MARGIN + 10.0), 14.5, palette::FAINT);
    }
    sheet.rectangle((left, MARGIN + 33.0), (WIDTH - 24.0, 1.0), palette::EDGE, 1.0);
    for (index, (label, value)) in rows.iter().enumerate() {
        let y = MARGIN + 40.0 + ROW * index as f32;
        sheet.text(window, label, (left, y), 12.5, palette::FAINT);
        sheet.text_to(window, value, (right, y), 12.5, palette::INK);
    }
}

fn rows(shown: &ShownAnswer, told: &Told<'_>) -> Vec<(&'static str, String)> {
    let pace = told.pace;
    let known = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let millis = |share| pace.latency(share).map(|time| brief(time.as_secs_f64() * 1e3));
    let times = millis(0.5).zip(millis(0.99)).map(|(half, most)| format!("{half} / {most} ms"));
    let loss = shown.answer.losses.get(told.chosen).or(shown.answer.losses.first());
    let mut rows = vec![
        ("rate", known(pace.rate().map(|rate| format!("{rate:.1} Hz")))),
        (if pace.has_latency() { "latency p50 / p99" } else { "solve p50 / p99" }, known(times)),
        ("loss", known(loss.map(|loss| significant(*loss)))),
        ("steps", shown.answer.statistics.steps.to_string()),
        ("theta", shortened(&shown.answer.landscape)),
        ("refused", shown.refusals.to_string()),
    ];
    let drawn = shown.answer.joints.len().min(told.most_ghosts + 1);
    if told.has_body && drawn < shown.hypotheses {
        rows.push(("drawn", format!("{drawn} of {}", shown.hypotheses)));
    }
    if shown.people.len() > 1 {
        rows.push(("people", shown.people.len().to_string()));
    }
    rows
}

/// Milliseconds, with a decimal where that says something.
fn brief(millis: f64) -> String {
    if millis < 100.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}

/// Three significant digits.
fn significant(value: f64) -> String {
    let digits = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    match digits as i32 {
        -4..=2 => format!("{value:.*}", (2.0 - digits).max(0.0) as usize),
        3..=5 => format!("{value:.0}"),
        _ => format!("{value:.2e}"),
    }
}

fn shortened(identity: &str) -> String {
    match identity.char_indices().nth(IDENTITY) {
        Some((end, _)) => format!("{}..", &identity[..end]),
        None if identity.is_empty() => "-".to_owned(),
        None => identity.to_owned(),
    }
}

/// What the colours mean, of those that are in the picture.
pub(super) fn legend(sheet: &mut Sheet, window: &mut Window, told: &Told<'_>) {
    let Some(shown) = told.shown else { return };
    let mut entries: Vec<(&str, Rgb, f32)> = Vec::new();
    if told.has_body {
        entries.extend([("observed", palette::OBSERVED, 1.0), ("completed", palette::COMPLETED, 1.0)]);
    }
    if told.has_body && shown.answer.joints.len() > 1 && shown.people.len() < 2 {
        entries.push(("other hypotheses", palette::COMPLETED, 0.4));
    }
    if !shown.points.is_empty() {
        entries.push(("points seen", palette::POINTS, 1.0));
    }
    if entries.is_empty() {
        return;
    }
    let widest = entries.iter().map(|(text, ..)| sheet.width_of(text, 12.5)).fold(0.0, f32::max);
    let (width, height) = (widest + 44.0, ROW * entries.len() as f32 + 12.0);
    let left = sheet.size().0 - width - MARGIN;
    sheet.card((left, MARGIN), (width, height));
    for (index, (text, colour, alpha)) in entries.into_iter().enumerate() {
        let y = MARGIN + 7.0 + ROW * index as f32;
        sheet.rectangle((left + 12.0, y + 3.0), (12.0, 12.0), colour, alpha);
        sheet.text(window, text, (left + 32.0, y), 12.5, palette::INK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let cases = [
            (0.0, "0.00"),
            (0.012_345, "0.0123"),
            (1.2345, "1.23"),
            (123.4, "123"),
            (5e-7, "5.00e-7"),
            (99_999.0, "99999"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value), text);
        }
        assert_eq!((shortened("identity").as_str(), shortened("").as_str()), ("identity", "-"));
        assert_eq!(shortened("0123456789abcdef"), "0123456789abcd..");
    }
}
