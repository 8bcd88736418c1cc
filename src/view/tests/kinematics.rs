//! Forward kinematics against the body's own, a closed form, and homogeneous matrices.

use std::path::{Path, PathBuf};

use nalgebra::{Isometry3, Matrix4, Vector3};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use thalweg_body_pose::kinematics::{compose, forward};
use thalweg_body_pose::skeleton::{AXIS_ORDERS, LIMITS, NAMES};
use thalweg_view::body::{Form, Model, ModelError, Posture, Shape};

/// Metres; human_21.urdf has six decimals, and an arm is a chain of eight links.
const TOLERANCE: f64 = 1e-5;

fn urdf(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf").join(name)
}

fn place(model: &Model, positions: &[f64]) -> Posture {
    let mut posture = Posture::default();
    posture.place(model, positions);
    posture
}

fn link<'a>(model: &Model, posture: &'a Posture, name: &str) -> &'a Isometry3<f64> {
    let index = model.links().iter().position(|link| link == name).expect("a link of the model");
    &posture.root_from_link[index]
}

/// Positions in the order of the model's joints.
fn ordered(model: &Model, of: impl Fn(&str) -> f64) -> Vec<f64> {
    model.joints().iter().map(|name| of(name)).collect()
}

#[test]
fn the_human_body_agrees_with_its_own_kinematics() {
    let model = Model::load(&urdf("human_21.urdf")).expect("it is shipped");
    assert_eq!((model.joints().len(), model.warnings()), (63, &[][..]));
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..200 {
        let angles = LIMITS.map(|axes| axes.map(|(lower, upper)| random.random_range(lower..=upper)));
        let positions = ordered(&model, |name| {
            let (joint, axis) = name.rsplit_once('_').expect("joint and axis");
            let joint = NAMES.iter().position(|known| *known == joint).expect("a joint of the body");
            angles[joint]["xyz".find(axis).expect("x, y or z")]
        });
        let posture = place(&model, &positions);
        let expected = forward(&std::array::from_fn(|joint| compose(AXIS_ORDERS[joint], angles[joint])));
        let pelvis = link(&model, &posture, "pelvis");
        for (joint, name) in NAMES.iter().enumerate() {
            let got = pelvis.inverse() * link(&model, &posture, name);
            let apart = (got.translation.vector - expected.positions[joint + 1]).norm();
            let turned = got.rotation.angle_to(&expected.orientations[joint + 1]);
            assert!(apart < TOLERANCE && turned < TOLERANCE, "{name}: {apart} m, {turned} rad");
        }
    }
}

#[test]
fn the_arm_agrees_with_its_closed_form() {
    let model = Model::load(&urdf("planar_arm.urdf")).expect("it is shipped");
    let lengths = [0.3, 0.25, 0.15];
    for angles in [[0.0; 3], [0.4, -1.1, 2.2], [-2.6, 2.6, -0.3]] {
        let posture = place(&model, &angles);
        let (mut heading, mut tip) = (0.0, Vector3::zeros());
        for (index, (angle, length)) in angles.iter().zip(lengths).enumerate() {
            heading += angle;
            let got = link(&model, &posture, &format!("link_{}", index + 1));
            assert!((got.translation.vector - tip).norm() < 1e-12, "joint {index}: {got}");
            tip += Vector3::new(f64::cos(heading), f64::sin(heading), 0.0) * length;
        }
        let end = model.shapes().iter().rfind(|shape| matches!(shape.form, Form::Capsule { .. })).expect("three links");
        let Form::Capsule { length, .. } = end.form else { unreachable!("just asked for") };
        let world = posture.root_from_link[end.link] * end.link_from_shape;
        let far = world.translation.vector + world.rotation * Vector3::z() * (length / 2.0);
        assert!((far - tip).norm() < 1e-6, "the tip: {far} instead of {tip}");
    }
}

/// Every kind of joint, an oblique axis, turned origins, and a joint that mimics another.
const ODD: &str = r#"<robot name="odd">
  <link name="d"/><link name="c"/><link name="b"/><link name="a"/><link name="e"/>
  <joint name="cd" type="revolute"><parent link="c"/><child link="d"/><origin xyz="0.1 0.2 0.3" rpy="0.3 -0.2 1.1"/>
    <axis xyz="1 2 -1"/><limit lower="-3" upper="3" effort="1" velocity="1"/></joint>
  <joint name="ab" type="continuous"><parent link="a"/><child link="b"/><origin xyz="0 0 1" rpy="0 0 0.5"/>
    <axis xyz="0 1 0"/></joint>
  <joint name="bc" type="prismatic"><parent link="b"/><child link="c"/><origin xyz="0.5 0 0" rpy="0.1 0.2 0.3"/>
    <axis xyz="0 0 2"/><limit lower="0" upper="1" effort="1" velocity="1"/></joint>
  <joint name="be" type="revolute"><parent link="b"/><child link="e"/><origin xyz="0 0.4 0"/>
    <axis xyz="1 0 0"/><mimic joint="ab" multiplier="-0.5" offset="0.25"/>
    <limit lower="-3" upper="3" effort="1" velocity="1"/></joint>
