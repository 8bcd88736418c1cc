//! Small images side by side: what was seen, and what methods made of it.

use tch::{Device, Kind, Tensor};

use super::palette::{GREY, INK};
use super::picture::{Anchor, Picture};

/// Width of an image on the picture, units; small images are drawn with visible pixels.
const IMAGE: f64 = 128.0;
/// Space between two images.
const GAP: f64 = 8.0;
/// Space between two groups of columns.
const GROUP_GAP: f64 = 28.0;
/// Heading; the line of captions.
const HEADING: f64 = 64.0;
const CAPTION: f64 = 30.0;
/// Column of the names of the rows.
const NAMES: f64 = 150.0;
/// Space below the last row and right of the last column.
const MARGIN: f64 = 20.0;
/// Sides of the squares that show that a pixel was not seen, pixels, and their two greys.
const CHECK: i64 = 4;
const CHECKS: [f64; 2] = [0.82, 0.92];

/// Images of one row.
#[derive(Debug)]
pub struct ImageRow {
    /// What stands to the left of it.
    pub name: String,
    /// One `[3, H, W]` for each column, black 0, white 1, NaN where nothing was seen.
    pub images: Vec<Tensor>,
}

/// Rows of images with common captions.
#[derive(Debug)]
pub struct ImageGrid {
    /// Heading.
    pub title: String,
    /// What stands above the columns: each group of them is set apart.
    pub captions: Vec<Vec<String>>,
    /// The rows.
    pub rows: Vec<ImageRow>,
}

impl ImageGrid {
    /// Draws it; what was not seen is chequered.
    #[must_use]
    pub fn draw(&self) -> Picture {
        let places = self.places();
        let width = places.last().map_or(NAMES, |(x, _)| x + IMAGE) + MARGIN;
        let height = HEADING + CAPTION + self.rows.len() as f64 * (IMAGE + GAP) + MARGIN;
        let mut picture = Picture::new(width.ceil() as u32, height.ceil() as u32);
        picture.text((MARGIN, HEADING / 2.0), self.title.as_str(), 22.0, INK, Anchor::Left);
        for (x, caption) in &places {
            picture.text((x + IMAGE / 2.0, HEADING + CAPTION / 2.0), *caption, 15.0, INK, Anchor::Middle);
        }
        for (row, y) in self.rows.iter().zip(0..) {
            let y = HEADING + CAPTION + f64::from(y) * (IMAGE + GAP);
            picture.text((MARGIN, y + IMAGE / 2.0), row.name.as_str(), 15.0, GREY, Anchor::Left);
            for ((x, _), image) in places.iter().zip(&row.images) {
                let (columns, colors) = colors(image);
                picture.pixels((*x, y), IMAGE / columns as f64, columns, colors);
            }
        }
        picture
    }

    /// Left end and caption of each column.
    fn places(&self) -> Vec<(f64, &str)> {
        let (mut x, mut places) = (NAMES, Vec::new());
        for group in &self.captions {
            for caption in group {
                places.push((x, caption.as_str()));
                x += IMAGE + GAP;
            }
            x += GROUP_GAP - GAP;
        }
        places
    }
}

/// Turns `[3, H, W]` into colours, row by row, and tells the width; what is NaN is chequered.
pub(crate) fn colors(image: &Tensor) -> (usize, Vec<[u8; 3]>) {
    let (height, width) = (image.size()[1], image.size()[2]);
    let index = |size: i64| Tensor::arange(size, (Kind::Int64, Device::Cpu)).divide_scalar_mode(CHECK, "floor");
    let odd = (index(height).view([-1, 1]) + index(width)).remainder(2).to_kind(Kind::Float);
    let checks = odd * (CHECKS[1] - CHECKS[0]) + CHECKS[0];
    let image = image.detach().to_device(Device::Cpu).to_kind(Kind::Float);
    let shown = image.where_self(&image.isnan().logical_not(), &checks.expand_as(&image)).clamp(0.0, 1.0) * 255.0;
    let flat = shown.round().permute([1, 2, 0]).contiguous().view(-1);
    let values = Vec::<f32>::try_from(&flat).unwrap_or_default();
    (width as usize, values.chunks(3).map(|color| [color[0] as u8, color[1] as u8, color[2] as u8]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_is_chequered() {
        let image = Tensor::from_slice(&[1.0f32, f64::NAN as f32]).repeat([3]).view([3, 1, 2]);
        let (width, colors) = colors(&image);
        assert_eq!((width, colors[0]), (2, [255, 255, 255]));
        assert_eq!(colors[1], [(CHECKS[0] * 255.0_f64).round() as u8; 3]);
    }

    #[test]
    fn groups_are_set_apart() {
        let captions = vec![vec!["a".to_owned()], vec!["b".to_owned(), "c".to_owned()]];
        let grid = ImageGrid { title: String::new(), captions, rows: Vec::new() };
        let lefts: Vec<f64> = grid.places().iter().map(|(x, _)| *x).collect();
        assert_eq!(lefts, [NAMES, NAMES + IMAGE + GROUP_GAP, NAMES + 2.0 * IMAGE + GROUP_GAP + GAP]);
    }
}
