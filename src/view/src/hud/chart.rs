//! A strip of the loss over the last seconds, on a logarithmic scale.

use kiss3d::window::Window;

use super::MARGIN;
use super::sheet::Sheet;
use crate::pace::{HISTORY, Pace};
use crate::palette;

/// Width and height of the card, logical pixels.
const SIZE: (f32, f32) = (236.0, 92.0);
/// Where the curve lies in the card: left, top, right, bottom.
const INSET: (f32, f32, f32, f32) = (12.0, 30.0, 12.0, 12.0);
/// The least ratio of the greatest and the least loss that is shown: what changes less is a line.
const LEAST_RATIO: f64 = 4.0;
/// Columns of the curve: as many as can be told apart.
const COLUMNS: usize = 128;

pub(super) fn write(sheet: &mut Sheet, window: &mut Window, pace: &Pace) {
    if pace.losses().len() < 2 {
        return;
    }
    let (left, top) = (MARGIN, sheet.size().1 - MARGIN - SIZE.1);
    sheet.card((left, top), SIZE);
    let columns = columns(pace);
    let (low, high) = range(&columns);
    sheet.text(window, "loss", (left + INSET.0, top + 8.0), 12.5, palette::FAINT);
    let bounds = format!("{} .. {}", brief(low), brief(high));
    sheet.text_to(window, &bounds, (left + SIZE.0 - INSET.2, top + 8.0), 11.5, palette::FAINT);
    let (width, height) = (SIZE.0 - INSET.0 - INSET.2, SIZE.1 - INSET.1 - INSET.3);
    sheet.rectangle((left + INSET.0, top + INSET.1 + height), (width, 1.0), palette::EDGE, 1.0);
    let place = |(column, loss): (usize, f64)| {
        let along = (column as f32 + 0.5) / COLUMNS as f32;
        let up = ((loss / low).ln() / (high / low).ln()) as f32;
        (left + INSET.0 + along * width, top + INSET.1 + (1.0 - up) * height)
    };
    for pair in columns.windows(2) {
        sheet.line(window, place(pair[0]), place(pair[1]), palette::INK, 1.4);
    }
}

/// The greatest loss in each column of time that has one, oldest first.
fn columns(pace: &Pace) -> Vec<(usize, f64)> {
    let Some((end, _)) = pace.losses().last() else { return Vec::new() };
    let mut greatest = [None::<f64>; COLUMNS];
    for (at, loss) in pace.losses() {
        let ago = (end - at).as_secs_f64() / HISTORY.as_secs_f64();
        let column = ((1.0 - ago) * COLUMNS as f64) as usize;
        let slot = &mut greatest[column.min(COLUMNS - 1)];
        *slot = Some(slot.unwrap_or(0.0).max(loss.max(1e-12)));
    }
    greatest.into_iter().enumerate().filter_map(|(column, loss)| Some((column, loss?))).collect()
}

/// The least and the greatest loss, and some room.
fn range(columns: &[(usize, f64)]) -> (f64, f64) {
    let low = columns.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
    let high = columns.iter().map(|(_, loss)| *loss).fold(0.0, f64::max);
    let widen = (LEAST_RATIO / (high / low)).max(1.0).sqrt();
    (low / widen, high * widen)
}

/// Two significant digits.
fn brief(value: f64) -> String {
    let digits = value.abs().max(1e-300).log10().floor();
    match digits as i32 {
        -4..=2 => format!("{value:.*}", (1.0 - digits).max(0.0) as usize),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use thalweg_engine::Answer;
    use thalweg_node::display::ShownAnswer;

    use super::*;

    #[test]
    fn the_newest_loss_stands_at_the_right_and_peaks_are_kept() {
        let mut pace = Pace::default();
        for index in 0..1000u64 {
            let loss = if index == 500 { 9.0 } else { 1.0 };
            let answer = Answer { losses: vec![loss], ..Answer::default() };
            pace.note(Duration::from_millis(10 * index), &ShownAnswer { answer, ..ShownAnswer::default() });
        }
        let columns = columns(&pace);
        assert_eq!(columns.last(), Some(&(COLUMNS - 1, 1.0)));
        assert_eq!(columns.iter().filter(|(_, loss)| *loss > 5.0).count(), 1);
        assert_eq!(range(&columns), (1.0, 9.0));
        assert_eq!(range(&[(0, 1.0)]), (0.5, 2.0));
    }
}
