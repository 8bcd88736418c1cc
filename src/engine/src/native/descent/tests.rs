//! One evaluation natively and by autograd: losses and gradients agree.

use pulp::Arch;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg_task::{LoadOptions, Observation, Root, Task, draws, numbers};

use crate::evaluation::{Evaluation, Problem};
use crate::landscape::{Landscape, LandscapeShape};
use crate::native::{Batch, EncodedTarget, Model, Real, arches};
use crate::prior::Prior;

const ROWS: i64 = 37;

fn body(loss: &str, kind: Kind) -> Box<dyn Task> {
    tracked(loss, kind, "")
}

/// As [`body`], of which a tracker's keypoints are seen.
fn tracked(loss: &str, kind: Kind, keypoints: &str) -> Box<dyn Task> {
    let mut options = LoadOptions { kind, ..LoadOptions::default() };
    options.parameters.insert("keypoints".to_owned(), keypoints.into());
    options.parameters.insert("loss".to_owned(), loss.into());
    options.parameters.insert("point_weight".to_owned(), 4.0.into());
    (thalweg_body_pose::ENTRY.load)(&options).expect("the shipped weights")
}

/// As [`body`], of which a cloud is seen as well.
fn clouded(kind: Kind, keypoints: &str) -> Box<dyn Task> {
    let mut options = LoadOptions { kind, ..LoadOptions::default() };
    options.parameters.insert("keypoints".to_owned(), keypoints.into());
    options.parameters.insert("cloud_weight".to_owned(), 8.0.into());
    options.parameters.insert("cloud_points".to_owned(), 120.into());
    (thalweg_body_pose::ENTRY.load)(&options).expect("the shipped weights")
}

/// What is seen besides whole joints.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beside {
    Nothing,
    /// Single angles.
    Parts,
    /// Places of joints.
    Places,
    Both,
    /// Places of joints, and no angle.
    PlacesAlone,
}

impl Beside {
    const ALL: [Self; 5] = [Self::Nothing, Self::Parts, Self::Places, Self::Both, Self::PlacesAlone];
}

/// Angles and places of which some are hidden.
fn observation(random: &mut StdRng, rows: i64, beside: Beside) -> Observation {
    let mut obs = angles(random, rows, matches!(beside, Beside::Parts | Beside::Both));
    if matches!(beside, Beside::Places | Beside::Both | Beside::PlacesAlone) {
        let places = draws::uniform(random, &[rows, 22, 3]) * 1.6 - 0.8;
        let hidden = draws::uniform(random, &[rows, 22, 1]).lt(0.4);
        obs.points = Observation::of_points(&places.masked_fill(&hidden, f64::NAN)).points;
    }
    if beside == Beside::PlacesAlone {
        obs.joints = None;
    }
    obs
}

/// Angles of which some are hidden: whole joints, or with `parts` single angles, too.
fn angles(random: &mut StdRng, rows: i64, parts: bool) -> Observation {
    let angles = draws::uniform(random, &[rows, 21, 3]) * 2.4 - 1.2;
    let joints = draws::uniform(random, &[rows, 21, 1]).lt(0.3);
    let single = draws::uniform(random, &[rows, 21, 3]).lt(if parts { 0.3 } else { 0.0 });
    Observation::of_joints(&angles.masked_fill(&joints.logical_or(&single), f64::NAN).view([rows, 63]))
}

/// Angles, and places of bodies that stand anywhere and are of any size; some are hidden, and all are a little off.
fn anywhere(random: &mut StdRng, task: &dyn Task, rows: i64, beside: Beside) -> Observation {
    let x = draws::normal(random, &[rows, task.spec().latent]).to_kind(task.spec().kind);
    let points = task.render(&task.forward(&x).expect("F")).expect("rendered").points.expect("points");
    let turn = Tensor::linalg_qr(&draws::normal(random, &[rows, 3, 3]), "reduced").0;
    let turn = &turn * turn.det().view([rows, 1, 1]);
    let size = draws::uniform(random, &[rows, 1, 1]) * 0.8 + 0.6;
    let shift = draws::normal(random, &[rows, 1, 3]) * 3.0;
    let points = points.to_kind(Kind::Double).matmul(&turn) * size + shift;
    let count = points.size()[1];
    let hidden = draws::uniform(random, &[rows, count, 1]).lt(0.4);
    let noise = draws::normal(random, &[rows, count, 3]) * 0.05;
    let points = Observation::of_points(&(points + noise).masked_fill(&hidden, f64::NAN)).points;
    let confidence = Some(draws::uniform(random, &[rows, count]));
    let joints = if beside == Beside::PlacesAlone { None } else { angles(random, rows, beside == Beside::Both).joints };
    Observation { joints, points, confidence, ..Observation::default() }
}

