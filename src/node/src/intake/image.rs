//! Images: from the bytes of a message to what the task reads.

use crate::parameters::words;
use std::ops::Range;

use thalweg_task::ImageSpec;

use super::Decoded;
use super::average::Sight;
use super::compressed::{CompressedMessage, decode};
use super::mask::{ColourKey, Mask, MaskMarks};
use super::raster::Raster;
use super::refusal::{Cause, Refusal};
use super::stamp::Stamp;

/// A `sensor_msgs/Image`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ImageMessage<'a> {
    /// When it was exposed.
    pub stamp: Stamp,
    /// Optical frame of the camera.
    pub frame_id: &'a str,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Name of the encoding, as in `sensor_msgs/image_encodings.hpp`.
    pub encoding: &'a str,
    /// Whether samples of several bytes have the most significant one first.
    pub is_bigendian: u8,
    /// Bytes from one row to the next.
    pub step: u32,
    /// The rows, one after the other.
    pub data: &'a [u8],
}

/// What of an image becomes the task's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// The largest part in the middle that has the task's shape.
    #[default]
    Crop,
    /// All of it; a circle becomes an ellipse where the shapes differ.
    Stretch,
}

words!(Fit { Crop = "crop", Stretch = "stretch" });

/// How images are read; parameters `input.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// What of an image becomes the task's.
    pub fit: Fit,
    /// Whether the alpha channel says how much of a pixel was seen.
    pub alpha: bool,
    /// The colour that stands for "not seen", if one does.
    pub key: Option<ColourKey>,
    /// What a mask says.
    pub marks: MaskMarks,
    /// Pixels beyond which a compressed image is not decoded.
    pub max_pixels: u64,
}

impl Default for ImageConfig {
    fn default() -> Self {
        let (fit, marks) = (Fit::default(), MaskMarks::default());
        Self { fit, alpha: true, key: None, marks, max_pixels: MAX_PIXELS }
    }
}

/// Pixels of a compressed image that are decoded unless told otherwise: two frames of 4K, 268 MB at the worst.
pub const MAX_PIXELS: u64 = 1 << 24;

/// Reads images for one task; needs no lock, for it has no state.
///
/// Gives `[C, H, W]`, row by row, black 0, white 1, NaN where unobserved. Sizes are matched along each axis: by
/// averaging areas when the image is larger, linearly when it is smaller. Gray and colour are converted into each
/// other. Rows may be padded.
#[derive(Clone, Copy, Debug)]
pub struct ImageReader {
    spec: ImageSpec,
    config: ImageConfig,
}

impl ImageReader {
    /// Reads what `spec` wants.
    #[must_use]
    pub fn new(spec: ImageSpec, config: ImageConfig) -> Self {
        Self { spec, config }
    }

    /// Reads an image; `mask` lies over all of it, whatever its size.
    ///
    /// # Errors
    /// [`Cause::UnknownEncoding`], [`Cause::EmptyImage`], [`Cause::BadStep`], [`Cause::BadSize`] or
    /// [`Cause::WrongChannels`], before anything is allocated.
    pub fn read(&self, message: &ImageMessage<'_>, mask: Option<&Mask<'_>>) -> Result<Decoded, Refusal> {
        let shape = check_spec(&self.spec)?;
        Ok(self.see(&Raster::of(message)?, mask, shape))
    }

    /// Reads a JPEG or PNG.
    ///
    /// # Errors
    /// [`Cause::BadImage`], [`Cause::TooManyPixels`] or [`Cause::WrongChannels`].
    pub fn read_compressed(
        &self,
        message: &CompressedMessage<'_>,
        mask: Option<&Mask<'_>>,
    ) -> Result<Decoded, Refusal> {
        let shape = check_spec(&self.spec)?;
        Ok(self.see(&decode(message, self.config.max_pixels)?, mask, shape))
    }

    fn see(&self, raster: &Raster<'_>, mask: Option<&Mask<'_>>, shape: [usize; 3]) -> Decoded {
        let ImageConfig { fit, alpha, key, marks, .. } = self.config;
        let size = [raster.height, raster.width];
        let [rows, columns] = match fit {
            Fit::Stretch => [0..size[0], 0..size[1]],
            Fit::Crop => middle(size, [shape[1], shape[2]]),
        };
        let mask = mask.map(|mask| mask.over(size, columns.clone(), marks));
        let (values, outside) = Sight { raster, rows, columns, alpha, key, mask }.average(shape);
        let mut notices: Vec<_> = outside.map(outside_notice).into_iter().collect();
        if values.iter().all(|value| value.is_nan()) {
            let text = "got an image of which no pixel is observed; expected some that are neither masked, transparent, \
                        of the key's colour nor NaN";
            notices.push(Refusal::new(Cause::NothingSeen, text));
        }
        Decoded { values, confidence: Vec::new(), notices }
    }
}

/// Reads an image with the default configuration; see [`ImageReader`].
///
/// # Errors
/// As [`ImageReader::read`].
pub fn decode_image(message: &ImageMessage<'_>, spec: &ImageSpec) -> Result<Decoded, Refusal> {
    ImageReader::new(*spec, ImageConfig::default()).read(message, None)
}

/// The largest rows and columns in the middle of `size` that have the shape of `target`.
fn middle(size: [usize; 2], target: [usize; 2]) -> [Range<usize>; 2] {
    let [height, width] = size.map(|side| side as u128);
    let [rows, columns] = target.map(|side| side as u128);
    let kept = if height * columns > width * rows {
        [(width * rows).div_ceil(columns), width]
    } else {
        [height, (height * columns).div_ceil(rows)]
    };
    let cut = |side: usize, kept: u128| {
        let kept = usize::try_from(kept).unwrap_or(side).clamp(1, side);
        let start = (side - kept) / 2;
        start..start + kept
    };
    [cut(size[0], kept[0]), cut(size[1], kept[1])]
}

fn outside_notice(value: f32) -> Refusal {
    let text = format!("got brightness {value}; expected 0..1; such pixels are unobserved");
    Refusal::new(Cause::OutOfLimits, text)
}

/// Channels, rows and columns of the target.
fn check_spec(spec: &ImageSpec) -> Result<[usize; 3], Refusal> {
    let sizes = [spec.channels, spec.height, spec.width].map(|size| usize::try_from(size).unwrap_or(0));
    if ![1, 3].contains(&sizes[0]) || sizes[1] == 0 || sizes[2] == 0 {
        let text = format!("got an image; expected {} channels, which no encoding gives", spec.channels);
        return Err(Refusal::new(Cause::WrongChannels, text));
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_has_the_shape_of_the_target() {
        assert_eq!(middle([1080, 1920], [64, 64]), [0..1080, 420..1500]);
        assert_eq!(middle([1920, 1080], [64, 64]), [420..1500, 0..1080]);
        assert_eq!(middle([480, 640], [48, 64]), [0..480, 0..640]);
        assert_eq!(middle([1, 9], [64, 64]), [0..1, 4..5]);
        assert_eq!(middle([usize::MAX, 1], [1, usize::MAX])[0].len(), 1);
    }
}
