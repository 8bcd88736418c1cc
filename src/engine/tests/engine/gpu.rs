//! A GPU gives the same as libtorch and as the native backend. On a machine without one it is lavapipe, software.
//!
//! Needs an adapter (`tools/setup_graphics.sh --compute`); without one a test says that it is skipped, and fails where
//! `CI=true`.

use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg::clock::ManualClock;
use thalweg_engine::gpu::{Gpu, GpuChoice, GpuError, adapters};
use thalweg_engine::landscape::{Landscape, LandscapeShape, Steps};
use thalweg_engine::start::Start;
use thalweg_engine::{
    AdamConfig, Backend, BackendChoice, Budget, Cadence, Engine, EngineConfig, Optimizer, Solution, Statistics,
};
use thalweg_task::{LoadOptions, Observation, draws, models_folder};

use crate::backends::{Case, Layers, cases, steep};
use crate::doubles::observe;
use crate::{adam, assert_close, bits, config, setup, values};

/// A device of its own, for one that is lost must not touch another test.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn device() -> Option<Gpu> {
    if adapters().is_empty() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI a software adapter must be there");
        eprintln!("skipped: no GPU and no software in its place; tools/setup_graphics.sh --compute installs it");
        return None;
    }
    setup();
    Some(Gpu::open(&GpuChoice::Index(0)).expect("it is there"))
}

/// Those by Adam; every second one, for a driver in software compiles a shader for each.
fn some_cases(bodies: bool) -> Vec<Case> {
    let all = cases(Kind::Float, bodies).into_iter().filter(|case| matches!(case.optimizer, Optimizer::Adam(_)));
    all.step_by(2).collect()
}

#[test]
fn random_layers() {
    let Some(gpu) = device() else { return };
    some_cases(false).iter().for_each(|case| case.compare_on(&gpu, 1e-4));
}

#[test]
fn bodies() {
    let Some(gpu) = device() else { return };
    some_cases(true).iter().for_each(|case| case.compare_on(&gpu, 1e-4));
}

/// An engine whose latent is that of random layers, on a GPU or natively.
fn layered(gpu: Option<&Gpu>, landscape: Landscape, config: EngineConfig) -> Engine {
    setup();
    let task = Layers::new(&[6, 24, 9], Kind::Float, &mut StdRng::seed_from_u64(5));
    let mut engine = Engine::new(Box::new(task), landscape, config).expect("they fit");
    if let Some(gpu) = gpu {
        engine.use_gpu(gpu).expect("dense layers in single precision");
    }
    engine
}

fn seen() -> Observation {
    observe(&[&[0.3, f64::NAN, -0.4, 0.1, 0.5, f64::NAN, 0.2, -0.7, 0.6]])
}

/// A step of a landscape with the unit matrix for a metric tells the gradient: `z_1 = z_0 - J' dL/dx + offset`.
#[test]
fn gradients() {
    let Some(gpu) = device() else { return };
    let shape = LandscapeShape { z: 7, x: 6, hidden: 20 };
    let unit = Tensor::eye(6, (Kind::Float, Device::Cpu)).unsqueeze(0).repeat([2, 1, 1]);
    let mut random = StdRng::seed_from_u64(3);
    let codes = draws::normal(&mut random, &[3, 7]).to_kind(Kind::Float);
    let random = Landscape::random(&shape, 8, Kind::Float, Device::Cpu).expect("positive widths");
    let steps = || Steps::new(unit.shallow_clone(), codes.shallow_clone(), codes.narrow(0, 0, 0));
    let path = |gpu: Option<&Gpu>, backend| {
        let config = EngineConfig { backend, ..config(5, adam(0.1)) };
        let landscape = random.shallow_clone().with_steps(steps()).expect("they fit");
        let mut engine = layered(gpu, landscape, config);
        let path = Arc::new(Mutex::new(crate::Path::default()));
        engine.add_observer(Cadence::Always, Box::new(Arc::clone(&path)));
        engine.begin(&seen()).expect("begun");
        for _ in 0..2 {
            engine.refine().expect("a step");
        }
        let found = path.lock().expect("nobody panicked").0.concat();
        (engine.backend(), found)
    };
    let (tch, native, on_gpu) =
        (path(None, BackendChoice::Tch), path(None, BackendChoice::Fused), path(Some(&gpu), BackendChoice::Auto));
    assert_eq!((tch.0, native.0, on_gpu.0), (Backend::Tch, Backend::Fused, Backend::Gpu));
    assert!(tch.1.iter().any(|moved| moved.abs() > 0.1), "{:?}", tch.1);
    assert_close(&on_gpu.1, &tch.1, 1e-4);
    assert_close(&on_gpu.1, &native.1, 1e-4);
}

