//! A list of shapes that is drawn as pixels or as vectors.

use std::path::{Path, PathBuf};
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, RGBAColor, register_font};
use thalweg_nn::NnError;
use thalweg_nn::files::write_atomically;

use super::palette::WHITE as PAPER;

/// DejaVu Sans, Latin part: no system has to have a font.
const FONT: &[u8] = include_bytes!("../../../../../assets/DejaVuSans-Latin.ttf");

/// The name under which plotters knows the font, and which an SVG asks its viewer for.
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// Dots for each unit of length, along an axis. PNG files are averaged down, which smooths edges;
/// SVG files keep the resolution.
const FINENESS: u32 = 3;

/// A place on the picture: units from the left, units from the top.
pub type Point = (f64, f64);

/// Why a picture was not written.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The drawing library refused a shape.
    #[error("cannot draw {}: {reason}", path.display())]
    Draw {
        /// The file that was being drawn.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The file could not be written.
    #[error("cannot write a picture: {0}")]
    Write(#[from] NnError),
}

/// How a line looks.
#[derive(Clone, Copy, Debug)]
pub struct Stroke {
    color: RGBAColor,
    width: f64,
}

impl Stroke {
    /// Takes a colour, translucent or not, and a width in units.
    pub fn new(color: impl Into<RGBAColor>, width: f64) -> Self {
        Self { color: color.into(), width }
    }
}

/// Which point of a text its place means; vertically always its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its left end.
    Left,
    /// Its middle.
    Middle,
    /// Its right end.
    Right,
    /// Its middle; it runs upward.
    Upward,
}

#[derive(Clone, Debug)]
enum Shape {
    Line { points: Vec<Point>, stroke: Stroke },
    Rectangle { corners: [Point; 2], color: RGBAColor },
    Pixels { corner: Point, side: f64, width: usize, colors: Vec<[u8; 3]> },
    Text { at: Point, text: String, size: f64, color: RGBAColor, anchor: Anchor },
}

/// A picture on white paper; later shapes cover earlier ones.
#[derive(Clone, Debug)]
pub struct Picture {
    width: u32,
    height: u32,
    shapes: Vec<Shape>,
}

impl Picture {
    /// Takes an empty sheet; a unit is a pixel of the PNG file.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    /// Width and height, units.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Draws a line through points.
    pub fn line(&mut self, points: Vec<Point>, stroke: Stroke) {
        self.shapes.push(Shape::Line { points, stroke });
    }

    /// Draws a dashed straight line.
    pub fn dashes(&mut self, from: Point, to: Point, stroke: Stroke) {
        /// Length of a dash with its gap, units, and the share of the dash.
        const PERIOD: f64 = 10.0;
        const SHARE: f64 = 0.6;
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |way: f64| {
            let share = (way / length).min(1.0);
            (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
        };
        for dash in 0..(length / PERIOD).ceil() as u32 {
            let start = f64::from(dash) * PERIOD;
            self.line(vec![at(start), at(start + SHARE * PERIOD)], stroke);
        }
    }

    /// Fills a rectangle between two opposite corners.
    pub fn rectangle(&mut self, corners: [Point; 2], color: impl Into<RGBAColor>) {
        self.shapes.push(Shape::Rectangle { corners, color: color.into() });
    }

    /// Draws an image from its upper left corner, pixels `side` units wide, row by row.
    pub fn pixels(&mut self, corner: Point, side: f64, width: usize, colors: Vec<[u8; 3]>) {
        self.shapes.push(Shape::Pixels { corner, side, width, colors });
    }

    /// Writes a text of a size in units.
    pub fn text(&mut self, at: Point, text: impl Into<String>, size: f64, color: RGBColor, anchor: Anchor) {
        self.shapes.push(Shape::Text { at, text: text.into(), size, color: color.into(), anchor });
    }

    /// Writes `folder/name.png` and `folder/name.svg`; returns both paths.
    ///
    /// # Errors
    /// [`PictureError`].
    pub fn save(&self, folder: &Path, name: &str) -> Result<[PathBuf; 2], PictureError> {
        let [png, svg] = ["png", "svg"].map(|ending| folder.join(format!("{name}.{ending}")));
        self.save_svg(&svg)?;
        self.save_png(&png)?;
        Ok([png, svg])
    }

    /// Writes a PNG file alone: pixel images make long SVG files.
    ///
    /// # Errors
    /// [`PictureError`].
    pub fn save_as_png(&self, path: &Path) -> Result<(), PictureError> {
        if let Some(folder) = path.parent() {
            let io = |source| NnError::Io { path: folder.to_owned(), source };
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        self.save_png(path)
    }

    fn save_svg(&self, path: &Path) -> Result<(), PictureError> {
        let (width, height) = (self.width * FINENESS, self.height * FINENESS);
        let mut text = String::new();
        self.draw(SVGBackend::with_string(&mut text, (width, height)), path, true)?;
        let fine = format!("width=\"{width}\" height=\"{height}\"");
        let text = text.replacen(&fine, &format!("width=\"{}\" height=\"{}\"", self.width, self.height), 1);
        Ok(write_atomically(path, text.as_bytes())?)
    }

    fn save_png(&self, path: &Path) -> Result<(), PictureError> {
        let (width, height) = (self.width * FINENESS, self.height * FINENESS);
        let mut pixels = vec![0; (width * height * 3) as usize];
        self.draw(BitMapBackend::with_buffer(&mut pixels, (width, height)), path, false)?;
        let smooth = averaged(&pixels, width as usize, FINENESS as usize);
        let bad =
            |error: &dyn std::error::Error| PictureError::Draw { path: path.to_owned(), reason: error.to_string() };
        let mut file = BitMapBackend::new(path, (self.width, self.height));
        file.blit_bitmap((0, 0), (self.width, self.height), &smooth).map_err(|error| bad(&error))?;
        file.present().map_err(|error| bad(&error))
    }

    fn draw<DB: DrawingBackend>(&self, backend: DB, path: &Path, is_vector: bool) -> Result<(), PictureError> {
        static REGISTER: Once = Once::new();
        REGISTER.call_once(|| {
            let registered = register_font(FAMILY, FontStyle::Normal, FONT);
            debug_assert!(registered.is_ok(), "the font that is compiled in is whole");
        });
        let area = backend.into_drawing_area();
        let drawn = area.fill(&PAPER).and_then(|()| {
            self.shapes.iter().try_for_each(|shape| draw_shape(&area, shape, is_vector))?;
            area.present()
        });
        drawn.map_err(|error| PictureError::Draw { path: path.to_owned(), reason: error.to_string() })
    }
}

fn fine((x, y): Point) -> (i32, i32) {
    let scale = f64::from(FINENESS);
    ((x * scale).round() as i32, (y * scale).round() as i32)
}

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

fn draw_shape<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, shape: &Shape, is_vector: bool) -> Drawn<DB> {
    match shape {
        Shape::Line { points, stroke } => draw_line(area, points, *stroke, is_vector),
        Shape::Rectangle { corners, color } => area.draw(&Rectangle::new(corners.map(fine), color.filled())),
        Shape::Pixels { corner, side, width, colors } => draw_pixels(area, *corner, *side, *width, colors),
        Shape::Text { at, text, size, color, anchor } => {
            let horizontal = match anchor {
                Anchor::Left => HPos::Left,
                Anchor::Middle | Anchor::Upward => HPos::Center,
                Anchor::Right => HPos::Right,
            };
            let mut font = (FAMILY, size * f64::from(FINENESS)).into_font();
            if *anchor == Anchor::Upward {
                font = font.transform(FontTransform::Rotate270);
            }
            let style = TextStyle::from(font).color(color).pos(Pos::new(horizontal, VPos::Center));
            area.draw(&Text::new(text.as_str(), fine(*at), style))
        }
    }
}

/// Draws one square for each pixel.
fn draw_pixels<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    corner: Point,
    side: f64,
    width: usize,
    colors: &[[u8; 3]],
) -> Drawn<DB> {
    colors.iter().enumerate().try_for_each(|(at, &[red, green, blue])| {
        let (x, y) = (corner.0 + (at % width) as f64 * side, corner.1 + (at / width) as f64 * side);
        let corners = [fine((x, y)), fine((x + side, y + side))];
        area.draw(&Rectangle::new(corners, RGBColor(red, green, blue).filled()))
    })
}

