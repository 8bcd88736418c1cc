//! The task against its own kinematics, on the circle, and against bad weights.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests open files")]
#![allow(clippy::unwrap_used)]

use std::f64::consts::PI;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg_body_pose::skeleton::{AXIS_ORDERS, JOINTS, joint_names};
use thalweg_body_pose::{BodyPose, kinematics};
use thalweg_task::{LoadOptions, Observation, Root, Task, draws, numbers};

fn options(loss: &str) -> LoadOptions {
    let parameters = [("loss".to_owned(), loss.into())].into_iter().collect();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    LoadOptions { kind: Kind::Double, models, parameters, ..LoadOptions::default() }
}

/// A task that observes places, too; an error of a metre counts as `weight` radians.
fn seeing_places(loss: &str, weight: f64) -> BodyPose {
    let mut options = options(loss);
    options.parameters.insert("point_weight".to_owned(), weight.into());
    BodyPose::load(&options).unwrap()
}

fn task(loss: &str) -> BodyPose {
    BodyPose::load(&options(loss)).unwrap()
}

fn latents(rows: i64) -> Tensor {
    draws::normal(&mut StdRng::seed_from_u64(11), &[rows, thalweg_body_pose::prior::LATENT])
}

/// An observation of single angles by name, radians.
fn seen(angles: &[(&str, f64)]) -> Observation {
    let mut position = vec![f64::NAN; 63];
    for (name, angle) in angles {
        position[joint_names().iter().position(|known| known == name).unwrap()] = *angle;
    }
    Observation::of_joints(&Tensor::from_slice(&position).view([1, 63]))
}

fn loss(task: &BodyPose, rotations: &Tensor, obs: &Observation) -> f64 {
    task.objective(rotations, &task.encode(obs).unwrap()).unwrap().loss.double_value(&[0])
}

/// Rotations of a body of which one joint has the given angles, by x, y, z.
fn rotations(joint: usize, angles: [f64; 3]) -> Tensor {
    let identity = Tensor::eye(3, (Kind::Double, Device::Cpu)).repeat([JOINTS as i64, 1, 1]).view([1, 21, 3, 3]);
    let turn = kinematics::compose(AXIS_ORDERS[joint], angles).to_rotation_matrix();
    let rows: Vec<f64> = turn.matrix().transpose().iter().copied().collect();
    identity.select(1, joint as i64).copy_(&Tensor::from_slice(&rows).view([1, 3, 3]));
    identity
}

#[test]
fn rendered_joints_lead_to_the_rendered_places() {
    let task = task("rotation");
    let rendered = task.render(&task.forward(&latents(16)).unwrap()).unwrap();
    let (joints, points) = (rendered.joints.unwrap(), rendered.points.unwrap());
    for row in 0..16 {
        let mut turns = [nalgebra::UnitQuaternion::identity(); JOINTS];
        for (joint, turn) in turns.iter_mut().enumerate() {
            let angles = [0, 1, 2].map(|axis| joints.double_value(&[row, 3 * joint as i64 + axis]));
            *turn = kinematics::compose(AXIS_ORDERS[joint], angles);
        }
        for (place, position) in kinematics::forward(&turns).positions.iter().enumerate() {
            for axis in 0..3 {
                let got = points.double_value(&[row, place as i64, axis]);
                assert!((got - position[axis as usize]).abs() < 1e-5, "row {row} place {place} axis {axis}");
            }
        }
    }
}

#[test]
fn angles_wrap_whether_the_joint_was_seen_whole_or_in_part() {
    // The first axis of the left shoulder's chain turns all the way round.
    let (joint, name) = (15, "left_shoulder");
    let first = AXIS_ORDERS[joint].axes()[0];
    let axis = ["x", "y", "z"][first];
    let mut angles = [0.0; 3];
    angles[first] = -179f64.to_radians();
    let body = rotations(joint, angles);
    let two_degrees = 2f64.to_radians().powi(2);
    for (kind, whole) in [("rotation", false), ("rotation", true), ("axis_angle", false), ("axis_angle", true)] {
        let one = format!("{name}_{axis}");
        let mut reading: Vec<(String, f64)> = vec![(one, 179f64.to_radians())];
        if whole {
            let others = ["x", "y", "z"].into_iter().filter(|other| *other != axis);
            reading.extend(others.map(|other| (format!("{name}_{other}"), 0.0)));
        }
        let reading: Vec<(&str, f64)> = reading.iter().map(|(name, angle)| (name.as_str(), *angle)).collect();
        let loss = loss(&task(kind), &body, &seen(&reading));
        assert!((loss / two_degrees - 1.0).abs() < 0.01, "{kind}, whole {whole}: {loss}");
    }
}

