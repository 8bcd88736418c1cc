//! Where hypotheses begin with an amortised start, and what pulls them there.

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use tch::{Device, Kind, Tensor};
use thalweg_engine::landscape::{Landscape, SLOPE};
use thalweg_engine::start::{Start, StartShape, inputs};
use thalweg_engine::{BackendChoice, Budget, Cadence, Engine, EngineConfig, EngineError, Event, Observer};
use thalweg_nn::Perceptron;
use thalweg_task::{LoadOptions, Observation, Task, TaskSpec};

use crate::{config, levenberg_marquardt, setup, values};

/// Joints of an arm, hidden in some of the observations.
const HIDDEN: std::ops::Range<i64> = 36..48;

fn body() -> Box<dyn Task> {
    let options = LoadOptions { kind: Kind::Double, ..LoadOptions::default() };
    (thalweg_body_pose::ENTRY.load)(&options).expect("the shipped weights")
}

/// An untrained start; its layers are small, so that proposals are of the latent's size.
fn start(spec: &TaskSpec, z: i64) -> Start {
    let shape = StartShape { reads: spec.observes(), inputs: inputs(spec, spec.observes()), code: 3, hidden: 16, z };
    let mut random = StdRng::seed_from_u64(4);
    let mut draw = |size: &[i64], scale: f64| {
        let count = size.iter().product::<i64>();
        let drawn: Vec<f64> = (0..count).map(|_| random.sample::<f64, _>(StandardNormal) * scale).collect();
        Tensor::from_slice(&drawn).view(size)
    };
    let widths = [shape.inputs + shape.code, 16, 16, 16, z];
    let layers = widths.windows(2).map(|w| (draw(&[w[1], w[0]], (w[0] as f64).powf(-0.5)), draw(&[w[1]], 0.1)));
    Start::new(Perceptron::new(layers.collect(), SLOPE).expect("widths follow each other"), shape).expect("they fit")
}

fn engine(hypotheses: usize, backend: BackendChoice) -> Engine {
    setup();
    let task = body();
    let (spec, landscape) = (task.spec().clone(), Landscape::identity(task.spec().latent));
    let config = EngineConfig { backend, ..config(hypotheses, levenberg_marquardt()) };
    let mut engine = Engine::new(task, landscape, config).expect("they fit");
    engine.set_start(start(&spec, spec.latent)).expect("it fits");
    engine
}

fn observation(rows: i64, seed: u64, hidden: bool) -> Observation {
    let mut random = StdRng::seed_from_u64(seed);
    let drawn: Vec<f64> = (0..rows * 63).map(|_| 0.3 * random.sample::<f64, _>(StandardNormal)).collect();
    let joints = Tensor::from_slice(&drawn).view([rows, 63]);
    if hidden {
        let mut arm = joints.narrow(1, HIDDEN.start, HIDDEN.end - HIDDEN.start);
        drop(arm.fill_(f64::NAN));
    }
    Observation::of_joints(&joints)
}

/// Loss of what is seen, at the solution's points.
fn data_loss(engine: &mut Engine, obs: &Observation) -> Vec<f64> {
    let y_hat = engine.solution().expect("begun").y_hat.shallow_clone();
    let target = engine.task().encode(obs).expect("valid");
    values(&engine.task().objective(&y_hat, &target).expect("it fits").loss)
}

/// Notes where descents begin.
#[derive(Default)]
struct Begins(Vec<Tensor>);

impl Observer for Begins {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Begin { z, .. } = event {
            self.0.push(z.copy());
        }
    }
}

#[test]
fn hypotheses_begin_where_their_codes_propose() {
    let mut engine = engine(5, BackendChoice::Auto);
    let begins = Arc::new(Mutex::new(Begins::default()));
    engine.add_observer(Cadence::Always, Box::new(Arc::clone(&begins)));
    let obs = observation(1, 1, true);
    engine.begin(&obs).unwrap();
    let start = engine.start().expect("set");
    let proposed = start.propose(&obs, engine.task().spec(), &start.codes(5, engine.task().spec())).unwrap();
    let apart = (&begins.lock().unwrap().0[0] - proposed).abs().max().double_value(&[]);
    assert!(apart < 1e-12, "{apart}");
}

