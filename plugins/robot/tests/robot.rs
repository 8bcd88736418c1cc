//! Robots from URDFs: what is read, what is refused, where links are, and limits that are never left.
#![allow(clippy::unwrap_used)]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::{Kind, Tensor};
use thalweg_robot::Robot;
use thalweg_robot::kinematics::{branches, frames};
use thalweg_robot::layout::{Layout, Role, limits};
use thalweg_robot::mirror::Mirror;
use thalweg_robot::urdf::Motion;

const MIXED: &str = include_str!("../../../tests/support/mixed.urdf");

fn refusal(urdf: &str) -> String {
    Robot::parse(urdf).expect_err("this URDF must be refused").to_string()
}

/// Two links and a joint, with what else is in it.
fn pair(joint: &str, more: &str) -> String {
    format!(
        "<robot name='r'><link name='a'/><link name='b'/>{joint}<parent link='a'/><child link='b'/>{more}</joint></robot>"
    )
}

#[test]
fn every_type_of_joint_is_read() {
    let robot = Robot::parse(MIXED).unwrap();
    let moving = robot.moving();
    let names: Vec<&str> = moving.iter().map(|&joint| robot.joints[joint].name.as_str()).collect();
    assert_eq!(names, ["wheel", "wheel_copy", "lift", "shoulder", "elbow", "finger", "finger_copy", "lamp"]);
    let motions: Vec<Motion> = moving.iter().map(|&joint| robot.joints[joint].motion).collect();
    use Motion::{Slide, Spin, Turn};
    assert_eq!(motions, [Spin, Spin, Slide, Turn, Turn, Slide, Slide, Turn]);
    assert_eq!(limits(&robot, moving[6]), [-0.04, 0.0]);
    assert_eq!(robot.links[robot.root], "base");
    let names: Vec<String> = branches(&robot, &[]).into_iter().map(|branch| branch.name).collect();
    assert_eq!(names, ["wheel_link_branch", "finger_link_branch", "lamp_link_branch"]);
    assert_eq!(branches(&robot, &[])[1].joints, [2, 3, 4, 5, 6], "what mimics a finger goes with it");
}

#[test]
fn a_skeleton_is_the_same_robot() {
    let robot = Robot::parse(MIXED).unwrap();
    let again = Robot::parse(&robot.skeleton()).unwrap();
    let positions = [0.3, 0.0, 0.2, -0.4, 1.0, 0.01, -0.01, 0.5];
    for (one, other) in frames(&robot, &positions).iter().zip(frames(&again, &positions)) {
        assert!((one.translation.vector - other.translation.vector).norm() < 1e-12);
        assert!(one.rotation.angle_to(&other.rotation) < 1e-7);
    }
}

#[test]
fn links_are_where_the_joints_bring_them() {
    let robot = Robot::parse(MIXED).unwrap();
    let quarter = std::f64::consts::FRAC_PI_2;
    let place = |link: &str, positions: &[f64; 8]| {
        let at = robot.links.iter().position(|name| name == link).unwrap();
        frames(&robot, positions)[at].translation.vector
    };
    // The shoulder is turned by 0.2 about z; at zero the palm lies 0.7 along that direction.
    let straight = place("palm", &[0.0; 8]);
    let expected = [0.1 + 0.7 * 0.2_f64.cos(), 0.7 * 0.2_f64.sin(), 0.4];
    assert!((straight - nalgebra::Vector3::from(expected)).norm() < 1e-12, "{straight}");
    // A quarter about y brings x down; the lift brings all up.
    let down = place("palm", &[0.0, 0.0, 0.25, quarter, 0.0, 0.0, 0.0, 0.0]);
    assert!((down - nalgebra::Vector3::new(0.1, 0.0, 0.65 - 0.7)).norm() < 1e-12, "{down}");
    let slid = place("finger_link", &[0.0, 0.0, 0.0, 0.0, 0.0, 0.04, 0.0, 0.0]) - place("finger_link", &[0.0; 8]);
    assert!((slid.norm() - 0.04).abs() < 1e-12, "{slid}");
}

#[test]
fn what_is_no_robot_is_refused_in_a_sentence() {
    let revolute = "<joint name='j' type='revolute'>";
    let limited = "<limit lower='-1' upper='1' effort='1' velocity='1'/>";
    let cases = [
        ("<robot xmlns:xacro='x' name='r'><xacro:arm/></robot>".to_owned(), "this is xacro, not URDF"),
        ("hello".to_owned(), "no URDF: "),
        ("<sdf/>".to_owned(), "no URDF: begins with <sdf>, expected <robot>"),
        ("<robot name='r'>".to_owned(), "no URDF: ends within an element"),
        ("<robot name='r'/>".to_owned(), "has no joint that moves"),
        (pair("<joint name='j' type='fixed'>", ""), "has no joint that moves"),
        (pair(revolute, ""), "joint 'j' (revolute) has limits 0 to 0; expected lower < upper, or type continuous"),
        (pair(revolute, "<limit lower='1' upper='-1' effort='1' velocity='1'/>"), "has limits 1 to -1"),
        (pair(revolute, &format!("{limited}<axis xyz='0 0 0'/>")), "has the axis 0 0 0"),
        (pair(revolute, &format!("{limited}<origin xyz='nan 0 0'/>")), "has an origin that is not finite"),
        (pair(revolute, &format!("{limited}<mimic joint='j'/>")), "mimics 'j', which follows it in turn"),
        (pair(revolute, &format!("{limited}<mimic joint='j' multiplier='0'/>")), "by a factor that is zero"),
        (
            pair(revolute, limited).replace("<child link='b'/>", "<child link='c'/>"),
            "joint 'j' hangs on link 'c', which the URDF does not have",
        ),
        (pair(revolute, limited).replace("name='b'", "name='a'"), "link 'a' occurs twice"),
        (pair(revolute, limited).replace("<child link='b'/>", "<child link='a'/>"), "link 'a' closes a loop"),
        (
            pair(revolute, limited).replace("<link name='b'/>", "<link name='b'/><link name='c'/>"),
            "links 'a', 'c' have no parent",
        ),
    ];
    for (urdf, expected) in cases {
        let got = refusal(&urdf);
        assert!(got.contains(expected), "{got}, expected {expected}");
        assert!(!got.contains('\n'), "{got}");
    }
    let twice = pair(revolute, limited)
        .replace("</joint>", "</joint><joint name='j' type='fixed'><parent link='b'/><child link='a'/></joint>");
    assert!(refusal(&twice).contains("joint 'j' occurs twice"));
    let ring = twice.replace("<joint name='j' type='fixed'>", "<joint name='k' type='fixed'>");
    assert!(refusal(&ring).contains("closes a loop"));
}

