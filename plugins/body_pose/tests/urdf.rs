//! The shipped URDF against the kinematics, through an independent reading of the file.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests open files")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use nalgebra::{Isometry3, Rotation3, Translation3, Unit, UnitQuaternion, Vector3};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use thalweg_body_pose::kinematics::{Rotations, compose, forward, split};
use thalweg_body_pose::skeleton::{AXIS_ORDERS, AxisOrder, JOINTS, LIMITS, NAMES, SCALAR_JOINTS, joint_names};
use thalweg_body_pose::urdf::human_21;
use urdf_rs::{Geometry, JointType, Robot};

/// Metres; the file has six decimals, and the arm is a chain of eight links.
const TOLERANCE: f64 = 1e-5;

type Angles = [[f64; 3]; JOINTS];

fn shipped() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/human_21.urdf");
    fs::read_to_string(&path).expect("urdf/human_21.urdf is part of the repository")
}

fn robot() -> Robot {
    urdf_rs::read_from_string(&shipped()).expect("the shipped file is valid URDF")
}

/// Places every link in `base_link`, from the file alone.
fn place_links(robot: &Robot, angles: &BTreeMap<String, f64>) -> BTreeMap<String, Isometry3<f64>> {
    let mut placed = BTreeMap::from([("base_link".to_owned(), Isometry3::identity())]);
    while placed.len() < robot.links.len() {
        let before = placed.len();
        for joint in &robot.joints {
            let Some(parent) = placed.get(&joint.parent.link) else {
                continue;
            };
            let [roll, pitch, yaw] = joint.origin.rpy.0;
            let origin = Isometry3::from_parts(
                Translation3::from(Vector3::from(joint.origin.xyz.0)),
                Rotation3::from_euler_angles(roll, pitch, yaw).into(),
            );
            let angle = angles.get(&joint.name).copied().unwrap_or(0.0);
            let axis = Unit::new_normalize(Vector3::from(joint.axis.xyz.0));
            let turn = UnitQuaternion::from_axis_angle(&axis, angle);
            placed.insert(joint.child.link.clone(), parent * origin * turn);
        }
        assert!(placed.len() > before, "the tree is not connected: {} of {}", placed.len(), robot.links.len());
    }
    placed
}

fn largest_difference(robot: &Robot, angles: &Angles) -> f64 {
    let named = joint_names().into_iter().zip(angles.as_flattened().iter().copied()).collect();
    let links = place_links(robot, &named);
    let rotations: Rotations = std::array::from_fn(|joint| compose(AXIS_ORDERS[joint], angles[joint]));
    let posture = forward(&rotations);
    let pelvis = links["pelvis"].inverse();
    let differences = (0..JOINTS).map(|joint| {
        let link = pelvis * links[NAMES[joint]];
        let turned = link.rotation.angle_to(&posture.orientations[joint + 1]);
        (link.translation.vector - posture.positions[joint + 1]).norm().max(turned)
    });
    differences.fold(0.0, f64::max)
}

#[test]
fn the_shipped_file_is_what_the_skeleton_says() {
    assert_eq!(shipped(), human_21(), "run the example write_urdf of thalweg-body-pose");
}

#[test]
fn random_poses_within_limits_agree_with_the_kinematics() {
    let robot = robot();
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..200 {
        let angles: Angles = LIMITS.map(|axes| axes.map(|(lower, upper)| random.random_range(lower..=upper)));
        let difference = largest_difference(&robot, &angles);
        assert!(difference < TOLERANCE, "{difference} at {angles:?}");
    }
}

#[test]
fn poses_at_the_limits_agree_with_the_kinematics() {
    let robot = robot();
    for angles in [LIMITS.map(|axes| axes.map(|limit| limit.0)), LIMITS.map(|axes| axes.map(|limit| limit.1))] {
        let difference = largest_difference(&robot, &angles);
        assert!(difference < TOLERANCE, "{difference} at {angles:?}");
    }
}

#[test]
fn base_link_looks_forward_along_x_and_up_along_z() {
    let links = place_links(&robot(), &BTreeMap::new());
    let place = |name: &str| links[name].translation.vector;
    assert!((place("head") - place("pelvis")).z > 0.5, "the head is not up");
    assert!((place("left_wrist") - place("pelvis")).y > 0.5, "the left hand is not to the left");
    assert!((place("left_foot") - place("left_ankle")).x > 0.1, "the toes do not look forward");
}