#[test]
fn rows_of_their_own_get_the_zero_code() {
    let mut engine = engine(4, BackendChoice::Auto);
    let obs = observation(4, 2, true);
    engine.begin(&obs).unwrap();
    let z = engine.solution().expect("begun").z.copy();
    let start = engine.start().expect("set");
    let zero = Tensor::zeros([4, 3], (Kind::Double, Device::Cpu));
    let proposed = start.propose(&obs, engine.task().spec(), &zero).unwrap();
    assert!((z - proposed).abs().max().double_value(&[]) < 1e-12);
}

#[test]
fn only_what_is_hidden_is_pulled() {
    let mut engine = engine(3, BackendChoice::Auto);
    let seen = observation(1, 3, false);
    engine.begin(&seen).unwrap();
    let total = engine.solution().expect("begun").loss.clone();
    let data = data_loss(&mut engine, &seen);
    assert!(total.iter().zip(&data).all(|(total, data)| (total - data).abs() < 1e-9), "{total:?} {data:?}");
    let hidden = observation(1, 3, true);
    engine.reset();
    engine.begin(&hidden).unwrap();
    let total = engine.solution().expect("begun").loss.clone();
    let data = data_loss(&mut engine, &hidden);
    let offsets: Vec<f64> = total.iter().zip(&data).map(|(total, data)| total - data).collect();
    // At the proposals nothing pulls; what is left is what a code costs, and the first is free.
    let free = offsets.iter().filter(|offset| offset.abs() < 1e-9).count();
    assert!(free == 1 && offsets.iter().all(|offset| *offset > -1e-9), "{offsets:?}");
    for _ in 0..6 {
        engine.refine().unwrap();
    }
    let (total, data) = (engine.solution().expect("begun").loss[0], data_loss(&mut engine, &hidden)[0]);
    assert!(total > data + 1e-6, "away from the proposal the pull counts: {total}, seen alone {data}");
}

#[test]
fn the_last_points_are_taken_where_they_are_better() {
    for backend in [BackendChoice::Auto, BackendChoice::Tch] {
        let mut engine = engine(3, backend);
        let obs = observation(1, 5, true);
        let clock = thalweg::clock::ManualClock::default();
        let solved = engine.solve(&obs, &Budget::of_steps(8), &clock).unwrap().loss.clone();
        engine.begin(&obs).unwrap();
        let again = engine.solution().expect("begun").loss.clone();
        assert!(again.iter().zip(&solved).all(|(again, solved)| (again - solved).abs() < 1e-9), "{again:?} {solved:?}");
        engine.reset();
        engine.begin(&obs).unwrap();
        let cold = engine.solution().expect("begun").loss.clone();
        assert!(cold[0] > 1.01 * solved[0], "{cold:?} {solved:?}");
    }
}

#[test]
fn both_backends_agree() {
    let run = |backend| {
        let mut engine = engine(6, backend);
        let clock = thalweg::clock::ManualClock::default();
        let first = engine.solve(&observation(1, 6, true), &Budget::of_steps(3), &clock).unwrap().loss.clone();
        let second = engine.solve(&observation(1, 7, true), &Budget::of_steps(3), &clock).unwrap();
        [first, second.loss.clone(), values(&second.z)].concat()
    };
    let (fused, tch) = (run(BackendChoice::Fused), run(BackendChoice::Tch));
    assert!(fused.iter().zip(&tch).all(|(fused, tch)| (fused - tch).abs() < 1e-6), "{fused:?} {tch:?}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let task = body();
    let (spec, latent) = (task.spec().clone(), task.spec().latent);
    let mut engine = Engine::new(task, Landscape::identity(latent), config(2, levenberg_marquardt())).unwrap();
    let obs = observation(1, 8, true);
    let codes = Tensor::zeros([2, 3], (Kind::Double, Device::Cpu));
    assert!(matches!(engine.begin_with_codes(&obs, &codes), Err(EngineError::NoStart)));
    let error = engine.set_start(start(&spec, latent + 1)).expect_err("another dimension").to_string();
    let both = [latent + 1, latent].map(|dimension| dimension.to_string());
    assert!(both.iter().all(|dimension| error.contains(dimension)), "{error}");
    engine.set_start(start(&spec, latent)).unwrap();
    let error = engine.begin_with_codes(&obs, &codes.narrow(0, 0, 1)).expect_err("too few codes").to_string();
    assert!(error.contains("[2, 3]") && error.contains("[1, 3]"), "{error}");
    engine.begin_with_codes(&obs, &codes).unwrap();
}
