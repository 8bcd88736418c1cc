//! What the library refuses, each in one sentence, and what it takes.
#![allow(clippy::unwrap_used)]

use thalweg::{DeviceChoice, Error, GpuTrial, Inverter, Plan, Registry};
use thalweg_engine::gpu::{GpuChoice, adapters};
use thalweg_engine::{Backend, Budget, EngineConfig, LmConfig, Optimizer};
use thalweg_task::Pixels;

fn arm() -> Inverter {
    thalweg::load("planar_arm").unwrap().hypotheses(4).steps(100).build().unwrap()
}

fn sentence<T>(result: Result<T, Error>) -> String {
    result.err().expect("it is refused").to_string()
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    assert_eq!(
        sentence(thalweg::load("planar_harm")),
        "unknown task 'planar_harm'; the nearest known name is 'planar_arm'"
    );
    assert_eq!(sentence(Registry::empty().open("planar_arm")), "unknown task 'planar_arm'");
    let engine = arm();
    assert_eq!(
        sentence(engine.observe().joint("joint2", 0.1)),
        "unknown joint 'joint2'; the nearest known name is 'joint_2'"
    );
    assert_eq!(
        sentence(engine.observe().point("tip", [0.0; 3])),
        "unknown point 'tip'; the nearest known name is 'tip_1'"
    );
}

#[test]
fn values_that_are_none_are_refused() {
    let seen = || arm().observe();
    assert_eq!(sentence(seen().joint("joint_1", f64::NAN)), "joint 'joint_1': got NaN, expected a finite number");
    assert_eq!(
        sentence(seen().joint("joint_1", 1e300)),
        "joint 'joint_1': got 1e300, expected a number that fits a 32 bit float"
    );
    assert_eq!(
        sentence(seen().joint("joint_1", 1e6)),
        "joint 'joint_1': got 1000000.0, expected an angle within 10,000 turns, a slide within 1000 m"
    );
    assert_eq!(
        sentence(seen().point("tip_1", [0.0, f64::INFINITY, 0.0])),
        "point 'tip_1': got [0.0, inf, 0.0], expected three numbers within 100 m"
    );
    assert_eq!(
        sentence(seen().joints([("joint_1", 0.1), ("joint_1", 0.2)])),
        "joint 'joint_1' is observed twice; expected it once"
    );
    assert_eq!(
        sentence(seen().image(Pixels::default())),
        "task planar_arm does not observe image; it observes joints, points"
    );
    let mut engine = arm();
    let nothing = engine.observe();
    assert_eq!(sentence(engine.solve(&nothing)), "observation is empty: task planar_arm observes joints, points");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let arm = || thalweg::load("planar_arm").unwrap();
    assert_eq!(sentence(arm().hypotheses(0).build()), "hypotheses: got 0, expected at least 1");
    assert_eq!(sentence(arm().fresh(8).build()), "fresh: got 8, expected less than hypotheses = 8");
    assert_eq!(sentence(arm().threads(0).build()), "threads: got 0, expected 1 to 64");
    for (millis, text) in [(0.0, "0.0"), (-1.0, "-1.0"), (f64::NAN, "NaN"), (1e300, "1e300")] {
        assert_eq!(
            sentence(arm().deadline_ms(millis).build()),
            format!("deadline_ms: got {text}, expected a finite number of milliseconds above 0")
        );
    }
    assert_eq!(sentence(arm().tolerance(-0.1).build()), "tolerance: got -0.1, expected a finite number, at least 0");
    assert!(sentence(arm().landscape("no/theta").build()).starts_with("landscape no/theta: "));
    assert!(sentence(arm().parameter("length", 1.0).build()).contains("'lengths'"));
    assert!(sentence(arm().device(DeviceChoice::Cuda(9)).build()).starts_with("device cuda:9 is not there"));
}

#[test]
fn limits_are_those_that_were_named() {
    let budget = |builder: thalweg::Builder| *builder.build().unwrap().budget();
    let arm = || thalweg::load("planar_arm").unwrap();
    let usual = Budget { tolerance: Some(thalweg::defaults::TOLERANCE), ..Budget::default() };
    assert_eq!(budget(arm()), Budget { deadline: Some(thalweg::defaults::DEADLINE), ..usual });
    assert_eq!(budget(arm().deadline_ms(2.5)).tolerance, usual.tolerance);
    assert_eq!(budget(arm().steps(3)), Budget::of_steps(3));
    let both = budget(arm().steps(3).deadline_ms(2.5));
    assert_eq!((both.steps, both.deadline.map(|time| time.as_micros())), (Some(3), Some(2500)));
}

