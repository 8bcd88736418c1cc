//! Joints as REP-155 (ros4hri) has them, and those of the common body.
//!
//! REP-155's body is that of the package `human_description`: at zero it stands with its arms hanging, x ahead, y to the left,
//! z up, and has 20 joints about one axis each. It has no collars, wrists, ankles and one joint in the waist, so what passes
//! from our body to it is the direction of each limb beside the pelvis; the twist of forearms and shanks is lost. What passes
//! from it to ours are rotations that give those directions, with collars at rest.

use nalgebra::{UnitQuaternion, Vector3};
use thalweg_task::JointConvention;

use crate::kinematics::{compose, split};
use crate::skeleton::{AXIS_ORDERS, SCALAR_JOINTS};

/// The parameter's value and part of the topic's name.
pub(crate) const NAME: &str = "rep155";

/// The joints of `human_description`, without the identity of the person.
const NAMES: [&str; 20] = [
    "waist",
    "r_head",
    "y_head",
    "p_head",
    "l_y_shoulder",
    "l_p_shoulder",
    "l_r_shoulder",
    "l_elbow",
    "r_y_shoulder",
    "r_p_shoulder",
    "r_r_shoulder",
    "r_elbow",
    "l_y_hip",
    "l_p_hip",
    "l_r_hip",
    "l_knee",
    "r_y_hip",
    "r_p_hip",
    "r_r_hip",
    "r_knee",
];
/// Trackers that see no trunk and no head send these as exactly zero (hri_fullbody), which must not count as seen.
const NEVER_SEEN_AT_ZERO: usize = 4;

/// Our joints, as places in [`crate::skeleton::NAMES`].
const SPINES: [usize; 3] = [2, 5, 8];
const NECK: usize = 11;
const HEAD: usize = 14;

/// An arm or a leg: where its joints stand in both bodies.
struct Limb {
    /// First of its four joints in [`NAMES`].
    first: usize,
    /// Ours above the first joint: the collar of an arm.
    above: Option<usize>,
    /// Ours: shoulder or hip, elbow or knee.
    joints: [usize; 2],
    /// From our rest, arms level, to REP-155's, arms hanging, in our axes, degrees about z.
    hanging: f64,
    /// How the three angles are signed: about z, x, and z of an arm or y of a leg.
    signs: [f64; 3],
    is_arm: bool,
}

const LIMBS: [Limb; 4] = [
    Limb { first: 4, above: Some(12), joints: [15, 17], hanging: -90.0, signs: [-1.0, 1.0, 1.0], is_arm: true },
    Limb { first: 8, above: Some(13), joints: [16, 18], hanging: 90.0, signs: [1.0, -1.0, -1.0], is_arm: true },
    Limb { first: 12, above: None, joints: [0, 3], hanging: 0.0, signs: [-1.0, 1.0, -1.0], is_arm: false },
    Limb { first: 16, above: None, joints: [1, 4], hanging: 0.0, signs: [-1.0, -1.0, -1.0], is_arm: false },
];

/// Bends below this leave open, in practice, in which plane a limb is bent: its own then counts. Radians; a guess.
const STRAIGHT: f64 = 0.02;

type Rotation = UnitQuaternion<f64>;

/// The convention for a person of some identity; names carry none where it is empty.
pub(crate) fn convention(identity: &str) -> JointConvention {
    let named = |name: &&str| if identity.is_empty() { (*name).to_owned() } else { format!("{name}_{identity}") };
    JointConvention { name: NAME, joints: NAMES.iter().map(named).collect(), place_of, read, write }
}

/// A name as it is, or with an underscore and any identity behind it.
fn place_of(name: &str) -> Option<usize> {
    let is_this = |known: &&str| {
        name.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest.len() > 1 && rest.starts_with('_'))
    };
    NAMES.iter().position(is_this)
}

/// From our axes (x left, y up, z ahead) to those of REP-155 (x ahead, y left, z up), and back.
fn axes() -> Rotation {
    // Columns: where our x, y and z point.
    let matrix = nalgebra::Matrix3::from_columns(&[Vector3::y(), Vector3::z(), Vector3::x()]);
    Rotation::from_matrix(&matrix)
}

fn about(axis: usize, angle: f64) -> Rotation {
    Rotation::from_axis_angle(&Vector3::ith_axis(axis), angle)
}

const X: usize = 0;
const Y: usize = 1;
const Z: usize = 2;

