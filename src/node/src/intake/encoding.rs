//! Encodings of `sensor_msgs/Image`: how the bytes of a pixel become light.

use super::bounds::BRIGHTNESS;

/// How one sample of a pixel is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    /// Unsigned, 255 is white.
    U8,
    /// Unsigned, 65535 is white.
    U16,
    /// Floating point, 1 is white, NaN is unobserved.
    F32,
}

/// Which samples of a pixel are which colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// The first sample.
    Gray,
    /// Places of red, green and blue.
    Rgb([usize; 3]),
}

/// How the pixels of an image are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    /// Name, as in `sensor_msgs/image_encodings.hpp`.
    pub(super) name: &'static str,
    /// How a sample is stored.
    pub(super) sample: Sample,
    /// Which samples count.
    pub(super) colours: Colours,
    /// Place of the sample that says how much of the pixel is there, where one does.
    pub(super) alpha: Option<usize>,
    /// Samples of a pixel.
    pub(super) samples: usize,
}

const RGB: Colours = Colours::Rgb([0, 1, 2]);
const BGR: Colours = Colours::Rgb([2, 1, 0]);

const fn encoding(name: &'static str, sample: Sample, samples: usize, colours: Colours) -> Encoding {
    let alpha = match samples {
        2 | 4 => Some(samples - 1),
        _ => None,
    };
    Encoding { name, sample, colours, alpha, samples }
}

/// The encodings that are read. Those of OpenCV name no colours; three channels are taken as RGB.
const ENCODINGS: [Encoding; 15] = [
    encoding("mono8", Sample::U8, 1, Colours::Gray),
    encoding("mono16", Sample::U16, 1, Colours::Gray),
    encoding("rgb8", Sample::U8, 3, RGB),
    encoding("bgr8", Sample::U8, 3, BGR),
    encoding("rgba8", Sample::U8, 4, RGB),
    encoding("bgra8", Sample::U8, 4, BGR),
    encoding("rgb16", Sample::U16, 3, RGB),
    encoding("bgr16", Sample::U16, 3, BGR),
    encoding("rgba16", Sample::U16, 4, RGB),
    encoding("bgra16", Sample::U16, 4, BGR),
    encoding("8UC1", Sample::U8, 1, Colours::Gray),
    encoding("8UC3", Sample::U8, 3, RGB),
    encoding("16UC1", Sample::U16, 1, Colours::Gray),
    encoding("32FC1", Sample::F32, 1, Colours::Gray),
    encoding("32FC3", Sample::F32, 3, RGB),
];

/// What most decoders give.
pub(super) const RGB_8: Encoding = encoding("rgb8", Sample::U8, 3, RGB);
/// What 16 bit mosaics become.
pub(super) const RGB_16: Encoding = encoding("rgb16", Sample::U16, 3, RGB);
/// What a PNG may hold besides.
pub(super) const GRAY_ALPHA_8: Encoding = encoding("8 bit gray with alpha", Sample::U8, 2, Colours::Gray);
/// As [`GRAY_ALPHA_8`], 16 bit.
pub(super) const GRAY_ALPHA_16: Encoding = encoding("16 bit gray with alpha", Sample::U16, 2, Colours::Gray);

impl Encoding {
    /// Finds an encoding by its exact name.
    pub(super) fn find(name: &str) -> Option<Self> {
        ENCODINGS.into_iter().find(|encoding| encoding.name == name)
    }

    /// The names of all encodings that are read.
    pub(super) fn names() -> String {
        ENCODINGS.map(|encoding| encoding.name).join(", ")
    }

    /// The names of the encodings that a mask may have: whole numbers, one channel.
    pub(super) fn mask_names() -> String {
        let names: Vec<_> =
            ENCODINGS.iter().filter(|encoding| encoding.is_mask()).map(|encoding| encoding.name).collect();
        names.join(", ")
    }

    /// Whether a mask may be stored so.
    pub(super) fn is_mask(self) -> bool {
        self.samples == 1 && self.sample != Sample::F32
    }

    /// Bytes of one pixel.
    pub(super) const fn bytes(self) -> usize {
        self.samples * self.sample.bytes()
    }
}

impl Sample {
    /// Bytes of one sample.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::F32 => 4,
        }
    }

    /// The number that is white.
    pub(super) const fn white(self) -> f32 {
        match self {
            Self::U8 => 255.0,
            Self::U16 => 65535.0,
            Self::F32 => 1.0,
        }
    }
}

/// Reads a sample of two bytes as a number, 0..65535.
pub(super) fn read_u16(bytes: [u8; 2], is_bigendian: bool) -> f32 {
    f32::from(if is_bigendian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

/// Reads a sample of four bytes as brightness, 0..1, or NaN.
///
/// Unobserved unless it is in 0..1: NaN and infinities mean "invalid" (REP 117), and what is far
/// outside is no brightness (a depth in metres, say); the first such value is left in `outside`.
pub(super) fn read_f32(bytes: [u8; 4], is_bigendian: bool, outside: &mut Option<f32>) -> f32 {
    let value = if is_bigendian { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) };
    if BRIGHTNESS.holds(f64::from(value)) {
        return value.clamp(0.0, 1.0);
    }
    if value.is_finite() {
        outside.get_or_insert(value);
    }
    f32::NAN
}
