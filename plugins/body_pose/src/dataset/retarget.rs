//! From a source's skeleton to the common body: orientations are carried over, lengths are not.

use nalgebra::{UnitQuaternion, Vector3};

use crate::kinematics::{Rotations, to_axis_angle};
use crate::skeleton::{JOINTS, OFFSETS, PARENTS};

/// Sine of six degrees, a guess: below this bend of the elbow its plane is mostly noise.
const USUAL_WEIGHT: f64 = 0.1;

/// Where a common joint gets its orientation from, in one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counterpart {
    /// Common joint.
    pub joint: usize,
    /// Source segments that are mixed, half and half; the same one twice when there is only one.
    pub segments: [usize; 2],
    /// Rotation that takes the common bone's rest direction to the source's.
    pub align: UnitQuaternion<f64>,
}

impl Counterpart {
    /// Takes the orientation of one source segment whose rest axes agree with ours.
    pub(super) fn plain(joint: usize, segment: usize) -> Self {
        Self { joint, segments: [segment, segment], align: UnitQuaternion::identity() }
    }

    /// Takes the orientation midway between two source segments.
    pub(super) fn between(joint: usize, segments: [usize; 2]) -> Self {
        Self { joint, segments, align: UnitQuaternion::identity() }
    }

    /// Allows for a bone that points elsewhere at rest: `source` is its direction there, from
    /// the joint to common joint `child`.
    pub(super) fn aligned(mut self, child: usize, source: Vector3<f64>) -> Self {
        // Opposite directions have no least rotation; no importable rest pose is upside down.
        self.align = UnitQuaternion::rotation_between(&Vector3::from(OFFSETS[child]), &source).unwrap_or_default();
        self
    }

    /// Allows for a bone whose axes are turned about x, the bone of an arm, at rest, radians.
    pub(super) fn turned(mut self, angle: f64) -> Self {
        self.align *= UnitQuaternion::from_axis_angle(&Vector3::x_axis(), angle);
        self
    }

    fn orientation(&self, globals: &[UnitQuaternion<f64>]) -> UnitQuaternion<f64> {
        let [first, second] = self.segments.map(|segment| globals[segment]);
        let mixed = if self.segments[0] == self.segments[1] { first } else { midway(&first, &second) };
        mixed * self.align
    }
}

/// The rotation halfway between two, along the shorter way.
fn midway(first: &UnitQuaternion<f64>, second: &UnitQuaternion<f64>) -> UnitQuaternion<f64> {
    let half = (first.inverse() * second).scaled_axis() * 0.5;
    first * UnitQuaternion::from_scaled_axis(half)
}

/// Turns a source's global orientations into the common body's joint rotations.
///
/// A common joint without counterpart keeps its rest rotation relative to its parent.
pub(super) fn retarget(
    pelvis: &UnitQuaternion<f64>,
    globals: &[UnitQuaternion<f64>],
    counterparts: &[Counterpart],
) -> Rotations {
    let mut wanted: [Option<UnitQuaternion<f64>>; JOINTS] = [None; JOINTS];
    for counterpart in counterparts {
        wanted[counterpart.joint] = Some(counterpart.orientation(globals));
    }
    let mut orientations = [UnitQuaternion::identity(); JOINTS];
    let mut rotations = [UnitQuaternion::identity(); JOINTS];
    for joint in 0..JOINTS {
        let parent = PARENTS[joint].map_or(*pelvis, |parent| orientations[parent]);
        orientations[joint] = wanted[joint].unwrap_or(parent);
        rotations[joint] = parent.inverse() * orientations[joint];
    }
    rotations
}

/// Turns an upper arm about its own axis until the elbow bends forward, about y, as a hinge.
///
/// For sources that do not observe the twist of the upper arm: the place of every joint stays,
/// the twist becomes the one that anatomy allows. `usual` is the twist, radians, that a straight
/// arm, which does not tell, gets; it counts as a bend of [`USUAL_WEIGHT`] does.
pub(super) fn turn_to_hinge(rotations: &mut Rotations, shoulder: usize, elbow: usize, wrist: usize, usual: f64) {
    let forearm = rotations[elbow] * Vector3::from(OFFSETS[wrist]).normalize();
    let sine = -forearm.y + USUAL_WEIGHT * usual.sin();
    let cosine = forearm.z + USUAL_WEIGHT * usual.cos();
    let twist = UnitQuaternion::from_axis_angle(&Vector3::x_axis(), sine.atan2(cosine));
    rotations[shoulder] *= twist;
    rotations[elbow] = twist.inverse() * rotations[elbow] * twist;
}

