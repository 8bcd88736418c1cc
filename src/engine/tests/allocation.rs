//! A native descent allocates nothing between its first step and its last, on any of its threads, and little at its
//! start; one by libtorch the same few at each step.
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use tch::{Device, Kind, Tensor};
use thalweg_engine::landscape::{Landscape, LandscapeShape, Steps};
use thalweg_engine::start::Start;
use thalweg_engine::{Backend, BackendChoice, Engine, EngineConfig, LmConfig, Optimizer, pin_threads};
use thalweg_task::{LoadOptions, Observation, models_folder};

/// Most allocations of the start of a solve, those inside libtorch not counted. Measured: 61 to 68, with places.
const MOST_AT_START: usize = 72;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// What all threads together have asked for.
static ALL: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting on each thread what is asked of it.
struct Counting;

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        ALL.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps what this asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(run: impl FnOnce()) -> usize {
    let before = COUNT.get();
    run();
    COUNT.get() - before
}

/// The least that all threads allocate in some runs: a run may coincide with what another test does.
fn count_all(mut run: impl FnMut()) -> usize {
    let once = |_| {
        let before = ALL.load(Ordering::Relaxed);
        run();
        ALL.load(Ordering::Relaxed) - before
    };
    (0..20).map(once).min().unwrap_or(usize::MAX)
}

/// Angles of a body of which an arm is hidden, and places of some joints.
fn observation(pace: f32) -> Observation {
    let mut angles: Vec<f32> = (0..63u8).map(|index| 0.4 * (f32::from(index) * pace).sin()).collect();
    angles[45..57].fill(f32::NAN);
    let mut places: Vec<f32> = (0..66u8).map(|index| 0.5 * (f32::from(index) * pace).cos()).collect();
    places[..30].fill(f32::NAN);
    let points = Observation::of_points(&Tensor::from_slice(&places).view([1, 22, 3])).points;
    Observation { points, ..Observation::of_joints(&Tensor::from_slice(&angles).view([1, 63])) }
}

fn engine(optimizer: Optimizer, with_theta: bool, threads: usize) -> Engine {
    let mut options = LoadOptions::default();
    options.parameters.insert("point_weight".to_owned(), 4.0.into());
    let task = (thalweg_body_pose::ENTRY.load)(&options).expect("the shipped weights");
    let landscape = if with_theta {
        let shape = LandscapeShape::for_latent(task.spec().latent);
        Landscape::random(&shape, 1, Kind::Float, Device::Cpu).expect("positive widths")
    } else {
        Landscape::identity(task.spec().latent)
    };
    let (backend, prior_weight) = (BackendChoice::Fused, 0.1);
    let config = EngineConfig { optimizer, threads, backend, prior_weight, ..Default::default() };
    Engine::new(task, landscape, config).expect("task, landscape and options fit")
}

#[test]
fn steps_allocate_nothing_and_starts_little() {
    pin_threads(1);
    let damped = Optimizer::LevenbergMarquardt(LmConfig::default());
    let reusing = Optimizer::LevenbergMarquardt(LmConfig { reuse: 0.1, ..LmConfig::default() });
    for (optimizer, with_theta) in [
        (Optimizer::default(), true),
        (damped.clone(), false),
        (damped, true),
        (reusing.clone(), false),
        (reusing, true),
    ] {
        let mut engine = engine(optimizer, with_theta, 1);
        for pace in [1.3, 1.7, 2.1] {
            engine.begin(&observation(pace)).expect("finite losses");
            engine.refine().expect("a step");
        }
        assert_eq!(engine.backend(), Backend::Fused);
        let steps = count(|| {
            (0..20).for_each(|_| {
                engine.refine().expect("a step");
            });
        });
        assert_eq!(steps, 0, "{:?}", engine.config().optimizer);
        let obs = observation(1.1);
        let begin = count(|| engine.begin(&obs).expect("finite losses"));
        assert!(begin <= MOST_AT_START, "{begin} allocations, {:?}", engine.config().optimizer);
    }
}

/// Most allocations of a start by theta's own steps, those inside libtorch not counted; examples looked up among them.
const MOST_WITH_STEPS: usize = 150;

#[test]
fn a_start_by_own_steps_and_examples_allocates_no_more_with_time() {
    pin_threads(1);
    let mut engine = engine(Optimizer::LevenbergMarquardt(LmConfig::default()), false, 1);
    let theta = models_folder().join("body_pose_theta.safetensors");
    let start = Start::trained(&theta, engine.task().spec(), engine.landscape()).expect("the shipped landscape");
    assert!(start.landscape().and_then(Landscape::steps).and_then(Steps::exemplars).is_some(), "it has examples");
    engine.set_start(start).expect("it fits");
    let mut begin = |pace: f32| {
        let obs = observation(pace);
        let began = count(|| engine.begin(&obs).expect("finite losses"));
        engine.refine().expect("a step");
        began
    };
    let counts = [1.3, 1.7, 2.1, 1.1].map(&mut begin);
    assert_eq!(counts[2], counts[3], "{counts:?}");
    assert!(counts[3] <= MOST_WITH_STEPS, "{counts:?}");
    let steps = count(|| {
        (0..5).for_each(|_| {
            engine.refine().expect("a step");
        });
    });
    assert_eq!(steps, 0);
}

#[test]
fn steps_on_several_threads_allocate_nothing() {
    pin_threads(1);
    let damped = Optimizer::LevenbergMarquardt(LmConfig::default());
    for (optimizer, with_theta) in [(Optimizer::default(), true), (damped.clone(), false), (damped, true)] {
        let mut engine = engine(optimizer, with_theta, 3);
        engine.begin(&observation(1.3)).expect("finite losses");
        engine.refine().expect("a step");
        let steps = count_all(|| {
            engine.refine().expect("a step");
        });
        assert_eq!(steps, 0, "{:?}", engine.config().optimizer);
    }
}

/// Most allocations of a step of a convolutional task by libtorch, those inside it not counted: shapes and losses, a few
/// dozen bytes each. Measured: 53.
const MOST_BY_LIBTORCH: usize = 60;

#[test]
fn steps_of_a_convolutional_task_allocate_the_same_few_each() {
    pin_threads(1);
    let task =
        thalweg::Registry::shipped().load("image_defence", &LoadOptions::default()).expect("the shipped weights");
    let (landscape, image) = (Landscape::identity(task.spec().latent), task.spec().image.expect("it reads images"));
    let config = EngineConfig { hypotheses: 2, fresh: 0, ..EngineConfig::default() };
    let mut engine = Engine::new(task, landscape, config).expect("options are in range");
    let pixels: Vec<f32> = (0..3 * image.height * image.width).map(|place| (place % 97) as f32 / 97.0).collect();
    let image = Tensor::from_slice(&pixels).view([1, 3, image.height, image.width]);
    let obs = Observation::of_image(&image);
    engine.begin(&obs).expect("finite losses");
    let mut step = || {
        count(|| {
            engine.refine().expect("a step");
        })
    };
    step();
    let counts = [(); 6].map(|()| step());
    assert_eq!(engine.backend(), Backend::Tch);
    assert!(counts.iter().all(|count| *count == counts[0] && *count <= MOST_BY_LIBTORCH), "{counts:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "allocations of another thread have to count")]
fn the_counters_count() {
    let boxed = || drop(std::hint::black_box(Box::new(3)));
    assert_eq!(count(boxed), 1);
    assert!(count_all(boxed) >= 1);
    assert!(count_all(|| std::thread::spawn(boxed).join().expect("it ends")) >= 1);
}
