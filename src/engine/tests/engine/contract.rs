//! What callers rely on: refusals, warm starts, ranking, panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Device, Kind, Tensor};
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::{AdamConfig, Engine, EngineConfig, EngineError, LmConfig, Optimizer};
use thalweg_task::{Observation, TaskError};

use crate::doubles::{B, Double, linear, matrix, observe, panicking, square};
use crate::{adam, assert_close, bits, config, engine, row, setup, values};

#[test]
fn options_outside_their_range_are_refused() {
    let adam_with = |change: &dyn Fn(&mut AdamConfig)| {
        let mut adam = AdamConfig::default();
        change(&mut adam);
        EngineConfig { optimizer: Optimizer::Adam(adam), ..EngineConfig::default() }
    };
    let damped_with = |change: &dyn Fn(&mut LmConfig)| {
        let mut damped = LmConfig::default();
        change(&mut damped);
        EngineConfig { optimizer: Optimizer::LevenbergMarquardt(damped), ..EngineConfig::default() }
    };
    let refused = [
        (EngineConfig { hypotheses: 0, ..EngineConfig::default() }, "hypotheses: got 0, expected at least 1"),
        (EngineConfig { threads: 0, ..EngineConfig::default() }, "threads: got 0, expected 1 to 64"),
        (EngineConfig { fresh: 8, ..EngineConfig::default() }, "fresh: got 8, expected less than hypotheses = 8"),
        (
            EngineConfig { prior_weight: -1.0, ..EngineConfig::default() },
            "prior_weight: got -1, expected a number from 0 to 1000000",
        ),
        (adam_with(&|adam| adam.rate = f64::NAN), "adam.rate: got NaN, expected a number from 1e-15 to 1000"),
        (adam_with(&|adam| adam.epsilon = 0.0), "adam.epsilon: got 0, expected a number from 1e-15 to 1000"),
        (adam_with(&|adam| adam.beta2 = 1.0), "adam.beta2: got 1, expected a number in [0, 1)"),
        (adam_with(&|adam| adam.decay = 0.0), "adam.decay: got 0, expected a number in (0, 1]"),
        (
            damped_with(&|damped| damped.damping = 1e9),
            "levenberg_marquardt.damping: got 1000000000, expected a number in [min, max]",
        ),
        (
            damped_with(&|damped| damped.raise = 1.0),
            "levenberg_marquardt.raise: got 1, expected a finite number above 1",
        ),
        (damped_with(&|damped| damped.lower = 1.0), "levenberg_marquardt.lower: got 1, expected a number in (0, 1)"),
        (damped_with(&|damped| damped.min = 0.0), "levenberg_marquardt.min: got 0, expected a finite number above 0"),
        (
            damped_with(&|damped| damped.max = 1e-9),
            "levenberg_marquardt.max: got 0.000000001, expected a finite number, at least min",
        ),
    ];
    for (config, sentence) in refused {
        assert_eq!(config.validate().expect_err(sentence).to_string(), sentence);
    }
    EngineConfig::default().validate().expect("the defaults are valid");
}

#[test]
fn options_are_read_and_unknown_ones_refused() {
    let text = r#"{"hypotheses": 3, "optimizer": {"levenberg_marquardt": {"damping": 0.5}}}"#;
    let read: EngineConfig = serde_json::from_str(text).expect("known options");
    assert_eq!(read.hypotheses, 3);
    assert_eq!(read.optimizer, Optimizer::LevenbergMarquardt(LmConfig { damping: 0.5, ..LmConfig::default() }));
    let written = serde_json::to_string(&read).expect("plain data");
    assert_eq!(serde_json::from_str::<EngineConfig>(&written).expect("its own text"), read);
    for text in [r#"{"hypothesis": 3}"#, r#"{"optimizer": {"adam": {"lr": 1}}}"#, r#"{"optimizer": {"sgd": {}}}"#] {
        serde_json::from_str::<EngineConfig>(text).expect_err(text);
    }
}