#[test]
fn a_whole_turn_more_changes_nothing() {
    let task = task("rotation");
    let body = task.forward(&latents(1)).unwrap();
    let near = loss(&task, &body, &seen(&[("neck_y", 0.3), ("head_x", -0.2)]));
    let far = loss(&task, &body, &seen(&[("neck_y", 0.3 + 2.0 * PI), ("head_x", -0.2 - 4.0 * PI)]));
    assert!(near > 1e-4 && (near - far).abs() < 1e-9, "{near} {far}");
}

#[test]
fn one_axis_says_nothing_of_the_others() {
    let task = task("rotation");
    let obs = seen(&[("left_elbow_y", -0.8)]);
    let mut angles = [0.0, -0.8, 0.0];
    assert!(loss(&task, &rotations(17, angles), &obs) < 1e-6);
    (angles[0], angles[2]) = (0.4, -0.3);
    assert!(loss(&task, &rotations(17, angles), &obs) < 1e-6, "only y was seen");
    angles[1] = -0.5;
    assert!(loss(&task, &rotations(17, angles), &obs) > 0.05);
}

#[test]
fn gradients_are_finite_in_gimbal_lock() {
    let task = task("rotation");
    let middle = AXIS_ORDERS[17].axes()[1];
    let mut angles = [0.3; 3];
    angles[middle] = PI / 2.0;
    let body = rotations(17, angles).set_requires_grad(true);
    let names = ["left_elbow_x", "left_elbow_y", "left_elbow_z"];
    let target = task.encode(&seen(&[(names[(middle + 1) % 3], 1.0)])).unwrap();
    task.objective(&body, &target).unwrap().loss.sum(Kind::Double).backward();
    assert_eq!(body.grad().isfinite().all().int64_value(&[]), 1);
}

#[test]
fn both_losses_agree_on_small_errors() {
    let obs = seen(&[("left_knee_x", 0.5), ("left_knee_y", 0.0), ("left_knee_z", 0.0)]);
    let body = rotations(3, [0.52, 0.0, 0.0]);
    for kind in ["rotation", "axis_angle"] {
        let loss = loss(&task(kind), &body, &obs);
        assert!((loss / 0.0004 - 1.0).abs() < 0.01, "{kind}: {loss}");
    }
}

#[test]
fn places_cost_their_distance_beside_angles_or_alone() {
    let body = rotations(15, [0.4, -0.2, 0.3]);
    for (kind, weight) in [("rotation", 4.0), ("axis_angle", 2.5)] {
        let task = seeing_places(kind, weight);
        let places = task.render(&body).unwrap().points.unwrap();
        let of = |points: &Tensor| Observation::of_points(points);
        assert!(loss(&task, &body, &of(&places)) < 1e-9, "{kind}: every joint is where it was seen");
        // The left elbow, place 18, is off by 0.1 m, and so is the pelvis, which has no say.
        let moved = places.copy();
        for place in [0, 18] {
            drop(moved.select(1, place).select(1, 1).g_add_scalar_(0.1));
        }
        let expected = (0.1 * weight).powi(2);
        let got = loss(&task, &body, &of(&moved));
        assert!((got - expected).abs() < 1e-9, "{kind}: {got}, expected {expected}");
        let mut both = seen(&[("left_knee_x", 0.5)]);
        let alone = loss(&task, &body, &both);
        both.points = of(&moved).points;
        let got = loss(&task, &body, &both);
        assert!(alone > 0.1 && (got - expected - alone).abs() < 1e-9, "{kind}: {got}, expected {expected} + {alone}");
        let hidden =
            moved.masked_fill(&Tensor::arange(22, (Kind::Int64, Device::Cpu)).eq(18).view([1, 22, 1]), f64::NAN);
        assert!(loss(&task, &body, &of(&hidden)) < 1e-9, "{kind}: the elbow was not seen");
    }
}