/// Draws a polyline. Pixels get it piece by piece with round ends where it is opaque: the
/// rasteriser's own mitres stick out at sharp turns.
fn draw_line<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    points: &[Point],
    stroke: Stroke,
    is_vector: bool,
) -> Drawn<DB> {
    let width = (stroke.width * f64::from(FINENESS)).round().max(1.0) as u32;
    let style = stroke.color.stroke_width(width);
    let points: Vec<(i32, i32)> = points.iter().copied().map(fine).collect();
    if is_vector {
        return area.draw(&PathElement::new(points, style));
    }
    for piece in points.windows(2) {
        area.draw(&PathElement::new(piece.to_vec(), style))?;
    }
    if stroke.color.3 < 1.0 || width < 3 {
        return Ok(());
    }
    let mut inner = points.iter().skip(1).rev().skip(1);
    inner.try_for_each(|&point| area.draw(&Circle::new(point, width / 2, stroke.color.filled())))
}

/// Averages blocks of `block` by `block` RGB pixels.
fn averaged(pixels: &[u8], width: usize, block: usize) -> Vec<u8> {
    let height = pixels.len() / (3 * width);
    let count = (block * block) as u32;
    let mut smooth = Vec::with_capacity(pixels.len() / (block * block));
    for y in (0..height).step_by(block) {
        for x in (0..width).step_by(block) {
            for channel in 0..3 {
                let inner = (0..block * block).map(|at| (y + at / block) * width + x + at % block);
                let sum: u32 = inner.map(|pixel| u32::from(pixels[3 * pixel + channel])).sum();
                smooth.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    smooth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_averaged_channel_by_channel() {
        let mut pixels = vec![0; 4 * 2 * 3];
        // The left block of 2 x 2 has red 100 in one corner and blue 40 everywhere.
        pixels[0] = 100;
        [0, 1, 4, 5].into_iter().for_each(|pixel| pixels[3 * pixel + 2] = 40);
        assert_eq!(averaged(&pixels, 4, 2), [25, 0, 40, 0, 0, 0]);
    }

    #[test]
    fn both_files_have_the_size_that_was_asked_for() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut picture = Picture::new(40, 30);
        picture.line(vec![(0.0, 0.0), (40.0, 30.0)], Stroke::new(BLACK, 2.0));
        picture.text((20.0, 15.0), "θ < 3", 10.0, BLACK, Anchor::Middle);
        let [png, svg] = picture.save(folder.path(), "sample").expect("a picture can be written");
        let bytes = std::fs::read(png).expect("the PNG file is there");
        // Width and height stand in the header, big-endian, from byte 16.
        assert_eq!(bytes[16..24], [0, 0, 0, 40, 0, 0, 0, 30]);
        let text = std::fs::read_to_string(svg).expect("the SVG file is there");
        assert!(text.contains("width=\"40\" height=\"30\" viewBox=\"0 0 120 90\""), "{text}");
        assert!(text.contains("θ &lt; 3"), "{text}");
    }
}
