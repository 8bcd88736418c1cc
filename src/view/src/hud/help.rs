//! The keys.

use kiss3d::window::Window;

use super::sheet::Sheet;
use crate::palette;

const KEYS: [(&str, &str); 10] = [
    ("Space", "pause, go on"),
    (".", "one answer further, when paused"),
    ("Up, Down", "another hypothesis as the body"),
    ("R", "camera as at the beginning"),
    ("S", "screenshot"),
    ("G", "record a GIF, or end it"),
    ("H", "these keys"),
    ("Q", "close"),
    ("drag", "left turns, right moves"),
    ("wheel", "nearer, farther"),
];

pub(super) fn write(sheet: &mut Sheet, window: &mut Window) {
    let (width, row) = (330.0, 22.0);
    let height = row * KEYS.len() as f32 + 50.0;
    let (left, top) = ((sheet.size().0 - width) / 2.0, (sheet.size().1 - height) / 2.0);
    sheet.card((left, top), (width, height));
    sheet.text(window, "Keys", (left + 18.0, top + 13.0), 14.5, palette::INK);
    for (index, (key, what)) in KEYS.iter().enumerate() {
        let y = top + 42.0 + row * index as f32;
        sheet.text(window, key, (left + 18.0, y), 12.5, palette::INK);
        sheet.text(window, what, (left + 106.0, y), 12.5, palette::FAINT);
    }
}
