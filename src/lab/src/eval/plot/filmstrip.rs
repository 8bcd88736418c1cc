//! Moments of a motion side by side: what was seen, what was completed, and the truth.

use plotters::style::{Color, RGBAColor};

use super::palette::{BLUE, GREY, INK, ORANGE, PALE, WHITE};
use super::picture::{Anchor, Picture, Point, Stroke};
use crate::eval::skeleton::{Bone, Camera, Skeleton, bones};

const WIDTH: f64 = 1600.0;
/// Height of a row of poses.
const ROW: f64 = 316.0;
/// Heading with legend; the line of captions above the poses; the line below each pose.
const HEADING: f64 = 96.0;
const CAPTION: f64 = 34.0;
const FOOT: f64 = 30.0;
/// Column of the names of the rows.
const NAMES: f64 = 44.0;
/// Free space around a pose.
const MARGIN: f64 = 12.0;
/// Radius of a head, metres: a little below half its breadth with hair, so that lines stay visible.
const HEAD: f64 = 0.09;

/// One pose of the strip.
#[derive(Clone, Debug)]
pub struct Moment {
    /// What happened.
    pub truth: Skeleton,
    /// Hypotheses, best first.
    pub hypotheses: Vec<Skeleton>,
    /// Joints that were hidden, as places in `thalweg_body_pose::skeleton::NAMES`.
    pub hidden: Vec<usize>,
    /// What stands below the pose.
    pub note: String,
}

/// The moments of one arm.
#[derive(Clone, Debug)]
pub struct FilmstripRow {
    /// Name of the arm.
    pub name: String,
    /// Its poses, one for each caption.
    pub moments: Vec<Moment>,
}

/// Rows of poses at the same moments, one row for each arm.
#[derive(Clone, Debug)]
pub struct Filmstrip {
    /// Heading.
    pub title: String,
    /// What stands above each column.
    pub captions: Vec<String>,
    /// The rows.
    pub rows: Vec<FilmstripRow>,
}

/// Where the camera's metres lie in a cell: common to all poses, so that sizes compare.
#[derive(Clone, Copy, Debug)]
struct Frame {
    scale: f64,
    /// Middle of what is drawn, metres of the picture plane.
    middle: Point,
}

impl Filmstrip {
    /// Draws the strip.
    #[must_use]
    pub fn draw(&self) -> Picture {
        let cell = (WIDTH - NAMES - 6.0) / self.captions.len().max(1) as f64;
        let height = HEADING + CAPTION + self.rows.len() as f64 * (ROW + FOOT);
        let mut picture = Picture::new(WIDTH as u32, height as u32);
        let frame = self.frame(cell);
        draw_legend(&mut picture, &self.title);
        for (column, caption) in self.captions.iter().enumerate() {
            let x = NAMES + (column as f64 + 0.5) * cell;
            picture.text((x, HEADING + 0.5 * CAPTION), caption.as_str(), 17.0, INK, Anchor::Middle);
        }
        for (index, row) in self.rows.iter().enumerate() {
            let top = HEADING + CAPTION + index as f64 * (ROW + FOOT);
            picture.text((0.5 * NAMES, top + 0.5 * ROW), row.name.as_str(), 20.0, INK, Anchor::Upward);
            for (column, moment) in row.moments.iter().enumerate() {
                let left = NAMES + column as f64 * cell;
                picture.rectangle([(left + 3.0, top), (left + cell - 3.0, top + ROW)], PALE.mix(0.16));
                draw_moment(&mut picture, moment, &frame, (left + 0.5 * cell, top + 0.5 * ROW));
                picture.text((left + 0.5 * cell, top + ROW + 14.0), moment.note.as_str(), 17.0, INK, Anchor::Middle);
            }
        }
        picture
    }

    /// Fits truths and best hypotheses of all moments into a cell.
    fn frame(&self, cell: f64) -> Frame {
        let moments = self.rows.iter().flat_map(|row| &row.moments);
        let skeletons = moments.flat_map(|moment| std::iter::once(&moment.truth).chain(moment.hypotheses.first()));
        let places = skeletons.flat_map(|skeleton| skeleton.places.map(|place| Camera::THREE_QUARTER.project(place)));
        let (mut low, mut high) = ((-0.3, -0.95), (0.3, 0.8));
        for (x, y) in places {
            (low, high) = ((f64::min(low.0, x), f64::min(low.1, y)), (f64::max(high.0, x), f64::max(high.1, y)));
        }
        let scale = ((cell - 2.0 * MARGIN) / (high.0 - low.0)).min((ROW - 2.0 * MARGIN) / (high.1 - low.1));
        Frame { scale, middle: (0.5 * (low.0 + high.0), 0.5 * (low.1 + high.1)) }
    }
}

