//! Values over a plane as colours, some panels side by side on one scale.

use plotters::style::RGBColor;

use super::axis::Axis;
use super::palette::{INK, WHITE};
use super::picture::{Anchor, Picture, Stroke};

/// Side of a panel, and the space beside it, units.
const SIDE: f64 = 620.0;
const SPACE: f64 = 60.0;
const TOP: f64 = 120.0;
/// Width of the scale of colours, and of its labels.
const SCALE: f64 = 26.0;
const LABELS: f64 = 110.0;
/// Steps of the scale of colours.
const SHADES: usize = 64;
/// Half the side of a mark, units.
const MARK: f64 = 4.0;

/// Stops of viridis (van der Walt & Smith, matplotlib 2.0, 2015), evenly spaced: even in lightness,
/// readable with any form of colour vision.
const STOPS: [(f64, f64, f64); 5] =
    [(68.0, 1.0, 84.0), (59.0, 82.0, 139.0), (33.0, 145.0, 140.0), (94.0, 201.0, 98.0), (253.0, 231.0, 37.0)];

/// Values on a square of the plane, and places in it.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Heading.
    pub title: String,
    /// Half the side of the square, in the unit of the plane; its middle is the origin.
    pub reach: f64,
    /// Values above zero, row by row from the bottom, as many rows as columns.
    pub values: Vec<f64>,
    /// Places that are marked; those outside are left out.
    pub marks: Vec<[f64; 2]>,
}

/// Some panels with the same, logarithmic, scale.
#[derive(Clone, Debug)]
pub struct HeatMaps {
    /// Heading.
    pub title: String,
    /// What the colours mean.
    pub scale: String,
    /// The panels, left to right.
    pub panels: Vec<Panel>,
}

impl HeatMaps {
    /// Draws panels and scale.
    #[must_use]
    pub fn draw(&self) -> Picture {
        let width = SPACE + (SIDE + SPACE) * self.panels.len() as f64 + SCALE + LABELS;
        let mut picture = Picture::new(width as u32, (TOP + SIDE + 60.0) as u32);
        picture.text((SPACE, 36.0), self.title.as_str(), 24.0, INK, Anchor::Left);
        let values = || self.panels.iter().flat_map(|panel| &panel.values).copied().filter(|value| *value > 0.0);
        let range = [values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max)];
        if range[0] > range[1] {
            return picture;
        }
        let shade = Axis::tight_logarithmic(range, [0.0, 1.0]);
        for (index, panel) in self.panels.iter().enumerate() {
            draw_panel(&mut picture, panel, SPACE + (SIDE + SPACE) * index as f64, &shade);
        }
        self.draw_scale(&mut picture, range, SPACE + (SIDE + SPACE) * self.panels.len() as f64);
        picture
    }

    fn draw_scale(&self, picture: &mut Picture, range: [f64; 2], left: f64) {
        let step = SIDE / SHADES as f64;
        for index in 0..SHADES {
            let bottom = TOP + SIDE - step * index as f64;
            let color = color((index as f64 + 0.5) / SHADES as f64);
            picture.rectangle([(left, bottom - step), (left + SCALE, bottom)], color);
        }
        let axis = Axis::tight_logarithmic(range, [TOP + SIDE, TOP]);
        for (value, label) in axis.ticks(7.0) {
            picture.text((left + SCALE + 8.0, axis.place(value)), label, 17.0, INK, Anchor::Left);
        }
        picture.text((left + SCALE + LABELS - 24.0, TOP + SIDE / 2.0), self.scale.as_str(), 18.0, INK, Anchor::Upward);
    }
}

fn draw_panel(picture: &mut Picture, panel: &Panel, left: f64, shade: &Axis) {
    picture.text((left, TOP - 24.0), panel.title.as_str(), 19.0, INK, Anchor::Left);
    let columns = (panel.values.len() as f64).sqrt() as usize;
    let cell = SIDE / columns.max(1) as f64;
    for (index, value) in panel.values.iter().take(columns * columns).enumerate() {
        let (x, y) = (left + cell * (index % columns) as f64, TOP + SIDE - cell * (index / columns) as f64);
        picture.rectangle([(x, y - cell), (x + cell, y)], color(shade.place(*value)));
    }
    let (x, y) = (
        Axis::linear([-panel.reach, panel.reach], [left, left + SIDE]),
        Axis::linear([-panel.reach, panel.reach], [TOP + SIDE, TOP]),
    );
    for [across, upward] in panel.marks.iter().filter(|mark| mark.iter().all(|at| at.abs() <= panel.reach)) {
        let (at_x, at_y) = (x.place(*across), y.place(*upward));
        for (turn, stroke) in [(MARK, Stroke::new(WHITE, 2.0)), (-MARK, Stroke::new(WHITE, 2.0))] {
            picture.line(vec![(at_x - MARK, at_y - turn), (at_x + MARK, at_y + turn)], stroke);
        }
    }
    for (value, label) in x.ticks(5.0) {
        picture.text((x.place(value), TOP + SIDE + 20.0), label, 17.0, INK, Anchor::Middle);
    }
}

/// The colour of a share of the scale.
fn color(share: f64) -> RGBColor {
    let at = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let low = (at as usize).min(STOPS.len() - 2);
    let (from, to, part) = (STOPS[low], STOPS[low + 1], at - low as f64);
    let mix = |from: f64, to: f64| (from + part * (to - from)).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_runs_from_stop_to_stop() {
        assert_eq!((color(0.0), color(1.0)), (RGBColor(68, 1, 84), RGBColor(253, 231, 37)));
        assert_eq!((color(0.5), color(-1.0)), (RGBColor(33, 145, 140), RGBColor(68, 1, 84)));
    }

    #[test]
    fn marks_outside_and_empty_panels_do_no_harm() {
        let panel = |values| Panel { title: "p".to_owned(), reach: 1.0, values, marks: vec![[0.0, 0.0], [5.0, 0.0]] };
        let maps = |values| HeatMaps { title: "t".to_owned(), scale: "s".to_owned(), panels: vec![panel(values)] };
        let folder = tempfile::tempdir().expect("a folder for the test");
        let svg = |maps: HeatMaps| {
            let [_, svg] = maps.draw().save(folder.path(), "maps").expect("a picture can be written");
            std::fs::read_to_string(svg).expect("the SVG file is there")
        };
        let full = svg(maps(vec![1.0, 10.0, 100.0, 1000.0]));
        // One mark of two strokes; the other lies outside.
        assert_eq!(full.matches("<polyline").count(), 2, "{full}");
        assert_eq!(svg(maps(Vec::new())).matches("<polyline").count(), 0);
    }
}
