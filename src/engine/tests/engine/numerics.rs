//! Rows that run away, seeds, and the promise that the best one never gets worse.

use proptest::prelude::{Strategy, prop_assert, prop_oneof, proptest};
use std::sync::{Arc, Mutex};

use tch::Tensor;
use thalweg_engine::{AdamConfig, Cadence, EngineConfig, EngineError, LmConfig, Optimizer, Status};

use crate::doubles::{B, Double, cliff, kink, linear, matrix, observe, rosenbrock, square};
use crate::{Path, adam, assert_finite, bits, config, engine, levenberg_marquardt, row};

/// Steps of Adam with rate 0.5 away from where row 1 starts: it walks over the edge at 1.
const STARTS: [[f64; 2]; 4] = [[-2.0, 0.3], [0.8, 0.1], [-3.0, -1.0], [-0.5, 2.0]];

fn walk(task: Double, starts: &Tensor) -> (Vec<Tensor>, u32) {
    let mut engine = engine(task, config(4, adam(0.5)));
    let targets = observe(&[&[-1.0, 0.0], &[5.0, 0.0], &[-1.0, 1.0], &[-2.0, 0.0]]);
    engine.begin_from(&targets, starts).expect("finite start");
    let mut path = Vec::new();
    for _ in 0..6 {
        engine.refine().expect("numeric trouble is a status");
        let solution = engine.solution().expect("begun");
        assert_finite(solution);
        path.push(solution.z.copy());
    }
    (path, engine.solution().expect("begun").statistics.diverged)
}

#[test]
fn a_diverged_row_is_counted_and_touches_no_other() {
    let starts = matrix(&[&STARTS[0], &STARTS[1], &STARTS[2], &STARTS[3]]);
    let (broken, diverged) = walk(cliff(1.0), &starts);
    let (whole, none) = walk(cliff(f64::INFINITY), &starts);
    assert!(diverged >= 1);
    assert_eq!(none, 0);
    for (broken, whole) in broken.iter().zip(&whole) {
        for k in [0, 2, 3] {
            assert_eq!(bits(&broken.get(k)), bits(&whole.get(k)), "row {k}");
        }
    }
    assert_ne!(bits(&broken[5].get(1)), bits(&whole[5].get(1)), "row 1 should have met the edge");
}

#[test]
fn a_gradient_that_is_not_finite_counts_too() {
    // At zero and below, the root is finite and its slope is not.
    let mut engine = engine(kink(), config(2, adam(0.1)));
    engine.begin_from(&observe(&[&[1.0, 0.0]]), &matrix(&[&[0.0, 1.0], &[0.5, 1.0]])).expect("one row is finite");
    let solution = engine.solution().expect("begun");
    assert!(solution.statistics.diverged >= 1);
    let first = crate::values(&solution.x.narrow(1, 0, 1));
    assert!(first.iter().all(|x| *x > 0.0), "{first:?}");
}

#[test]
fn broken_starting_points_are_drawn_again() {
    let starts = matrix(&[&[3.0, 0.0], &[-1.0, 0.0], &[9.0, 9.0]]);
    let mut engine = engine(cliff(1.0), config(3, adam(0.1)));
    engine.begin_from(&observe(&[&[0.0, 0.0]]), &starts).expect("most of the space is finite");
    let solution = engine.solution().expect("begun");
    assert_finite(solution);
    assert!(solution.statistics.diverged >= 2);
    assert!(crate::values(&solution.x.narrow(1, 0, 1)).iter().all(|x| *x < 1.0));
}

#[test]
fn a_hopeless_row_becomes_a_copy_of_the_best() {
    // Practically all of N(0, I) lies beyond the edge; only the point handed in does not.
    let starts = matrix(&[&[0.0, 0.0], &[-60.0, 0.5], &[-70.0, 0.5]]);
    let mut engine = engine(cliff(-50.0), config(3, adam(0.1)));
    engine.begin_from(&observe(&[&[0.0, 0.0]]), &starts).expect("two rows are finite");
    let solution = engine.solution().expect("begun");
    assert_eq!(row(&solution.z, 0), [-60.0, 0.5]);
    assert_eq!(row(&solution.z, 1), [-60.0, 0.5]);
    assert_eq!(row(&solution.z, 2), [-70.0, 0.5]);
    let own = observe(&[&[0.0, 0.0], &[0.0, 0.0], &[0.0, 0.0]]);
    let error = engine.begin_from(&own, &starts).expect_err("row 0 has an observation of its own");
    assert!(matches!(error, EngineError::NothingFinite { rows: 1, .. }), "{error}");
}