/// As [`anywhere`], where all that is seen of bodies is a cloud around their joints, but for points with names where
/// `beside` says so; some of it is far away. Every other body is where it was before.
fn around(random: &mut StdRng, task: &dyn Task, rows: i64, beside: Beside, is_before: bool) -> Observation {
    let x = draws::normal(random, &[rows, task.spec().latent]).to_kind(task.spec().kind) * 0.3;
    let points = task.render(&task.forward(&x).expect("F")).expect("rendered").points.expect("points");
    let root =
        Root { position: [0.4, -2.0, 3.0], rotation: [0.5, -0.5, 0.5, 0.5], scale: 1.1, is_seen: true, misfit: 0.0 };
    let named = points.size()[1];
    let seen: Vec<f64> = numbers::<f64>(&points).as_chunks().0.iter().flat_map(|point| root.place(*point)).collect();
    let points = Tensor::from_slice(&seen).view([rows, named, 3]);
    let count = task.spec().points.as_ref().expect("points").cloud as i64;
    let of = draws::uniform(random, &[count]) * named as f64;
    let cloud = points.index_select(1, &of.to_kind(Kind::Int64)) + draws::normal(random, &[rows, count, 3]) * 0.07;
    let far = draws::uniform(random, &[rows, count, 1]).lt(0.1).to_kind(Kind::Double);
    let hidden = draws::uniform(random, &[rows, count, 1]).lt(0.2);
    let cloud = (cloud + far * draws::normal(random, &[rows, count, 3])).masked_fill(&hidden, f64::NAN);
    let gaps = if beside == Beside::Places { 0.6 } else { 1.0 };
    let gaps = draws::uniform(random, &[rows, named, 1]).lt(gaps);
    let points = Observation::of_points(&Tensor::cat(&[points.masked_fill(&gaps, f64::NAN), cloud], 1)).points;
    let joints = if beside == Beside::PlacesAlone { None } else { angles(random, rows, beside == Beside::Both).joints };
    let before = Root { position: [0.35, -1.98, 3.05], rotation: [0.51, -0.49, 0.51, 0.49], scale: 1.08, ..root };
    Observation { joints, points, root: is_before.then_some(before), ..Observation::default() }
}

/// Bodies before a camera, which sees where their points are in its image, a little off and with holes; of `both` some
/// points are places.
fn beheld(random: &mut StdRng, task: &dyn Task, rows: i64, beside: Beside, is_before: bool) -> Observation {
    let x = draws::normal(random, &[rows, task.spec().latent]).to_kind(task.spec().kind) * 0.3;
    let points = task.render(&task.forward(&x).expect("F")).expect("rendered").points.expect("points");
    // Upright before a camera that looks along z and has y down, turned a little.
    let root =
        Root { position: [0.4, -0.2, 3.0], rotation: [0.98, 0.05, 0.1, 0.15], scale: 1.0, is_seen: true, misfit: 0.0 };
    let put: Vec<f64> = numbers::<f64>(&points).as_chunks().0.iter().flat_map(|point| root.place(*point)).collect();
    let put = Tensor::from_slice(&put).view([rows, -1, 3]);
    let count = put.size()[1];
    let depth = put.narrow(-1, 2, 1);
    let rays = put.narrow(-1, 0, 2) / &depth + draws::normal(random, &[rows, count, 2]) * 0.01;
    let rays = Tensor::cat(&[rays, depth.full_like(f64::NAN)], -1);
    let share = if beside == Beside::Both { 0.3 } else { 0.0 };
    let seen = put.where_self(&draws::uniform(random, &[rows, count, 1]).lt(share), &rays);
    let hidden = draws::uniform(random, &[rows, count, 1]).lt(0.3);
    // No cloud is seen, where one is observed.
    let in_cloud = task.spec().points.as_ref().expect("points").cloud as i64;
    let cloud = Tensor::full([rows, in_cloud, 3], f64::NAN, (Kind::Double, Device::Cpu));
    let seen = Tensor::cat(&[seen.masked_fill(&hidden, f64::NAN), cloud], 1);
    let points = Observation::of_points(&seen).points;
    let confidence = Some(draws::uniform(random, &[rows, count + in_cloud]));
    let joints = if beside == Beside::PlacesAlone { None } else { angles(random, rows, beside == Beside::Both).joints };
    let before = Root { position: [0.35, -0.15, 3.1], rotation: [0.99, 0.0, 0.05, 0.1], ..root };
    Observation { joints, points, confidence, root: is_before.then_some(before), ..Observation::default() }
}

