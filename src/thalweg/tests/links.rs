//! A robot seen from outside: places of its links, and clouds of points around it, natively and as tensors.
#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg::engine::{Backend, BackendChoice, Engine, EngineConfig, LmConfig, Optimizer, pin_threads};
use thalweg::task::{LoadOptions, Observation, Task, draws, numbers};
use thalweg_engine::landscape::Landscape;
use thalweg_robot::kinematics::frames;
use thalweg_task::conformance;
use thalweg_tests::robot;

const ROWS: i64 = 5;

fn task(has_cloud: bool, kind: Kind) -> Box<dyn Task> {
    robot::seeing(has_cloud)(&LoadOptions { kind, ..LoadOptions::default() }).unwrap()
}

/// Positions that F gives at some latent, `[J]`: within limits, and reachable.
fn pose(task: &dyn Task, seed: u64) -> Vec<f64> {
    let mut random = StdRng::seed_from_u64(seed);
    let x = draws::normal(&mut random, &[1, task.spec().latent]).to_kind(task.spec().kind);
    numbers(&task.render(&task.forward(&x).unwrap()).unwrap().joints.unwrap())
}

/// What is seen of a pose: some joints, some places, some of a cloud.
fn observation(task: &dyn Task, seed: u64, (joints, places, cloud): (f64, f64, usize)) -> Observation {
    let mut random = StdRng::seed_from_u64(seed);
    let positions = pose(task, seed);
    let of = robot::untrained(&LoadOptions { kind: Kind::Double, ..LoadOptions::default() }).robot;
    let room = task.spec().points.as_ref().unwrap().cloud;
    let points = robot::scene(&of, &positions, (cloud.min(room), room), &mut random);
    let links = of.links.len() as i64 - 1;
    let hidden = draws::uniform(&mut random, &[1, links, 1]).ge(places);
    let hidden = Tensor::cat(&[hidden, Tensor::zeros([1, room as i64, 1], (Kind::Bool, Device::Cpu))], 1);
    let values = Tensor::from_slice(&positions).view([1, -1]);
    let silent = draws::uniform(&mut random, &values.size()).ge(joints);
    let kind = task.spec().kind;
    Observation {
        points: Observation::of_points(&points.masked_fill(&hidden, f64::NAN).to_kind(kind)).points,
        ..Observation::of_joints(&values.masked_fill(&silent, f64::NAN).to_kind(kind))
    }
}

fn engine(task: Box<dyn Task>, backend: BackendChoice, optimizer: Optimizer, hypotheses: usize) -> Engine {
    let latent = task.spec().latent;
    let config =
        EngineConfig { hypotheses, fresh: 0, prior_weight: 0.0, optimizer, backend, ..EngineConfig::default() };
    Engine::new(task, Landscape::identity(latent), config).unwrap()
}

fn damped() -> Optimizer {
    Optimizer::LevenbergMarquardt(LmConfig::default())
}

/// Points and losses of some steps.
fn follow(task: Box<dyn Task>, seen: &Observation, backend: BackendChoice, optimizer: Optimizer) -> Vec<f64> {
    let latent = task.spec().latent;
    let z = draws::normal(&mut StdRng::seed_from_u64(9), &[ROWS, latent]).to_kind(task.spec().kind);
    let mut engine = engine(task, backend, optimizer, ROWS as usize);
    engine.begin_from(seen, &z).unwrap();
    let expected = if backend == BackendChoice::Tch { Backend::Tch } else { Backend::Fused };
    assert_eq!(engine.backend(), expected);
    let mut values = Vec::new();
    for _ in 0..4 {
        let solution = engine.solution().unwrap();
        values.extend(numbers::<f64>(&solution.z));
        values.extend_from_slice(&solution.loss);
        engine.refine().unwrap();
    }
    values
}

#[test]
fn the_contract_is_kept() {
    for has_cloud in [false, true] {
        conformance::check(&robot::seeing(has_cloud), &LoadOptions::default()).assert_passed();
    }
}

