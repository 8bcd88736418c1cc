//! Curves over a logarithmic axis, all in one panel, with a legend that is sorted as they end.

use plotters::style::RGBAColor;

use super::axis::Axis;
use super::palette::{GREY, INK, PALE};
use super::picture::{Anchor, Picture, Stroke};

const WIDTH: u32 = 1600;
const HEIGHT: u32 = 900;
/// Ends of the panel.
const LEFT: f64 = 110.0;
const RIGHT: f64 = 1180.0;
const TOP: f64 = 90.0;
const BOTTOM: f64 = 800.0;
/// Distance of two lines of the legend, units.
const LINE: f64 = 30.0;

/// One curve.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Name in the legend.
    pub name: String,
    /// Its colour; a translucent one is drawn thin.
    pub color: RGBAColor,
    /// Points from left to right; those that are not above zero are left out.
    pub points: Vec<(f64, f64)>,
}

/// Some curves with the same axes, both logarithmic.
#[derive(Clone, Debug)]
pub struct Curves {
    /// Heading.
    pub title: String,
    /// What the axis to the right means.
    pub across: String,
    /// What the axis upward means.
    pub upward: String,
    /// The curves.
    pub curves: Vec<Curve>,
}

impl Curves {
    /// Draws panel and legend.
    #[must_use]
    pub fn draw(&self) -> Picture {
        let mut picture = Picture::new(WIDTH, HEIGHT);
        picture.text((LEFT, 36.0), self.title.as_str(), 24.0, INK, Anchor::Left);
        let (Some(x), Some(y)) = (self.range(|point| point.0), self.range(|point| point.1)) else {
            picture.text((LEFT, TOP), "nothing was measured", 18.0, GREY, Anchor::Left);
            return picture;
        };
        let x = Axis::tight_logarithmic(x, [LEFT, RIGHT]);
        let y = Axis::tight_logarithmic(y, [BOTTOM, TOP]);
        self.draw_grid(&mut picture, &x, &y);
        for curve in self.curves.iter().rev() {
            let place = |(at, value): &(f64, f64)| (x.place(*at), y.place(*value));
            picture.line(drawable(&curve.points).map(place).collect(), stroke(curve));
        }
        self.draw_legend(&mut picture);
        picture
    }

    /// Least and greatest coordinate of all points; none without points.
    fn range(&self, of: fn(&(f64, f64)) -> f64) -> Option<[f64; 2]> {
        let values = || self.curves.iter().flat_map(|curve| drawable(&curve.points)).map(of);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        (low <= high).then_some([low, high])
    }

    fn draw_grid(&self, picture: &mut Picture, x: &Axis, y: &Axis) {
        for (value, label) in y.ticks(7.0) {
            let at = y.place(value);
            picture.line(vec![(LEFT, at), (RIGHT, at)], Stroke::new(PALE, 1.0));
            picture.text((LEFT - 10.0, at), label, 17.0, INK, Anchor::Right);
        }
        for (value, label) in x.ticks(7.0) {
            let at = x.place(value);
            picture.line(vec![(at, TOP), (at, BOTTOM)], Stroke::new(PALE, 1.0));
            picture.text((at, BOTTOM + 20.0), label, 17.0, INK, Anchor::Middle);
        }
        let middle = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
        picture.text((middle.0, BOTTOM + 55.0), self.across.as_str(), 18.0, INK, Anchor::Middle);
        picture.text((28.0, middle.1), self.upward.as_str(), 18.0, INK, Anchor::Upward);
    }

    /// Lists the curves as they end, the greatest first, so that the list reads like the panel.
    fn draw_legend(&self, picture: &mut Picture) {
        let end = |curve: &Curve| drawable(&curve.points).last().map_or(f64::INFINITY, |point| point.1);
        let mut order: Vec<&Curve> = self.curves.iter().collect();
        order.sort_by(|a, b| end(b).total_cmp(&end(a)));
        for (index, curve) in order.into_iter().enumerate() {
            let y = TOP + LINE * index as f64;
            picture.line(vec![(RIGHT + 30.0, y), (RIGHT + 65.0, y)], stroke(curve));
            picture.text((RIGHT + 75.0, y), curve.name.as_str(), 17.0, INK, Anchor::Left);
        }
    }
}

fn stroke(curve: &Curve) -> Stroke {
    Stroke::new(curve.color, if curve.color.3 < 1.0 { 2.0 } else { 3.5 })
}

fn drawable(points: &[(f64, f64)]) -> impl Iterator<Item = &(f64, f64)> {
    points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0 && x.is_finite() && y.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_that_have_no_logarithm_are_left_out() {
        let points = vec![(0.0, 3.0), (1.0, 0.0), (2.0, f64::NAN), (4.0, 0.5), (8.0, 0.25)];
        let color = RGBAColor(0, 0, 0, 1.0);
        let curves = Curves {
            title: String::new(),
            across: String::new(),
            upward: String::new(),
            curves: vec![Curve { name: "a".to_owned(), color, points }],
        };
        assert_eq!(
            (curves.range(|point| point.0), curves.range(|point| point.1)),
            (Some([4.0, 8.0]), Some([0.25, 0.5]))
        );
        let none = Curves { curves: Vec::new(), ..curves };
        assert_eq!(none.range(|point| point.0), None);
    }
}
