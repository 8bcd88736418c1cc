//! Every task keeps the contract: joints, points and images; the shipped weights, too.
//!
//! But for image_defence: central differences along 3,072 numbers of its shipped network take minutes, so the kit goes
//! through a small one (`plugins/image_defence/tests/defence.rs`).

use tch::{Device, Kind, Tensor};
use thalweg::Registry;
use thalweg_engine::gpu::{Gpu, GpuChoice, adapters};
use thalweg_engine::landscape::Landscape;
use thalweg_engine::{AdamConfig, Backend, BackendChoice, Engine, EngineConfig, LmConfig, Optimizer, pin_threads};
use thalweg_task::{Entry, LoadOptions, Observation, Root, Task, conformance, numbers};
use thalweg_tests::image::Blob;
use thalweg_tests::robot;

#[test]
fn planar_arm() {
    conformance::check(&thalweg_planar_arm::ENTRY.load, &LoadOptions::default()).assert_passed();
}

#[test]
fn body_pose() {
    for (loss, point_weight, keypoints, cloud_weight) in [
        ("rotation", 0.0, "", 0.0),
        ("axis_angle", 0.0, "", 0.0),
        ("rotation", 4.0, "", 0.0),
        ("rotation", 4.0, "joints", 0.0),
        ("axis_angle", 0.0, "mediapipe_33", 0.0),
        ("rotation", 0.0, "", 8.0),
    ] {
        let mut options = LoadOptions::default();
        options.parameters.insert("loss".to_owned(), loss.into());
        options.parameters.insert("point_weight".to_owned(), point_weight.into());
        options.parameters.insert("keypoints".to_owned(), keypoints.into());
        options.parameters.insert("cloud_weight".to_owned(), cloud_weight.into());
        conformance::check(&thalweg_body_pose::ENTRY.load, &options).assert_passed();
    }
}

/// Body poses from what a tracker sends, anywhere and of any size.
fn tracked(options: &LoadOptions) -> thalweg_task::Result<Box<dyn Task>> {
    let mut options = options.clone();
    options.parameters.insert("keypoints".to_owned(), "mediapipe_33".into());
    (thalweg_body_pose::ENTRY.load)(&options)
}

/// As [`tracked`], in a cloud besides.
fn clouded(options: &LoadOptions) -> thalweg_task::Result<Box<dyn Task>> {
    let mut options = options.clone();
    options.parameters.insert("cloud_weight".to_owned(), 8.0.into());
    options.parameters.insert("cloud_points".to_owned(), 100.into());
    tracked(&options)
}

/// Places of the points of a task, `[1, P, 3]`, of somebody else who is taller and stands elsewhere; some are hidden.
fn places(task: &dyn Task, x: &Tensor) -> Tensor {
    let points = task.render(&task.forward(x).expect("F")).expect("rendered").points.expect("points");
    let root =
        Root { position: [1.0, -2.0, 3.0], rotation: [0.5, -0.5, 0.5, 0.5], scale: 1.2, is_seen: true, misfit: 0.0 };
    let points = numbers::<f64>(&points);
    let points = points.as_chunks::<3>().0;
    let named = points.iter().enumerate();
    let named = named.map(|(at, point)| if at % 5 == 3 { [f64::NAN; 3] } else { root.place(*point) });
    // A cloud, where one is observed, some centimetres around them.
    let around = |at: usize| {
        let off = |axis: f64| 0.08 * (at as f64 * 2.3 + axis).sin();
        let [a, b, c] = points[at % points.len()];
        root.place([a + off(0.0), b + off(2.0), c + off(4.0)])
    };
    let cloud = task.spec().points.as_ref().map_or(0, |points| points.cloud);
    let places: Vec<[f64; 3]> = named.chain((0..cloud).map(around)).collect();
    Tensor::from_slice(places.as_flattened()).view([1, -1, 3])
}

#[test]
fn robot() {
    conformance::check(&thalweg_robot::ENTRY.load, &LoadOptions::default()).assert_passed();
}

#[test]
fn robot_with_every_type_of_joint() {
    conformance::check(&robot::load, &LoadOptions::default()).assert_passed();
}

#[test]
fn scripted() {
    conformance::check(&thalweg_scripted::ENTRY.load, &LoadOptions::default()).assert_passed();
}

#[test]
fn gan_inversion() {
    if thalweg_tests::fetched::gan() {
        conformance::check(&thalweg_gan_inversion::ENTRY.load, &LoadOptions::default()).assert_passed();
    }
}

#[test]
fn grey_images() {
    conformance::check(&|options| Blob::load(1, options), &LoadOptions::default()).assert_passed();
}

#[test]
fn colour_images() {
    conformance::check(&|options| Blob::load(3, options), &LoadOptions::default()).assert_passed();
}

/// Follows a descent on one backend: the points and losses of each step, and what it ran on.
fn descend(entry: &Entry, backend: BackendChoice, optimizer: &Optimizer) -> (Vec<f64>, Backend) {
    follow(entry, Kind::Double, (backend, None), optimizer)
}

