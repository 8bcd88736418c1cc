//! Engines of all shipped tasks, of every form of loss and observation that they have.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use thalweg::{DeviceChoice, Plan, Registry};
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::start::Start;
use thalweg_engine::{Answer, Backend, BackendChoice, Engine, EngineConfig, LmConfig, Optimizer, pin_threads};
use thalweg_task::{LoadOptions, Masked, Observation, Task, models_folder, numbers, sampled};

use crate::double::{DEVICE, elsewhere};

/// A task with parameters of its own, on a device.
pub(crate) fn load(name: &str, parameters: &Value, device: Device) -> Box<dyn Task> {
    let parameters = parameters.as_object().cloned().unwrap_or_default();
    Registry::shipped().load(name, &LoadOptions { device, parameters, ..LoadOptions::default() }).unwrap()
}

/// What the task itself makes, on the processor, as a node has it; a fourth is hidden. A cloud lies around named points.
pub(crate) fn seen(task: &dyn Task, rows: usize) -> Observation {
    let mut obs = sampled(task, rows, &mut StdRng::seed_from_u64(3)).unwrap();
    obs = obs.map(|field| {
        let columns = field.value().size()[1];
        let mut shape = vec![1; field.value().size().len()];
        shape[1] = columns;
        field.hide(&Tensor::arange(columns, (Kind::Int64, Device::Cpu)).remainder(4).ne(1).view(shape.as_slice()))
    });
    let spec = task.spec().points.as_ref().filter(|spec| spec.cloud > 0);
    if let (Some(spec), Some(points)) = (spec, &obs.points) {
        let (named, cloud) = (spec.names.len() as i64, spec.cloud as i64);
        let index = Tensor::arange(cloud, (Kind::Int64, Device::Cpu));
        let off = (index.view([1, -1, 1]) * 2.3 + Tensor::arange(3, (Kind::Double, Device::Cpu))).sin() * 0.05;
        let around = points.value().narrow(1, 0, named).index_select(1, &index.remainder(named));
        let around = around + off.to_kind(task.spec().kind);
        obs.points = Some(Masked::new(&Tensor::cat(&[points.with_nan().narrow(1, 0, named), around], 1)));
    }
    obs
}

/// The double refuses what a card refuses, and counts as it should.
#[test]
fn a_tensor_of_the_processor_is_refused() {
    elsewhere("engines::a_tensor_of_the_processor_is_refused", || {
        let (here, there) = (Tensor::from_slice(&[1.0, 2.0]), Tensor::from_slice(&[3.0, 4.0]).to_device(DEVICE));
        assert_eq!((here.device(), there.device()), (Device::Cpu, DEVICE));
        let error = there.f_add(&here).unwrap_err().to_string();
        assert!(error.contains("Expected all tensors to be on the same device"), "{error}");
        let error = there.f_searchsorted(&here, false, false, "", None::<&Tensor>).unwrap_err().to_string();
        assert!(error.contains("a tensor of the processor, [2], in aten::"), "{error}");
        let sum: Tensor = (&there + here.to_device(DEVICE)) * 2.0 + here.sum(Kind::Double);
        assert_eq!((sum.device(), numbers::<f64>(&sum.view([2]))), (DEVICE, vec![11.0, 15.0]));
        let leaf = Tensor::from_slice(&[3.0, 4.0]).to_device(DEVICE).set_requires_grad(true);
        (&leaf * &leaf).sum(Kind::Double).backward();
        assert_eq!((leaf.grad().device(), numbers::<f64>(&leaf.grad())), (DEVICE, vec![6.0, 8.0]));
    });
}

/// How to search.
#[derive(Clone, Copy, Debug)]
enum Search {
    /// In z of a random landscape.
    Landscape,
    /// In x.
    Latent,
    /// In x, from the steps of the shipped landscape.
    Start,
}

/// A few steps by libtorch: best points and losses, with what is rendered of them.
fn solve((name, parameters): (&str, &Value), device: Device, optimizer: &Optimizer, search: Search) -> Vec<f64> {
    let obs = seen(load(name, parameters, Device::Cpu).as_ref(), 1);
    let task = load(name, parameters, device);
    let spec = task.spec().clone();
    assert_eq!(spec.device, device);
    let landscape = match search {
        Search::Landscape => Landscape::random(&LandscapeShape::for_latent(spec.latent), 1, spec.kind, device).unwrap(),
        Search::Latent | Search::Start => Landscape::identity(spec.latent),
    };
    let theta = models_folder().join(format!("{name}_theta.safetensors"));
    let start = matches!(search, Search::Start).then(|| Start::trained(&theta, &spec, &landscape).unwrap());
    let (optimizer, backend) = (optimizer.clone(), BackendChoice::Tch);
    let config = EngineConfig { hypotheses: 4, fresh: 1, optimizer, backend, ..EngineConfig::default() };
    let mut engine = Engine::new(task, landscape, config).unwrap();
    if let Some(start) = start {
        engine.set_start(start).unwrap();
    }
    let mut found = Vec::new();
    // The second time with a warm start, out of a memory that was taken out.
    for _ in 0..2 {
        engine.begin(&obs).unwrap();
        for _ in 0..3 {
            engine.refine().unwrap();
        }
        assert_eq!(engine.backend(), Backend::Tch);
        let solution = engine.solution().unwrap();
        found.extend_from_slice(&solution.loss);
        found.extend(numbers::<f64>(&solution.x));
        let answer = Answer::of(&mut engine, std::time::Duration::ZERO).unwrap();
        found.extend(answer.joints.iter().flatten());
        found.extend(answer.points.iter().flatten().flatten());
        let memory = engine.take_memory();
        engine.recall(memory).unwrap();
    }
    found
}