#[test]
fn a_respawned_row_restarts_its_optimizer() {
    let rate = 0.5;
    let mut engine = engine(cliff(1.0), config(1, adam(rate)));
    engine.begin_from(&observe(&[&[9.0, 9.0]]), &matrix(&[&[-3.0, -1.0]])).expect("finite start");
    let path = Arc::new(Mutex::new(Path::default()));
    engine.add_observer(Cadence::Always, Box::new(Arc::clone(&path)));
    // Until a row has just been respawned and its next step stays on this side of the edge.
    let mut diverged = vec![0];
    while !matches!(diverged[..], [.., a, b, c] if a < b && b == c) {
        engine.refine().expect("numeric trouble is a status");
        diverged.push(engine.solution().expect("begun").statistics.diverged);
    }
    let path = path.lock().expect("one thread");
    let [.., respawned, next] = path.0.as_slice() else { panic!("several steps") };
    // The first step of Adam has the length of the rate along each axis; later ones do not.
    for (from, to) in respawned.iter().zip(next) {
        assert!(((to - from).abs() - rate).abs() < 1e-6, "{from} {to}");
    }
}

#[test]
fn a_row_without_a_fresh_start_goes_back_to_its_best() {
    // Fresh points lie beyond the edge, practically all of them, and so does where Adam leads.
    let mut engine = engine(cliff(-50.0), config(2, adam(4.0)));
    let starts = matrix(&[&[-51.0, 0.5], &[-80.0, 0.5]]);
    engine.begin_from(&observe(&[&[0.0, 0.0]]), &starts).expect("finite start");
    let path = Arc::new(Mutex::new(Path::default()));
    engine.add_observer(Cadence::Always, Box::new(Arc::clone(&path)));
    engine.refine().expect("numeric trouble is a status");
    assert_eq!(engine.solution().expect("begun").statistics.diverged, 1);
    assert_eq!(path.lock().expect("one thread").0[0][..2], [-51.0, 0.5]);
}

#[test]
fn nothing_finite_is_an_error_and_the_engine_lives_on() {
    let mut engine = engine(Double::new(2, 2, |x| x * f64::NAN), config(3, adam(0.1)));
    let error = engine.begin(&observe(&[&[0.0, 0.0]])).expect_err("no point is finite");
    assert!(matches!(error, EngineError::NothingFinite { rows: 3, .. }), "{error}");
    assert!(engine.solution().is_none());
    assert!(matches!(engine.refine(), Err(EngineError::NotBegun)));
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let run = |seed, optimizer: Optimizer| {
        let config = EngineConfig { seed, fresh: 2, ..config(5, optimizer) };
        let mut engine = engine(cliff(1.0), config);
        let mut path = Vec::new();
        for target in [[0.5, 1.0], [2.0, 0.0], [-1.0, 0.3]] {
            engine.begin(&observe(&[&target])).expect("finite points exist");
            for _ in 0..5 {
                engine.refine().expect("numeric trouble is a status");
                path.extend(bits(&engine.solution().expect("begun").z));
            }
        }
        path
    };
    for optimizer in [adam(0.4), levenberg_marquardt()] {
        assert_eq!(run(7, optimizer.clone()), run(7, optimizer.clone()));
        assert_ne!(run(7, optimizer.clone()), run(8, optimizer));
    }
}

#[test]
fn two_minima_are_both_kept() {
    let mut engine = engine(square(), config(8, adam(0.1)));
    engine.begin(&observe(&[&[4.0]])).expect("finite start");
    for _ in 0..300 {
        engine.refine().expect("well behaved");
    }
    let x = crate::values(&engine.solution().expect("begun").x);
    assert!(x.iter().all(|x| (x.abs() - 2.0).abs() < 1e-3), "{x:?}");
    assert!(x.iter().any(|x| *x > 0.0) && x.iter().any(|x| *x < 0.0), "{x:?}");
}

fn any_optimizer() -> impl Strategy<Value = Optimizer> {
    let adam = (-4.0..3.0f64).prop_map(|rate| AdamConfig { rate: 10f64.powf(rate), ..AdamConfig::default() });
    let damped = (-6.0..8.0f64).prop_map(|damping| LmConfig { damping: 10f64.powf(damping), ..LmConfig::default() });
    prop_oneof![adam.prop_map(Optimizer::Adam), damped.prop_map(Optimizer::LevenbergMarquardt)]
}

fn misbehaving(which: usize) -> Double {
    match which {
        0 => linear(),
        1 => rosenbrock(),
        2 => cliff(0.5),
        // Overflows to infinity, in single precision, for all but small latents.
        _ => Double::new(2, 2, |x| (x * 60.0).exp()).single_precision(),
    }
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_best_never_gets_worse(seed: u64, optimizer in any_optimizer(), which in 0..4usize) {
        let config = EngineConfig { seed, ..config(4, optimizer) };
        let mut engine = engine(misbehaving(which), config);
        let target: &[f64] = if which == 0 { &B } else { &[0.5, 1.0] };
        engine.begin(&observe(&[target])).expect("finite points exist");
        let mut best = engine.solution().expect("begun").loss.clone();
        for _ in 0..15 {
            let status = engine.refine().expect("numeric trouble is a status");
            let solution = engine.solution().expect("begun");
            assert_finite(solution);
            let fell = solution.loss.iter().zip(&best).any(|(new, old)| new < old);
            // Ranked, so row k is the k-th best: none of them may rise.
            prop_assert!(solution.loss.iter().zip(&best).all(|(new, old)| new <= old));
            prop_assert!(status == Status::Converged || fell == (status == Status::Improved));
            best.clone_from(&solution.loss);
        }
    }
}