/// From REP-155's joints to ours.
fn read(positions: &[f64]) -> Vec<f64> {
    let mut ours = vec![f64::NAN; SCALAR_JOINTS];
    let axes = axes();
    let mut put = |joint: usize, rotation: Rotation| {
        let angles = split(AXIS_ORDERS[joint], &rotation);
        ours[3 * joint..3 * joint + 3].copy_from_slice(&angles);
    };
    let ours_of = |rotation: Rotation| axes.inverse() * rotation * axes;
    let is_seen = positions[..NEVER_SEEN_AT_ZERO].iter().any(|position| *position != 0.0);
    let waist = positions[0];
    if is_seen && waist.is_finite() {
        SPINES.into_iter().for_each(|spine| put(spine, ours_of(about(Y, waist / 3.0))));
    }
    let [roll, yaw, pitch] = [positions[1], positions[2], positions[3]];
    if is_seen && (roll + yaw + pitch).is_finite() {
        let half = ours_of(about(X, roll) * about(Z, yaw) * about(Y, -pitch)).powf(0.5);
        put(NECK, half);
        put(HEAD, half);
    }
    for limb in &LIMBS {
        let [first, second, third, bend] = std::array::from_fn(|place| positions[limb.first + place]);
        let hanging = limb.hanging();
        if (first + second + third).is_finite() {
            let turn = limb.turn([first, second, third]);
            put(limb.joints[0], ours_of(turn) * hanging);
            limb.above.into_iter().for_each(|collar| put(collar, Rotation::identity()));
        }
        if bend.is_finite() {
            put(limb.joints[1], hanging.inverse() * ours_of(about(Y, -bend)) * hanging);
        }
    }
    ours
}

/// From our joints to REP-155's.
fn write(joints: &[f64], before: Option<&[f64]>) -> Vec<f64> {
    let axes = axes();
    let rotation = |joint: usize| {
        let angles = std::array::from_fn(|axis| joints[3 * joint + axis]);
        axes * compose(AXIS_ORDERS[joint], angles) * axes.inverse()
    };
    let mut found = vec![0.0; NAMES.len()];
    let trunk = SPINES.into_iter().fold(Rotation::identity(), |above, spine| above * rotation(spine));
    // The part of the trunk's rotation that is about y (Dobrowolski, "Swing-twist decomposition in Clifford algebra", 2015).
    found[0] = 2.0 * trunk.j.atan2(trunk.w);
    if found[0].abs() > std::f64::consts::PI {
        found[0] -= std::f64::consts::TAU.copysign(found[0]);
    }
    let torso = about(Y, found[0]);
    let beside_torso = torso.inverse() * trunk;
    let head = (beside_torso * rotation(NECK) * rotation(HEAD)).to_rotation_matrix();
    // X, then z, then y: entries of the matrix of that product.
    found[1] = head[(2, 1)].atan2(head[(1, 1)]);
    found[2] = (-head[(0, 1)]).clamp(-1.0, 1.0).asin();
    found[3] = -head[(0, 2)].atan2(head[(0, 0)]);
    for limb in &LIMBS {
        let hanging = axes * limb.hanging() * axes.inverse();
        let root = if limb.is_arm { beside_torso } else { Rotation::identity() };
        let above = limb.above.map_or(root, |collar| root * rotation(collar));
        let upper = above * rotation(limb.joints[0]) * hanging.inverse();
        let lower = hanging * rotation(limb.joints[1]) * hanging.inverse();
        let before = before.map(|before| std::array::from_fn(|place| before[limb.first + place]));
        found[limb.first..limb.first + 4].copy_from_slice(&limb.angles(upper, lower, before));
    }
    found
}

impl Limb {
    fn hanging(&self) -> Rotation {
        about(Z, self.hanging.to_radians())
    }

    /// What the first three joints do, in REP-155's axes.
    fn turn(&self, angles: [f64; 3]) -> Rotation {
        let [first, second, third] = std::array::from_fn(|place| angles[place] * self.signs[place]);
        about(Z, first) * about(X, second) * about(if self.is_arm { Z } else { Y }, third)
    }