#[test]
fn every_scalar_joint_is_revolute_with_its_limits() {
    let robot = robot();
    let revolute: Vec<_> = robot.joints.iter().filter(|joint| joint.joint_type == JointType::Revolute).collect();
    let names: BTreeSet<&str> = revolute.iter().map(|joint| joint.name.as_str()).collect();
    let expected = joint_names();
    assert_eq!(names, expected.iter().map(String::as_str).collect());
    assert_eq!(revolute.len(), SCALAR_JOINTS);
    assert_eq!(robot.joints.len(), robot.links.len() - 1, "a tree has one joint for each link but the root");
    let limits: BTreeMap<_, _> = expected.iter().zip(LIMITS.as_flattened()).collect();
    for joint in revolute {
        let (lower, upper) = *limits[&joint.name];
        assert!((joint.limit.lower - lower).abs() < 1e-6 && (joint.limit.upper - upper).abs() < 1e-6, "{}", joint.name);
        assert!(lower < 0.0 && 0.0 < upper, "{}: the rest pose lies outside the limits", joint.name);
        assert!(joint.limit.effort > 0.0 && joint.limit.velocity > 0.0, "{}", joint.name);
    }
}

#[test]
fn every_link_has_a_physical_inertia() {
    let robot = robot();
    let mut mass = 0.0;
    for link in robot.links.iter().filter(|link| link.name != "base_link") {
        let inertia = &link.inertial.inertia;
        let matrix = nalgebra::matrix![
            inertia.ixx, inertia.ixy, inertia.ixz;
            inertia.ixy, inertia.iyy, inertia.iyz;
            inertia.ixz, inertia.iyz, inertia.izz
        ];
        let moments = matrix.symmetric_eigenvalues();
        let largest = moments.max();
        assert!(moments.min() > 0.0, "{}: {moments}", link.name);
        assert!(largest <= moments.sum() - largest + 1e-8, "{}: no body has these moments: {moments}", link.name);
        assert!(link.inertial.mass.value > 0.0, "{}", link.name);
        mass += link.inertial.mass.value;
    }
    assert!((50.0..100.0).contains(&mass), "an adult of {mass} kg");
}

/// Cylinders run from the link to its child: the ends of the bone, seen from the file.
#[test]
fn bones_reach_the_joints() {
    let robot = robot();
    let links = place_links(&robot, &BTreeMap::new());
    let place = |name: &str| links[name].translation.vector;
    for (from, to) in
        [("left_hip", "left_knee"), ("right_elbow", "right_wrist"), ("spine3", "left_collar"), ("pelvis", "spine1")]
    {
        let link = robot.links.iter().find(|link| link.name == from).expect("a link of the body");
        let ends = link.visual.iter().filter_map(|visual| {
            let Geometry::Cylinder { length, .. } = visual.geometry else {
                return None;
            };
            let [roll, pitch, yaw] = visual.origin.rpy.0;
            let along = Rotation3::from_euler_angles(roll, pitch, yaw) * Vector3::z() * (length / 2.0);
            let middle = Vector3::from(visual.origin.xyz.0);
            Some(links[from] * nalgebra::Point3::from(middle + along))
        });
        let nearest = ends.map(|end| (end.coords - place(to)).norm()).fold(f64::INFINITY, f64::min);
        assert!(nearest < TOLERANCE, "{from} to {to}: {nearest} m");
    }
}

#[test]
fn splitting_inverts_composing_in_all_six_orders() {
    let mut random = StdRng::seed_from_u64(2);
    for order in [AxisOrder::Xyz, AxisOrder::Xzy, AxisOrder::Yxz, AxisOrder::Yzx, AxisOrder::Zxy, AxisOrder::Zyx] {
        for _ in 0..500 {
            let mut angles: [f64; 3] = std::array::from_fn(|_| random.random_range(-3.1..3.1));
            angles[order.axes()[1]] = random.random_range(-1.55..1.55);
            let back = split(order, &compose(order, angles));
            for axis in 0..3 {
                assert!((back[axis] - angles[axis]).abs() < 1e-9, "{order:?}: {angles:?} came back as {back:?}");
            }
        }
    }
}

/// At a middle angle of 90 degrees the angles are not unique, the rotation still is.
#[test]
fn splitting_keeps_the_rotation_at_gimbal_lock() {
    for order in [AxisOrder::Xyz, AxisOrder::Xzy, AxisOrder::Yxz, AxisOrder::Yzx, AxisOrder::Zxy, AxisOrder::Zyx] {
        for middle in [-std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2] {
            let mut angles = [0.4, -1.1, 0.9];
            angles[order.axes()[1]] = middle;
            let rotation = compose(order, angles);
            let back = compose(order, split(order, &rotation));
            assert!(rotation.angle_to(&back) < 1e-6, "{order:?}: off by {}", rotation.angle_to(&back));
        }
    }
}