fn same(one: &Solution, other: &Solution, tolerance: f64) {
    assert_eq!(one.statistics, other.statistics);
    assert_close(&values(&one.z), &values(&other.z), tolerance);
    assert_close(&values(&one.y_hat), &values(&other.y_hat), tolerance);
    assert_close(&one.loss, &other.loss, tolerance);
}

/// Steps that are done at once are those that are done one by one, to the bit, in a stream with warm starts.
#[test]
fn one_submission_is_as_good_as_many() {
    let Some(gpu) = device() else { return };
    let engine = || layered(Some(&gpu), Landscape::identity(6), config(6, adam(0.1)));
    let (mut at_once, mut one_by_one) = (engine(), engine());
    let clock = ManualClock::default();
    for pace in [0.7, 0.2, -0.4] {
        let obs = observe(&[&[0.3, f64::NAN, pace, 0.1, 0.5, f64::NAN, 0.2, -0.7, 0.6]]);
        let solution = at_once.solve(&obs, &Budget::of_steps(7), &clock).expect("solved");
        assert_eq!(solution.statistics, Statistics { steps: 7, evaluations: 8, diverged: 0 });
        let (z, loss) = (bits(&solution.z), solution.loss.clone());
        one_by_one.begin(&obs).expect("begun");
        for _ in 0..7 {
            one_by_one.refine().expect("a step");
        }
        let other = one_by_one.solution().expect("begun");
        assert_eq!((z, loss), (bits(&other.z), other.loss.clone()));
    }
}

/// The same engine twice, and hypotheses in any company, give the same bits.
#[test]
fn one_device_always_gives_the_same_bits() {
    let Some(gpu) = device() else { return };
    let run = |hypotheses: usize| {
        let mut engine = layered(Some(&gpu), Landscape::identity(6), config(hypotheses, adam(0.1)));
        let z = draws::normal(&mut StdRng::seed_from_u64(2), &[9, 6]).narrow(0, 0, hypotheses as i64);
        engine.begin_from(&seen(), &z).expect("begun");
        for _ in 0..20 {
            engine.refine().expect("a step");
        }
        let solution = engine.solution().expect("begun");
        let mut rows: Vec<_> = (0..hypotheses as i64).map(|row| bits(&solution.z.get(row))).collect();
        rows.sort();
        rows
    };
    let all = run(9);
    assert_eq!(all, run(9));
    assert!(run(1).iter().chain(&run(6)).all(|row| all.contains(row)));
}

/// Rows that break are drawn anew, counted and go on as on the other backends.
#[test]
fn trouble_is_met_in_the_same_way() {
    let Some(gpu) = device() else { return };
    let observation = observe(&[&[0.5, 1.0]]);
    let run = |gpu: Option<&Gpu>, at_once: bool| {
        let mut engine = crate::engine(steep(), EngineConfig { seed: 4, ..config(6, adam(0.5)) });
        if let Some(gpu) = gpu {
            engine.use_gpu(gpu).expect("dense layers in single precision");
        }
        if at_once {
            engine.solve(&observation, &Budget::of_steps(5), &ManualClock::default()).expect("a start");
        } else {
            engine.begin(&observation).expect("a start");
            for _ in 0..5 {
                engine.refine().expect("a step");
            }
        }
        let backend = engine.backend();
        let solution = engine.solution().expect("begun");
        (backend, solution.statistics, values(&solution.z))
    };
    let (native, one_by_one, at_once) = (run(None, false), run(Some(&gpu), false), run(Some(&gpu), true));
    assert_eq!((native.0, at_once.0), (Backend::Fused, Backend::Gpu));
    assert!(native.1.diverged > 0, "{:?}", native.1);
    assert_eq!(native.1, one_by_one.1);
    assert_close(&native.2, &one_by_one.2, 1e-4);
    assert_eq!((one_by_one.1, one_by_one.2), (at_once.1, at_once.2));
}

