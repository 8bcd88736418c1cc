//! One joint position: what of it can be used.

use thalweg::{BadPosition, JointRange, Position};
use thalweg_task::JointSpec;

use super::refusal::Cause;

/// The range of one joint, in its unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range(JointRange);

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
        Self(JointRange::of(joint))
    }

    /// Judges one position as the library does (J1, J12, J13, J14).
    pub(super) fn judge(&self, position: f64) -> Verdict {
        match self.0.judge(position) {
            Ok(Position { value, is_beyond: false }) => Verdict::Used(value),
            Ok(Position { value, is_beyond: true }) => Verdict::Beyond(value),
            Err(BadPosition::NotFinite) => Verdict::Refused(Cause::NonfiniteJoint),
            Err(BadPosition::Overflow) => Verdict::Refused(Cause::Overflow),
            Err(BadPosition::Precision) => Verdict::Refused(Cause::Precision),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

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
