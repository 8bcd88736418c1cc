//! Bayer mosaics: each pixel has one colour, the others are the means of the neighbours that have them.
//!
//! Bilinear, as OpenCV's `COLOR_Bayer..2RGB`, which image_proc calls; at the edge the mosaic is mirrored, which keeps
//! its colours in their places. Names are those of ROS: the first two pixels of the first two rows.

use std::ops::Range;

use super::raster::Raster;

/// The colours of two pixels of two rows: 0 red, 1 green, 2 blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mosaic([[usize; 2]; 2]);

pub(super) const RGGB: Mosaic = Mosaic([[0, 1], [1, 2]]);
pub(super) const BGGR: Mosaic = Mosaic([[2, 1], [1, 0]]);
pub(super) const GBRG: Mosaic = Mosaic([[1, 2], [0, 1]]);
pub(super) const GRBG: Mosaic = Mosaic([[1, 0], [2, 1]]);

const GREEN: usize = 1;

impl Mosaic {
    /// The colours of two pixels of a row and of the rows beside it.
    pub(super) fn at(self, row: usize) -> [[usize; 2]; 2] {
        [self.0[row % 2], self.0[(row + 1) % 2]]
    }
}

/// Writes pixels of a row as RGB, samples stored as the mosaic's: two bytes where `wide` gives their order.
///
/// `colours` are those of [`Mosaic::at`]. The raster has two rows and two columns at least.
pub(super) fn develop(
    raster: &Raster<'_>,
    colours: [[usize; 2]; 2],
    row: usize,
    columns: Range<usize>,
    wide: Option<bool>,
    out: &mut [u8],
) {
    let [above, below] = beside(row, raster.height);
    let rows = [above, row, below].map(|row| raster.bytes(row));
    let columns = columns.map(|column| (column, beside(column, raster.width)));
    match wide {
        None => mix(rows, colours, columns, out, u8::from_ne_bytes, |mean| [mean.min(255) as u8]),
        Some(false) => mix(rows, colours, columns, out, u16::from_le_bytes, |mean| wide_sample(mean).to_le_bytes()),
        Some(true) => mix(rows, colours, columns, out, u16::from_be_bytes, |mean| wide_sample(mean).to_be_bytes()),
    }
}

fn wide_sample(mean: u32) -> u16 {
    mean.min(65535) as u16
}

/// The rows or columns beside one, of `size`, mirrored at the edges.
fn beside(place: usize, size: usize) -> [usize; 2] {
    let next = if place + 1 < size { place + 1 } else { place - 1 };
    [place.checked_sub(1).unwrap_or(next), next]
}

/// Mixes the pixels at `columns`, each with those beside it; samples have `S` bytes.
fn mix<const S: usize, T: Into<u32>>(
    rows: [&[u8]; 3],
    [of_row, of_beside]: [[usize; 2]; 2],
    columns: impl Iterator<Item = (usize, [usize; 2])>,
    out: &mut [u8],
    read: fn([u8; S]) -> T,
    write: impl Fn(u32) -> [u8; S],
) {
    let [above, row, below] = rows.map(|row| row.as_chunks::<S>().0);
    let get = |row: &[[u8; S]], column: usize| -> u32 { read(row[column]).into() };
    let pixels = out.as_chunks_mut::<S>().0.as_chunks_mut::<3>().0;
    for ((column, [left, right]), out) in columns.zip(pixels) {
        let across = |row: &[[u8; S]]| get(row, left) + get(row, right);
        let (sideways, upright) = (across(row), get(above, column) + get(below, column));
        let colour = of_row[column % 2];
        let mut rgb = [0; 3];
        rgb[colour] = get(row, column);
        if colour == GREEN {
            rgb[of_row[(column + 1) % 2]] = sideways.div_ceil(2);
            rgb[of_beside[column % 2]] = upright.div_ceil(2);
        } else {
            rgb[GREEN] = (sideways + upright + 2) / 4;
            rgb[2 - colour] = (across(above) + across(below) + 2) / 4;
        }
        *out = rgb.map(&write);
    }
}
