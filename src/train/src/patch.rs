//! Gaps in images.

use std::ops::Range;

use rand::Rng;
use rand::rngs::StdRng;
use thalweg_task::ImageSpec;

/// Sides of a rectangle that is hidden, in parts of the image's: from an eye to half a face. Guesses, as those below.
const HIDDEN: Range<f64> = 0.25..0.6;
/// Sides of a rectangle that alone is shown.
const SHOWN: Range<f64> = 0.4..0.8;

/// A rectangle of an image that is hidden, or shown alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Its rows.
    pub rows: Range<i64>,
    /// Its columns.
    pub columns: Range<i64>,
    /// Whether it is what is seen.
    pub is_shown: bool,
}

impl Patch {
    /// Draws sides, then a place.
    pub(super) fn draw(image: &ImageSpec, is_shown: bool, random: &mut StdRng) -> Self {
        let mut side = |size: i64| {
            let share = random.random_range(if is_shown { SHOWN } else { HIDDEN });
            let length = ((share * size as f64).round() as i64).clamp(1, size);
            let start = random.random_range(0..=size - length);
            start..start + length
        };
        Self { rows: side(image.height), columns: side(image.width), is_shown }
    }

    /// Tells of each pixel, row by row, whether it is visible.
    #[must_use]
    pub fn mask(&self, height: i64, width: i64) -> Vec<bool> {
        let is_inside = |pixel: i64| self.rows.contains(&(pixel / width)) && self.columns.contains(&(pixel % width));
        (0..height * width).map(|pixel| is_inside(pixel) == self.is_shown).collect()
    }
}