#[test]
fn a_landscape_that_does_not_fit_is_refused() {
    setup();
    let shape = |x| LandscapeShape { z: 4, x, hidden: 8 };
    let random = |x, kind| Landscape::random(&shape(x), 1, kind, Device::Cpu).expect("valid shape");
    let new = |landscape| Engine::new(linear().boxed(), landscape, config(2, adam(0.1)));
    let error = new(random(5, Kind::Double)).expect_err("5 dimensions for 2");
    assert_eq!(error.to_string(), "landscape random-1 maps to 5 latent dimensions, task double has 2");
    let error = new(random(2, Kind::Float)).expect_err("single precision for double");
    assert!(matches!(error, EngineError::ElementType { .. }), "{error}");
    let mut engine = new(Landscape::identity(2)).expect("fits");
    engine.set_landscape(Landscape::identity(3)).expect_err("3 dimensions for 2");
    assert_eq!(engine.landscape().latent(), 2, "a refused landscape changes nothing");
    // Twice, so that there are points to start warm from, and a present solution.
    engine.begin(&observe(&[&B])).expect("finite start");
    engine.begin(&observe(&[&B])).expect("finite start");
    engine.set_landscape(random(2, Kind::Double)).expect("fits");
    engine.begin(&observe(&[&B])).expect("finite start");
    assert_eq!(engine.solution().expect("begun").z.size(), [2, 4]);
    assert_eq!(engine.solution().expect("begun").landscape, "random-1");
}

#[test]
fn a_refused_observation_leaves_a_working_engine_with_its_warm_start() {
    let mut engine = engine(linear(), EngineConfig { fresh: 1, ..config(3, adam(0.1)) });
    engine.begin(&observe(&[&B])).expect("finite start");
    let best = row(&engine.solution().expect("begun").z, 0);
    let infinite = engine.begin(&observe(&[&[1.0, f64::INFINITY, 0.0]])).expect_err("infinite");
    assert!(matches!(infinite, EngineError::Task(TaskError::Infinite { .. })), "{infinite}");
    assert!(engine.solution().is_none(), "an old solution must not pass for the new one");
    engine.begin(&Observation::default()).expect_err("empty");
    let rows = engine.begin(&observe(&[&B, &B])).expect_err("2 rows for 3 hypotheses");
    let sentence = "observation has 2 rows, expected 1 or one for each of 3 hypotheses";
    assert_eq!(rows.to_string(), sentence);
    engine.begin(&observe(&[&B])).expect("fine again");
    assert_eq!(row(&engine.solution().expect("begun").z, 0), best);
    let start = engine.begin_from(&observe(&[&B]), &matrix(&[&[0.0, 0.0]])).expect_err("1 row for 3");
    assert_eq!(start.to_string(), "starting points: expected shape [3, 2], got [1, 2]");
}

#[test]
fn masked_entries_do_not_count() {
    let mut engine = engine(linear(), config(4, adam(0.1)));
    engine.begin(&observe(&[&[1.0, 2.0, f64::NAN]])).expect("NaN is unobserved");
    for _ in 0..800 {
        engine.refine().expect("well behaved");
    }
    // Two equations in two unknowns are left: x1 = 2, 2 x0 + x1 = 1.
    assert_close(&row(&engine.solution().expect("begun").x, 0), &[-0.5, 2.0], 1e-4);
}

