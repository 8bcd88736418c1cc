//! When a solve ends, on a clock that the test holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thalweg::clock::{ManualClock, SystemClock};
use thalweg_engine::{Budget, Clock, EngineError, StopReason};

use crate::doubles::{B, linear, observe, timed};
use crate::{adam, config, engine, levenberg_marquardt};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn an_empty_or_senseless_budget_is_refused() {
    let mut engine = engine(linear(), config(2, adam(0.1)));
    let mut refuse = |budget: Budget| {
        let error = engine.solve(&observe(&[&B]), &budget, &ManualClock::default()).expect_err("no sensible limit");
        assert!(engine.solution().is_none(), "refused before anything is done");
        error
    };
    assert!(matches!(refuse(Budget::default()), EngineError::EmptyBudget));
    assert!(matches!(refuse(Budget::of_tolerance(f64::NAN)), EngineError::Option { option: "tolerance", .. }));
    let impatient = Budget { patience: Some(0), ..Budget::of_tolerance(0.1) };
    assert!(matches!(refuse(impatient), EngineError::Option { option: "patience", .. }));
}

#[test]
fn ends_by_steps() {
    let mut engine = engine(linear(), config(2, adam(0.1)));
    for steps in [0, 1, 7] {
        let budget = Budget::of_steps(steps);
        let solution = engine.solve(&observe(&[&B]), &budget, &SystemClock::default()).expect("well behaved");
        assert_eq!((solution.stop, solution.statistics.steps), (Some(StopReason::Steps), steps));
        assert_eq!(solution.statistics.evaluations, steps + 1);
    }
}

#[test]
fn starts_no_step_that_would_pass_the_deadline() {
    // Each evaluation takes 1 ms: begin ends at 1 ms, step n at n + 1 ms.
    for (deadline_micros, expected) in [(4_500, 3), (5_000, 4), (1_500, 0), (500, 0)] {
        let clock = ManualClock::default();
        let mut engine = engine(timed(&clock, || MILLISECOND), config(2, adam(0.1)));
        let deadline = Duration::from_micros(deadline_micros);
        let solution = engine.solve(&observe(&[&B]), &Budget::of_deadline(deadline), &clock).expect("well behaved");
        assert_eq!((solution.stop, solution.statistics.steps), (Some(StopReason::Deadline), expected));
        crate::assert_finite(solution);
        assert!(clock.now() <= deadline.max(MILLISECOND), "ended at {:?}", clock.now());
    }
}

#[test]
fn slow_steps_are_remembered_from_one_solve_to_the_next() {
    // Every fifth evaluation takes twice as long; expecting what the last one took would end up to
    // 1 ms late.
    let (clock, count) = (ManualClock::default(), Arc::new(AtomicU64::new(0)));
    let shared = Arc::clone(&count);
    let cost = move || {
        if shared.fetch_add(1, Ordering::Relaxed) % 5 == 4 { 2 * MILLISECOND } else { MILLISECOND }
    };
    let mut engine = engine(timed(&clock, cost), config(2, adam(0.1)));
    for millis in (8..16).cycle().take(40) {
        let deadline = millis * MILLISECOND;
        let start = clock.now();
        let solution = engine.solve(&observe(&[&B]), &Budget::of_deadline(deadline), &clock).expect("well behaved");
        assert!(solution.statistics.steps >= 4, "{:?}", solution.statistics);
        let late = (clock.now() - start).saturating_sub(deadline);
        assert!(late <= Duration::ZERO, "late by {late:?}");
    }
}

#[test]
fn one_slow_step_does_not_starve_the_engine_for_ever() {
    let (clock, cost) = (ManualClock::default(), Arc::new(AtomicU64::new(1)));
    let shared = Arc::clone(&cost);
    let task = timed(&clock, move || Duration::from_millis(shared.load(Ordering::Relaxed)));
    let mut engine = engine(task, config(2, adam(0.1)));
    cost.store(100, Ordering::Relaxed);
    engine.solve(&observe(&[&B]), &Budget::of_steps(1), &clock).expect("well behaved");
    cost.store(1, Ordering::Relaxed);
    let budget = Budget::of_deadline(Duration::from_millis(10));
    let mut solve = || engine.solve(&observe(&[&B]), &budget, &clock).expect("well behaved").statistics.steps;
    let steps: Vec<u32> = (0..8).map(|_| solve()).collect();
    assert_eq!(steps[0], 0, "a step took 100 ms a moment ago");
    assert!(steps[7] >= 5, "{steps:?}");
}

#[test]
fn a_slow_begin_says_nothing_against_the_expectation() {
    let (clock, cost) = (ManualClock::default(), Arc::new(AtomicU64::new(4)));
    let shared = Arc::clone(&cost);
    let task = timed(&clock, move || Duration::from_millis(shared.load(Ordering::Relaxed)));
    let mut engine = engine(task, config(2, adam(0.1)));
    let mut solve = |millis, budget: Budget| {
        cost.store(millis, Ordering::Relaxed);
        engine.solve(&observe(&[&B]), &budget, &clock).expect("well behaved").statistics.steps
    };
    assert_eq!(solve(4, Budget::of_steps(1)), 1);
    for _ in 0..5 {
        assert_eq!(solve(3, Budget::of_deadline(2 * MILLISECOND)), 0);
    }
    assert_eq!(solve(1, Budget::of_deadline(4 * MILLISECOND)), 0, "a step is still expected to take 4 ms");
}

#[test]
fn ends_when_the_best_loss_hardly_falls() {
    let solve = |tolerance| {
        let mut engine = engine(linear(), config(3, adam(0.05)));
        let budget = Budget { steps: Some(5000), patience: Some(5), ..Budget::of_tolerance(tolerance) };
        let solution = engine.solve(&observe(&[&B]), &budget, &ManualClock::default()).expect("well behaved");
        assert_eq!(solution.stop, Some(StopReason::Tolerance));
        (solution.statistics.steps, solution.loss[0])
    };
    let (tight, loose) = (solve(1e-6), solve(0.05));
    assert!(loose.0 < tight.0 && loose.1 > tight.1, "{loose:?} {tight:?}");
    assert!(loose.0 >= 5, "looks back over 5 steps");
}

#[test]
fn ends_when_nothing_can_go_further() {
    let mut engine = engine(linear(), config(2, levenberg_marquardt()));
    let budget = Budget::of_steps(1000);
    let solution = engine.solve(&observe(&[&B]), &budget, &ManualClock::default()).expect("well behaved");
    assert_eq!(solution.stop, Some(StopReason::Converged));
    assert!(solution.statistics.steps < 50);
}

#[test]
fn the_system_clock_goes_on() {
    let clock = SystemClock::default();
    let before = clock.now();
    std::thread::sleep(Duration::from_millis(2));
    assert!(clock.now() - before >= Duration::from_millis(2));
}
