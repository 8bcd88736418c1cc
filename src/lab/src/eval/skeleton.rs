//! A body as lines on paper: its bones, its ends, and a fixed camera.

use tch::{Kind, Tensor};
use thalweg_body_pose::kinematics;
use thalweg_body_pose::skeleton::{JOINTS, PARENTS, TIPS};

/// Points of a body: pelvis, joints, ends.
pub const POINTS: usize = 1 + JOINTS + TIPS.len();

/// A place in the pelvis frame, metres: x to the left, y up, z forward.
pub type Place = [f64; 3];

/// The places of a body's points in one pose.
#[derive(Clone, Debug)]
pub struct Skeleton {
    /// Entry 0 is the pelvis, entry `1 + j` joint j; then come the ends (`TIPS`).
    pub places: [Place; POINTS],
}

/// A straight piece between two points of a [`Skeleton`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bone {
    /// The point nearer to the pelvis.
    pub from: usize,
    /// The point farther from it.
    pub to: usize,
    /// The joint whose rotation turns the bone; `None` is the pelvis.
    pub turned_by: Option<usize>,
}

/// Lists the bones, from the pelvis outward.
pub fn bones() -> impl Iterator<Item = Bone> {
    let point = |joint: Option<usize>| joint.map_or(0, |joint| joint + 1);
    let inner = PARENTS.iter().enumerate();
    let inner = inner.map(move |(joint, &parent)| Bone { from: point(parent), to: joint + 1, turned_by: parent });
    let outer = TIPS.iter().enumerate();
    let outer = outer.map(|(tip, end)| Bone { from: end.joint + 1, to: 1 + JOINTS + tip, turned_by: Some(end.joint) });
    inner.chain(outer)
}

impl Skeleton {
    /// Places every point of one pose.
    ///
    /// `rotations`: `[21, 3, 3]`, each relative to its parent.
    #[must_use]
    pub fn of(rotations: &Tensor) -> Self {
        let flat = rotations.to_kind(Kind::Double).contiguous().view(-1);
        let entry = |joint: usize, at: usize| flat.double_value(&[(9 * joint + at) as i64]);
        let matrix = |joint| std::array::from_fn(|row| std::array::from_fn(|column| entry(joint, 3 * row + column)));
        Self::of_rotations(&kinematics::from_matrices(&std::array::from_fn(matrix)))
    }

    /// Puts a body in a pose.
    #[must_use]
    pub fn of_rotations(rotations: &kinematics::Rotations) -> Self {
        let posture = kinematics::forward(rotations);
        let tips = posture.tips();
        let mut all = posture.positions.iter().chain(&tips);
        Self { places: std::array::from_fn(|_| all.next().map_or([0.0; 3], |&place| place.into())) }
    }
}

/// A camera far away: parallel projection.
#[derive(Clone, Copy, Debug)]
pub struct Camera {
    /// How far it stands to the body's left of straight ahead, radians.
    pub azimuth: f64,
    /// How far above the horizon, radians.
    pub elevation: f64,
}

impl Camera {
    /// Sees the body from ahead, a third of the way to its left, from a little above.
    pub const THREE_QUARTER: Self = Self { azimuth: 0.55, elevation: 0.15 };

    /// Projects a place to the picture plane: metres to the right, metres up.
    #[must_use]
    pub fn project(&self, [x, y, z]: Place) -> (f64, f64) {
        let (sin, cos) = self.azimuth.sin_cos();
        let (right, towards) = (x * cos - z * sin, x * sin + z * cos);
        (right, y * self.elevation.cos() - towards * self.elevation.sin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tch::Device;
    use thalweg_body_pose::Body;
    use thalweg_body_pose::rotation::matrix_from_axis_angle;
    use thalweg_task::draws;

    #[test]
    fn joints_stand_where_the_body_puts_them() {
        let vectors = draws::normal(&mut StdRng::seed_from_u64(5), &[1, JOINTS as i64, 3]);
        let rotations = matrix_from_axis_angle(&vectors);
        let expected = Body::new(Kind::Double, Device::Cpu).positions(&rotations);
        let places = Skeleton::of(&rotations.get(0)).places;
        for (point, place) in places.iter().take(1 + JOINTS).enumerate() {
            for (axis, got) in place.iter().enumerate() {
                let expected = expected.double_value(&[0, point as i64, axis as i64]);
                assert!((got - expected).abs() < 1e-12, "point {point}, axis {axis}: {got}, expected {expected}");
            }
        }
    }

    #[test]
    fn every_point_but_the_pelvis_ends_one_bone() {
        let mut ends: Vec<usize> = bones().map(|bone| bone.to).collect();
        ends.sort_unstable();
        assert_eq!(ends, (1..POINTS).collect::<Vec<_>>());
        assert!(bones().all(|bone| bone.from < bone.to));
    }

    #[test]
    fn the_camera_ahead_sees_left_on_the_right() {
        let ahead = Camera { azimuth: 0.0, elevation: 0.0 };
        assert_eq!(ahead.project([1.0, 2.0, 3.0]), (1.0, 2.0));
        let (right, up) = Camera { azimuth: std::f64::consts::FRAC_PI_2, elevation: 0.0 }.project([1.0, 2.0, 3.0]);
        assert!((right + 3.0).abs() < 1e-12 && (up - 2.0).abs() < 1e-12);
    }
}