</robot>"#;

/// Rodrigues' formula and 4 x 4 matrices: nothing in common with unit quaternions.
fn turned(axis: [f64; 3], angle: f64) -> Matrix4<f64> {
    let axis = Vector3::from(axis).normalize();
    let cross = axis.cross_matrix();
    let turn = nalgebra::Matrix3::identity() + cross * angle.sin() + cross * cross * (1.0 - angle.cos());
    turn.to_homogeneous()
}

fn origin(xyz: [f64; 3], [roll, pitch, yaw]: [f64; 3]) -> Matrix4<f64> {
    let turn = turned([0.0, 0.0, 1.0], yaw) * turned([0.0, 1.0, 0.0], pitch) * turned([1.0, 0.0, 0.0], roll);
    Matrix4::new_translation(&Vector3::from(xyz)) * turn
}

#[test]
fn every_kind_of_joint_agrees_with_homogeneous_matrices() {
    let model = Model::parse(ODD, "odd").expect("a tree");
    assert_eq!(model.joints(), ["cd", "ab", "bc"], "a mimic joint has no position of its own");
    let mut random = StdRng::seed_from_u64(4);
    for _ in 0..100 {
        let [ab, bc, cd]: [f64; 3] = std::array::from_fn(|_| random.random_range(-3.0..3.0));
        let positions = ordered(&model, |name| match name {
            "ab" => ab,
            "bc" => bc,
            _ => cd,
        });
        let posture = place(&model, &positions);
        let b = origin([0.0, 0.0, 1.0], [0.0, 0.0, 0.5]) * turned([0.0, 1.0, 0.0], ab);
        let slide = Matrix4::new_translation(&Vector3::new(0.0, 0.0, bc));
        let c = b * origin([0.5, 0.0, 0.0], [0.1, 0.2, 0.3]) * slide;
        let d = c * origin([0.1, 0.2, 0.3], [0.3, -0.2, 1.1]) * turned([1.0, 2.0, -1.0], cd);
        let e = b * origin([0.0, 0.4, 0.0], [0.0; 3]) * turned([1.0, 0.0, 0.0], -0.5 * ab + 0.25);
        for (name, expected) in [("a", Matrix4::identity()), ("b", b), ("c", c), ("d", d), ("e", e)] {
            let difference = (link(&model, &posture, name).to_homogeneous() - expected).abs().max();
            assert!(difference < 1e-12, "{name}: {difference}");
        }
    }
}

#[test]
fn a_posture_is_taken_over_by_the_next() {
    let model = Model::parse(ODD, "odd").expect("a tree");
    let mut posture = place(&model, &[1.0, 2.0, 3.0]);
    posture.place(&model, &[0.3, 0.2, 0.1]);
    assert_eq!(posture.root_from_link, place(&model, &[0.3, 0.2, 0.1]).root_from_link);
}

#[test]
fn capsules_are_found_in_cylinders_with_round_ends() {
    let model = Model::load(&urdf("human_21.urdf")).expect("it is shipped");
    let capsules = model.shapes().iter().filter(|shape| matches!(shape.form, Form::Capsule { .. })).count();
    assert_eq!((capsules, model.shapes().len()), (26, 26), "21 bones to joints and 5 to tips");
    let of = |name: &str| {
        let index = model.links().iter().position(|link| link == name).expect("a link");
        model.shapes().iter().position(|shape| shape.link == index).expect("a shape")
    };
    assert_eq!(model.movers()[of("pelvis")], Vec::<usize>::new(), "the pelvis hangs on nothing");
    let movers = &model.movers()[of("left_knee")];
    let names: Vec<&str> = movers.iter().map(|joint| model.joints()[*joint].as_str()).collect();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| name.starts_with("left_knee_")), "{names:?}");
}

#[test]
fn the_lowest_point_is_the_lowest_of_any_shape() {
    let model = Model::load(&urdf("human_21.urdf")).expect("it is shipped");
    // Standing, the soles: the pelvis is 1.0 m above the floor, the feet's capsules reach a little below it.
    let standing = place(&model, &[]).lowest(&model);
    assert!((-1.03..-0.97).contains(&standing), "{standing}");
}

