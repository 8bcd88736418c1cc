//! Landscapes with steps of their own: where they lead, how they are kept, what is refused.

use tch::{Device, Kind, Tensor};
use thalweg_engine::landscape::{Landscape, LandscapeError, LandscapeShape, Steps};
use thalweg_engine::start::Start;
use thalweg_engine::{BackendChoice, Budget, Engine, EngineConfig, EngineError};
use thalweg_task::{LoadOptions, Observation, Task};

use crate::{adam, assert_close, bits, config, levenberg_marquardt, setup, values, with_own_steps};

const SHAPE: LandscapeShape = LandscapeShape { z: 5, x: 3, hidden: 8 };

fn arm(kind: Kind) -> Box<dyn Task> {
    setup();
    let options = LoadOptions { kind, ..LoadOptions::default() };
    thalweg::Registry::shipped().load("planar_arm", &options).expect("it needs no file")
}

fn landscape(kind: Kind) -> Landscape {
    with_own_steps(&Landscape::random(&SHAPE, 3, kind, Device::Cpu).expect("positive widths"), 2)
}

fn seen() -> Observation {
    Observation::of_joints(&Tensor::from_slice(&[0.4, f64::NAN, -0.3]).view([1, 3]))
}

fn engine(landscape: Landscape, hypotheses: usize) -> Engine {
    Engine::new(arm(Kind::Double), landscape, config(hypotheses, adam(0.1))).expect("they fit")
}

/// `z - J' M dL/dx`, by autograd on all of it at once.
fn next(task: &dyn Task, landscape: &Landscape, z: &Tensor, step: i64) -> Tensor {
    let z = z.copy().set_requires_grad(true);
    let (x, target) = (landscape.map(&z), task.encode(&seen()).expect("an observation"));
    let leaf = x.detach().set_requires_grad(true);
    let loss = task.objective(&task.forward(&leaf).expect("x"), &target).expect("y").loss;
    loss.sum(Kind::Double).backward();
    let by_x = leaf.grad().matmul(&landscape.steps().expect("it has steps").metric().get(step));
    (x * by_x).sum(Kind::Double).backward();
    z.detach() - z.grad()
}

#[test]
fn a_cold_descent_goes_the_steps_and_then_the_optimizers() {
    let (task, landscape) = (arm(Kind::Double), landscape(Kind::Double));
    let mut engine = engine(landscape.shallow_clone(), 3);
    engine.begin(&seen()).expect("begun");
    let steps = landscape.steps().expect("it has steps");
    let origin = Tensor::zeros([3, SHAPE.z], (Kind::Double, Device::Cpu));
    let codes = steps.code_of_each(3);
    assert!(codes.get(0).abs().max().double_value(&[]) == 0.0 && codes.get(1).abs().max().double_value(&[]) > 0.1);
    let first = next(task.as_ref(), &landscape, &origin, 0) + codes.matmul(steps.codes()) + steps.gaps().get(1);
    let second = next(task.as_ref(), &landscape, &first, 1);
    let path = std::sync::Arc::new(std::sync::Mutex::new(crate::Path::default()));
    engine.add_observer(thalweg_engine::Cadence::Always, Box::new(std::sync::Arc::clone(&path)));
    for _ in 0..3 {
        engine.refine().expect("a step");
    }
    let path = path.lock().expect("nobody panicked");
    assert_close(&path.0[0], &values(&first), 1e-9);
    assert_close(&path.0[1], &values(&second), 1e-9);
    // Adam's first step moves every coordinate by its rate.
    let moved: Vec<f64> = path.0[2].iter().zip(values(&second)).map(|(new, old)| (new - old).abs()).collect();
    assert_close(&moved, &vec![0.1; moved.len()], 1e-3);
}

#[test]
fn a_warm_descent_goes_on_from_where_the_last_one_ended() {
    let mut engine = engine(landscape(Kind::Double), 2);
    let budget = Budget::of_steps(6);
    let clock = thalweg::clock::ManualClock::default();
    let before = engine.solve(&seen(), &budget, &clock).expect("solved").loss.clone();
    engine.begin(&seen()).expect("begun");
    let after = engine.solution().expect("begun").loss.clone();
    assert_close(&after, &before, 1e-9);
}

#[test]
fn rows_that_each_have_their_own_observation_get_the_code_of_least_error() {
    let mut engine = engine(landscape(Kind::Double), 2);
    let both = Observation::joined(&[&seen(), &seen()]);
    engine.begin(&both).expect("begun");
    engine.refine().expect("a step");
    let solution = engine.solution().expect("begun");
    assert_close(&values(&solution.x.get(0)), &values(&solution.x.get(1)), 1e-12);
}

