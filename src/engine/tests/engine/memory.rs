//! What an engine remembers is all that a solve depends on.

use std::sync::{Arc, Mutex};

use tch::Tensor;
use thalweg::Registry;
use thalweg::clock::ManualClock;
use thalweg_engine::{Budget, Cadence, Engine, EngineConfig, EngineError, Event, Memory, Observer, WarmStart};
use thalweg_task::{LoadOptions, Observation};

use super::values;

/// Notes what the engine remembered at each beginning.
#[derive(Default)]
struct Memories(Vec<Memory>);

impl Observer for Memories {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Begin { memory, .. } = event {
            let warm = memory.warm.as_ref().map(|warm| WarmStart { z: warm.z.copy(), loss: warm.loss.clone() });
            self.0.push(Memory { index: memory.index, warm, leader: memory.leader, offset: memory.offset.clone() });
        }
    }
}

fn arm() -> Engine {
    tch::set_num_threads(1);
    let task = Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it needs no file");
    let landscape = thalweg_engine::landscape::Landscape::identity(task.spec().latent);
    let config = EngineConfig { hypotheses: 6, fresh: 3, seed: 11, ..EngineConfig::default() };
    Engine::new(task, landscape, config).expect("options are in range")
}

fn tips(frame: usize) -> Observation {
    let angles = [0.1f32 * frame as f32, f32::NAN, -0.3];
    Observation::of_joints(&Tensor::from_slice(&angles).unsqueeze(0))
}

fn solve(engine: &mut Engine, frame: usize) -> (Vec<f64>, Vec<f64>) {
    let solution = engine.solve(&tips(frame), &Budget::of_steps(4), &ManualClock::default()).expect("well behaved");
    (values(&solution.z), solution.loss.clone())
}

#[test]
fn a_solve_can_be_repeated_without_those_before_it() {
    let (mut first, memories) = (arm(), Arc::new(Mutex::new(Memories::default())));
    first.add_observer(Cadence::Ends, Box::new(Arc::clone(&memories)));
    let solved: Vec<_> = (0..5).map(|frame| solve(&mut first, frame)).collect();
    let memories = std::mem::take(&mut memories.lock().expect("one thread").0);
    assert_eq!(memories.iter().map(|memory| memory.index).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(memories[0].warm.is_none() && memories[1].warm.is_some());
    for (frame, Memory { index, warm, leader, offset }) in memories.into_iter().enumerate().skip(2) {
        let mut other = arm();
        other.recall(Memory { index: index - 1, warm, leader, offset }).expect("it fits");
        assert_eq!(solve(&mut other, frame), solved[frame], "frame {frame}");
    }
}

#[test]
fn random_numbers_belong_to_an_observation() {
    let mut engines = [arm(), arm()];
    solve(&mut engines[0], 0);
    for engine in &mut engines {
        engine.recall(Memory { index: 7, ..Memory::default() }).expect("it fits");
    }
    let [one, other] = &mut engines;
    assert_eq!(solve(one, 3), solve(other, 3));
    one.reset();
    assert_ne!(solve(one, 3), solved_at(7), "the next observation draws other numbers");
}

fn solved_at(index: u64) -> (Vec<f64>, Vec<f64>) {
    let mut engine = arm();
    engine.recall(Memory { index, ..Memory::default() }).expect("it fits");
    solve(&mut engine, 3)
}

#[test]
fn a_memory_of_another_landscape_is_refused() {
    let warm = WarmStart { z: Tensor::zeros([2, 5], (tch::Kind::Float, tch::Device::Cpu)), loss: vec![0.0; 2] };
    let error =
        arm().recall(Memory { index: 1, warm: Some(warm), ..Memory::default() }).expect_err("the arm has three angles");
    assert!(matches!(error, EngineError::Start { ref got, .. } if *got == [2, 5]), "{error}");
}

#[test]
fn who_looks_at_the_ends_only_costs_no_step() {
    let (mut engine, memories) = (arm(), Arc::new(Mutex::new(Memories::default())));
    engine.add_observer(Cadence::Ends, Box::new(Arc::clone(&memories)));
    solve(&mut engine, 0);
    engine.clear_observers();
    solve(&mut engine, 1);
    assert_eq!(memories.lock().expect("one thread").0.len(), 1);
}