#[test]
fn meshes_are_replaced_with_a_warning() {
    let text = r#"<robot name="m"><link name="a"><visual><geometry><mesh filename="package://x/a.stl"/></geometry></visual>
      </link><link name="b"/><joint name="j" type="fixed"><parent link="a"/><child link="b"/><origin xyz="0 0.5 0"/></joint></robot>"#;
    let model = Model::parse(text, "m").expect("a tree");
    assert_eq!(model.warnings(), ["meshes of 1 links are not drawn; capsules stand in for them"]);
    let shape = &model.shapes()[0];
    assert!(matches!(shape.form, Form::Capsule { length, .. } if (length - 0.5).abs() < 1e-12));
    let end = shape.link_from_shape * nalgebra::Point3::new(0.0, 0.0, 0.25);
    assert!((end.coords - Vector3::new(0.0, 0.5, 0.0)).norm() < 1e-9, "{end}");
}

#[test]
fn what_is_no_tree_is_refused_in_a_sentence() {
    let joint = |name: &str, parent: &str, child: &str, axis: &str| {
        format!(
            r#"<joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{child}"/><axis xyz="{axis}"/>
            <limit lower="0" upper="1" effort="1" velocity="1"/></joint>"#
        )
    };
    let links = r#"<link name="a"/><link name="b"/>"#;
    let cases = [
        (joint("j", "a", "c", "1 0 0"), "line 1: joint j names link c, which is not there"),
        (joint("j", "a", "b", "0 0 0"), "line 1: joint j has axis 0 0 0"),
        (String::new(), "got 2 links that hang on nothing; expected one root"),
        (joint("j", "a", "b", "1 0 0") + &joint("k", "a", "b", "1 0 0"), "link b hangs on two joints"),
        (joint("j", "a", "b", "1 0 0") + &joint("j", "b", "a", "1 0 0"), "line 2: two joints have the name j"),
        ("<link name=\"a\"/>".to_owned(), "two links have the name a"),
        (
            joint("j", "a", "b", "1 0 0") + &joint("k", "b", "a", "1 0 0"),
            "got 0 links that hang on nothing; expected one root",
        ),
        (
            joint("j", "c", "b", "1 0 0") + &joint("k", "b", "c", "1 0 0") + "<link name=\"c\"/>",
            "link b hangs on itself",
        ),
    ];
    for (joints, expected) in cases {
        let error = Model::parse(&format!("<robot name=\"r\">{links}{joints}</robot>"), "r.urdf").expect_err("no tree");
        assert_eq!(error.to_string(), format!("r.urdf: {expected}"));
    }
    assert!(matches!(Model::parse("no URDF", "x"), Err(ModelError::Format { .. })));
    let error = Model::load(Path::new("/nowhere.urdf")).expect_err("not there");
    assert!(error.to_string().starts_with("/nowhere.urdf: "), "{error}");
}

#[test]
fn the_spread_of_limbs_is_how_far_their_ends_move() {
    let model = Model::load(&urdf("human_21.urdf")).expect("it is shipped");
    let mut random = StdRng::seed_from_u64(8);
    let positions: Vec<f64> = model.joints().iter().map(|_| random.random_range(-0.5..0.5)).collect();
    let deviations: Vec<f64> = model.joints().iter().map(|_| random.random_range(0.0..0.2)).collect();
    let ends = |positions: &[f64]| -> Vec<[Vector3<f64>; 2]> {
        let posture = place(&model, positions);
        let of = |shape: &Shape| {
            let half = match shape.form {
                Form::Capsule { length, .. } | Form::Cylinder { length, .. } => length / 2.0,
                Form::Cuboid { size } => size[2] / 2.0,
                Form::Sphere { .. } => 0.0,
            };
            let place = posture.root_from_link[shape.link] * shape.link_from_shape;
            [-half, half].map(|end| (place * nalgebra::Point3::new(0.0, 0.0, end)).coords)
        };
        model.shapes().iter().map(of).collect()
    };
    let (step, at) = (1e-6, ends(&positions));
    let mut squares = vec![[0.0; 2]; at.len()];
    for joint in 0..positions.len() {
        let mut moved = positions.clone();
        moved[joint] += step;
        for (squares, (moved, at)) in squares.iter_mut().zip(ends(&moved).iter().zip(&at)) {
            for end in 0..2 {
                squares[end] += ((moved[end] - at[end]).norm() / step * deviations[joint]).powi(2);
            }
        }
    }
    let spread = place(&model, &positions).spread(&model, &deviations);
    assert!(spread.iter().any(|spread| *spread > 0.02));
    for (spread, squares) in spread.iter().zip(squares) {
        assert!((spread - squares[0].max(squares[1]).sqrt()).abs() < 1e-4, "{spread} {squares:?}");
    }
}
