//! A body anywhere, of any size: root and size are found, held where too few points tell them, and nothing else changes.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use tch::{Kind, Tensor};
use thalweg::motion::Motion;
use thalweg::{Inverter, load};
use thalweg_engine::Answer;
use thalweg_task::{LoadOptions, Observation, Root, Task, numbers};

const SCALE: f64 = 1.15;

fn root(turn: f64) -> Root {
    let (sine, cosine) = (turn / 2.0).sin_cos();
    // Upside down, as before a camera whose y points down, then turned about what is up.
    Root { position: [0.4, 0.2, 3.0], rotation: [cosine, 0.0, sine, 0.0], scale: SCALE, is_seen: true, misfit: 0.0 }
}

fn engine(keypoints: &str) -> Inverter {
    load("body_pose").unwrap().parameter("keypoints", keypoints).steps(20).seed(3).build().unwrap()
}

/// Places of the points of a table for a pose of the bundled motion, `[P]`, in the pelvis frame.
fn places(keypoints: &str, frame: i64) -> Vec<[f64; 3]> {
    let mut options = LoadOptions { kind: Kind::Double, ..LoadOptions::default() };
    options.parameters.insert("keypoints".to_owned(), keypoints.into());
    let task = thalweg_body_pose::BodyPose::load(&options).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/motion.safetensors");
    let motion = Motion::load(&file, task.spec()).unwrap();
    let angles = motion.joints.narrow(0, frame, 1).to_kind(Kind::Double);
    let points = task.render(&thalweg_body_pose::rotations_from_angles(&angles)).unwrap().points.unwrap();
    numbers::<f64>(&points).as_chunks().0.to_vec()
}

/// What a tracker sees of them; all but `seen` are hidden.
fn observed(places: &[[f64; 3]], root: &Root, seen: impl Fn(usize) -> bool) -> Observation {
    let point = |(at, place): (usize, &[f64; 3])| if seen(at) { root.place(*place) } else { [f64::NAN; 3] };
    let points: Vec<[f64; 3]> = places.iter().enumerate().map(point).collect();
    Observation::of_points(&Tensor::from_slice(points.as_flattened()).view([1, -1, 3]).to_kind(Kind::Float))
}