#[test]
fn as_a_start_the_steps_lead_to_where_the_search_in_x_begins() {
    for (kind, backend, tolerance) in [
        (Kind::Double, BackendChoice::Tch, 1e-9),
        (Kind::Double, BackendChoice::Auto, 1e-9),
        (Kind::Float, BackendChoice::Auto, 1e-4),
    ] {
        let landscape = landscape(kind);
        let config = EngineConfig { backend, start_weight: 0.5, ..config(4, levenberg_marquardt()) };
        let mut by_hand =
            Engine::new(arm(kind), landscape.shallow_clone(), EngineConfig { optimizer: adam(0.1), ..config.clone() })
                .expect("they fit");
        by_hand.begin(&seen()).expect("begun");
        for _ in 0..2 {
            by_hand.refine().expect("a step");
        }
        let mut engine = Engine::new(arm(kind), Landscape::identity(3), config).expect("they fit");
        engine.set_start(Start::of_steps(landscape).expect("it has steps")).expect("it leads to x");
        let path = std::sync::Arc::new(std::sync::Mutex::new(crate::Begun::default()));
        engine.add_observer(thalweg_engine::Cadence::Always, Box::new(std::sync::Arc::clone(&path)));
        engine.begin(&seen()).expect("begun");
        // The best that each has met; rows of a solution are ranked, so each row is found by its loss.
        let best = by_hand.solution().expect("begun").x.shallow_clone();
        let got = Tensor::from_slice(&path.lock().expect("nobody panicked").0).view([4, 3]);
        let apart = (got.unsqueeze(1) - best.to_kind(Kind::Double).unsqueeze(0)).abs().amax([2], false);
        assert!(
            apart.amin([1], false).max().double_value(&[]) < tolerance
                && apart.amin([0], false).max().double_value(&[]) < tolerance
        );
        let first = engine.solution().expect("begun").loss[0];
        engine.refine().expect("a step");
        assert!(engine.solution().expect("begun").loss[0] <= first);
    }
}

#[test]
fn a_file_brings_the_steps_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("theta.safetensors");
    let (task, landscape) = (arm(Kind::Float), landscape(Kind::Float));
    landscape.save(&path, task.spec(), &[]).expect("written");
    let back = Landscape::trained(&path, task.spec()).expect("read");
    assert_eq!(back.id(), landscape.id());
    let z = Tensor::arange(10, (Kind::Float, Device::Cpu)).sin().view([2, 5]);
    assert_eq!(bits(&back.map(&z)), bits(&landscape.map(&z)));
    let (steps, expected) = (back.steps().expect("it has steps"), landscape.steps().expect("it has steps"));
    assert_eq!(bits(steps.metric()), bits(expected.metric()));
    assert_eq!(bits(steps.codes()), bits(expected.codes()));
    assert_eq!(bits(steps.gaps()), bits(expected.gaps()));
    let start = Start::trained(&path, task.spec(), &Landscape::identity(3)).expect("a start in x");
    assert_eq!((start.id(), start.dim(), start.code()), (landscape.id(), 3, 3));
    let plain = Landscape::random(&SHAPE, 3, Kind::Float, Device::Cpu).expect("positive widths");
    let refused = Start::trained(&path, task.spec(), &plain).expect_err("it leads to x").to_string();
    assert!(refused.contains("must be identity, got random-3"), "{refused}");
    plain.save(&path, task.spec(), &[]).expect("written");
    let refused = Start::trained(&path, task.spec(), &Landscape::identity(3)).expect_err("no steps").to_string();
    assert!(refused.contains("has no steps of its own"), "{refused}");
}

#[test]
fn metrics_that_are_none_are_refused() {
    setup();
    let plain = || Landscape::random(&SHAPE, 3, Kind::Float, Device::Cpu).expect("positive widths");
    let eye = Tensor::eye(3, (Kind::Float, Device::Cpu)).unsqueeze(0);
    let codes = Tensor::ones([2, 5], (Kind::Float, Device::Cpu));
    let gaps = Tensor::zeros([3, 5], (Kind::Float, Device::Cpu));
    let lopsided = &eye + Tensor::from_slice(&[0.0f32, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).view([1, 3, 3]);
    let cases = [
        (-&eye, codes.shallow_clone(), "metric: expected symmetric and positive definite, got another at step 0"),
        (lopsided, codes.shallow_clone(), "metric: expected symmetric and positive definite, got another at step 0"),
        (
            &eye * f64::NAN,
            codes.shallow_clone(),
            "metric: expected symmetric and positive definite, got another at step 0",
        ),
        (&eye * 0.0, codes.shallow_clone(), "metric: expected symmetric and positive definite, got another at step 0"),
        (eye.narrow(1, 0, 2), codes.shallow_clone(), "metric: expected [1 to 64, 3, 3], got [1, 2, 3]"),
        (eye.shallow_clone(), codes.narrow(1, 0, 4), "codes: expected [1 to 1024, 5], got [2, 4]"),
    ];
    for (metric, codes, expected) in cases {
        let error =
            plain().with_steps(Steps::new(metric, codes, gaps.shallow_clone())).expect_err("to be refused").to_string();
        assert_eq!(error, format!("landscape: {expected}"));
    }
    let error = Landscape::identity(3)
        .with_steps(Steps::new(eye.shallow_clone(), codes.shallow_clone(), gaps))
        .expect_err("no weights");
    assert!(matches!(error, LandscapeError::NoWeights));
    let error = plain().with_steps(Steps::new(eye, codes, Tensor::zeros([3, 4], (Kind::Float, Device::Cpu))));
    assert_eq!(error.expect_err("another Z").to_string(), "landscape: gaps: expected [0 to 4096, 5], got [3, 4]");
    let error = engine(Landscape::identity(3), 2)
        .begin_with_codes(&seen(), &Tensor::zeros([2, 3], (Kind::Double, Device::Cpu)));
    assert!(matches!(error, Err(EngineError::NoStart)));
}
