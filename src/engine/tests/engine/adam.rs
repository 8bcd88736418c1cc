//! Adam against a reference written by hand, one number at a time.

use std::sync::{Arc, Mutex};

use tch::Tensor;
use thalweg_engine::{AdamConfig, AdamState, Cadence, Optimizer};

use crate::doubles::{A, B, linear, matrix, observe};
use crate::{Path, adam, assert_close, config, engine, row, values};

/// Kingma and Ba (2015), algorithm 1, on one row of the linear task.
struct Reference {
    x: [f64; 2],
    first: [f64; 2],
    second: [f64; 2],
    steps: i32,
}

impl Reference {
    fn at(x: [f64; 2]) -> Self {
        Self { x, first: [0.0; 2], second: [0.0; 2], steps: 0 }
    }

    fn gradient(&self) -> [f64; 2] {
        let residual = |i: usize| A[i][0] * self.x[0] + A[i][1] * self.x[1] - B[i];
        [0, 1].map(|j| (0..3).map(|i| 2.0 * A[i][j] * residual(i)).sum())
    }

    fn step(&mut self, config: &AdamConfig) {
        let gradient = self.gradient();
        self.steps += 1;
        for (j, slope) in gradient.into_iter().enumerate() {
            self.first[j] = config.beta1 * self.first[j] + (1.0 - config.beta1) * slope;
            self.second[j] = config.beta2 * self.second[j] + (1.0 - config.beta2) * slope * slope;
            let first = self.first[j] / (1.0 - config.beta1.powi(self.steps));
            let second = self.second[j] / (1.0 - config.beta2.powi(self.steps));
            self.x[j] -= config.rate * first / (second.sqrt() + config.epsilon);
        }
    }
}

/// With a constant gradient, Adam without memory moves by its rate: the path shows the schedule.
#[test]
fn the_rate_decays_to_a_hundredth_and_no_further() {
    let config = AdamConfig { rate: 0.5, beta1: 0.0, beta2: 0.0, decay: 0.3, ..AdamConfig::default() };
    let (mut z, gradient) = (matrix(&[&[0.0]]), matrix(&[&[2.0]]));
    let mut state = AdamState::new(&z);
    for expected in [0.5, 0.15, 0.045, 0.0135, 0.005, 0.005, 0.005] {
        let before = values(&z);
        (state, z) = state.step(&config, &z, &gradient);
        assert_close(&[before[0] - values(&z)[0]], &[expected], 1e-8);
    }
}

#[test]
fn twenty_steps_equal_the_reference() {
    // An epsilon that matters, so that a misplaced one shows.
    let options = AdamConfig { rate: 0.3, epsilon: 0.1, ..AdamConfig::default() };
    let mut engine = engine(linear(), config(2, Optimizer::Adam(options)));
    let path = Arc::new(Mutex::new(Path::default()));
    engine.add_observer(Cadence::Always, Box::new(Arc::clone(&path)));
    let starts = [[0.3, -1.0], [2.0, 5.0]];
    engine.begin_from(&observe(&[&B]), &matrix(&[&starts[0], &starts[1]])).expect("finite start");
    let mut references = starts.map(Reference::at);
    for index in 0..20 {
        engine.refine().expect("the linear task is well behaved");
        references.iter_mut().for_each(|reference| reference.step(&options));
        let expected: Vec<f64> = references.iter().flat_map(|reference| reference.x).collect();
        assert_close(&path.lock().expect("one thread").0[index], &expected, 1e-12);
    }
}

#[test]
fn a_reset_row_starts_cleanly_and_leaves_the_other_alone() {
    crate::setup();
    let options = AdamConfig::default();
    let z = matrix(&[&[1.0, 2.0], &[1.0, 2.0]]);
    let gradient = matrix(&[&[0.5, -4.0], &[0.5, -4.0]]);
    let (first, _) = AdamState::new(&z).step(&options, &z, &gradient);
    let (second, _) = first.step(&options, &z, &gradient);
    let mut reset = second.clone();
    reset.reset(&[false, true]);
    let (_, expected_old) = second.step(&options, &z, &gradient);
    let (_, expected_new) = AdamState::new(&z).step(&options, &z, &(&gradient * 3.0));
    let tripled = Tensor::cat(&[gradient.get(0), gradient.get(1) * 3.0], 0).view([2, 2]);
    let (_, moved) = reset.step(&options, &z, &tripled);
    assert_eq!(row(&moved, 0), row(&expected_old, 0));
    assert_eq!(row(&moved, 1), row(&expected_new, 1));
}

#[test]
fn a_step_is_pure() {
    crate::setup();
    let z = matrix(&[&[1.0, 2.0]]);
    let state = AdamState::new(&z);
    let (_, first) = state.step(&AdamConfig::default(), &z, &z);
    let (_, again) = state.step(&AdamConfig::default(), &z, &z);
    assert_eq!(crate::bits(&first), crate::bits(&again));
    assert_eq!(values(&z), [1.0, 2.0]);
}

#[test]
fn reaches_the_closed_form_optimum() {
    let mut engine = engine(linear(), config(3, adam(0.1)));
    engine.begin(&observe(&[&B])).expect("finite start");
    for _ in 0..600 {
        engine.refine().expect("the linear task is well behaved");
    }
    let solution = engine.solution().expect("begun");
    assert_close(&row(&solution.x, 0), &crate::doubles::closed_form(B), 1e-4);
}
