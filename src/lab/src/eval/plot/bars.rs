//! Groups of bars, one bar for each method, each with a mark.

use plotters::style::RGBAColor;

use super::axis::Axis;
use super::palette::{INK, PALE, WHITE};
use super::picture::{Anchor, Picture, Stroke};

const WIDTH: u32 = 1900;
/// Ends of the panel; the legend stands below.
const LEFT: f64 = 90.0;
const RIGHT: f64 = 1880.0;
const TOP: f64 = 80.0;
const BOTTOM: f64 = 560.0;
/// Columns of the legend, and the distance of its lines, units.
const COLUMNS: usize = 5;
const LINE: f64 = 30.0;
/// Share of a group's width that stays empty.
const GAP: f64 = 0.12;

/// One bar.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Its height.
    pub value: f64,
    /// A second value, marked within it.
    pub mark: f64,
}

/// Bars that belong together.
#[derive(Clone, Debug)]
pub struct BarGroup {
    /// Name below it.
    pub name: String,
    /// One for each method, or none.
    pub bars: Vec<Option<Bar>>,
}

/// Some groups with the same methods.
#[derive(Clone, Debug)]
pub struct Bars {
    /// Heading.
    pub title: String,
    /// What the axis upward means.
    pub upward: String,
    /// Name and colour of each method.
    pub methods: Vec<(String, RGBAColor)>,
    /// The groups.
    pub groups: Vec<BarGroup>,
}

impl Bars {
    /// Draws panel and legend.
    #[must_use]
    pub fn draw(&self) -> Picture {
        let lines = self.methods.len().div_ceil(COLUMNS) as f64;
        let mut picture = Picture::new(WIDTH, (BOTTOM + 80.0 + LINE * lines) as u32);
        picture.text((LEFT, 36.0), self.title.as_str(), 24.0, INK, Anchor::Left);
        let values = self.groups.iter().flat_map(|group| group.bars.iter().flatten()).map(|bar| bar.value);
        let high = values.filter(|value| value.is_finite()).fold(1e-9, f64::max);
        let axis = Axis::linear([0.0, 1.05 * high], [BOTTOM, TOP]);
        for (value, label) in axis.ticks(8.0) {
            let y = axis.place(value);
            picture.line(vec![(LEFT, y), (RIGHT, y)], Stroke::new(PALE, 1.0));
            picture.text((LEFT - 10.0, y), label, 17.0, INK, Anchor::Right);
        }
        picture.text((26.0, (TOP + BOTTOM) / 2.0), self.upward.as_str(), 18.0, INK, Anchor::Upward);
        for (index, group) in self.groups.iter().enumerate() {
            self.draw_group(&mut picture, &axis, index, group);
        }
        self.draw_legend(&mut picture);
        picture
    }

    fn draw_group(&self, picture: &mut Picture, axis: &Axis, index: usize, group: &BarGroup) {
        let width = (RIGHT - LEFT) / self.groups.len() as f64;
        let left = LEFT + width * (index as f64 + GAP / 2.0);
        let bar_width = width * (1.0 - GAP) / self.methods.len().max(1) as f64;
        for (place, bar) in group.bars.iter().enumerate() {
            let (Some(bar), Some((_, color))) = (bar, self.methods.get(place)) else { continue };
            let from = left + bar_width * place as f64;
            let to = from + 0.85 * bar_width;
            picture.rectangle([(from, axis.place(bar.value)), (to, BOTTOM)], *color);
            let mark = axis.place(bar.mark);
            picture.line(vec![(from, mark), (to, mark)], Stroke::new(WHITE, 4.0));
            picture.line(vec![(from, mark), (to, mark)], Stroke::new(INK, 2.0));
        }
        picture.text((left + width * (1.0 - GAP) / 2.0, BOTTOM + 22.0), group.name.as_str(), 18.0, INK, Anchor::Middle);
    }

    fn draw_legend(&self, picture: &mut Picture) {
        let column = (RIGHT - LEFT) / COLUMNS as f64;
        for (index, (name, color)) in self.methods.iter().enumerate() {
            let x = LEFT + column * (index % COLUMNS) as f64;
            let y = BOTTOM + 65.0 + LINE * (index / COLUMNS) as f64;
            picture.rectangle([(x, y - 9.0), (x + 24.0, y + 9.0)], *color);
            picture.text((x + 34.0, y), name.as_str(), 17.0, INK, Anchor::Left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_is_in_the_legend_and_the_sheet_grows_with_it() {
        let color = RGBAColor(10, 20, 30, 1.0);
        let bars = |count: usize| Bars {
            title: "t".to_owned(),
            upward: "u".to_owned(),
            methods: (0..count).map(|index| (format!("method {index}"), color)).collect(),
            groups: vec![BarGroup { name: "g".to_owned(), bars: vec![Some(Bar { value: 2.0, mark: 1.0 }), None] }],
        };
        let (few, many) = (bars(2).draw().size(), bars(11).draw().size());
        assert_eq!(many.1 - few.1, 2 * LINE as u32);
        let folder = tempfile::tempdir().expect("a folder for the test");
        let [_, svg] = bars(2).draw().save(folder.path(), "bars").expect("a picture can be written");
        let text = std::fs::read_to_string(svg).expect("the SVG file is there");
        assert!(text.contains("method 1") && text.contains(">\ng\n"), "{text}");
    }
}