#[test]
fn the_native_engine_and_tensors_agree() {
    pin_threads(1);
    // Joints, places and clouds; the cloud alone; places alone; a cloud and a few joints.
    let all = [(0.6, 0.6, 100), (0.0, 0.0, 80), (0.0, 1.0, 0), (0.3, 0.0, 37)];
    for (seed, seen) in (1..).zip(all) {
        for has_cloud in [false, true] {
            for optimizer in [Optimizer::default(), damped()] {
                let obs = observation(task(has_cloud, Kind::Double).as_ref(), seed, seen);
                if obs.observed() == 0 {
                    continue;
                }
                let run = |backend| follow(task(has_cloud, Kind::Double), &obs, backend, optimizer.clone());
                let (expected, got) = (run(BackendChoice::Tch), run(BackendChoice::Fused));
                for (got, expected) in got.iter().zip(&expected) {
                    let apart = (got - expected).abs() / expected.abs().max(1.0);
                    assert!(apart < 1e-6, "{seen:?} {has_cloud} {}: {got} and {expected}", optimizer.name());
                }
            }
        }
    }
}

#[test]
fn rows_see_their_own_clouds() {
    pin_threads(1);
    let parts: Vec<Observation> = (0..ROWS as u64)
        .map(|row| observation(task(true, Kind::Double).as_ref(), 20 + row, (0.5, 0.5, 40 + 9 * row as usize)))
        .collect();
    let seen = Observation::joined(&parts.iter().collect::<Vec<_>>());
    let run = |backend| follow(task(true, Kind::Double), &seen, backend, damped());
    let (expected, got) = (run(BackendChoice::Tch), run(BackendChoice::Fused));
    for (got, expected) in got.iter().zip(&expected) {
        assert!((got - expected).abs() / expected.abs().max(1.0) < 1e-6, "{got} and {expected}");
    }
}

#[test]
fn derivatives_are_those_of_differences() {
    let task = task(true, Kind::Double);
    for (seed, seen) in [(3, (0.5, 0.5, 100)), (4, (0.0, 0.0, 60))] {
        let target = task.encode(&observation(task.as_ref(), seed, seen)).unwrap();
        let loss = |x: &Tensor| task.objective(&task.forward(x).unwrap(), &target).unwrap().loss;
        let x = draws::normal(&mut StdRng::seed_from_u64(seed), &[1, task.spec().latent]).set_requires_grad(true);
        loss(&x).sum(Kind::Double).backward();
        let (gradient, x) = (numbers::<f64>(&x.grad()), x.detach());
        for (entry, exact) in gradient.iter().enumerate() {
            let step = Tensor::zeros_like(&x);
            step.narrow(1, entry as i64, 1).fill_(1e-6).size();
            let change = (loss(&(&x + &step)) - loss(&(&x - &step))).double_value(&[0]) / 2e-6;
            assert!((change - exact).abs() < 1e-5 * exact.abs().max(1.0), "{seen:?} {entry}: {exact}, {change}");
        }
    }
}

/// Mean distance of links from where they are, metres, of the best answer.
fn apart(engine: &mut Engine, positions: &[f64]) -> f64 {
    let of = robot::untrained(&LoadOptions { kind: Kind::Double, ..LoadOptions::default() }).robot;
    let y_hat = engine.solution().unwrap().y_hat.get(0).unsqueeze(0);
    let best = numbers::<f64>(&engine.task().render(&y_hat).unwrap().joints.unwrap());
    let (got, expected) = (frames(&of, &best), frames(&of, positions));
    let apart =
        got.iter().zip(&expected).map(|(got, expected)| (got.translation.vector - expected.translation.vector).norm());
    apart.sum::<f64>() / of.links.len() as f64
}

fn solved(has_cloud: bool, seed: u64, seen: (f64, f64, usize)) -> f64 {
    let task = task(has_cloud, Kind::Float);
    let (positions, obs) = (pose(task.as_ref(), seed), observation(task.as_ref(), seed, seen));
    let mut engine = engine(task, BackendChoice::Fused, damped(), 16);
    engine.begin(&obs).unwrap();
    for _ in 0..30 {
        engine.refine().unwrap();
    }
    apart(&mut engine, &positions)
}

