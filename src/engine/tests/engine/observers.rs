//! What observers see, and when.

use std::sync::{Arc, Mutex};

use tch::Tensor;
use thalweg::clock::ManualClock;
use thalweg_engine::{Budget, Cadence, EngineConfig, Event, Observer, Status};
use thalweg_task::Observation;

use crate::doubles::{B, cliff, linear, observe};
use crate::{adam, bits, config, engine};

#[derive(Default)]
struct Notes {
    begun: Vec<i64>,
    indices: Vec<u32>,
    statuses: Vec<Status>,
    points: Vec<Tensor>,
    before: Vec<Tensor>,
    losses: Vec<Vec<f64>>,
    best: Vec<Vec<f64>>,
    ended: Vec<u32>,
}

impl Observer for Notes {
    fn observe(&mut self, event: &Event<'_>) {
        match *event {
            Event::Begin { obs, z, loss, .. } => {
                self.begun.push(obs.stamp_nanos);
                self.points.push(z.copy());
                self.losses.push(loss.to_vec());
            }
            Event::Step { index, z_before, z, loss, best, status } => {
                self.indices.push(index);
                self.before.push(z_before.copy());
                self.points.push(z.copy());
                self.losses.push(loss.to_vec());
                self.best.push(best.to_vec());
                self.statuses.push(status);
            }
            Event::End { solution } => self.ended.push(solution.statistics.steps),
        }
    }
}

fn watch(cadence: Cadence, config: EngineConfig, steps: u32) -> Notes {
    let mut engine = engine(linear(), config);
    let notes = Arc::new(Mutex::new(Notes::default()));
    engine.add_observer(cadence, Box::new(Arc::clone(&notes)));
    let obs = Observation { stamp_nanos: 9, ..observe(&[&B]) };
    engine.solve(&obs, &Budget::of_steps(steps), &ManualClock::default()).expect("well behaved");
    drop(engine);
    let notes = Arc::into_inner(notes).expect("the engine is gone");
    notes.into_inner().expect("one thread")
}

#[test]
fn cadences_are_kept() {
    let config = || config(3, adam(0.1));
    let never = watch(Cadence::Never, config(), 7);
    assert!(never.begun.is_empty() && never.indices.is_empty() && never.ended.is_empty());
    let always = watch(Cadence::Always, config(), 7);
    assert_eq!(always.indices, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((always.begun, always.ended), (vec![9], vec![7]));
    assert_eq!(watch(Cadence::Every(3), config(), 7).indices, [3, 6]);
    assert_eq!(watch(Cadence::Every(0), config(), 3).indices, [1, 2, 3]);
}

#[test]
fn new_best_means_that_the_least_loss_fell() {
    // A rate so great that most steps overshoot.
    let all = watch(Cadence::Always, config(1, adam(1.5)), 60);
    let best = watch(Cadence::NewBest, config(1, adam(1.5)), 60);
    let mut least = all.losses[0][0];
    let mut expected = Vec::new();
    for (index, loss) in all.indices.iter().zip(&all.losses[1..]) {
        if loss[0] < least {
            (least, _) = (loss[0], expected.push(*index));
        }
    }
    assert_eq!(best.indices, expected);
    assert!(!expected.is_empty() && expected.len() < 60, "{expected:?}");
}

#[test]
fn trajectories_are_whole() {
    let notes = watch(Cadence::Always, config(3, adam(0.1)), 5);
    assert_eq!(notes.points.len(), 6, "z_0 to z_5");
    for (before, point) in notes.before.iter().zip(&notes.points) {
        assert_eq!(bits(before), bits(point));
    }
    for (k, best) in notes.best.last().expect("5 steps").iter().enumerate() {
        let least = notes.losses.iter().map(|loss| loss[k]).fold(f64::INFINITY, f64::min);
        assert_eq!(*best, least, "row {k} keeps its place");
    }
    assert!(notes.statuses.contains(&Status::Improved));
}

#[test]
fn a_diverged_row_shows_its_new_start() {
    let mut engine = engine(cliff(1.0), config(1, adam(0.5)));
    let notes = Arc::new(Mutex::new(Notes::default()));
    engine.add_observer(Cadence::Always, Box::new(Arc::clone(&notes)));
    let start = Tensor::from_slice(&[0.8, 0.0]).view([1, 2]);
    engine.begin_from(&observe(&[&[5.0, 0.0]]), &start).expect("finite start");
    engine.refine().expect("numeric trouble is a status");
    let notes = notes.lock().expect("one thread");
    assert!(notes.losses[1][0].is_finite());
    assert!((notes.points[1].double_value(&[0, 0]) - 1.3).abs() > 1e-6, "1.3 is beyond the edge");
}
