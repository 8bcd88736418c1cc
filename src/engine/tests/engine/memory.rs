//! What an engine remembers is all that a solve depends on.

use std::sync::{Arc, Mutex};

use tch::Tensor;
use thalweg::Registry;
use thalweg::clock::ManualClock;
use thalweg_engine::{
    Budget, Cadence, Engine, EngineConfig, EngineError, Event, LmConfig, Memory, Observer, Optimizer, WarmStart,
};
use thalweg_task::{LoadOptions, Observation, models_folder};

use super::values;

/// Notes what the engine remembered at each beginning.
#[derive(Default)]
struct Memories(Vec<Memory>);

impl Observer for Memories {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Begin { memory, .. } = event {
            self.0.push(memory.copied());
        }
    }
}

fn arm() -> Engine {
    engine("planar_arm", EngineConfig { hypotheses: 6, fresh: 3, seed: 11, ..EngineConfig::default() })
}

/// The body, whose derivatives serve points near by, those of half of all rectifiers away at the most.
fn body(threads: usize) -> Engine {
    let optimizer = Optimizer::LevenbergMarquardt(LmConfig { reuse: 0.5, ..LmConfig::default() });
    let config = EngineConfig { hypotheses: 5, fresh: 0, seed: 11, optimizer, threads, ..EngineConfig::default() };
    engine("body_pose", config)
}

fn engine(task: &str, config: EngineConfig) -> Engine {
    tch::set_num_threads(1);
    let options = LoadOptions { models: models_folder(), ..LoadOptions::default() };
    let task = Registry::shipped().load(task, &options).expect("its file is shipped");
    let landscape = thalweg_engine::landscape::Landscape::identity(task.spec().latent);
    Engine::new(task, landscape, config).expect("options are in range")
}

/// The left arm bends from frame to frame; some joints are silent.
fn pose(frame: usize) -> Observation {
    let angles: Vec<f32> = (0..63).map(|joint| if joint % 3 == 0 { f32::NAN } else { 0.02 * frame as f32 }).collect();
    Observation::of_joints(&Tensor::from_slice(&angles).unsqueeze(0))
}

fn tips(frame: usize) -> Observation {
    let angles = [0.1f32 * frame as f32, f32::NAN, -0.3];
    Observation::of_joints(&Tensor::from_slice(&angles).unsqueeze(0))
}

fn solve(engine: &mut Engine, frame: usize) -> (Vec<f64>, Vec<f64>) {
    let obs = if engine.task().spec().name == "body_pose" { pose(frame) } else { tips(frame) };
    let solution = engine.solve(&obs, &Budget::of_steps(4), &ManualClock::default()).expect("well behaved");
    (values(&solution.z), solution.loss.clone())
}

#[test]
fn a_solve_can_be_repeated_without_those_before_it() {
    let makers: [fn() -> Engine; 3] = [arm, || body(1), || body(2)];
    for make in makers {
        let (mut first, memories) = (make(), Arc::new(Mutex::new(Memories::default())));
        first.add_observer(Cadence::Ends, Box::new(Arc::clone(&memories)));
        let solved: Vec<_> = (0..5).map(|frame| solve(&mut first, frame)).collect();
        let memories = std::mem::take(&mut memories.lock().expect("one thread").0);
        assert_eq!(memories.iter().map(|memory| memory.index).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert!(memories[0].warm.is_none() && memories[1].warm.is_some());
        for (frame, memory) in memories.into_iter().enumerate().skip(2) {
            let mut other = make();
            other.recall(Memory { index: memory.index - 1, ..memory }).expect("it fits");
            assert_eq!(solve(&mut other, frame), solved[frame], "frame {frame}");
        }
    }
}

#[test]
fn derivatives_of_before_serve_frames_that_follow_closely() {
    let solve_all = |engine: &mut Engine| (0..12).map(|frame| solve(engine, frame)).collect::<Vec<_>>();
    let solved = solve_all(&mut body(1));
    assert_eq!(solve_all(&mut body(3)), solved, "threads have no say");
    // Who is asked for others meanwhile has the derivatives themselves put aside, and they are found anew elsewhere.
    let (mut one, mut other) = (body(1), body(1));
    for (frame, expected) in solved.iter().enumerate() {
        assert_eq!(&solve(&mut one, frame), expected, "frame {frame}");
        let memory = one.take_memory();
        assert!(memory.linearised.is_some(), "its points are known");
        other.recall(memory.copied()).expect("it fits");
        let next = solve(&mut other, frame + 1);
        solve(&mut one, 40);
        one.recall(memory).expect("it fits");
        if let Some(expected) = solved.get(frame + 1) {
            assert_eq!(&next, expected, "frame {}", frame + 1);
        }
    }
}

#[test]
fn derivatives_of_before_lead_to_where_each_points_own_do() {
    let follow = |damped: LmConfig| {
        let mut engine = body(1);
        engine.set_optimizer(Optimizer::LevenbergMarquardt(damped)).expect("in range");
        let z = Tensor::zeros([5, engine.landscape().dim()], (tch::Kind::Float, tch::Device::Cpu));
        let memory = Memory { index: 1, warm: Some(WarmStart { z, loss: vec![1.0; 5] }), ..Memory::default() };
        engine.recall(memory).expect("it fits");
        // Poses that F can make, so that there is one end to come to.
        let far = Tensor::arange(engine.landscape().dim(), (tch::Kind::Float, tch::Device::Cpu)).sin() * 0.1;
        let solve = |frame: i64| {
            let made = engine.task().forward(&(&far * frame as f64).unsqueeze(0)).expect("finite");
            let joints = engine.task().render(&made).expect("finite").joints.expect("a body has joints");
            let solution =
                engine.solve(&Observation::of_joints(&joints), &Budget::of_steps(3), &ManualClock::default());
            solution.expect("well behaved").loss[0]
        };
        (0..12).map(solve).collect::<Vec<_>>()
    };
    let (reused, own) = (follow(LmConfig::of_streams()), follow(LmConfig::default()));
    assert_ne!(reused, own, "they do serve");
    for (frame, (reused, own)) in reused.iter().zip(&own).enumerate() {
        assert!(reused / own < 1.1, "frame {frame}: a loss of {reused}, by each point's own {own}");
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
