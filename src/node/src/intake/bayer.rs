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

/// Appends pixels of a row as RGB, samples stored as the mosaic's: two bytes where `wide` gives their order.
///
/// `colours` are those of [`Mosaic::at`]. The raster has two rows and two columns at least.
pub(super) fn develop(
    raster: &Raster<'_>,
    colours: [[usize; 2]; 2],
    row: usize,
    columns: Range<usize>,
    wide: Option<bool>,
    out: &mut Vec<u8>,
) {
    let [above, below] = beside(row, raster.height);
    let rows = [above, row, below].map(|row| raster.bytes(row));
    match wide {
        None => mix(
            rows,
            colours,
            columns,
            raster.width,
            |row, column| u32::from(row[column]),
            |mean| {
                out.push(mean.min(255) as u8);
            },
        ),
        Some(is_bigendian) => {
            let read = |row: &[u8], column: usize| {
                let pair = [row[2 * column], row[2 * column + 1]];
                u32::from(if is_bigendian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
            };
            mix(rows, colours, columns, raster.width, read, |mean| {
                let mean = mean.min(65535) as u16;
                out.extend(if is_bigendian { mean.to_be_bytes() } else { mean.to_le_bytes() });
            });
        }
    }
}

/// The rows or columns beside one, of `size`, mirrored at the edges.
fn beside(place: usize, size: usize) -> [usize; 2] {
    let next = if place + 1 < size { place + 1 } else { place - 1 };
    [place.checked_sub(1).unwrap_or(next), next]
}

fn mix(
    [above, row, below]: [&[u8]; 3],
    [of_row, of_beside]: [[usize; 2]; 2],
    columns: Range<usize>,
    width: usize,
    read: impl Fn(&[u8], usize) -> u32,
    mut write: impl FnMut(u32),
) {
    for column in columns {
        let [left, right] = beside(column, width);
        let own = read(row, column);
        let sideways = (read(row, left) + read(row, right) + 1) / 2;
        let upright = (read(above, column) + read(below, column) + 1) / 2;
        let colour = of_row[column % 2];
        let mut rgb = [0; 3];
        if colour == GREEN {
            rgb[of_row[(column + 1) % 2]] = sideways;
            rgb[of_beside[column % 2]] = upright;
        } else {
            let sum = |row: &[u8]| read(row, left) + read(row, right);
            rgb[GREEN] = (read(row, left) + read(row, right) + read(above, column) + read(below, column) + 2) / 4;
            rgb[2 - colour] = (sum(above) + sum(below) + 2) / 4;
        }
        rgb[colour] = own;
        rgb.into_iter().for_each(&mut write);
    }
}
