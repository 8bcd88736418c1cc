//! A sheet to write on: rectangles, lines and texts in logical pixels, from the top left.

use std::sync::Arc;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _};
use kiss3d::glamx::Vec2;
use kiss3d::scene::SceneNode2d;
use kiss3d::text::Font;
use kiss3d::window::Window;

use crate::palette::{self, Rgb, encoded, linear};

/// DejaVu Sans, as the project's other pictures have it.
const FONT: &[u8] = include_bytes!("../../../../assets/DejaVuSans-Latin.ttf");

/// Height of a line against the size of its letters: kiss3d's is from the highest to the lowest point.
const LINE: f32 = 1.164;

pub(super) struct Sheet {
    root: SceneNode2d,
    cards: SceneNode2d,
    rectangles: Vec<SceneNode2d>,
    used: usize,
    font: Option<Arc<Font>>,
    /// The same font, to be measured.
    measure: Option<FontRef<'static>>,
    scale: f32,
    size: (f32, f32),
}

impl Sheet {
    pub(super) fn new() -> Self {
        let mut root = SceneNode2d::empty();
        let cards = root.add_group();
        // The font is part of the program: it is read, or every test fails.
        let font = Font::from_bytes(FONT).map(Arc::new);
        let measure = FontRef::try_from_slice(FONT).ok();
        Self { root, cards, rectangles: Vec::new(), used: 0, font, measure, scale: 1.0, size: (1.0, 1.0) }
    }

    pub(super) fn root_mut(&mut self) -> &mut SceneNode2d {
        &mut self.root
    }

    /// Begins a new picture.
    pub(super) fn begin(&mut self, window: &Window, scale: f32) {
        self.scale = scale.max(0.1);
        self.size = (window.width() as f32 / self.scale, window.height() as f32 / self.scale);
        self.used = 0;
    }

    /// Hides what is left of the last picture.
    pub(super) fn end(&mut self) {
        for rectangle in self.rectangles.iter_mut().skip(self.used) {
            rectangle.set_visible(false);
        }
    }

    /// Width and height, logical pixels.
    pub(super) fn size(&self) -> (f32, f32) {
        self.size
    }

    /// Pixels for each logical pixel.
    pub(super) fn scale(&self) -> f32 {
        self.scale
    }

    pub(super) fn rectangle(&mut self, (x, y): (f32, f32), (width, height): (f32, f32), colour: Rgb, alpha: f32) {
        if self.used == self.rectangles.len() {
            self.rectangles.push(self.cards.add_rectangle(1.0, 1.0));
        }
        let scale = self.scale;
        let rectangle = &mut self.rectangles[self.used];
        rectangle.set_visible(true).set_local_scale(width * scale, height * scale).set_color(linear(colour, alpha));
        rectangle.set_position(Vec2::new((x + width / 2.0) * scale, (y + height / 2.0) * scale));
        self.used += 1;
    }

    /// A quiet background with an edge.
    pub(super) fn card(&mut self, (x, y): (f32, f32), (width, height): (f32, f32)) {
        self.rectangle((x - 1.0, y - 1.0), (width + 2.0, height + 2.0), palette::EDGE, 0.9);
        self.rectangle((x, y), (width, height), palette::CARD, 0.94);
    }

    pub(super) fn line(&self, window: &mut Window, from: (f32, f32), to: (f32, f32), colour: Rgb, width: f32) {
        let pixel = |(x, y): (f32, f32)| Vec2::new(x * self.scale, y * self.scale);
        window.draw_line_2d(pixel(from), pixel(to), linear(colour, 1.0), width * self.scale);
    }

    /// Writes a text; `size` is the height of its letters as typographers have it, logical pixels.
    pub(super) fn text(&self, window: &mut Window, text: &str, (x, y): (f32, f32), size: f32, colour: Rgb) {
        if let Some(font) = &self.font {
            // Whole pixels: the glyphs are not hinted.
            let place = Vec2::new((x * self.scale).round(), (y * self.scale).round());
            window.draw_text(text, place, size * LINE * self.scale, font, encoded(colour, 1.0));
        }
    }

    /// Writes a text that ends at x.
    pub(super) fn text_to(&self, window: &mut Window, text: &str, (x, y): (f32, f32), size: f32, colour: Rgb) {
        self.text(window, text, (x - self.width_of(text, size), y), size, colour);
    }

    /// Width of a text, logical pixels.
    pub(super) fn width_of(&self, text: &str, size: f32) -> f32 {
        let Some(font) = &self.measure else { return 0.0 };
        let font = font.as_scaled(PxScale::from(size * LINE * self.scale));
        let glyphs: Vec<_> = text.chars().map(|letter| font.glyph_id(letter)).collect();
        let advances = glyphs.iter().map(|glyph| font.h_advance(*glyph)).sum::<f32>();
        let kerning = glyphs.windows(2).map(|pair| font.kern(pair[0], pair[1])).sum::<f32>();
        (advances + kerning) / self.scale
    }
}
