//! What the library refuses, each in one sentence, and what it takes.
#![allow(clippy::unwrap_used)]

use thalweg::{DeviceChoice, Error, Inverter, Registry};
use thalweg_engine::{Backend, Budget};
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