fn solve(engine: &mut Inverter, obs: &Observation) -> Answer {
    let answer = engine.solve_observation(obs).unwrap().into_answer();
    let roots = answer.roots.iter().flat_map(Root::numbers);
    assert!(roots.chain(answer.joints.iter().flatten().copied()).all(f64::is_finite), "{answer:?}");
    answer
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn root_and_size_are_found_with_the_pose() {
    for keypoints in ["joints", "mediapipe_33", "azure_kinect_32"] {
        let (places, mut engine) = (places(keypoints, 40), engine(keypoints));
        for turn in [0.0, 2.0, -2.9] {
            engine.reset();
            let truth = root(turn);
            let answer = solve(&mut engine, &observed(&places, &truth, |_| true));
            let found = answer.roots[0];
            assert!(found.is_seen && answer.roots.len() == answer.losses.len());
            let apart = places.iter().zip(&answer.points[0]).map(|(a, b)| distance(truth.place(*a), found.place(*b)));
            let mean = apart.sum::<f64>() / places.len() as f64;
            assert!(mean < 0.03, "{keypoints}, {turn}: {mean} m");
            assert!(distance(found.position, truth.position) < 0.05, "{keypoints}, {turn}: {found:?}");
            assert!((found.scale / SCALE - 1.0).abs() < 0.05, "{keypoints}, {turn}: {found:?}");
        }
    }
}

#[test]
fn a_size_that_is_known_stays() {
    let builder = load("body_pose").unwrap().parameter("keypoints", "joints").parameter("stature", 1.75 * SCALE);
    let mut engine = builder.steps(20).build().unwrap();
    let places = places("joints", 40);
    let answer = solve(&mut engine, &observed(&places, &root(1.0), |_| true));
    assert!(answer.roots.iter().all(|root| (root.scale - SCALE).abs() < 1e-9), "{:?}", answer.roots);
}

#[test]
fn too_few_points_leave_the_root_of_before() {
    let (places, mut engine) = (places("joints", 40), engine("joints"));
    let truth = root(1.0);
    let whole = solve(&mut engine, &observed(&places, &truth, |_| true)).roots[0];
    // Two wrists; one knee and one ankle; one point; nothing.
    for seen in [&[20, 21][..], &[4, 7], &[0], &[]] {
        let mut obs = observed(&places, &truth, |at| seen.contains(&at));
        obs.root = Some(whole);
        let found = solve(&mut engine, &obs).roots[0];
        assert!(!found.is_seen, "{seen:?}: {found:?}");
        assert!(distance(found.position, whole.position) < 0.1, "{seen:?}: {found:?}, before {whole:?}");
        let same: f64 = found.rotation.iter().zip(whole.rotation).map(|(a, b)| a * b).sum();
        assert!(2.0 * same.abs().min(1.0).acos() < 0.35, "{seen:?}: {found:?}, before {whole:?}");
    }
    // With nothing before, it stands upright in the middle of what is seen.
    engine.reset();
    let found = solve(&mut engine, &observed(&places, &truth, |at| [20, 21].contains(&at))).roots[0];
    assert!(!found.is_seen && found.scale <= 1.6, "{found:?}");
}

#[test]
fn angles_alone_give_what_they_gave() {
    let angles: Vec<f32> = (0..63).map(|at| if at % 4 == 0 { f32::NAN } else { 0.3 * (at as f32).sin() }).collect();
    let obs = Observation::of_joints(&Tensor::from_slice(&angles).view([1, 63]));
    // Without a start: how far that pulls depends on the share of what a task observes that is hidden.
    let plain = |keypoints: &str| {
        let builder = load("body_pose").unwrap().parameter("keypoints", keypoints).landscape("identity").start("none");
        solve(&mut builder.steps(20).seed(3).build().unwrap(), &obs)
    };
    let (before, after) = (plain(""), plain("azure_kinect_32"));
    assert!(after.roots.is_empty());
    assert_eq!((before.joints, before.losses), (after.joints, after.losses));
}

#[test]
fn doubt_counts_less_and_no_confidence_nothing() {
    let (places, mut engine) = (places("joints", 40), engine("joints"));
    let truth = root(0.5);
    let mut wrong = places.clone();
    wrong[21][1] += 0.5;
    let mut wrist = |confidence: f32, is_seen: bool| {
        engine.reset();
        let mut obs = observed(&wrong, &truth, |at| is_seen || at != 21);
        let shares: Vec<f32> = (0..22).map(|at| if at == 21 { confidence } else { 1.0 }).collect();
        obs.confidence = Some(Tensor::from_slice(&shares).view([1, 22]));
        solve(&mut engine, &obs)
    };
    let (sure, doubtful, none, hidden) = (wrist(1.0, true), wrist(0.01, true), wrist(0.0, true), wrist(1.0, false));
    let [certain, doubted, absent] = [&sure, &doubtful, &hidden].map(|found| found.losses[0]);
    // What the wrong place adds to the loss of all others: where nobody follows it, 0.01 (4 rad/m 0.5 m)^2 of a hundredth of
    // the confidence.
    let added = [doubted, certain].map(|loss| loss - absent);
    let is_light = 0.0 <= added[0] && added[0] < 0.045 && added[0] < added[1];
    assert!(is_light, "{absent} hidden, {doubted} doubtful, {certain} sure");
    // It still counts as seen where a start asks what is hidden, so they are not the same bits.
    for (a, b) in none.joints[0].iter().zip(&hidden.joints[0]) {
        assert!((a - b).abs() < 0.04, "{a} without confidence, {b} hidden");
    }
    assert!((none.losses[0] - absent).abs() < 0.1 * absent, "{} and {absent}", none.losses[0]);
}

/// A person in a cloud: every side of limbs that looks to the camera, off by some millimetres; and the places of joints.
fn in_cloud(frame: i64, root: &Root) -> (Vec<[f64; 3]>, Vec<[f64; 3]>) {
    let places = places("joints", frame);
    let options = LoadOptions { kind: Kind::Double, ..LoadOptions::default() };
    let task = thalweg_body_pose::BodyPose::load(&options).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/motion.safetensors");
    let motion = Motion::load(&file, task.spec()).unwrap();
    let angles = motion.joints.narrow(0, frame, 1).to_kind(Kind::Double);
    let turns = numbers::<f64>(&thalweg_body_pose::rotations_from_angles(&angles));
    let rows: Vec<[[f64; 3]; 3]> = turns
        .as_chunks::<9>()
        .0
        .iter()
        .map(|m| std::array::from_fn(|r| [m[3 * r], m[3 * r + 1], m[3 * r + 2]]))
        .collect();
    let posture = thalweg_body_pose::kinematics::forward(&thalweg_body_pose::kinematics::from_matrices(
        &rows.try_into().unwrap(),
    ));
    let mut cloud = Vec::new();
    for (ends, radius) in thalweg_body_pose::limbs(&posture) {
        let along = ends[1] - ends[0];
        let mut aside = along * 0.0;
        aside[if along.x.abs() < along.y.abs() { 0 } else { 1 }] = 1.0;
        let side = along.cross(&aside).normalize();
        let other = along.cross(&side).normalize();
        let count = (400.0 * (along.norm() + radius)) as usize;
        for at in 0..count {
            let (share, angle) = ((at as f64 * 0.618).fract(), at as f64 * 2.4);
            let axis = ends[0] + along * share;
            let point = axis + (side * angle.cos() + other * angle.sin()) * (radius + 0.005 * (at as f64).sin());
            let [seen, behind] = [point, axis].map(|place| root.place(place.into()));
            if distance(seen, [0.0; 3]) < distance(behind, [0.0; 3]) {
                cloud.push(seen);
            }
        }
    }
    (cloud, places)
}

#[test]
fn a_body_is_followed_in_a_cloud_when_its_joints_fall_silent() {
    let builder = load("body_pose").unwrap().parameter("cloud_weight", 8.0).parameter("cloud_points", 800);
    let mut engine = builder.steps(20).seed(3).build().unwrap();
    let options = LoadOptions { kind: Kind::Double, ..LoadOptions::default() };
    let task = thalweg_body_pose::BodyPose::load(&options).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/motion.safetensors");
    let angles = Motion::load(&file, task.spec()).unwrap().joints.narrow(0, 40, 1).to_kind(Kind::Float);
    for turn in [0.4, -1.2] {
        engine.reset();
        let truth = root(turn);
        let (cloud, places) = in_cloud(40, &truth);
        let names = engine.spec().points.clone().unwrap().names.len();
        let mut all = vec![[f64::NAN; 3]; names];
        all.extend(thalweg_task::thinned(&cloud, 800));
        all.resize(names + 800, [f64::NAN; 3]);
        let points = Tensor::from_slice(all.as_flattened()).view([1, -1, 3]).to_kind(Kind::Float);
        let (mut before, mut apart) = (None, f64::NAN);
        // Nothing but the cloud is seen after the first two frames.
        for frame in 0..6 {
            let joints = Observation::of_joints(&angles).joints.filter(|_| frame < 2);
            let obs = Observation { root: before, joints, ..Observation::of_points(&points) };
            let answer = solve(&mut engine, &obs);
            let found = answer.roots[0];
            assert!(found.is_seen, "{found:?}");
            let distances =
                places.iter().zip(&answer.points[0]).map(|(a, b)| distance(truth.place(*a), found.place(*b)));
            apart = distances.sum::<f64>() / places.len() as f64;
            before = Some(found);
        }
        assert!(apart < 0.08, "{turn}: {apart} m, {before:?}");
    }
}

/// What one camera sees of points: rays.
fn rays(places: &[[f64; 3]], root: &Root, seen: impl Fn(usize) -> bool) -> Observation {
    let ray = |(at, place): (usize, &[f64; 3])| {
        let [x, y, z] = root.place(*place);
        if seen(at) { [x / z, y / z, f64::NAN] } else { [f64::NAN; 3] }
    };
    let points: Vec<[f64; 3]> = places.iter().enumerate().map(ray).collect();
    Observation::of_points(&Tensor::from_slice(points.as_flattened()).view([1, -1, 3]).to_kind(Kind::Float))
}

#[test]
fn one_camera_suffices() {
    for keypoints in ["mediapipe_33", "openpose_body_25", "coco_17"] {
        let builder = load("body_pose").unwrap().parameter("keypoints", keypoints).parameter("stature", 1.75 * SCALE);
        let (places, mut engine) = (places(keypoints, 40), builder.steps(30).seed(3).build().unwrap());
        let named: Vec<bool> = {
            let table = thalweg_body_pose::keypoints::Table::find(keypoints).unwrap();
            (0..places.len()).map(|at| table.tracker.keypoints.iter().any(|point| point.point == Some(at))).collect()
        };
        for turn in [0.0, 2.0, -2.9] {
            engine.reset();
            let truth = root(turn);
            let seen = rays(&places, &truth, |at| named[at]);
            let answer = solve(&mut engine, &seen);
            let found = answer.roots[0];
            assert!(found.is_seen && answer.roots.len() == answer.losses.len());
            assert!((found.scale - SCALE).abs() < 1e-6, "one camera does not tell the size: {found:?}");
            assert!(distance(found.position, truth.position) < 0.15, "{keypoints}, {turn}: {found:?}");
            let same: f64 = found.rotation.iter().zip(truth.rotation).map(|(a, b)| a * b).sum();
            // Toward the camera or away from it a bent spine and a tilted pelvis look alike.
            assert!(2.0 * same.abs().min(1.0).acos() < 0.9, "{keypoints}, {turn}: {found:?}");
            // Across the line of sight it lies where it was seen.
            assert!(found.misfit < 0.02, "{keypoints}, {turn}: {found:?}");
            // The same again gives the same, bit for bit; places among rays tell the depth as well.
            engine.reset();
            assert_eq!(solve(&mut engine, &seen).joints, answer.joints);
        }
    }
}

#[test]
fn few_rays_leave_the_root_of_before() {
    let builder = load("body_pose").unwrap().parameter("keypoints", "joints").parameter("stature", 1.75 * SCALE);
    let (places, mut engine) = (places("joints", 40), builder.steps(20).seed(3).build().unwrap());
    let truth = root(0.5);
    for seen in [&[20, 21][..], &[4, 7], &[0]] {
        let mut obs = rays(&places, &truth, |at| seen.contains(&at));
        obs.root = Some(truth);
        let found = solve(&mut engine, &obs).roots[0];
        assert!(!found.is_seen, "{seen:?}: {found:?}");
        assert!(distance(found.position, truth.position) < 0.1, "{seen:?}: {found:?}");
        engine.reset();
        obs.root = None;
        let found = solve(&mut engine, &obs).roots[0];
        assert!(!found.is_seen && found.position[2] > 0.3, "{seen:?}: {found:?}");
    }
    // Of somebody else, elsewhere and the other way round, what was before says nothing.
    let mut obs = rays(&places, &truth, |_| true);
    obs.root = Some(Root { position: [1.4, 0.2, 3.0], ..root(3.5) });
    let found = solve(&mut engine, &obs).roots[0];
    assert!(found.is_seen && distance(found.position, truth.position) < 0.15, "{found:?}");
}

#[test]
fn rays_are_said_by_name() {
    let engine = engine("coco_17");
    let seen = engine.observe().ray("left_wrist", [0.1, -0.2]).unwrap().observation().points.unwrap();
    assert_eq!(seen.count(), 2, "a ray has no depth");
    let refused = |name: &str, ray| engine.observe().ray(name, ray).unwrap_err().to_string();
    assert!(
        refused("left_wrist", [0.1, 12.0]).contains("expected two numbers within 10"),
        "{}",
        refused("left_wrist", [0.1, 12.0])
    );
    assert!(refused("left_wrost", [0.1, 0.2]).contains("left_wrist"));
    let plain = load("body_pose").unwrap().parameter("point_weight", 4.0).build().unwrap();
    let error = plain.observe().ray("left_wrist", [0.1, 0.2]).unwrap_err().to_string();
    assert!(error.contains("the task reads no rays"), "{error}");
}