/// As [`descend`], in an element type, and on a GPU where one is given.
fn follow(
    entry: &Entry,
    kind: Kind,
    (backend, gpu): (BackendChoice, Option<&Gpu>),
    optimizer: &Optimizer,
) -> (Vec<f64>, Backend) {
    const ROWS: i64 = 3;
    let task = (entry.load)(&LoadOptions { kind, ..LoadOptions::default() }).expect("a registered task");
    let (latent, joints) = (task.spec().latent, task.spec().joints.len() as i64);
    let wave = |size: i64, pace: f64| (Tensor::arange(size, (Kind::Double, Device::Cpu)) * pace).sin() * 0.5;
    // Every seventh joint is hidden; some tasks see several joints as one.
    let hidden = Tensor::arange(joints, (Kind::Int64, Device::Cpu)).remainder(7).eq(0);
    let mut observation = Observation::of_joints(&wave(joints, 1.3).masked_fill(&hidden, f64::NAN).view([1, joints]));
    if task.spec().points.as_ref().is_some_and(|points| points.frame.is_empty()) {
        observation.points =
            Observation::of_points(&places(task.as_ref(), &wave(latent, 0.9).view([1, latent]))).points;
    }
    let config = EngineConfig {
        hypotheses: ROWS as usize,
        fresh: 0,
        optimizer: optimizer.clone(),
        backend,
        ..Default::default()
    };
    let mut engine = Engine::new(task, Landscape::identity(latent), config).expect("task and options fit");
    if let Some(gpu) = gpu {
        engine.use_gpu(gpu).expect("dense layers in single precision");
    }
    engine.begin_from(&observation, &wave(ROWS * latent, 0.7).view([ROWS, latent])).expect("finite losses");
    let mut values = Vec::new();
    for _ in 0..4 {
        let solution = engine.solution().expect("begun");
        values.extend(Vec::<f64>::try_from(solution.z.flatten(0, -1)).expect("numbers"));
        values.extend_from_slice(&solution.loss);
        engine.refine().expect("no step fails");
    }
    (values, engine.backend())
}

#[test]
fn tasks_that_describe_their_layers_are_what_they_say() {
    pin_threads(1);
    let mut described = 0;
    // Beside what is shipped, a robot whose wheels turn without end, and a body in front of a camera.
    let registry = Registry::shipped()
        .with(Entry { name: "mixed", load: robot::load, ..thalweg_robot::ENTRY })
        .with(Entry { name: "tracked", load: tracked, ..thalweg_body_pose::ENTRY })
        .with(Entry { name: "clouded", load: clouded, ..thalweg_body_pose::ENTRY });
    for entry in registry.entries().iter().filter(|entry| entry.observes.joints) {
        let task = (entry.load)(&LoadOptions::default()).expect("a registered task");
        if task.dense().is_none() {
            continue;
        }
        described += 1;
        let damped = Optimizer::LevenbergMarquardt(LmConfig::default());
        for optimizer in [Some(Optimizer::default()), task.spec().residual.then_some(damped)].into_iter().flatten() {
            let (expected, tch) = descend(entry, BackendChoice::Tch, &optimizer);
            let (got, fused) = descend(entry, BackendChoice::Fused, &optimizer);
            assert_eq!((tch, fused), (Backend::Tch, Backend::Fused), "{}", entry.name);
            for (got, expected) in got.iter().zip(&expected) {
                let apart = (got - expected).abs() / expected.abs().max(1.0);
                assert!(apart < 1e-6, "{}, {}: {got} and {expected}", entry.name, optimizer.name());
            }
        }
    }
    assert!(described > 4, "body_pose, thrice, and both robots describe their layers");
}

/// On a GPU, in single precision: sines and cosines of wheels, and rotations.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn tasks_that_describe_their_layers_are_what_they_say_on_a_gpu() {
    if adapters().is_empty() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI a software adapter must be there");
        eprintln!("skipped: no GPU and no software in its place; tools/setup_graphics.sh --compute installs it");
        return;
    }
    pin_threads(1);
    let gpu = Gpu::open(&GpuChoice::Index(0)).expect("it is there");
    let registry = Registry::shipped().with(Entry { name: "mixed", load: robot::load, ..thalweg_robot::ENTRY });
    let steady = Optimizer::Adam(AdamConfig { rate: 0.02, epsilon: 1e-2, ..AdamConfig::default() });
    let mut described = 0;
    for entry in registry.entries().iter().filter(|entry| entry.observes.joints) {
        if (entry.load)(&LoadOptions::default()).expect("a registered task").dense().is_none() {
            continue;
        }
        described += 1;
        let (expected, native) = follow(entry, Kind::Float, (BackendChoice::Fused, None), &steady);
        let (got, on_gpu) = follow(entry, Kind::Float, (BackendChoice::Auto, Some(&gpu)), &steady);
        assert_eq!((native, on_gpu), (Backend::Fused, Backend::Gpu), "{}: {:?}", entry.name, gpu.trouble());
        for (got, expected) in got.iter().zip(&expected) {
            let apart = (got - expected).abs() / expected.abs().max(1.0);
            assert!(apart < 1e-4, "{}: {got} and {expected}", entry.name);
        }
    }
    assert!(described > 2, "body_pose and both robots describe their layers");
}
