//! Times what training of theta does on a CPU most of the time: descents whose every point is kept.

use std::sync::{Arc, Mutex};

use tch::Tensor;
use thalweg_engine::{BackendChoice, Cadence, Engine, Event, Observer};
use thalweg_task::Observation;

use crate::{ADAM_IN_Z, Figures, Turns};

/// Descents side by side, and steps of each: those of the default preset.
const DESCENTS: usize = 2048;
const STEPS: u32 = 10;
/// Turns that each arm has.
const ROUNDS: usize = 3;

/// Keeps all points, as training does.
#[derive(Clone, Default)]
struct Points(Arc<Mutex<Vec<Tensor>>>);

impl Observer for Points {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Begin { z, .. } | Event::Step { z, .. } = event {
            self.0.lock().expect("one thread").push(z.copy());
        }
    }
}

/// Angles of as many bodies.
fn observations() -> Observation {
    let angle = |index: usize| 0.5 * ((index % 9973) as f32 * 0.7).sin();
    let angles: Vec<f32> = (0..63 * DESCENTS).map(angle).collect();
    Observation::of_joints(&Tensor::from_slice(&angles).view([DESCENTS as i64, 63]))
}

/// One collection.
fn collect(engine: &mut Engine, points: &Points, observations: &Observation) {
    engine.reset();
    engine.begin(observations).expect("finite losses");
    for _ in 0..STEPS {
        engine.refine().expect("perceptrons do not fail");
    }
    assert_eq!(points.0.lock().expect("one thread").drain(..).count(), STEPS as usize + 1);
}

/// Milliseconds of a collection natively, on one and two threads, and on libtorch.
pub(crate) fn measure() -> Vec<String> {
    let observations = observations();
    let arms = [(BackendChoice::Fused, 1), (BackendChoice::Fused, 2), (BackendChoice::Tch, 1)];
    let mut engines = arms.map(|(backend, threads)| {
        let (mut engine, points) = (ADAM_IN_Z.engine(backend, DESCENTS, threads), Points::default());
        engine.add_observer(Cadence::Always, Box::new(points.clone()));
        (engine, points)
    });
    let mut turns = engines.each_ref().map(|_| Turns::default());
    for round in 0..=ROUNDS {
        for ((engine, points), turns) in engines.iter_mut().zip(&mut turns) {
            turns.time(round, 1, || collect(engine, points, &observations));
        }
    }
    let [one, two, tch] = turns.map(|turns| turns.figures());
    let line = |name: &str, figures: &Figures| {
        let (median, least) = (figures.median / 1e3, figures.least / 1e3);
        format!("| {name} | {median:.0} ({least:.0}) | {:.1} |", tch.median / figures.median)
    };
    vec![
        format!("collecting {DESCENTS} descents of {STEPS} steps in z, all points kept: milliseconds, median (least)"),
        "| arm | ms | times as fast as tch |".to_owned(),
        "|---|---|---|".to_owned(),
        line("fused, one thread", &one),
        line("fused, two threads", &two),
        line("tch, one thread", &tch),
    ]
}
