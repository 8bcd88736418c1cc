//! One joint position: what of it can be used. Library and node judge alike.

use std::f64::consts::TAU;

use thalweg_task::JointSpec;

/// Overshoot of a limit that is clamped in silence, rad or m: encoder noise at an end stop. A guess.
const CLAMPED_OVERSHOOT: f64 = 1e-3;

/// The greatest angle either way that is taken, rad: beyond 10,000 turns an f32 is off by 0.004 rad.
pub const GREATEST_ANGLE: f64 = 1e4 * TAU;

/// The greatest slide either way that is taken, m: no axis is longer, and an f32 there is off by 0.06 mm.
pub const GREATEST_LENGTH: f64 = 1000.0;

/// The greatest coordinate of a point either way that is taken, m: no arm or body whose points are named reaches 100 m from
/// its own frame, and a body in millimetres does.
pub const GREATEST_COORDINATE: f64 = 100.0;
/// Greatest x / z and y / z of a ray: 84 degrees off the axis of the camera.
pub const GREATEST_SLOPE: f64 = 10.0;

/// Overshoot of black and white that is clamped: rounding of whoever normalised the image. A guess.
const OVERSHOOT: f64 = 1e-3;

/// What a pixel may be: black is 0, white is 1, and rounding is forgiven.
pub const BRIGHTNESS: std::ops::RangeInclusive<f64> = -OVERSHOOT..=1.0 + OVERSHOOT;

/// The range of one joint, in its unit.
#[derive(Clone, Copy, Debug)]
pub struct JointRange {
    lower: f64,
    upper: f64,
    is_angle: bool,
}

/// A position that can be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// As it is observed, radians or metres: as it came, clamped, or turned by whole turns.
    pub value: f32,
    /// Whether it lies beyond the limits of its joint.
    pub is_beyond: bool,
}

/// Why a position cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPosition {
    /// NaN or infinite.
    #[error("a finite number")]
    NotFinite,
    /// Infinite as a 32 bit float, in which tasks compute.
    #[error("a number that fits a 32 bit float")]
    Overflow,
    /// An angle of so many turns that a 32 bit float cannot tell where within a turn, or a slide that no axis has.
    #[error("an angle within 10,000 turns, a slide within 1000 m")]
    Precision,
}

impl JointRange {
    /// Reads the range of a joint; limits that are not finite are none.
    #[must_use]
    pub fn of(joint: &JointSpec) -> Self {
        Self { lower: joint.lower, upper: joint.upper, is_angle: joint.unit == "rad" }
    }

    /// Judges one position, radians or metres.
    ///
    /// An angle is turned by whole turns only where that brings it into its limits. A position
    /// beyond the limits by more than an overshoot is kept as it came: an observation has no
    /// weights by which it could count less, only a mask.
    ///
    /// # Errors
    /// [`BadPosition`], whose text says what is expected.
    pub fn judge(&self, position: f64) -> Result<Position, BadPosition> {
        if !position.is_finite() {
            return Err(BadPosition::NotFinite);
        }
        if (position as f32).is_infinite() {
            return Err(BadPosition::Overflow);
        }
        if position.abs() > if self.is_angle { GREATEST_ANGLE } else { GREATEST_LENGTH } {
            return Err(BadPosition::Precision);
        }
        let within = self.within(position).or_else(|| self.within(self.wrapped(position)?));
        Ok(Position { value: within.unwrap_or(position as f32), is_beyond: within.is_none() })
    }

    /// Clamps a position that is in its limits but for the overshoot.
    fn within(&self, position: f64) -> Option<f32> {
        let outside = position < self.lower - CLAMPED_OVERSHOOT || position > self.upper + CLAMPED_OVERSHOOT;
        (!outside).then(|| position.max(self.lower).min(self.upper) as f32)
    }

    /// The same angle within half a turn of the middle of the range.
    fn wrapped(&self, position: f64) -> Option<f64> {
        let middle = (self.lower + self.upper) / 2.0;
        (self.is_angle && middle.is_finite()).then(|| position - TAU * ((position - middle) / TAU).round())
    }
}
