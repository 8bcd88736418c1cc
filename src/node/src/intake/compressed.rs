//! JPEG and PNG, decoded within limits: by `image`, told apart by their content.

use std::borrow::Cow;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::{jpeg::JpegDecoder, png::PngDecoder};
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, Limits};

use super::encoding::{Encoding, GRAY_ALPHA_8, GRAY_ALPHA_16, RGB_8};
use super::huffman::with_tables;
use super::raster::Raster;
use super::refusal::{Cause, Refusal};
use super::stamp::Stamp;
use super::store::Store;
use super::text::escaped;

/// A `sensor_msgs/CompressedImage`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct CompressedMessage<'a> {
    /// When it was exposed.
    pub stamp: Stamp,
    /// Optical frame of the camera.
    pub frame_id: &'a str,
    /// What the publisher says of the content; only ever told, never believed.
    pub format: &'a str,
    /// The file.
    pub data: &'a [u8],
}

/// First bytes of a JPEG file, and of a PNG file.
const JPEG: &[u8] = &[0xFF, 0xD8, 0xFF];
const PNG: &[u8] = &[0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n'];

/// Bytes of the largest pixel that is decoded: four samples of 16 bit.
const PIXEL: u64 = 8;

/// Scans of a JPEG that are decoded at most. Encoders write ten; each costs as much time as the whole image.
const SCANS: usize = 100;

/// Memory that a decoder may take for small images and for what stands beside the pixels.
const SPARE: u64 = 16 << 20;

/// Decodes what the message holds; allocates for at most `max_pixels`.
///
/// An orientation in EXIF is followed, as a photo viewer does. A JPEG of a webcam may lack its Huffman tables.
///
/// # Errors
/// [`Cause::BadImage`], [`Cause::DepthImage`] or [`Cause::TooManyPixels`] (I10).
pub(super) fn decode(message: &CompressedMessage<'_>, max_pixels: u64) -> Result<Raster<'static>, Refusal> {
    // Unwind safe: a decoder that panics has touched nothing but itself.
    let decoded = catch_unwind(AssertUnwindSafe(|| match message.data {
        data if data.starts_with(JPEG) => {
            check_jpeg(data)?;
            let completed = with_tables(data);
            within(JpegDecoder::new(Cursor::new(completed.as_deref().unwrap_or(data))), max_pixels, "JPEG")
        }
        data if data.starts_with(PNG) => {
            let limits = limits(max_pixels);
            within(PngDecoder::with_limits(Cursor::new(data), limits), max_pixels, "PNG")
        }
        data => Err(no_image(data, message.format)),
    }));
    let panicked = |_panic| Err(bad("got content on which the decoder gave up; expected a JPEG or PNG"));
    decoded.unwrap_or_else(panicked).map(raster)
}

/// Bounds memory; [`within`] bounds sizes, with a sentence of its own.
fn limits(max_pixels: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(max_pixels.saturating_mul(PIXEL).saturating_add(SPARE));
    limits
}

fn within(
    decoder: Result<impl ImageDecoder, ImageError>,
    max_pixels: u64,
    kind: &'static str,
) -> Result<DynamicImage, Refusal> {
    let refuse = |error: ImageError| {
        bad(format!("got a {kind} that does not decode: {}; expected a whole one", escaped(&error.to_string())))
    };
    let mut decoder = decoder.map_err(refuse)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > max_pixels {
        let text = format!(
            "got a {kind} of {width} x {height} pixels; expected at most {max_pixels} in all (input.max_pixels)"
        );
        return Err(Refusal::new(Cause::TooManyPixels, text));
    }
    decoder.set_limits(limits(max_pixels)).map_err(refuse)?;
    let orientation = decoder.orientation().map_err(refuse)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(refuse)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(Cause::BadImage, text)
}

/// Bytes before the PNG of compressed depth: the format and two parameters of its quantization
/// (compressed_depth_image_transport, `ConfigHeader`).
const DEPTH_HEADER: usize = 12;

fn no_image(data: &[u8], format: &str) -> Refusal {
    if format.contains("compressedDepth") || data.get(DEPTH_HEADER..).is_some_and(|rest| rest.starts_with(PNG)) {
        let text = format!(
            "got a depth image, format '{}'; expected colour or gray, which is what the task observes: give the topic of \
             the colour camera, or unpack depth into gray with `ros2 run image_transport republish --ros-args -p \
             in_transport:=compressedDepth -p out_transport:=raw`",
            escaped(format)
        );
        return Refusal::new(Cause::DepthImage, text);
    }
    let first: Vec<_> = data.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let (count, first, format) = (data.len(), first.join(" "), escaped(format));
    bad(format!("got {count} B that begin with [{first}], format '{format}'; expected a JPEG or PNG"))
}

/// Refuses what the decoder would take in silence: a JPEG that is cut off, whose missing part becomes gray, one of
/// so many scans that it takes minutes, and one of four inks, whose colours depend on a profile.
fn check_jpeg(data: &[u8]) -> Result<(), Refusal> {
    let last = |marker: u8| data.windows(2).rposition(|pair| pair == [0xFF, marker]);
    // A thumbnail has an end of its own, before the scan of the image. Within a scan 0xFF is followed by 0 or RST.
    let is_whole = matches!((last(0xDA), last(0xD9)), (Some(scan), Some(end)) if end > scan);
    if !is_whole {
        return Err(bad(format!("got {} B of a JPEG that is cut off; expected a whole one", data.len())));
    }
    let scans = data.windows(2).filter(|pair| *pair == [0xFF, 0xDA]).count();
    if scans > SCANS {
        return Err(bad(format!("got a JPEG of {scans} scans; expected at most {SCANS}")));
    }
    match components(data) {
        Some(4) => Err(bad("got a JPEG of four inks (CMYK); expected gray or YCbCr")),
        _ => Ok(()),
    }
}

/// The number of components that the frame of a JPEG declares (ITU-T T.81, B.2.2).
fn components(data: &[u8]) -> Option<u8> {
    let mut rest = data.get(2..)?;
    loop {
        let marker = rest.iter().position(|byte| *byte != 0xFF).map(|place| &rest[place..])?;
        let (&kind, segment) = marker.split_first()?;
        let length = usize::from(u16::from_be_bytes([*segment.first()?, *segment.get(1)?]));
        match kind {
            // SOF0 to SOF15; among them lie DHT, JPG and DAC.
            0xC0..=0xCF if ![0xC4, 0xC8, 0xCC].contains(&kind) => return segment.get(7).copied(),
            0xDA => return None,
            _ => rest = segment.get(length..)?,
        }
    }
}

/// Takes over what was decoded, rows without padding.
fn raster(image: DynamicImage) -> Raster<'static> {
    let (encoding, image) = match stored(image.color()) {
        Some(encoding) => (encoding, image),
        // No JPEG or PNG gives floating point.
        None => (RGB_8, DynamicImage::ImageRgb8(image.into_rgb8())),
    };
    let (height, width) = (image.height() as usize, image.width() as usize);
    let (step, is_bigendian) = (width * encoding.bytes(), cfg!(target_endian = "big"));
    let data = Cow::Owned(image.into_bytes());
    Raster { height, width, step, encoding, store: Store::Packed, is_bigendian, data }
}

/// The encoding of decoded pixels.
fn stored(colour: ColorType) -> Option<Encoding> {
    match colour {
        ColorType::L8 => Encoding::find("mono8"),
        ColorType::La8 => Some(GRAY_ALPHA_8),
        ColorType::Rgb8 => Some(RGB_8),
        ColorType::Rgba8 => Encoding::find("rgba8"),
        ColorType::L16 => Encoding::find("mono16"),
        ColorType::La16 => Some(GRAY_ALPHA_16),
        ColorType::Rgb16 => Encoding::find("rgb16"),
        ColorType::Rgba16 => Encoding::find("rgba16"),
        _ => None,
    }
}
