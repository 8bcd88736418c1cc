//! What the numbers of a message may be: unit, range and why, in one table; checked before any arithmetic.
//!
//! A number that its type can hold may still be none that a robot can mean, and one such number makes a solve of
//! 32 bit floats infinite. What lies outside is refused, with the reason. tests/intake/bounds.rs walks this table.

use thalweg::{BRIGHTNESS as PIXEL, GREATEST_ANGLE, GREATEST_COORDINATE, GREATEST_LENGTH};

/// The range of one number of a message; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// What is bounded.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// The least value that is taken.
    pub least: f64,
    /// The greatest value that is taken.
    pub greatest: f64,
    /// Where the range comes from.
    pub why: &'static str,
}

impl Bound {
    /// Tells whether a value is in the range; NaN is in none.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        self.least <= value && value <= self.greatest
    }
}

const fn bound(name: &'static str, unit: &'static str, [least, greatest]: [f64; 2], why: &'static str) -> Bound {
    Bound { name, unit, least, greatest, why }
}

/// A coordinate of a point.
pub(super) const COORDINATE: Bound = bound(
    "point coordinate",
    "m",
    [-GREATEST_COORDINATE, GREATEST_COORDINATE],
    "no arm or body whose points are named reaches 100 m from its own frame, and a body in millimetres does",
);

/// Position of a joint that turns.
pub(super) const ANGLE: Bound = bound(
    "joint angle",
    "rad",
    [-GREATEST_ANGLE, GREATEST_ANGLE],
    "beyond 10000 turns a 32 bit float is off by 0.004 rad (J13)",
);

/// Position of a joint that slides.
pub(super) const LENGTH: Bound = bound(
    "joint length",
    "m",
    [-GREATEST_LENGTH, GREATEST_LENGTH],
    "no axis is longer, and a 32 bit float there is off by 0.06 mm",
);

/// A pixel of 32 bit floats.
pub(super) const BRIGHTNESS: Bound = bound(
    "brightness",
    "1",
    [*PIXEL.start(), *PIXEL.end()],
    "black is 0, white is 1, and rounding is forgiven; what is farther away is a depth, or 8 bit as floats",
);

/// Seconds of a stamp.
pub(super) const STAMP_SEC: Bound =
    bound("stamp seconds", "s", [0.0, i32::MAX as f64], "ROS time begins with 1970 and has 31 bits (J11)");

/// Nanoseconds of a stamp.
pub(super) const STAMP_NANOSEC: Bound =
    bound("stamp nanoseconds", "ns", [0.0, 999_999_999.0], "more make a second (J11)");

/// How far a stamp lies in the future.
pub(super) const STAMP_AHEAD: Bound = bound(
    "stamp ahead of now",
    "s",
    [f64::MIN, 5.0],
    "the bound of diagnostic_updater's TimeStampStatus; how old a stamp may be is not judged, only its order (J10)",
);

/// Rows or columns of an image.
pub(super) const IMAGE_SIDE: Bound = bound(
    "image side",
    "pixels",
    [1.0, 65535.0],
    "what a JPEG can have; a row is summed in floats, four times its bytes",
);

/// Points of a cloud that is not empty.
pub(super) const POINTS: Bound =
    bound("points of a cloud", "points", [1.0, 1e6], "named points are few; a cloud of more is a scan (P10)");

/// Bytes of a point.
pub(super) const POINT_STEP: Bound =
    bound("point_step", "B", [1.0, 65536.0], "three coordinates and what a driver adds; no driver comes near (P1)");

/// Fields of a point.
pub(super) const FIELDS: Bound =
    bound("fields of a point", "fields", [3.0, 256.0], "x, y, z at least; each is looked at for every message");

/// A number that describes a camera.
pub(super) const CAMERA: Bound = bound(
    "number of a camera_info",
    "pixels",
    [-1e6, 1e6],
    "a lens of a million pixels of focal length sees one point; coefficients of distortion are small (C3)",
);

/// Every bound.
pub const BOUNDS: [Bound; 12] = [
    COORDINATE,
    ANGLE,
    LENGTH,
    BRIGHTNESS,
    STAMP_SEC,
    STAMP_NANOSEC,
    STAMP_AHEAD,
    IMAGE_SIDE,
    POINTS,
    POINT_STEP,
    FIELDS,
    CAMERA,
];
