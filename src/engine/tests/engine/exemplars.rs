//! Examples beside a landscape's own steps: which begin where something is hidden, how they are kept, what is refused.

use tch::{Device, Kind, Tensor};
use thalweg_engine::Engine;
use thalweg_engine::landscape::{Landscape, LandscapeError, LandscapeShape};
use thalweg_engine::start::Start;
use thalweg_task::{LoadOptions, Observation, Task};

use crate::{assert_close, config, levenberg_marquardt, setup, values, with_own_steps};

const SHAPE: LandscapeShape = LandscapeShape { z: 5, x: 3, hidden: 8 };
const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

fn arm() -> Box<dyn Task> {
    setup();
    let options = LoadOptions { kind: Kind::Double, ..LoadOptions::default() };
    thalweg::Registry::shipped().load("planar_arm", &options).expect("it needs no file")
}

/// Examples on a grid, `[E, 3]`, in no order: more than one block of them.
fn examples() -> Tensor {
    let rows = (0..2197).map(|index| (index * 1000) % 2197);
    let row = |index: i64| [index % 13, index / 13 % 13, index / 169].map(|place| place as f64 * 0.2 - 1.2);
    Tensor::from_slice(&rows.flat_map(row).collect::<Vec<_>>()).view([-1, 3])
}

fn landscape(examples: Option<Tensor>) -> Landscape {
    let bare = with_own_steps(&Landscape::random(&SHAPE, 3, Kind::Double, Device::Cpu).expect("positive widths"), 2);
    let steps = bare.steps().expect("it has steps").shallow_clone().with_exemplars(examples);
    bare.with_steps(steps).expect("they fit")
}

fn engine(landscape: Landscape, hypotheses: usize) -> Engine {
    let config = config(hypotheses, levenberg_marquardt());
    let mut engine = Engine::new(arm(), Landscape::identity(SHAPE.x), config).expect("they fit");
    engine.set_start(Start::of_steps(landscape).expect("it has steps")).expect("it fits");
    engine
}

/// Where hypotheses of the given codes begin, ranked, `[K, X]`.
fn beginnings(landscape: Landscape, obs: &Observation, codes: &Tensor) -> Tensor {
    let mut engine = engine(landscape, codes.size()[0] as usize);
    engine.begin_with_codes(obs, codes).expect("begun");
    engine.solution().expect("begun").x.shallow_clone()
}

fn seen(angles: [f64; 3]) -> Observation {
    Observation::of_joints(&Tensor::from_slice(&angles).view([1, 3]))
}

/// The joints that F makes of `x`, `[3]`.
fn joints(x: &Tensor) -> [f64; 3] {
    let task = arm();
    let seen = task.render(&task.forward(&x.view([1, 3])).expect("x")).expect("y").as_observation(task.spec());
    let values = values(seen.joints.expect("it has joints").value());
    [values[0], values[1], values[2]]
}

#[test]
fn where_something_is_hidden_the_nearest_examples_begin_some_hypotheses() {
    let (landscape, examples) = (landscape(Some(examples())), examples());
    let codes = landscape.steps().expect("it has steps").code_of_each(4);
    let chosen = examples.get(1300);
    let [first, _, third] = joints(&chosen);
    let obs = seen([first, f64::NAN, third]);
    let x = beginnings(landscape, &obs, &codes);
    // Ranked by loss: the nearest examples, those that agree with what was seen, come first.
    for row in 0..2 {
        let found = joints(&x.get(row));
        assert!((found[0] - first).abs() < 1e-6 && (found[2] - third).abs() < 1e-6, "{found:?}");
        let nearest = (&examples - x.get(row)).abs().amax(1, false).min().double_value(&[]);
        assert!(nearest < 1e-6, "row {row} is no example: {nearest}");
    }
}

#[test]
fn the_first_hypothesis_begins_between_theta_and_the_mean_of_examples() {
    // Of two examples the nearer one counts, for the other is far.
    let pair = Tensor::from_slice(&[0.4, 0.5, 0.6, -1.0, -1.0, -1.0]).view([2, 3]);
    let obs = seen([joints(&pair.get(0))[0], f64::NAN, f64::NAN]);
    let codes = Tensor::zeros([1, 3], DOUBLE);
    let begin = |landscape| beginnings(landscape, &obs, &codes);
    let (alone, joined) = (begin(landscape(None)), begin(landscape(Some(pair.shallow_clone()))));
    let expected: Tensor = &alone * 0.4 + pair.get(0) * 0.6;
    assert_close(&values(&joined), &values(&expected), 1e-6);
}

#[test]
fn what_is_seen_whole_needs_no_example() {
    let codes = landscape(None).steps().expect("it has steps").code_of_each(3);
    let (task, x) = (arm(), Tensor::from_slice(&[0.3, -0.4, 0.2]).view([1, 3]));
    let obs = task.render(&task.forward(&x).expect("x")).expect("y").as_observation(task.spec());
    let begin = |examples| beginnings(landscape(examples), &obs, &codes);
    assert_close(&values(&begin(Some(examples()))), &values(&begin(None)), 0.0);
}

#[test]
fn rows_with_observations_of_their_own_look_up_their_own_examples() {
    let (landscape, examples) = (landscape(Some(examples())), examples());
    let codes = landscape.steps().expect("it has steps").code_of_each(2).get(1).repeat([2, 1]);
    let of = |example: i64| {
        let [first, _, third] = joints(&examples.get(example));
        seen([first, f64::NAN, third])
    };
    let (one, two) = (of(40), of(1900));
    let alone = |obs: &Observation| values(&beginnings(landscape.shallow_clone(), obs, &codes.narrow(0, 0, 1)));
    let together = values(&beginnings(landscape.shallow_clone(), &Observation::joined(&[&one, &two]), &codes));
    assert_close(&together, &[alone(&one), alone(&two)].concat(), 1e-9);
}

#[test]
fn examples_are_kept_with_the_landscape_and_bad_ones_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("theta.safetensors");
    let (task, with) = (arm(), landscape(Some(examples())));
    with.save(&path, task.spec(), &[]).expect("saved");
    let back = Landscape::trained(&path, task.spec()).expect("read");
    assert_eq!(back.id(), with.id());
    let kept = back.steps().and_then(|steps| steps.exemplars()).expect("examples").shallow_clone();
    // In half precision.
    assert_close(&values(&kept), &values(&examples()), 1e-3);
    assert_ne!(landscape(None).id(), with.id());
    for bad in [Tensor::full([2, 3], f64::NAN, DOUBLE), Tensor::zeros([2, 4], DOUBLE), Tensor::zeros([0, 3], DOUBLE)] {
        let bare = landscape(None);
        let steps = bare.steps().expect("it has steps").shallow_clone().with_exemplars(Some(bad));
        let error = bare.with_steps(steps).expect_err("they do not fit");
        assert!(matches!(&error, LandscapeError::Steps { what: "exemplars", .. }), "{error}");
    }
}