impl Frame {
    fn place(&self, skeleton: &Skeleton, point: usize, middle: Point) -> Point {
        let (x, y) = Camera::THREE_QUARTER.project(skeleton.places[point]);
        (middle.0 + (x - self.middle.0) * self.scale, middle.1 - (y - self.middle.1) * self.scale)
    }
}

/// Draws truth, ghosts and best hypothesis, in this order.
fn draw_moment(picture: &mut Picture, moment: &Moment, frame: &Frame, middle: Point) {
    let is_hidden = |bone: &Bone| bone.turned_by.is_some_and(|joint| moment.hidden.contains(&joint));
    let truth = |_: &Bone| Some(Stroke::new(PALE, 9.0));
    draw_skeleton(picture, &moment.truth, frame, middle, truth);
    let ghost = |bone: &Bone| is_hidden(bone).then(|| Stroke::new(ORANGE.mix(0.38), 1.6));
    for hypothesis in moment.hypotheses.iter().skip(1) {
        draw_skeleton(picture, hypothesis, frame, middle, ghost);
    }
    let best = |bone: &Bone| Some(Stroke::new(if is_hidden(bone) { ORANGE } else { BLUE }, 4.0));
    if let Some(hypothesis) = moment.hypotheses.first() {
        draw_skeleton(picture, hypothesis, frame, middle, best);
    }
}

fn draw_skeleton(
    picture: &mut Picture,
    skeleton: &Skeleton,
    frame: &Frame,
    middle: Point,
    stroke: impl Fn(&Bone) -> Option<Stroke>,
) {
    for bone in bones() {
        let Some(stroke) = stroke(&bone) else { continue };
        let [from, to] = [bone.from, bone.to].map(|point| frame.place(skeleton, point, middle));
        if bone.to == HEAD_TOP {
            picture.line(circle(((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0), HEAD * frame.scale), stroke);
        } else {
            // A point of no length in the middle gives the pixels a round joint at both ends.
            picture.line(vec![from, from, to, to], stroke);
        }
    }
}

/// The first end in `thalweg_body_pose::skeleton::TIPS`; drawn as a head, not as a bone.
const HEAD_TOP: usize = 1 + thalweg_body_pose::skeleton::JOINTS;

fn circle(middle: Point, radius: f64) -> Vec<Point> {
    const CORNERS: u32 = 32;
    let corner = |index: u32| {
        let (sin, cos) = (f64::from(index) / f64::from(CORNERS) * std::f64::consts::TAU).sin_cos();
        (middle.0 + radius * cos, middle.1 + radius * sin)
    };
    (0..=CORNERS).map(corner).collect()
}

fn draw_legend(picture: &mut Picture, title: &str) {
    picture.text((NAMES, 30.0), title, 24.0, INK, Anchor::Left);
    let entries: [(&str, RGBAColor, f64); 4] = [
        ("truth", PALE.to_rgba(), 9.0),
        ("seen", BLUE.to_rgba(), 4.0),
        ("completed, best hypothesis", ORANGE.to_rgba(), 4.0),
        ("completed, other hypotheses", ORANGE.mix(0.38), 1.6),
    ];
    let mut x = NAMES;
    for (text, color, width) in entries {
        picture.rectangle([(x, 60.0), (x + 36.0, 80.0)], WHITE);
        picture.line(vec![(x, 70.0), (x + 36.0, 70.0)], Stroke::new(color, width));
        picture.text((x + 46.0, 70.0), text, 17.0, INK, Anchor::Left);
        x += 70.0 + 9.0 * text.chars().count() as f64;
    }
    let note = "below: error of the best hypothesis on hidden joints; moments evenly spaced, not chosen";
    picture.text((WIDTH - 10.0, 70.0), note, 16.0, GREY, Anchor::Right);
}
