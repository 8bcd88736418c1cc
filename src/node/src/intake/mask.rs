//! Which pixels of an image were seen: a second image that says so, or a colour that stands for nothing.

use super::encoding::{Encoding, Sample};
use super::image::ImageMessage;
use super::raster::Raster;
use super::refusal::{Cause, Refusal};
use super::text::escaped;
use crate::parameters::words;

/// What the pixels of a mask that are not zero say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaskMarks {
    /// These were seen: a region of interest, as OpenCV's masks of features are.
    #[default]
    Observed,
    /// These were not: holes to be filled, as OpenCV's `inpaint` has them.
    Hidden,
}

words!(MaskMarks { Observed = "observed", Hidden = "hidden" });

/// A colour that stands for "not seen", as a blue screen does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColourKey {
    /// Red, green, blue.
    pub rgb: [u8; 3],
    /// Greatest difference in each of them, of 255.
    pub tolerance: u8,
}

impl ColourKey {
    /// Reads `#rrggbb`.
    #[must_use]
    pub fn parse(text: &str) -> Option<[u8; 3]> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
        let part = |place: usize| u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok();
        // from_str_radix takes a sign, too.
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then_some([part(0)?, part(1)?, part(2)?])
    }

    /// Bounds of each colour where `white` is 255: what lies within them was not seen.
    pub(super) fn bounds(self, white: f32) -> [[f32; 2]; 3] {
        let unit = white / 255.0;
        // Half a step more: rounding must not decide.
        let reach = (f32::from(self.tolerance) + 0.5) * unit;
        self.rgb.map(|colour| [f32::from(colour) * unit - reach, f32::from(colour) * unit + reach])
    }
}

/// A mask whose bytes are all there.
#[derive(Clone, Debug)]
pub struct Mask<'a> {
    raster: Raster<'a>,
}

impl<'a> Mask<'a> {
    /// Checks a mask: one channel of whole numbers, of any size.
    ///
    /// # Errors
    /// [`Cause::UnknownEncoding`], [`Cause::EmptyImage`], [`Cause::BadStep`] or [`Cause::BadSize`].
    pub fn of(message: &ImageMessage<'a>) -> Result<Self, Refusal> {
        if !Encoding::find(message.encoding).is_some_and(Encoding::is_mask) {
            let names = Encoding::mask_names();
            let text = format!("got a mask of encoding '{}'; expected one of {names}", escaped(message.encoding));
            return Err(Refusal::new(Cause::UnknownEncoding, text));
        }
        Raster::of(message).map(|raster| Self { raster })
    }

    /// Prepares to look the mask up at the pixels of an image of another size: the nearest one counts.
    pub(super) fn over(&self, size: [usize; 2], columns: std::ops::Range<usize>, marks: MaskMarks) -> MaskRows<'_> {
        let bytes = self.raster.encoding.bytes();
        let place = |column: usize| column * self.raster.width / size[1] * bytes;
        MaskRows { raster: &self.raster, height: size[0], places: columns.map(place).collect(), marks }
    }
}

/// A mask, seen from the pixels of an image.
#[derive(Debug)]
pub(super) struct MaskRows<'a> {
    raster: &'a Raster<'a>,
    /// Rows of the image.
    height: usize,
    /// Byte in a row of the mask, for each column of the image that is read.
    places: Vec<usize>,
    marks: MaskMarks,
}

impl MaskRows<'_> {
    /// Writes 1 where row `row` of the image was seen, 0 elsewhere.
    pub(super) fn read(&self, row: usize, seen: &mut [f32]) {
        let bytes = self.raster.row(row * self.raster.height / self.height, 0, self.raster.width);
        let is_wide = self.raster.encoding.sample == Sample::U16;
        for (seen, &place) in seen.iter_mut().zip(&self.places) {
            let is_marked = bytes[place] != 0 || (is_wide && bytes[place + 1] != 0);
            *seen = f32::from(u8::from(is_marked == (self.marks == MaskMarks::Observed)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_six_hexadecimal_digits() {
        assert_eq!(ColourKey::parse("#00Ff10"), Some([0, 255, 16]));
        for text in ["", "#", "00ff10", "#00ff1", "#00ff100", "#00ff1g", "#+1+2+3", "#ééé", "green"] {
            assert_eq!(ColourKey::parse(text), None, "{text}");
        }
    }
}
