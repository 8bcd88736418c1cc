//! How cameras store colours before anybody has converted them: YUV of which pixels share colours, and Bayer mosaics.
//!
//! A row becomes RGB when it is summed, in a buffer of one row: an image is never copied whole.

use super::bayer::{self, Mosaic};
use super::encoding::{Encoding, RGB_8, RGB_16, Sample};
use super::raster::Raster;
use super::yuv;

/// How the pixels of an image lie in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// Pixel by pixel, as [`Encoding`] says.
    Packed,
    /// YUV 4:2:2, two pixels in four bytes: places of the first brightness, of U and of V.
    Pairs([usize; 3]),
    /// YUV 4:2:0, rows of brightness and then rows of U and V, or V and U: places of U and of V.
    Planes([usize; 2]),
    /// One colour a pixel.
    Bayer(Mosaic),
}

const YUYV: Store = Store::Pairs([0, 1, 3]);
const UYVY: Store = Store::Pairs([1, 0, 2]);

/// Names as in `sensor_msgs/image_encodings.hpp`, where `yuv422` is UYVY; `nv12` as camera_ros has it.
const STORES: [(&str, Store, Encoding); 14] = [
    ("yuv422", UYVY, RGB_8),
    ("uyvy", UYVY, RGB_8),
    ("yuv422_yuy2", YUYV, RGB_8),
    ("yuyv", YUYV, RGB_8),
    ("nv12", Store::Planes([0, 1]), RGB_8),
    ("nv21", Store::Planes([1, 0]), RGB_8),
    ("bayer_rggb8", Store::Bayer(bayer::RGGB), RGB_8),
    ("bayer_bggr8", Store::Bayer(bayer::BGGR), RGB_8),
    ("bayer_gbrg8", Store::Bayer(bayer::GBRG), RGB_8),
    ("bayer_grbg8", Store::Bayer(bayer::GRBG), RGB_8),
    ("bayer_rggb16", Store::Bayer(bayer::RGGB), RGB_16),
    ("bayer_bggr16", Store::Bayer(bayer::BGGR), RGB_16),
    ("bayer_gbrg16", Store::Bayer(bayer::GBRG), RGB_16),
    ("bayer_grbg16", Store::Bayer(bayer::GRBG), RGB_16),
];

impl Store {
    /// Finds how an encoding lies in its bytes, and what its rows become when they are read.
    pub(super) fn find(name: &str) -> Option<(Self, Encoding)> {
        let packed = Encoding::find(name).map(|encoding| (Self::Packed, encoding));
        let stored =
            || STORES.iter().find(|(known, ..)| *known == name).map(|(_, store, encoding)| (*store, *encoding));
        packed.or_else(stored)
    }

    /// The names of all encodings that are read.
    pub(super) fn names() -> String {
        let stored: Vec<_> = STORES.iter().map(|(name, ..)| *name).collect();
        format!("{}, {}", Encoding::names(), stored.join(", "))
    }

    /// Bytes of a row of `width` pixels; those that share colours are stored whole.
    pub(super) fn row_bytes(self, encoding: Encoding, width: u32) -> u128 {
        let width = u128::from(width);
        match self {
            Self::Packed => width * encoding.bytes() as u128,
            Self::Pairs(_) => width.div_ceil(2) * 4,
            Self::Planes(_) => width.div_ceil(2) * 2,
            Self::Bayer(_) => width * encoding.sample.bytes() as u128,
        }
    }

    /// Rows of bytes in an image of `height` rows of pixels.
    pub(super) fn rows(self, height: u32) -> u128 {
        let height = u128::from(height);
        if matches!(self, Self::Planes(_)) { height + height.div_ceil(2) } else { height }
    }

    /// Rows and columns that an image has at least: a mosaic repeats after two.
    pub(super) fn least_side(self) -> u32 {
        if matches!(self, Self::Bayer(_)) { 2 } else { 1 }
    }
}

/// Gives `pixels` pixels of a row from pixel `from` on; those that are not stored as they are read go to `buffer`.
pub(super) fn develop<'b>(
    raster: &'b Raster<'_>,
    row: usize,
    [from, pixels]: [usize; 2],
    buffer: &'b mut Vec<u8>,
) -> &'b [u8] {
    if raster.store == Store::Packed {
        return raster.row(row, from, pixels);
    }
    let columns = from..from + pixels;
    buffer.resize(pixels * raster.encoding.bytes(), 0);
    match raster.store {
        Store::Packed => {}
        Store::Pairs(places) => yuv::pairs(raster.bytes(row), columns, places, buffer),
        Store::Planes(places) => {
            yuv::planes([raster.bytes(row), raster.bytes(raster.height + row / 2)], columns, places, buffer);
        }
        Store::Bayer(mosaic) => {
            let wide = (raster.encoding.sample == Sample::U16).then_some(raster.is_bigendian);
            bayer::develop(raster, mosaic.at(row), row, columns, wide, buffer);
        }
    }
    buffer
}