#[test]
fn solutions_are_ranked_and_weighed() {
    let mut engine = engine(linear(), config(6, adam(0.05)));
    engine.begin(&Observation { stamp_nanos: 42, ..observe(&[&B]) }).expect("finite start");
    engine.refine().expect("well behaved");
    let solution = engine.solution().expect("begun");
    assert!(solution.loss.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", solution.loss);
    let a = matrix(&[&crate::doubles::A[0], &crate::doubles::A[1], &crate::doubles::A[2]]);
    let residual = solution.x.matmul(&a.tr()) - matrix(&[&B]);
    let loss = residual.square().sum_dim_intlist(1, false, Kind::Double);
    assert_close(&values(&loss), &solution.loss, 1e-12);
    assert_close(&values(&(&solution.y_hat - matrix(&[&B]) - residual)), &[0.0; 18], 1e-12);
    let weights = solution.weights();
    assert_close(&[weights.iter().sum()], &[1.0], 1e-12);
    let ratio = (-(solution.loss[1] - solution.loss[0]) / solution.loss[0]).exp();
    assert_close(&[weights[1] / weights[0]], &[ratio], 1e-12);
    assert_eq!((solution.stamp_nanos, solution.stop), (42, None));
    assert_eq!((solution.statistics.steps, solution.statistics.evaluations), (1, 2));
}

#[test]
fn a_perfect_hypothesis_takes_all_the_weight() {
    let mut engine = engine(linear(), config(3, adam(0.1)));
    let target = observe(&[&[3.0, 1.0, 0.0]]);
    engine.begin_from(&target, &matrix(&[&[1.0, 1.0], &[0.0, 0.0], &[1.0, 1.0]])).expect("finite start");
    assert_eq!(engine.solution().expect("begun").weights(), [0.5, 0.5, 0.0]);
}

#[test]
fn a_warm_start_begins_at_the_previous_best() {
    let mut engine = engine(linear(), EngineConfig { fresh: 2, ..config(5, adam(0.1)) });
    engine.begin(&observe(&[&B])).expect("finite start");
    for _ in 0..10 {
        engine.refine().expect("well behaved");
    }
    let before = engine.solution().expect("begun").z.copy();
    engine.begin(&observe(&[&[0.0, 0.0, 0.0]])).expect("finite start");
    let after = &engine.solution().expect("begun").z;
    let rows = |z: &Tensor| (0..5).map(|k| bits(&z.get(k))).collect::<Vec<_>>();
    let (before, after) = (rows(&before), rows(after));
    assert!(before[..3].iter().all(|kept| after.contains(kept)), "the three best go on");
    assert_eq!(after.iter().filter(|z| !before.contains(z)).count(), 2, "two are fresh");
}

#[test]
fn a_cold_start_and_a_reset_draw_all_rows() {
    let run = |config, reset: bool| {
        let mut engine = engine(linear(), config);
        engine.begin(&observe(&[&B])).expect("finite start");
        let before = engine.solution().expect("begun").z.copy();
        if reset {
            engine.reset();
            assert!(engine.solution().is_none());
        }
        engine.begin(&observe(&[&B])).expect("finite start");
        let after = &engine.solution().expect("begun").z;
        (0..4).filter(|&k| (0..4).any(|j| bits(&before.get(j)) == bits(&after.get(k)))).count()
    };
    assert_eq!(run(config(4, adam(0.1)), false), 4);
    assert_eq!(run(config(4, adam(0.1)), true), 0);
    assert_eq!(run(EngineConfig { warm_start: false, ..config(4, adam(0.1)) }, false), 0);
}

#[test]
fn the_number_of_hypotheses_can_change() {
    let mut engine = engine(square(), EngineConfig { fresh: 1, ..config(4, adam(0.1)) });
    engine.begin(&observe(&[&[1.0]])).expect("finite start");
    let best = row(&engine.solution().expect("begun").z, 0);
    let error = engine.set_hypotheses(1).expect_err("one of one would be fresh");
    assert_eq!(error.to_string(), "fresh: got 1, expected less than hypotheses = 1");
    assert_eq!(engine.config().hypotheses, 4);
    for hypotheses in [9, 2] {
        engine.set_hypotheses(hypotheses).expect("above fresh");
        engine.begin(&observe(&[&[1.0]])).expect("finite start");
        let solution = engine.solution().expect("begun");
        assert_eq!(solution.loss.len(), hypotheses);
        assert!((0..hypotheses as i64).any(|k| row(&solution.z, k) == best), "the best goes on");
    }
}

#[test]
fn a_panicking_task_is_an_error_and_the_engine_lives_on() {
    let switch = Arc::new(AtomicBool::new(false));
    let mut engine = engine(panicking(&switch), config(2, adam(0.1)));
    engine.begin(&observe(&[&B])).expect("not yet");
    engine.refine().expect("not yet");
    let before = bits(&engine.solution().expect("begun").z);
    switch.store(true, Ordering::Relaxed);
    let error = engine.refine().expect_err("the task panics");
    assert!(matches!(&error, EngineError::TaskPanicked { message, .. } if message.contains("shape")), "{error}");
    assert_eq!(bits(&engine.solution().expect("kept").z), before);
    assert_eq!(engine.solution().expect("kept").statistics.steps, 1);
    assert!(matches!(engine.begin(&observe(&[&B])), Err(EngineError::TaskPanicked { .. })));
    switch.store(false, Ordering::Relaxed);
    engine.begin(&observe(&[&B])).expect("well again");
    engine.refine().expect("well again");
}

#[test]
fn a_loss_without_gradient_is_refused() {
    let mut engine = engine(Double::new(2, 2, Tensor::detach), config(2, adam(0.1)));
    let error = engine.begin(&observe(&[&[0.0, 0.0]])).expect_err("nothing to descend");
    assert_eq!(error.to_string(), "task double: the loss has no gradient with respect to the latent");
}

#[test]
fn callers_keep_their_gradient_mode() {
    let mut engine = engine(linear(), config(2, adam(0.1)));
    let traces = || (matrix(&[&[1.0]]).set_requires_grad(true) * 2.0).requires_grad();
    engine.begin(&observe(&[&B])).expect("finite start");
    engine.refine().expect("well behaved");
    assert!(traces());
    tch::no_grad(|| {
        engine.refine().expect("gradients are traced inside, whatever the caller does");
        assert!(!traces());
    });
}