#[test]
fn what_was_seen_is_explained_and_the_rest_completed() {
    let mut engine = arm();
    let seen = engine.observe().stamp_nanos(5).joint("joint_1", 0.4).unwrap().joint("joint_2", -0.3).unwrap();
    let solved = engine.solve(&seen).unwrap();
    let best = solved.best();
    assert!((best.joint("joint_1").unwrap() - 0.4).abs() < 0.02, "{best:?}");
    assert_eq!((best.joints().len(), best.points().len(), best.joint("joint_9")), (3, 3, None));
    assert_eq!(best.point("tip_2"), Some(best.points()[1]));
    let losses: Vec<f64> = solved.hypotheses().map(|hypothesis| hypothesis.loss).collect();
    assert!(losses.len() == 4 && losses.is_sorted(), "{losses:?}");
    assert!((solved.hypotheses().map(|hypothesis| hypothesis.weight).sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!(engine.engine().backend(), Backend::Tch);
}

#[test]
fn each_hypothesis_may_have_a_moment_of_its_own() {
    let mut engine = arm();
    let angles = [-0.6, -0.2, 0.2, 0.6];
    let seen: Vec<_> = angles.iter().map(|angle| engine.observe().joint("joint_1", *angle).unwrap()).collect();
    let solved = engine.solve_each(&seen).unwrap();
    for (hypothesis, angle) in solved.hypotheses().zip(angles) {
        assert!((hypothesis.joint("joint_1").unwrap() - angle).abs() < 0.05, "{hypothesis:?}");
    }
    assert_eq!(
        sentence(engine.solve_each(&seen[..2])),
        "observation has 2 rows, expected 1 or one for each of 4 hypotheses"
    );
}

/// A GPU in software is measured, where it is named, and loses; what was measured is not measured again.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_gpu_that_is_slower_is_not_taken() {
    let Some(software) = adapters().iter().position(|adapter| adapter.is_software) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI a software adapter must be there");
        eprintln!("skipped: no software in place of a GPU; tools/setup_graphics.sh --compute installs it");
        return;
    };
    let shipped = || Plan::of(Registry::shipped(), "body_pose");
    let plan = Plan { automatic_gpu: true, gpu: Some(GpuChoice::Index(software)), ..shipped() };
    let (engine, loaded) = plan.load().unwrap();
    let Some(GpuTrial::Measured(measured)) = &loaded.gpu_trial else { panic!("{:?}", loaded.gpu_trial) };
    assert!(measured.adapter.is_software && !measured.is_faster && measured.gpu > measured.native, "{measured:?}");
    assert_eq!((measured.hypotheses, measured.method), (8, "levenberg_marquardt"));
    let sentence = measured.to_string();
    assert!(
        sentence.starts_with("cpu: with K = 8 the processor takes ") && sentence.contains(" of adam"),
        "{sentence}"
    );
    assert_eq!((engine.backend(), loaded.optimizer, loaded.gpu), (Backend::Fused, "levenberg_marquardt", None));
    // The same to the nanosecond, so nothing was measured; with another number of hypotheses it is.
    assert_eq!(plan.load().unwrap().1.gpu_trial, loaded.gpu_trial);
    let fewer = Plan { engine: EngineConfig { hypotheses: 2, fresh: 1, ..plan.engine.clone() }, ..plan.clone() };
    let other = fewer.compare_gpu(&GpuChoice::Index(software));
    let GpuTrial::Measured(other) = other else { panic!("{other}") };
    assert_eq!((other.hypotheses, other.is_faster), (2, false));
    // Where the GPU is named and not left open, nothing is measured.
    let named = Plan { automatic_gpu: false, ..plan };
    assert_eq!(named.load().unwrap().1.gpu_trial, None);
}

/// What cannot be compared is a sentence, and the processor computes.
#[test]
fn what_cannot_be_compared_stays_on_the_processor() {
    let choice = GpuChoice::Named("no such card".to_owned());
    let plan = Plan { automatic_gpu: true, gpu: Some(choice), ..Plan::of(Registry::shipped(), "body_pose") };
    let (engine, loaded) = plan.load().unwrap();
    assert_eq!((engine.backend(), engine.gpu_trouble()), (Backend::Fused, None));
    let sentence = loaded.gpu_trial.expect("it was asked for").to_string();
    assert!(
        sentence.starts_with("cpu, for nothing could be compared: gpu:no such card: no such adapter"),
        "{sentence}"
    );
    let Some(software) = adapters().iter().position(|adapter| adapter.is_software) else { return };
    let compare = |plan: Plan| plan.compare_gpu(&GpuChoice::Index(software)).to_string();
    let arm = Plan::of(Registry::shipped(), "planar_arm");
    let sentence = compare(arm);
    assert!(
        sentence.ends_with("task planar_arm is no dense layers in single precision on the processor"),
        "{sentence}"
    );
    let damped = Optimizer::LevenbergMarquardt(LmConfig::default());
    let engine = EngineConfig { optimizer: damped, ..EngineConfig::default() };
    let sentence = compare(Plan { engine, automatic_optimizer: false, ..Plan::of(Registry::shipped(), "body_pose") });
    assert!(
        sentence.ends_with("a descent of task body_pose by levenberg_marquardt stays on the processor"),
        "{sentence}"
    );
    let sentence = compare(Plan::of(Registry::shipped(), "no_such_task"));
    assert!(sentence.contains("unknown task 'no_such_task'"), "{sentence}");
}