/// A pull of another strength, to another point and with another constant for each row.
fn prior_of(weight: f64, task: &dyn Task) -> Prior {
    let spec = task.spec();
    let ramp = |size: &[i64]| {
        let count: i64 = size.iter().product();
        (Tensor::arange(count, (spec.kind, spec.device)) / count as f64).view(size)
    };
    if weight == 0.0 {
        return Prior::default();
    }
    let (scale, centre) = (Some(ramp(&[ROWS, 1]) * weight), Some(ramp(&[ROWS, spec.latent])));
    Prior { scale, centre, offset: Some(ramp(&[ROWS])) }
}

fn by_autograd(task: &dyn Task, landscape: &Landscape, obs: &Observation, z: &Tensor, prior_weight: f64) -> Evaluation {
    let target = task.encode(obs).expect("a valid observation");
    let prior = prior_of(prior_weight, task);
    let problem = Problem { task, landscape, target: &target, prior: &prior, keep_residual: false, own: None };
    problem.evaluate(z, 0).expect("finite")
}

fn natively<T: Real>(
    arch: Arch,
    task: &dyn Task,
    theta: &Landscape,
    obs: &Observation,
    z: &Tensor,
    prior: f64,
) -> Batch<T> {
    let target = task.encode(obs).expect("a valid observation");
    let form = task.dense().expect("described");
    let model = Model::<T>::with_arch(arch, form, theta.perceptron()).expect("layers that fit");
    let encoded: EncodedTarget<T> = model.encode(&target).expect("a target of the described form");
    let encoded = encoded.with_prior(super::prior_term(&prior_of(prior, task)));
    let mut batch = model.batch(0, z.size()[0] as usize);
    batch.z = numbers(z);
    model.evaluate(&encoded, &mut batch, &mut model.workspace(), usize::MAX);
    batch
}

fn assert_near<T: Real>(what: &str, got: &[T], expected: &Tensor, tolerance: f64) {
    let expected: Vec<f64> = numbers(expected);
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    for (got, expected) in got.iter().zip(&expected) {
        assert!((got.wide() - expected).abs() <= tolerance * scale, "{what}: {got:?}, by autograd {expected}");
    }
}

fn agree<T: Real>(loss: &str, theta: bool, shared: bool, beside: Beside, prior: f64, tolerance: f64) {
    let random = &mut StdRng::seed_from_u64(5);
    let task = body(loss, T::KIND);
    let shape = LandscapeShape { z: 60, x: 48, hidden: 70 };
    let drawn = || Landscape::random(&shape, 3, T::KIND, Device::Cpu).expect("positive widths");
    let landscape = if theta { drawn() } else { Landscape::identity(48) };
    let obs = observation(random, if shared { 1 } else { ROWS }, beside);
    compare::<T>(random, task.as_ref(), &landscape, &obs, prior, tolerance);
}

fn compare<T: Real>(
    random: &mut StdRng,
    task: &dyn Task,
    landscape: &Landscape,
    obs: &Observation,
    prior: f64,
    tolerance: f64,
) {
    let z = draws::normal(random, &[ROWS, landscape.dim()]).to_kind(T::KIND);
    let expected = by_autograd(task, landscape, obs, &z, prior);
    for arch in arches() {
        let got = natively::<T>(arch, task, landscape, obs, &z, prior);
        assert_near("x", &got.x, &expected.point.x, tolerance);
        assert_near("loss", &got.loss, &Tensor::from_slice(&expected.point.loss), tolerance);
        assert_near("gradient", &got.gradient, &expected.gradient, tolerance);
        assert_near("slope", &got.slope, &Tensor::from_slice(&expected.slope), 10.0 * tolerance);
    }
}

