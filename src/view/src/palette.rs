//! Colours that all eyes tell apart: Okabe and Ito's palette, "Color universal design" (2008).

use kiss3d::color::Color;

/// A colour as screens show it: red, green, blue, 0 to 255.
pub type Rgb = [u8; 3];

/// What was observed: blue.
pub const OBSERVED: Rgb = [0x00, 0x72, 0xB2];
/// What was completed: vermilion.
pub const COMPLETED: Rgb = [0xD5, 0x5E, 0x00];
/// Points that were seen: bluish green.
pub const POINTS: Rgb = [0x00, 0x9E, 0x73];
/// Background, and the floor far away.
pub const PAPER: Rgb = [0xF3, 0xF5, 0xF8];
/// The floor.
pub const FLOOR: Rgb = [0xEB, 0xEE, 0xF2];
/// Lines on the floor.
pub const GRID: Rgb = [0xCF, 0xD6, 0xDE];
/// Text.
pub const INK: Rgb = [0x1B, 0x24, 0x30];
/// Text that explains.
pub const FAINT: Rgb = [0x5B, 0x67, 0x77];
/// What stands behind text.
pub const CARD: Rgb = [0xFF, 0xFF, 0xFF];
/// Edges of cards.
pub const EDGE: Rgb = [0xD9, 0xDF, 0xE6];
/// What was not seen of an image: a gray no picture is made of.
pub const UNSEEN: Rgb = [0xB4, 0xBB, 0xC4];
/// The axes x, y and z: vermilion, bluish green, blue, in the order of red, green, blue.
pub const AXES: [Rgb; 3] = [[0xC8, 0x3A, 0x2B], POINTS, OBSERVED];

/// A colour with an alpha, linear: what is lit and blended, and encoded at the end.
///
/// The encoder is a plain power of 2.2, as the renderer has it.
#[must_use]
pub fn linear([red, green, blue]: Rgb, alpha: f32) -> Color {
    let channel = |value: u8| (f32::from(value) / 255.0).powf(2.2);
    Color::new(channel(red), channel(green), channel(blue), alpha)
}

/// A colour with an alpha as screens show it: text is drawn after the encoder.
#[must_use]
pub fn encoded([red, green, blue]: Rgb, alpha: f32) -> Color {
    let channel = |value: u8| f32::from(value) / 255.0;
    Color::new(channel(red), channel(green), channel(blue), alpha)
}