/// The pose as 21 axis-angle vectors, or `None` when a rotation is not finite.
///
/// Asks the quaternions: the axis-angle vector of one that is not a number would read as zero.
pub(super) fn finite_pose(rotations: &Rotations) -> Option<[[f32; 3]; JOINTS]> {
    let finite = rotations.iter().all(|rotation| rotation.coords.iter().all(|value| value.is_finite()));
    finite.then(|| to_axis_angle(rotations))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinematics::forward;

    const LEFT_ARM: [usize; 3] = [15, 17, 19];

    fn turn(x: f64, y: f64, z: f64) -> UnitQuaternion<f64> {
        UnitQuaternion::from_scaled_axis(Vector3::new(x, y, z))
    }

    fn direction(rotations: &Rotations, from: usize, to: usize) -> Vector3<f64> {
        let posture = forward(rotations);
        (posture.positions[to + 1] - posture.positions[from + 1]).normalize()
    }

    /// A source whose thigh and shank point outward at rest, as CMU's do.
    #[test]
    fn bones_point_as_the_sources_bones_do() {
        let (thigh, shank) = (Vector3::new(0.34, -0.94, 0.0), Vector3::new(0.3, -0.9, -0.1));
        let counterparts = [Counterpart::plain(0, 1).aligned(3, thigh), Counterpart::plain(3, 2).aligned(6, shank)];
        let pelvis = turn(0.3, -1.2, 0.4);
        let globals = [pelvis, pelvis * turn(-0.9, 0.2, -0.3), pelvis * turn(0.5, 0.1, -0.4)];
        let rotations = retarget(&pelvis, &globals, &counterparts);
        for (joint, child, bone) in [(0, 3, thigh), (3, 6, shank)] {
            let source = pelvis.inverse() * globals[counterparts[joint.min(1)].segments[0]] * bone;
            assert!(direction(&rotations, joint, child).angle(&source) < 1e-7, "joint {joint}");
        }
    }

    #[test]
    fn joints_without_counterpart_stay_at_rest() {
        let pelvis = turn(0.0, 2.0, 0.0);
        let rotations = retarget(&pelvis, &[pelvis, pelvis * turn(0.4, 0.0, 0.0)], &[Counterpart::plain(8, 1)]);
        for (joint, rotation) in rotations.iter().enumerate() {
            let wanted = if joint == 8 { 0.4 } else { 0.0 };
            assert!((rotation.angle() - wanted).abs() < 1e-12, "joint {joint}: {}", rotation.angle());
        }
    }

    #[test]
    fn a_joint_between_two_segments_takes_half_of_the_turn() {
        let globals = [turn(0.2, 0.0, 0.0), turn(1.0, 0.0, 0.0)];
        let rotations = retarget(&UnitQuaternion::identity(), &globals, &[Counterpart::between(2, [0, 1])]);
        assert!(rotations[2].angle_to(&turn(0.6, 0.0, 0.0)) < 1e-12);
    }

    #[test]
    fn the_hinge_turn_moves_no_joint_and_makes_the_elbow_bend_about_y() {
        let [shoulder, elbow, wrist] = LEFT_ARM;
        let mut rotations = [UnitQuaternion::identity(); JOINTS];
        rotations[shoulder] = turn(0.3, -0.4, -1.1);
        rotations[elbow] = turn(0.0, -0.8, -0.9);
        let before = forward(&rotations);
        turn_to_hinge(&mut rotations, shoulder, elbow, wrist, 0.8);
        let after = forward(&rotations);
        for (index, place) in before.positions.iter().enumerate() {
            assert!((place - after.positions[index]).norm() < 1e-12, "entry {index} moved");
        }
        let axis = rotations[elbow].axis().expect("the elbow is bent");
        assert!(axis.y < -0.999, "the elbow bends about {axis:?}");
    }

    #[test]
    fn a_straight_arm_gets_the_usual_twist() {
        let [shoulder, elbow, wrist] = LEFT_ARM;
        let mut rotations = [UnitQuaternion::identity(); JOINTS];
        turn_to_hinge(&mut rotations, shoulder, elbow, wrist, 0.8);
        assert!(rotations[shoulder].angle_to(&turn(0.8, 0.0, 0.0)) < 1e-12);
        assert!(rotations[elbow].angle() < 1e-12);
    }

    #[test]
    fn a_pose_with_a_value_that_is_not_finite_is_none() {
        let mut rotations = [UnitQuaternion::identity(); JOINTS];
        assert!(finite_pose(&rotations).is_some());
        for value in [f64::NAN, f64::INFINITY] {
            rotations[4] = turn(value, 0.0, 0.0);
            assert!(finite_pose(&rotations).is_none(), "{value}");
        }
    }
}