#[test]
fn places_are_observed_where_that_is_asked_for() {
    let asked = seeing_places("rotation", 4.0);
    let points = asked.spec().points.clone().unwrap();
    assert_eq!((points.names.len(), points.names[18].as_str(), points.frame.as_str()), (22, "left_elbow", "pelvis"));
    let refusal =
        task("rotation").encode(&Observation::of_points(&Tensor::zeros([1, 22, 3], (Kind::Double, Device::Cpu))));
    assert_eq!(refusal.unwrap_err().to_string(), "task body_pose does not observe points; it observes joints");
}

#[test]
fn bad_parameters_and_weights_are_refused() {
    let refused = |options: &LoadOptions| BodyPose::load(options).unwrap_err().to_string();
    assert_eq!(
        refused(&options("chamfer")),
        "parameter loss: got \"chamfer\", expected \"rotation\" or \"axis_angle\""
    );
    let mut unknown = options("rotation");
    unknown.parameters.insert("los".to_owned(), 1.into());
    assert_eq!(refused(&unknown), "unknown parameter 'los'; the nearest known name is 'loss'");
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = LoadOptions { models: folder.path().to_owned(), ..options("rotation") };
    assert!(refused(&elsewhere).contains("No such file"), "{}", refused(&elsewhere));
    let file: PathBuf = folder.path().join("body_pose.safetensors");
    std::fs::write(&file, b"not weights").unwrap();
    assert!(refused(&elsewhere).contains("not a whole safetensors file"), "{}", refused(&elsewhere));
}

/// A task that a cloud is seen of, too.
fn in_cloud(points: usize) -> BodyPose {
    let mut options = options("rotation");
    options.parameters.insert("cloud_weight".to_owned(), 8.0.into());
    options.parameters.insert("cloud_points".to_owned(), points.into());
    BodyPose::load(&options).unwrap()
}

/// Points of the surface of a body that stands elsewhere, all around, off by a few millimetres; no joint is seen.
fn cloud(task: &BodyPose, x: &Tensor, root: &Root) -> Observation {
    let matrices = numbers::<f64>(&task.forward(x).unwrap());
    let rows = |m: &[f64; 9]| [0, 1, 2].map(|row| [m[3 * row], m[3 * row + 1], m[3 * row + 2]]);
    let matrices: Vec<[[f64; 3]; 3]> = matrices.as_chunks::<9>().0.iter().map(rows).collect();
    let limbs =
        thalweg_body_pose::limbs(&kinematics::forward(&kinematics::from_matrices(&matrices.try_into().unwrap())));
    let spec = task.spec().points.clone().unwrap();
    let point = |at: usize| {
        let (ends, radius) = limbs[at * 7 % limbs.len()];
        let along = ends[1] - ends[0];
        let aside = nalgebra::Vector3::new(0.3, -0.5, 0.8);
        let side = along.cross(&aside).normalize();
        let (share, angle) = ((at as f64 * 0.618).fract(), at as f64 * 2.4);
        let outward = side * angle.cos() + along.cross(&side).normalize() * angle.sin();
        root.place((ends[0] + along * share + outward * (radius + 0.005 * (at as f64).sin())).into())
    };
    let unseen = std::iter::repeat_n([f64::NAN; 3], spec.names.len());
    let all: Vec<[f64; 3]> = unseen.chain((0..spec.cloud).map(point)).collect();
    Observation::of_points(&Tensor::from_slice(all.as_flattened()).view([1, -1, 3]))
}

#[test]
fn a_loss_in_a_cloud_has_the_gradient_of_its_differences() {
    const STEP: f64 = 1e-5;
    let task = in_cloud(150);
    let root =
        Root { position: [0.3, -0.2, 3.0], rotation: [0.0, 0.6, 0.0, 0.8], scale: 1.1, is_seen: true, misfit: 0.0 };
    let x = latents(1) * 0.5;
    let obs = Observation { root: Some(root), ..cloud(&task, &x, &root) };
    let target = task.encode(&obs).unwrap();
    // Four steps leave some of the way of the transform where the pose is far off.
    for (apart, tolerance) in [(0.0, 0.05), (0.1, 0.05), (0.3, 0.2)] {
        let at = (&x + latents(2).narrow(0, 1, 1) * apart).set_requires_grad(true);
        let loss = |x: &Tensor| task.objective(&task.forward(x).unwrap(), &target).unwrap().loss;
        let by_graph = Tensor::run_backward(&[loss(&at).sum(Kind::Double)], &[&at], false, false).remove(0).view(-1);
        let _guard = tch::no_grad_guard();
        let steps = Tensor::eye(thalweg_body_pose::prior::LATENT, (Kind::Double, Device::Cpu)) * STEP;
        let change = (loss(&(&at + &steps)) - loss(&(&at - &steps))) / (2.0 * STEP);
        let (apart, size) = ((&by_graph - &change).norm(), change.norm());
        let share = (apart / size).double_value(&[]);
        assert!(share < tolerance, "{share} of {change:?}");
    }
}

