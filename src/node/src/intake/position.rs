//! One joint position: what of it can be used.

use std::f64::consts::TAU;

use thalweg_task::JointSpec;

use super::bounds::{ANGLE, LENGTH};
use super::refusal::Cause;

/// Overshoot of a limit that is clamped in silence, rad or m: encoder noise at an end stop. A guess.
const CLAMPED_OVERSHOOT: f64 = 1e-3;

/// The range of one joint, in its unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    lower: f64,
    upper: f64,
    is_angle: bool,
}

/// What became of one position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Used, perhaps clamped or wrapped.
    Used(f32),
    /// Used as it came, although beyond its limits.
    Beyond(f32),
    /// Not used.
    Refused(Cause),
}

impl Range {
    pub(super) fn of(joint: &JointSpec) -> Self {
        Self { lower: joint.lower, upper: joint.upper, is_angle: joint.unit == "rad" }
    }

    /// Judges one position (J1, J12, J13, J14).
    ///
    /// An angle is turned by whole turns only where that brings it into its limits. A position
    /// beyond the limits by more than the overshoot is kept as it came: an observation has no
    /// weights by which it could count less, only a mask.
    pub(super) fn judge(&self, position: f64) -> Verdict {
        if !position.is_finite() {
            return Verdict::Refused(Cause::NonfiniteJoint);
        }
        if (position as f32).is_infinite() {
            return Verdict::Refused(Cause::Overflow);
        }
        let bound = if self.is_angle { ANGLE } else { LENGTH };
        if !bound.holds(position) {
            return Verdict::Refused(Cause::Precision);
        }
        self.within(position)
            .or_else(|| self.within(self.wrapped(position)?))
            .unwrap_or(Verdict::Beyond(position as f32))
    }

    /// Clamps a position that is in its limits but for the overshoot.
    fn within(&self, position: f64) -> Option<Verdict> {
        let outside = position < self.lower - CLAMPED_OVERSHOOT || position > self.upper + CLAMPED_OVERSHOOT;
        (!outside).then(|| Verdict::Used(position.max(self.lower).min(self.upper) as f32))
    }

    /// The same angle within half a turn of the middle of the range.
    fn wrapped(&self, position: f64) -> Option<f64> {
        let middle = (self.lower + self.upper) / 2.0;
        (self.is_angle && middle.is_finite()).then(|| position - TAU * ((position - middle) / TAU).round())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(unit: &str, lower: f64, upper: f64, position: f64) -> Verdict {
        Range::of(&JointSpec { name: "joint".into(), unit: unit.into(), lower, upper }).judge(position)
    }

    #[test]
    fn clamps_an_overshoot_and_keeps_what_is_far_beyond() {
        assert_eq!(judge("m", -1.0, 1.0, 1.0009), Verdict::Used(1.0));
        assert_eq!(judge("m", -1.0, 1.0, -1.0009), Verdict::Used(-1.0));
        assert_eq!(judge("m", -1.0, 1.0, 1.0011), Verdict::Beyond(1.0011));
        assert_eq!(judge("m", -1.0, 1.0, 7.0), Verdict::Beyond(7.0));
    }

    #[test]
    fn wraps_only_into_the_limits() {
        let Verdict::Used(wrapped) = judge("rad", -1.0, 1.0, 0.5 + 3.0 * TAU) else { panic!("wraps") };
        assert!((wrapped - 0.5).abs() < 1e-6);
        assert_eq!(judge("rad", -1.0, 1.0, 3.0), Verdict::Beyond(3.0));
        assert_eq!(judge("rad", -20.0, 20.0, 12.0), Verdict::Used(12.0));
        assert_eq!(judge("m", -1.0, 1.0, TAU), Verdict::Beyond(TAU as f32));
    }

    #[test]
    fn limits_that_are_not_finite_are_no_limits() {
        assert_eq!(judge("rad", f64::NEG_INFINITY, f64::INFINITY, 100.0), Verdict::Used(100.0));
        assert_eq!(judge("rad", f64::NEG_INFINITY, 1.0, 100.0), Verdict::Beyond(100.0));
        assert_eq!(judge("rad", f64::NAN, f64::NAN, 100.0), Verdict::Used(100.0));
    }
}