#[test]
fn losses_and_gradients_agree_with_autograd() {
    tch::set_num_threads(1);
    for (case, beside) in (0..16).flat_map(|case| Beside::ALL.map(|beside| (case, beside))) {
        let flag = |bit: u32| case >> bit & 1 == 1;
        let loss = if flag(0) { "axis_angle" } else { "rotation" };
        let prior = if flag(1) { 0.7 } else { 0.0 };
        agree::<f64>(loss, flag(2), flag(3), beside, prior, 1e-9);
        agree::<f32>(loss, flag(2), flag(3), beside, prior, 1e-4);
    }
}

#[test]
fn losses_of_bodies_anywhere_agree_with_autograd() {
    fn check<T: Real>(shared: bool, beside: Beside, tolerance: f64) {
        let random = &mut StdRng::seed_from_u64(8);
        let task = tracked("rotation", T::KIND, "mediapipe_33");
        let obs = anywhere(random, task.as_ref(), if shared { 1 } else { ROWS }, beside);
        compare::<T>(random, task.as_ref(), &Landscape::identity(48), &obs, 0.7, tolerance);
    }
    tch::set_num_threads(1);
    for beside in [Beside::Places, Beside::Both, Beside::PlacesAlone] {
        for shared in [false, true] {
            check::<f64>(shared, beside, 1e-9);
            check::<f32>(shared, beside, 1e-3);
        }
    }
}

#[test]
fn losses_of_bodies_in_clouds_agree_with_autograd() {
    fn check<T: Real>(shared: bool, beside: Beside, is_before: bool, tolerance: f64) {
        let random = &mut StdRng::seed_from_u64(9);
        let task = clouded(T::KIND, if shared { "" } else { "mediapipe_33" });
        let obs = around(random, task.as_ref(), if shared { 1 } else { ROWS }, beside, is_before);
        compare::<T>(random, task.as_ref(), &Landscape::identity(48), &obs, 0.7, tolerance);
    }
    tch::set_num_threads(1);
    for beside in [Beside::Places, Beside::Both, Beside::PlacesAlone] {
        for shared in [false, true] {
            check::<f64>(shared, beside, shared, 1e-7);
            check::<f64>(shared, beside, true, 1e-7);
            check::<f32>(shared, beside, true, 1e-2);
        }
    }
}

#[test]
fn losses_of_bodies_before_a_camera_agree_with_autograd() {
    fn check<T: Real>(shared: bool, beside: Beside, is_before: bool, tolerance: f64) {
        let random = &mut StdRng::seed_from_u64(10);
        let task = if shared { clouded(T::KIND, "joints") } else { tracked("rotation", T::KIND, "mediapipe_33") };
        let obs = beheld(random, task.as_ref(), if shared { 1 } else { ROWS }, beside, is_before);
        compare::<T>(random, task.as_ref(), &Landscape::identity(48), &obs, 0.7, tolerance);
    }
    tch::set_num_threads(1);
    for beside in [Beside::Places, Beside::Both, Beside::PlacesAlone] {
        for shared in [false, true] {
            check::<f64>(shared, beside, shared, 1e-7);
            check::<f64>(shared, beside, true, 1e-7);
            check::<f32>(shared, beside, true, 1e-2);
        }
    }
}