/// The shipped body with its start: theta's steps and the descent after them, warm starts and what is hidden.
#[test]
fn a_body_with_its_start() {
    let Some(gpu) = device() else { return };
    let engine = |gpu: Option<&Gpu>| {
        let task = (thalweg_body_pose::ENTRY.load)(&LoadOptions::default()).expect("the shipped weights");
        let spec = task.spec().clone();
        let landscape = Landscape::identity(spec.latent);
        let theta = models_folder().join("body_pose_theta.safetensors");
        let start = Start::trained(&theta, &spec, &landscape).expect("the shipped landscape");
        let steady = Optimizer::Adam(AdamConfig { rate: 0.05, epsilon: 1e-2, ..AdamConfig::default() });
        let mut engine = Engine::new(task, landscape, config(8, steady)).expect("they fit");
        engine.set_start(start).expect("it fits");
        if let Some(gpu) = gpu {
            engine.use_gpu(gpu).expect("dense layers in single precision");
        }
        engine
    };
    let (mut native, mut on_gpu) = (engine(None), engine(Some(&gpu)));
    for pace in [1.3f32, 1.31, 2.2] {
        let mut angles: Vec<f32> = (0..63u8).map(|index| 0.4 * (f32::from(index) * pace).sin()).collect();
        angles[45..57].fill(f32::NAN);
        let obs = Observation::of_joints(&Tensor::from_slice(&angles).view([1, 63]));
        let clock = ManualClock::default();
        native.solve(&obs, &Budget::of_steps(5), &clock).expect("solved");
        on_gpu.solve(&obs, &Budget::of_steps(5), &clock).expect("solved");
        assert_eq!(on_gpu.gpu_trouble(), None);
        assert_eq!((native.backend(), on_gpu.backend()), (Backend::Fused, Backend::Gpu));
        same(on_gpu.solution().expect("begun"), native.solution().expect("begun"), 1e-3);
    }
    assert_eq!(on_gpu.gpu_trouble(), None);
}

#[test]
fn a_lost_device_is_a_status_and_the_solve_goes_on_natively() {
    let Some(gpu) = device() else { return };
    let mut engine = layered(Some(&gpu), Landscape::identity(6), config(5, adam(0.1)));
    engine.begin(&seen()).expect("begun");
    engine.refine().expect("a step");
    assert_eq!((engine.backend(), engine.gpu_trouble()), (Backend::Gpu, None));
    let before = engine.solution().expect("begun").loss[0];
    gpu.destroy();
    engine.refine().expect("it goes on");
    assert_eq!(engine.backend(), Backend::Fused);
    assert!(matches!(engine.gpu_trouble(), Some(GpuError::Lost(_))), "{:?}", engine.gpu_trouble());
    let after = engine.solution().expect("begun").loss[0];
    assert!(after <= before + 1e-6, "{before} {after}");
    // Nor does the next solve fail, nor a landscape that is changed.
    engine.solve(&seen(), &Budget::of_steps(3), &ManualClock::default()).expect("solved");
    engine.set_landscape(Landscape::identity(6)).expect("it fits");
    engine.begin(&seen()).expect("begun");
    assert_eq!(engine.backend(), Backend::Fused);
    assert!(engine.use_gpu(&gpu).is_err());
}