#[test]
fn a_body_is_found_in_a_cloud_of_which_nothing_else_is_known() {
    let task = in_cloud(300);
    let root =
        Root { position: [0.3, -0.2, 3.0], rotation: [0.8, 0.0, 0.6, 0.0], scale: 1.0, is_seen: true, misfit: 0.0 };
    let x = Tensor::zeros([1, thalweg_body_pose::prior::LATENT], (Kind::Double, Device::Cpu));
    let target = task.encode(&cloud(&task, &x, &root)).unwrap();
    let found = task.roots(&task.forward(&x).unwrap(), &target).unwrap()[0];
    let apart = (0..3).map(|axis| (found.position[axis] - root.position[axis]).powi(2)).sum::<f64>().sqrt();
    let same: f64 = found.rotation.iter().zip(root.rotation).map(|(a, b)| a * b).sum();
    assert!(found.is_seen && apart < 0.05, "{found:?}");
    assert!(2.0 * same.abs().min(1.0).acos() < 0.2, "{found:?}");
    assert!((found.scale - 1.0).abs() < 0.1 && found.misfit < 0.1, "{found:?}");
}

#[test]
fn sizes_are_found_in_clouds() {
    let task = in_cloud(500);
    let x = latents(1) * 0.7;
    let y_hat = task.forward(&x).unwrap();
    for scale in [0.75, 0.9, 1.15] {
        let root =
            Root { position: [0.3, -0.2, 3.0], rotation: [0.8, 0.0, 0.6, 0.0], scale, is_seen: true, misfit: 0.0 };
        let mut obs = Observation { root: Some(Root { scale: 1.0, ..root }), ..cloud(&task, &x, &root) };
        // As frames of a camera before which nobody moves.
        for _ in 0..4 {
            obs.root = Some(task.roots(&y_hat, &task.encode(&obs).unwrap()).unwrap()[0]);
        }
        // Points of the surface that lie within other limbs make it smaller.
        let found = obs.root.unwrap();
        assert!((found.scale / scale - 1.0).abs() < 0.05, "{scale}: {found:?}");
    }
}

#[test]
fn where_a_body_stands_is_guessed_from_angles_and_mostly_without() {
    let task = in_cloud(500);
    let all = latents(24);
    for heard in [true, false] {
        let mut wrong = 0;
        for at in 0..24 {
            let x = &all.narrow(0, at, 1) * 0.8;
            let (yaw, scale) = (at as f64 * 0.8, 0.75 + 0.4 * (at as f64 * 0.618).fract());
            let (s, c) = (yaw / 2.0).sin_cos();
            let root =
                Root { position: [0.3, -0.2, 3.0], rotation: [c, 0.0, s, 0.0], scale, is_seen: true, misfit: 0.0 };
            let mut obs = cloud(&task, &x, &root);
            let y_hat = task.forward(&x).unwrap();
            if heard {
                obs.joints = Observation::of_joints(&task.render(&y_hat).unwrap().joints.unwrap()).joints;
            }
            let found = task.roots(&y_hat, &task.encode(&obs).unwrap()).unwrap()[0];
            let same: f64 = found.rotation.iter().zip(root.rotation).map(|(a, b)| a * b).sum();
            let turn = 2.0 * same.abs().min(1.0).acos().to_degrees();
            wrong += usize::from(turn > 30.0);
            assert!(!heard || (found.scale / scale - 1.0).abs() < 0.05, "{scale}: {found:?}");
        }
        // Drawn poses, not likely ones.
        let most = if heard { 0 } else { 6 };
        assert!(wrong <= most, "{heard}: {wrong} of 24 are turned by more than 30 degrees");
    }
}