    /// The four angles that point both parts of the limb where they point, in REP-155's axes; nearest to those before.
    fn angles(&self, upper: Rotation, lower: Rotation, before: Option<[f64; 4]>) -> [f64; 4] {
        let along = lower * -Vector3::z();
        let bend = along.x.hypot(along.y).atan2(-along.z);
        // Elbows bend ahead, knees back: the upper part turns about itself until the lower one does.
        let sign = if self.is_arm { 1.0 } else { -1.0 };
        let plane = if bend > STRAIGHT { (sign * along.y).atan2(sign * along.x) } else { 0.0 };
        let upper = upper * about(Z, plane);
        let solutions = if self.is_arm { self.of_arm(upper, before) } else { self.of_leg(upper) };
        let far = |angles: &[f64; 3]| {
            let rest = [0.0; 4];
            let near = before.as_ref().unwrap_or(&rest);
            angles.iter().zip(near).map(|(angle, near)| turned(angle - near).abs()).fold(0.0, f64::max)
        };
        let [one, other] = solutions;
        let [first, second, third] = if far(&one) <= far(&other) { one } else { other };
        [first, second, third, sign * bend]
    }

    /// About z, x and z (Diebel, "Representing attitude", 2006): two solutions. Where the arm hangs straight down, only the sum
    /// of the first and the last is known, and the first stays as it was.
    fn of_arm(&self, upper: Rotation, before: Option<[f64; 4]>) -> [[f64; 3]; 2] {
        let matrix = upper.to_rotation_matrix();
        let middle = matrix[(0, 2)].hypot(matrix[(1, 2)]).atan2(matrix[(2, 2)]);
        let (first, last) = if middle.sin() > 1e-6 {
            (matrix[(0, 2)].atan2(-matrix[(1, 2)]), matrix[(2, 0)].atan2(matrix[(2, 1)]))
        } else {
            let sum = matrix[(1, 0)].atan2(matrix[(0, 0)]);
            let first = before.map_or(0.0, |before| before[0] * self.signs[0]);
            (first, if matrix[(2, 2)] > 0.0 { sum - first } else { first - sum })
        };
        let half = std::f64::consts::PI;
        self.signed([[first, middle, last], [first + half, -middle, last + half]])
    }

    /// About z, x and y: two solutions.
    fn of_leg(&self, upper: Rotation) -> [[f64; 3]; 2] {
        let matrix = upper.to_rotation_matrix();
        let middle = matrix[(2, 1)].clamp(-1.0, 1.0).asin();
        let (first, last) = ((-matrix[(0, 1)]).atan2(matrix[(1, 1)]), (-matrix[(2, 0)]).atan2(matrix[(2, 2)]));
        let half = std::f64::consts::PI;
        self.signed([[first, middle, last], [first + half, half - middle, last + half]])
    }

    fn signed(&self, solutions: [[f64; 3]; 2]) -> [[f64; 3]; 2] {
        solutions.map(|angles| std::array::from_fn(|place| turned(angles[place] * self.signs[place])))
    }
}