#[test]
fn what_is_none_of_our_business_is_passed_over() {
    // A texture without a file, a prefix without a namespace, an inertia without a mass, remains of xacro, a mesh that
    // is mirrored, a joint of a transmission, a limit without effort and velocity, a mimic joint of nobody.
    let more = "<gazebo><ignition:x/><joint name='j'/></gazebo><xacro:property name='p' value='1'/>\
                <transmission name='t'><joint name='j'><a/></joint></transmission>";
    let urdf = pair(
        "<joint name='j' type='revolute'>",
        "<limit lower='-1' upper='1'/><mimic joint='nobody'/><safety_controller soft_lower_limit='0'/>",
    )
    .replace(
        "<link name='b'/>",
        &format!(
            "<link name='b'><inertial/><visual><geometry><mesh filename='m' scale='-1 1 1'/></geometry>\
             <material name='m'><texture/></material></visual></link>{more}"
        ),
    );
    let robot = Robot::parse(&urdf).unwrap();
    assert_eq!((robot.links.len(), robot.joints.len(), robot.moving()), (2, 1, vec![0]));
    assert!(robot.joints[0].mimic.is_none() && robot.notes[0].contains("mimics 'nobody'"), "{:?}", robot.notes);
}

#[test]
fn a_floating_joint_is_fixed_and_said_so() {
    let urdf = MIXED.replace("<joint name=\"flange\" type=\"fixed\">", "<joint name=\"flange\" type=\"floating\">");
    let robot = Robot::parse(&urdf).unwrap();
    assert_eq!(robot.notes.len(), 1);
    assert!(robot.notes[0].contains("'flange'"), "{:?}", robot.notes);
}

/// Noise about a pose; joint 7 never moves.
fn data(robot: &Robot) -> Tensor {
    let mut random = StdRng::seed_from_u64(1);
    let moving = robot.moving();
    let row = |random: &mut StdRng| -> Vec<f64> {
        let share: f64 = random.random();
        moving
            .iter()
            .map(|&joint| {
                let [lower, upper] = limits(robot, joint);
                lower + (upper - lower) * share
            })
            .collect()
    };
    let mut values: Vec<f64> = (0..400).flat_map(|_| row(&mut random)).collect();
    values.chunks_exact_mut(8).for_each(|row| row[7] = 0.25);
    Tensor::from_slice(&values).view([-1, 8])
}

#[test]
fn joints_that_never_move_are_constant_and_mimic_joints_follow() {
    let robot = Robot::parse(MIXED).unwrap();
    let layout = Layout::of(&robot, &data(&robot), &[true; 8]).unwrap();
    assert_eq!(layout.with(Role::Constant), [7]);
    assert_eq!(layout.joints[7].mean, 0.25);
    assert_eq!(layout.with(Role::Follower), [1, 6]);
    assert!(layout.fits(&robot));
    let unseen = Layout::of(&robot, &data(&robot), &[true, true, true, true, true, false, true, true]).unwrap();
    assert_eq!(unseen.with(Role::Constant), [5, 7], "nobody saw the finger");
    let still = Tensor::zeros([30, 8], (Kind::Double, tch::Device::Cpu));
    assert!(Layout::of(&robot, &still, &[true; 8]).unwrap_err().to_string().contains("no joint moves"));
}

#[test]
fn a_robot_with_two_arms_is_its_own_mirror_image() {
    let arm = |side: &str, y: f64| {
        format!(
            "<link name='{side}_upper'/><link name='{side}_fore'/>\
             <joint name='{side}_roll' type='revolute'><origin xyz='0 {y} 1'/><parent link='base'/>\
             <child link='{side}_upper'/><axis xyz='1 0 0'/><limit lower='-2' upper='2' effort='1' velocity='1'/></joint>\
             <joint name='{side}_elbow' type='revolute'><origin xyz='0 {y} -0.3'/><parent link='{side}_upper'/>\
             <child link='{side}_fore'/><axis xyz='0 1 0'/><limit lower='-2' upper='2' effort='1' velocity='1'/></joint>"
        )
    };
    let robot =
        Robot::parse(&format!("<robot name='r'><link name='base'/>{}{}</robot>", arm("left", 0.2), arm("right", -0.2)));
    let mirror = Mirror::of(&robot.unwrap()).expect("it is symmetric");
    let mirrored = mirror.apply(&Tensor::from_slice(&[0.1, 0.2, 0.3, 0.4]).view([1, 4]));
    // Rolls change sign, elbows about the lateral axis do not.
    assert_eq!(Vec::<f64>::try_from(mirrored.view(-1)).unwrap(), [-0.3, 0.4, -0.1, 0.2]);
    assert_eq!(mirror.pairs(), 2);
    assert!(Mirror::of(&Robot::parse(MIXED).unwrap()).is_none());
}
