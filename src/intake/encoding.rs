//! Encodings of `sensor_msgs/Image`: how the bytes of a pixel become light.

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
    samples: usize,
}

const RGB: Colours = Colours::Rgb([0, 1, 2]);
const BGR: Colours = Colours::Rgb([2, 1, 0]);

/// The encodings that are read. Those of OpenCV name no colours; three channels are taken as RGB.
const ENCODINGS: [Encoding; 11] = [
    Encoding { name: "mono8", sample: Sample::U8, samples: 1, colours: Colours::Gray },
    Encoding { name: "mono16", sample: Sample::U16, samples: 1, colours: Colours::Gray },
    Encoding { name: "rgb8", sample: Sample::U8, samples: 3, colours: RGB },
    Encoding { name: "bgr8", sample: Sample::U8, samples: 3, colours: BGR },
    Encoding { name: "rgba8", sample: Sample::U8, samples: 4, colours: RGB },
    Encoding { name: "bgra8", sample: Sample::U8, samples: 4, colours: BGR },
    Encoding { name: "8UC1", sample: Sample::U8, samples: 1, colours: Colours::Gray },
    Encoding { name: "8UC3", sample: Sample::U8, samples: 3, colours: RGB },
    Encoding { name: "16UC1", sample: Sample::U16, samples: 1, colours: Colours::Gray },
    Encoding { name: "32FC1", sample: Sample::F32, samples: 1, colours: Colours::Gray },
    Encoding { name: "32FC3", sample: Sample::F32, samples: 3, colours: RGB },
];

/// Overshoot of the range 0..1 that is clamped: rounding of whoever normalised the image. A guess.
const CLAMPED_OVERSHOOT: f32 = 1e-3;

impl Encoding {
    /// Finds an encoding by its exact name.
    pub(super) fn find(name: &str) -> Option<Self> {
        ENCODINGS.into_iter().find(|encoding| encoding.name == name)
    }

    /// The names of all encodings that are read.
    pub(super) fn names() -> String {
        ENCODINGS.map(|encoding| encoding.name).join(", ")
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
}

/// Reads a sample of two bytes as brightness, 0..1.
pub(super) fn read_u16(bytes: &[u8], is_bigendian: bool) -> f32 {
    let pair = [bytes[0], bytes[1]];
    f32::from(if is_bigendian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }) / 65535.0
}

/// Reads a sample of four bytes as brightness, 0..1, or NaN.
///
/// Unobserved unless it is in 0..1: NaN and infinities mean "invalid" (REP 117), and what is far
/// outside is no brightness (a depth in metres, say); the first such value is left in `outside`.
pub(super) fn read_f32(bytes: &[u8], is_bigendian: bool, outside: &mut Option<f32>) -> f32 {
    let four = [bytes[0], bytes[1], bytes[2], bytes[3]];
    let value = if is_bigendian { f32::from_be_bytes(four) } else { f32::from_le_bytes(four) };
    if (-CLAMPED_OVERSHOOT..=1.0 + CLAMPED_OVERSHOOT).contains(&value) {
        return value.clamp(0.0, 1.0);
    }
    if value.is_finite() {
        outside.get_or_insert(value);
    }
    f32::NAN
}
