//! Where the joints are: forward kinematics and the three angles of a joint.

use nalgebra::{Matrix3, Rotation3, UnitQuaternion, Vector3};

use crate::skeleton::{AxisOrder, JOINTS, OFFSETS, PARENTS, TIPS};

/// Rotation of each joint relative to its parent.
pub type Rotations = [UnitQuaternion<f64>; JOINTS];

/// Below this cosine of the middle angle the outer two are not told apart: rounding noise.
const GIMBAL_COSINE: f64 = 1e-9;

/// The body in one pose; entry 0 is the pelvis, entry `1 + j` joint `j`.
#[derive(Clone, Debug)]
pub struct Posture {
    /// Places of pelvis and joints, metres, in the pelvis frame.
    pub positions: [Vector3<f64>; JOINTS + 1],
    /// Orientations of pelvis and joints in the pelvis frame.
    pub orientations: [UnitQuaternion<f64>; JOINTS + 1],
}

impl Posture {
    /// Places of [`TIPS`], metres, in the pelvis frame.
    #[must_use]
    pub fn tips(&self) -> [Vector3<f64>; TIPS.len()] {
        TIPS.map(|tip| self.positions[1 + tip.joint] + self.orientations[1 + tip.joint] * Vector3::from(tip.offset))
    }
}

/// Puts every joint in its place, the pelvis at the origin and unturned.
#[must_use]
pub fn forward(rotations: &Rotations) -> Posture {
    let mut positions = [Vector3::zeros(); JOINTS + 1];
    let mut orientations = [UnitQuaternion::identity(); JOINTS + 1];
    for joint in 0..JOINTS {
        let parent = PARENTS[joint].map_or(0, |parent| parent + 1);
        positions[joint + 1] = positions[parent] + orientations[parent] * Vector3::from(OFFSETS[joint]);
        orientations[joint + 1] = orientations[parent] * rotations[joint];
    }
    Posture { positions, orientations }
}

/// Reads the 21 axis-angle vectors of a pose, radians.
#[must_use]
pub fn from_axis_angle(pose: &[[f32; 3]; JOINTS]) -> Rotations {
    pose.map(|vector| UnitQuaternion::from_scaled_axis(Vector3::from(vector.map(f64::from))))
}

/// Reads the rows of 21 rotation matrices.
#[must_use]
pub fn from_matrices(matrices: &[[[f64; 3]; 3]; JOINTS]) -> Rotations {
    matrices.map(|rows| {
        let matrix = Matrix3::from_fn(|row, column| rows[row][column]);
        UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(matrix))
    })
}

/// Writes rotations as axis-angle vectors no longer than pi, radians.
#[must_use]
pub fn to_axis_angle(rotations: &Rotations) -> [[f32; 3]; JOINTS] {
    rotations.map(|rotation| rotation.scaled_axis().map(|value| value as f32).into())
}

/// Composes the angles about x, y and z, radians, in the order of the joint's axes.
#[must_use]
pub fn compose(order: AxisOrder, angles: [f64; 3]) -> UnitQuaternion<f64> {
    let turn = |axis: usize| UnitQuaternion::from_axis_angle(&Vector3::ith_axis(axis), angles[axis]);
    let [first, middle, last] = order.axes();
    turn(first) * turn(middle) * turn(last)
}

/// Splits a rotation into its angles about x, y and z, radians; inverse of [`compose`].
///
/// The middle angle lies in [-pi/2, pi/2], the others in [-pi, pi]. At a middle angle of +-pi/2
/// only the sum of the others is known; the last one is then zero.
///
/// The closed form of Diebel (2006), "Representing attitude", section 8, for all six orders at
/// once: `sign` is +1 for cyclic orders and -1 for the others.
#[must_use]
pub fn split(order: AxisOrder, rotation: &UnitQuaternion<f64>) -> [f64; 3] {
    let [i, j, k] = order.axes();
    let sign = if (i + 1) % 3 == j { 1.0 } else { -1.0 };
    let matrix: Matrix3<f64> = Rotation3::from(*rotation).into_inner();
    let cosine = matrix[(i, i)].hypot(matrix[(i, j)]);
    let mut angles = [0.0; 3];
    angles[j] = (sign * matrix[(i, k)]).atan2(cosine);
    if cosine > GIMBAL_COSINE {
        angles[i] = (-sign * matrix[(j, k)]).atan2(matrix[(k, k)]);
        angles[k] = (-sign * matrix[(i, j)]).atan2(matrix[(i, i)]);
    } else {
        angles[i] = (sign * matrix[(k, j)]).atan2(matrix[(j, j)]);
    }
    angles
}