/// The Gauss-Newton matrix of rays, whose square root the residual's derivative is, natively and by autograd.
#[test]
fn steps_before_a_camera_are_those_of_autograd() {
    tch::set_num_threads(1);
    let random = &mut StdRng::seed_from_u64(11);
    let task = tracked("rotation", Kind::Double, "coco_17");
    let obs = beheld(random, task.as_ref(), 1, Beside::Both, true);
    let z = draws::normal(random, &[1, 48]).to_kind(Kind::Double) * 0.3;
    let landscape = Landscape::identity(48);
    let arch = arches()[0];
    let (gradient, moved) = damped_step::<f64>(arch, task.as_ref(), &landscape, &obs, &z);
    let target = task.encode(&obs).expect("a valid observation");
    let free = z.copy().set_requires_grad(true);
    let residual =
        task.objective(&task.forward(&free).expect("F"), &target).expect("fits").residual.expect("residuals");
    let rows: Vec<Tensor> = (0..residual.size()[1])
        .map(|row| Tensor::run_backward(&[residual.select(1, row).sum(Kind::Double)], &[&free], true, false).remove(0))
        .collect();
    let jacobian = Tensor::cat(&rows, 0);
    let square = jacobian.tr().matmul(&jacobian);
    let matrix = &square + Tensor::eye(48, (Kind::Double, Device::Cpu)) * square.trace() / 48.0;
    let by_x = Tensor::from_slice(&gradient).view([48, 1]) / 2.0;
    let expected = &z - Tensor::linalg_solve(&matrix, &by_x, true).view([1, 48]);
    assert_near("step", &moved, &expected, 1e-7);
}

/// Where a damped step leads from `z`, and the derivatives that it goes by.
fn damped_step<T: Real>(
    arch: Arch,
    task: &dyn Task,
    theta: &Landscape,
    obs: &Observation,
    z: &Tensor,
) -> (Vec<T>, Vec<T>) {
    let target = task.encode(obs).expect("a valid observation");
    let model = Model::<T>::with_arch(arch, task.dense().expect("described"), theta.perceptron()).expect("they fit");
    let encoded = model.encode(&target).expect("a target of the described form");
    let rows = z.size()[0] as usize;
    let (mut batch, mut space) =
        (model.linear_batch(0, rows), model.normal_space(encoded.equations(), (rows, rows), 0.0));
    batch.z = numbers(z);
    let work = &mut model.workspace();
    model.evaluate(&encoded, &mut batch, work, usize::MAX);
    model.linearise(&encoded, &mut batch, work, &mut space);
    let mut moved = batch.z.clone();
    let points = moved.chunks_exact_mut(model.dim()).zip(batch.by_x.chunks_exact(model.latent()));
    for ((z, by_x), linear) in points.zip(&batch.linear) {
        space.step(linear, by_x, 1.0, model.latent(), z);
    }
    (batch.gradient, moved)
}

#[test]
fn damped_steps_agree_on_all_vectors() {
    fn check<T: Real>(tolerance: f64) {
        let random = &mut StdRng::seed_from_u64(6);
        let shape = LandscapeShape { z: 60, x: 48, hidden: 70 };
        let drawn = Landscape::random(&shape, 3, T::KIND, Device::Cpu).expect("positive widths");
        let identity = Landscape::identity(48);
        for (theta, loss, keypoints) in [
            (&drawn, "rotation", ""),
            (&identity, "axis_angle", ""),
            (&identity, "rotation", "zed_body_38"),
            (&identity, "cloud", "joints"),
            (&identity, "rays", "openpose_body_25"),
        ] {
            let task = match loss {
                "cloud" => clouded(T::KIND, keypoints),
                "rays" => tracked("rotation", T::KIND, keypoints),
                _ => tracked(loss, T::KIND, keypoints),
            };
            let z = draws::normal(random, &[5, theta.dim()]).to_kind(T::KIND);
            let obs = match (loss, keypoints) {
                ("rays", _) => beheld(random, task.as_ref(), 1, Beside::Both, true),
                ("cloud", _) => around(random, task.as_ref(), 1, Beside::Both, true),
                (_, "") => observation(random, 1, Beside::Both),
                _ => anywhere(random, task.as_ref(), 1, Beside::Both),
            };
            let steps = arches().into_iter().map(|arch| damped_step::<T>(arch, task.as_ref(), theta, &obs, &z));
            let steps: Vec<_> = steps.collect();
            for (gradient, moved) in &steps[1..] {
                assert_near("gradient", gradient, &Tensor::from_slice(&steps[0].0), tolerance);
                assert_near("step", moved, &Tensor::from_slice(&steps[0].1), tolerance);
            }
        }
    }
    tch::set_num_threads(1);
    check::<f64>(1e-9);
    check::<f32>(1e-3);
}