/// Holds each method on the device to the same on the processor.
fn compare(name: &str, parameters: &Value) {
    pin_threads(1);
    let task = load(name, parameters, Device::Cpu);
    // What else differs between searches is not the parameters' matter.
    let (is_plain, has_steps) = (parameters.is_null(), name == "body_pose" && parameters.is_null());
    let damped = Optimizer::LevenbergMarquardt(LmConfig::default());
    let optimizers = [Some(Optimizer::default()), task.spec().residual.then_some(damped)];
    for optimizer in optimizers.into_iter().flatten() {
        let searches =
            [Some(Search::Latent), is_plain.then_some(Search::Landscape), has_steps.then_some(Search::Start)];
        for search in searches.into_iter().flatten() {
            let solve = |device| solve((name, parameters), device, &optimizer, search);
            let (there, here) = (solve(DEVICE), solve(Device::Cpu));
            assert!(there.len() == here.len() && there.len() > 20);
            let apart = there.iter().zip(&here).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max);
            assert!(apart < 1e-3, "{name} {parameters}, {}, {search:?}: {apart}", optimizer.name());
        }
    }
}

#[test]
fn body_pose() {
    elsewhere("engines::body_pose", || {
        compare("body_pose", &Value::Null);
        compare("body_pose", &json!({"loss": "axis_angle"}));
        compare("body_pose", &json!({"point_weight": 4.0}));
        compare("body_pose", &json!({"keypoints": "mediapipe_33"}));
        compare("body_pose", &json!({"keypoints": "mediapipe_33", "cloud_weight": 8.0, "cloud_points": 60}));
    });
}

#[test]
fn robots() {
    elsewhere("engines::robots", || {
        compare("robot", &Value::Null);
        compare("robot", &json!({"point_weight": 4.0}));
        compare("robot", &json!({"point_weight": 4.0, "cloud_weight": 8.0, "cloud_points": 60}));
        compare("planar_arm", &Value::Null);
    });
}

#[test]
fn scripted() {
    elsewhere("engines::scripted", || compare("scripted", &json!({"task": "hand"})));
}

#[test]
fn images() {
    elsewhere("engines::images", || {
        compare("image_defence", &Value::Null);
        if thalweg_tests::fetched::gan() {
            compare("gan_inversion", &Value::Null);
        }
    });
}

/// A stream as a node solves it, with time: joints that fall silent, a start, what is reported of them.
fn stream(device: DeviceChoice) -> Vec<f64> {
    let builder = thalweg::load("body_pose").unwrap().device(device).optimizer(Optimizer::default());
    let mut inverter = builder.steps(3).build().unwrap();
    let joints: Vec<String> = inverter.loaded().spec.joints.iter().map(|joint| joint.name.clone()).collect();
    let mut found = Vec::new();
    for frame in 0..4i64 {
        let mut seen = inverter.observe().stamp_nanos(1 + frame * 100_000_000);
        for (index, joint) in joints.iter().enumerate().filter(|(index, _)| frame < 2 || index % 5 > 0) {
            seen = seen.joint(joint, 0.3 * (index as f64 * 1.3 + frame as f64 * 0.1).sin()).unwrap();
        }
        let solved = inverter.solve(&seen).unwrap();
        found.extend_from_slice(solved.best().joints());
    }
    found
}

#[test]
fn streams() {
    elsewhere("engines::streams", || {
        pin_threads(1);
        // On the processor it runs natively.
        let (there, here) = (stream(DeviceChoice::Auto), stream(DeviceChoice::Cpu));
        let apart = there.iter().zip(&here).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(there.len() == here.len() && apart < 1e-3, "{apart}");
        let plan = Plan::of(Registry::shipped(), "body_pose");
        let mut plan = Plan { automatic_gpu: true, gpu: DeviceChoice::Auto.gpu().cloned(), ..plan };
        plan.options.device = Plan::device(&DeviceChoice::Auto).unwrap();
        let (engine, loaded) = plan.load().unwrap();
        assert_eq!((loaded.spec.device, engine.backend(), loaded.gpu_trial), (DEVICE, Backend::Tch, None));
    });
}