/// The same angle from -pi to pi.
fn turned(angle: f64) -> f64 {
    angle - (angle / std::f64::consts::TAU).round() * std::f64::consts::TAU
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::kinematics::forward;

    fn place(name: &str) -> usize {
        NAMES.iter().position(|known| *known == name).expect("a joint of REP-155")
    }

    /// Where limbs point, in REP-155's axes: upper arms, forearms, thighs, shanks, left then right.
    fn directions(joints: &[f64]) -> Vec<Vector3<f64>> {
        let rotations = std::array::from_fn(|joint| {
            let angles = std::array::from_fn(|axis| joints[3 * joint + axis]);
            compose(AXIS_ORDERS[joint], angles)
        });
        let posture = forward(&rotations);
        let limbs = [(15, 17), (17, 19), (16, 18), (18, 20), (0, 3), (3, 6), (1, 4), (4, 7)];
        limbs.map(|(from, to)| axes() * (posture.positions[1 + to] - posture.positions[1 + from]).normalize()).to_vec()
    }

    /// The same of REP-155's body, by its own joints.
    fn directions_of(positions: &[f64]) -> Vec<Vector3<f64>> {
        let down = -Vector3::z();
        let torso = about(Y, positions[0]);
        LIMBS
            .iter()
            .flat_map(|limb| {
                let angles: [f64; 4] = std::array::from_fn(|place| positions[limb.first + place]);
                let root = if limb.is_arm { torso } else { Rotation::identity() };
                let upper = root * limb.turn([angles[0], angles[1], angles[2]]);
                [upper * down, upper * about(Y, -angles[3]) * down]
            })
            .collect()
    }

    fn near(one: &[Vector3<f64>], other: &[Vector3<f64>]) {
        for (limb, (one, other)) in one.iter().zip(other).enumerate() {
            assert!((one - other).norm() < 0.045, "limb {limb}: {one:?} {other:?}");
        }
    }

    #[test]
    fn at_rest_arms_are_level_here_and_hanging_there() {
        let rest = write(&[0.0; SCALAR_JOINTS], None);
        let expected = [("l_p_shoulder", 1.0), ("r_p_shoulder", 1.0)];
        for (name, turns) in expected {
            assert!((rest[place(name)] - turns * std::f64::consts::FRAC_PI_2).abs() < 1e-9, "{name} of {rest:?}");
        }
        let others = (0..20).filter(|joint| !expected.iter().any(|(name, _)| place(name) == *joint));
        others.for_each(|joint| assert!(rest[joint].abs() < 1e-9, "{} of {rest:?}", NAMES[joint]));
        let hanging = read(&[1e-9; 20]);
        near(&directions(&hanging)[..4], &[-Vector3::z(); 4]);
    }

    #[test]
    fn each_joint_turns_as_the_description_of_a_human_has_it() {
        let ahead = Vector3::x();
        for (name, angle, limb, expected) in [
            ("l_p_shoulder", 1.57, 0, Vector3::y()),
            ("r_p_shoulder", 1.57, 2, -Vector3::y()),
            ("l_elbow", 1.57, 1, ahead),
            ("r_elbow", 1.57, 3, ahead),
            ("l_p_hip", 0.5, 4, Vector3::new(0.0, 0.5_f64.sin(), -0.5_f64.cos())),
            ("r_p_hip", 0.5, 6, Vector3::new(0.0, -0.5_f64.sin(), -0.5_f64.cos())),
            ("l_r_hip", 0.5, 4, Vector3::new(0.5_f64.sin(), 0.0, -0.5_f64.cos())),
            ("r_knee", -1.0, 7, Vector3::new(-1.0_f64.sin(), 0.0, -1.0_f64.cos())),
        ] {
            let mut positions = vec![1e-9; 20];
            positions[place(name)] = angle;
            let found = directions(&read(&positions))[limb];
            assert!((found - expected).norm() < 1e-3, "{name}: {found:?}, expected {expected:?}");
        }
    }

    #[test]
    fn limbs_point_where_they_pointed_in_both_directions() {
        let mut random = StdRng::seed_from_u64(5);
        for _ in 0..200 {
            let ours: Vec<f64> = (0..SCALAR_JOINTS).map(|_| random.random_range(-0.7..0.7)).collect();
            let theirs = write(&ours, None);
            near(&directions_of(&theirs), &directions(&ours));
            near(&directions(&read(&theirs))[4..], &directions(&ours)[4..]);
            let mut positions: Vec<f64> = (0..20).map(|_| random.random_range(0.2..1.0)).collect();
            positions[place("l_knee")] *= -1.0;
            positions[place("r_knee")] *= -1.0;
            near(&directions(&read(&positions)), &directions_of(&positions));
            let back = write(&read(&positions), Some(&positions));
            for (joint, (back, position)) in back.iter().zip(&positions).enumerate() {
                assert!((back - position).abs() < 1e-6, "{}: {back}, was {position}", NAMES[joint]);
            }
        }
    }

    #[test]
    fn an_arm_that_hangs_stays_turned_as_it_was() {
        let mut before = vec![0.0; 20];
        before[place("l_y_shoulder")] = 0.6;
        before[place("l_r_shoulder")] = 0.6;
        let mut hanging = read(&before);
        hanging.iter_mut().filter(|joint| joint.is_nan()).for_each(|joint| *joint = 0.0);
        let found = write(&hanging, Some(&before));
        assert!((found[place("l_y_shoulder")] - 0.6).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn what_was_not_seen_stays_unseen() {
        let mut positions = vec![f64::NAN; 20];
        assert!(read(&positions).iter().all(|joint| joint.is_nan()));
        positions[place("l_elbow")] = 0.5;
        positions[place("l_p_shoulder")] = 0.5;
        let seen: Vec<usize> = read(&positions)
            .iter()
            .enumerate()
            .filter(|(_, joint)| joint.is_finite())
            .map(|(joint, _)| joint / 3)
            .collect();
        assert_eq!(seen, [17; 3], "two angles of a shoulder are missing");
        positions[..4].fill(0.0);
        assert!(read(&positions)[3 * HEAD].is_nan(), "a tracker that never sees heads says zero");
    }

    #[test]
    fn names_may_carry_an_identity() {
        assert_eq!((place_of("l_elbow"), place_of("l_elbow_a1b2")), (Some(7), Some(7)));
        assert_eq!((place_of("l_elbow_"), place_of("l_elbows"), place_of("elbow")), (None, None, None));
        assert_eq!(convention("x").joints[0], "waist_x");
    }
}