#[test]
fn a_robot_whose_joints_are_silent_is_found_from_places_of_its_links() {
    pin_threads(1);
    for seed in 30..34 {
        let apart = solved(false, seed, (0.0, 1.0, 0));
        assert!(apart < 1e-3, "{seed}: {apart} m");
    }
}

#[test]
fn a_cloud_tells_where_silent_joints_are() {
    pin_threads(1);
    // A third of the joints is heard.
    let mean = |points: usize| (30..38).map(|seed| solved(true, seed, (0.3, 0.0, points))).sum::<f64>() / 8.0;
    let (without, with) = (mean(0), mean(100));
    assert!(with < 0.3 * without && with < 0.03, "{with} m with a cloud, {without} m without");
}

#[test]
fn a_cloud_whose_points_are_all_far_away_pulls_nothing() {
    let task = task(true, Kind::Double);
    let obs = observation(task.as_ref(), 5, (0.0, 0.0, 50));
    let far = obs.map(|field| thalweg::task::Masked::new(&(field.with_nan() + 50.0)));
    let target = task.encode(&Observation { joints: None, ..far }).unwrap();
    let x = draws::normal(&mut StdRng::seed_from_u64(1), &[3, task.spec().latent]).set_requires_grad(true);
    let loss = task.objective(&task.forward(&x).unwrap(), &target).unwrap().loss;
    loss.sum(Kind::Double).backward();
    assert_eq!(x.grad().abs().max().double_value(&[]), 0.0);
    assert!(loss.isfinite().all().int64_value(&[]) == 1 && loss.min().double_value(&[]) > 0.0);
}

#[test]
fn what_a_robot_cannot_be_seen_by_is_refused_in_a_sentence() {
    let refusal = |name: &str, value: serde_json::Value| {
        let mut options = LoadOptions::default();
        options.parameters.insert(name.to_owned(), value);
        robot::load(&options).map(drop).unwrap_err().to_string()
    };
    for (name, value, expected) in [
        ("cloud_weight", serde_json::json!(-1.0), "expected 0, or a number from 1e-6 to 1000, rad/m"),
        ("point_weight", serde_json::json!("much"), "expected 0, or a number from 1e-6 to 1000, rad/m"),
        ("cloud_points", serde_json::json!(10), "expected a whole number from 50 to 2000"),
        ("cloud_gate", serde_json::json!(0.0), "expected a number from 0.02 to 10, m"),
        ("cloud_wight", serde_json::json!(1.0), "the nearest known name is 'cloud_weight'"),
    ] {
        let got = refusal(name, value);
        assert!(got.contains(expected), "{got}, expected {expected}");
    }
}

#[test]
fn what_was_seen_is_added_by_name_and_as_a_cloud() {
    let builder = || thalweg::load("robot").unwrap();
    let seen = builder().parameter("cloud_weight", 8.0).parameter("cloud_points", 50).build().unwrap();
    let observed = seen.observe().point("left_elbow_link", [0.1, 0.3, 0.2]).unwrap();
    let wall: Vec<[f64; 3]> = (0..900).map(|at| [0.3, 0.02 * f64::from(at % 30), 0.02 * f64::from(at / 30)]).collect();
    let obs = observed.cloud(&wall).unwrap().observation();
    obs.validate(seen.spec()).unwrap();
    let names = seen.spec().points.as_ref().unwrap().names.len() as i64;
    let points = obs.points.as_ref().unwrap();
    assert_eq!(points.value().size(), [1, names + 50, 3]);
    let cloud = points.observed().narrow(1, names, 50).sum(Kind::Int64).int64_value(&[]);
    assert!((60..=150).contains(&cloud) && points.count() == cloud + 3, "{cloud}");
    let far = seen.observe().cloud(&[[1e3, 0.0, 0.0]]).map(drop).unwrap_err().to_string();
    assert!(far.contains("cloud") && far.contains("within 100 m"), "{far}");
    let blind = builder().parameter("point_weight", 4.0).build().unwrap();
    let none = blind.observe().cloud(&wall).map(drop).unwrap_err().to_string();
    assert!(none.contains("the task observes no cloud"), "{none}");
}
