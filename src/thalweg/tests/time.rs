//! Time counts: joints that fall silent are expected where they were, and a recording holds all that takes.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use tch::{Kind, Tensor};
use thalweg::motion::Motion;
use thalweg::{Inverter, Plan, Registry, clock::ManualClock};
use thalweg_body_pose::rotation::geodesic;
use thalweg_body_pose::rotations_from_angles;
use thalweg_body_pose::skeleton::group;
use thalweg_engine::{Answer, Budget, Engine};
use thalweg_task::{Masked, Observation, Seen, numbers};

const HZ: f64 = 100.0;
const STEPS: u32 = 4;
/// Frames in which all is seen.
const WHOLE: i64 = 30;
const FRAMES: i64 = 70;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn builder() -> thalweg::Builder {
    thalweg::load("body_pose").unwrap().models(root().join("models")).steps(STEPS)
}

/// The beginning of the bundled motion, a hundred frames a second.
fn motion(engine: &Inverter) -> Motion {
    Motion::load(&root().join("assets/motion.safetensors"), engine.spec()).unwrap().resampled(HZ)
}

/// A frame whose arms are not seen any more after [`WHOLE`] frames.
fn frame(motion: &Motion, index: i64) -> Observation {
    let stamp_nanos = 1_000_000_000 + index * 10_000_000;
    let mut seen = [true; 63];
    let arms = group("arms").unwrap();
    arms.iter().filter(|_| index >= WHOLE).for_each(|joint| seen[3 * joint..3 * joint + 3].fill(false));
    let joints = Masked::new(&motion.frame(index)).hide(&Tensor::from_slice(&seen).view([1, -1]));
    Observation { stamp_nanos, joints: Some(joints), ..Observation::default() }
}

/// Mean error of the arms and the farthest that a joint of them turned between two frames, degrees, while hidden.
fn play(engine: &mut Inverter, motion: &Motion) -> (f64, f64) {
    let arms: Vec<i64> = group("arms").unwrap().into_iter().map(|joint| joint as i64).collect();
    let arms = Tensor::from_slice(&arms);
    let (mut errors, mut farthest, mut before) = (Vec::new(), 0.0f64, None::<Tensor>);
    for index in 0..FRAMES {
        let solved = engine.solve_observation(&frame(motion, index)).unwrap();
        if index < WHOLE {
            continue;
        }
        let rotations = |angles: &Tensor| rotations_from_angles(&angles.to_kind(Kind::Double)).index_select(1, &arms);
        let found = rotations(&Tensor::from_slice(solved.best().joints()).view([1, -1]));
        let turn = |other: &Tensor| geodesic(&found, other).rad2deg();
        errors.push(turn(&rotations(&motion.frame(index))).mean(Kind::Double).double_value(&[]));
        farthest = before.map_or(farthest, |before| farthest.max(turn(&before).max().double_value(&[])));
        before = Some(found);
    }
    (errors.iter().sum::<f64>() / errors.len() as f64, farthest)
}

#[test]
fn hidden_joints_are_found_better_with_time_and_do_not_jump() {
    let (mut with, mut without) = (builder().build().unwrap(), builder().time(false).build().unwrap());
    let motion = motion(&with);
    let ((error, farthest), (blind, _)) = (play(&mut with, &motion), play(&mut without, &motion));
    assert!(error < 0.7 * blind, "{error} with time, {blind} without");
    assert!(farthest < 15.0, "{farthest}");
    with.reset();
    assert_eq!(play(&mut with, &motion), (error, farthest), "a reset forgets all");
}

#[test]
fn without_stamps_time_does_not_count() {
    let (mut with, mut without) = (builder().build().unwrap(), builder().time(false).build().unwrap());
    let motion = motion(&with);
    for index in [WHOLE - 1, WHOLE, WHOLE + 1] {
        let obs = Observation { stamp_nanos: 0, ..frame(&motion, index) };
        let joints = |engine: &mut Inverter| engine.solve_observation(&obs).unwrap().best().joints().to_vec();
        assert_eq!(joints(&mut with), joints(&mut without));
    }
}

/// What is compared: latents, losses, and what is reported, which hangs on what was reported before.
type Found = (Vec<f32>, Vec<f64>, Vec<Vec<f64>>, Vec<f64>);

fn found(engine: &mut Engine) -> Found {
    let (z, loss) = engine.solution().map(|solution| (numbers(&solution.z), solution.loss.clone())).unwrap();
    let answer = Answer::of(engine, Duration::ZERO).unwrap();
    (z, loss, answer.joints, answer.deviation)
}

fn engine() -> (Plan, Engine) {
    let mut plan = Plan::of(Registry::shipped(), "body_pose");
    plan.options.models = root().join("models");
    let (engine, _) = plan.load().unwrap();
    (plan, engine)
}

#[test]
fn a_recording_of_observations_and_a_memory_repeat_a_stream_from_anywhere() {
    let (plan, mut first) = engine();
    let mut timeline = plan.timeline(first.task()).unwrap().expect("a model of motion is shipped");
    let (budget, clock) = (Budget::of_steps(STEPS), ManualClock::default());
    let motion = motion(&builder().build().unwrap());
    let (mut recorded, mut kept) = (Vec::new(), None);
    for index in 0..FRAMES {
        let mut obs = frame(&motion, index);
        timeline.expect(&mut obs, None);
        assert_eq!(obs.expected.is_some(), index >= WHOLE, "frame {index}");
        if index == WHOLE + 10 {
            let memory = first.take_memory();
            kept = Some(memory.copied());
            first.recall(memory).unwrap();
        }
        first.solve(&obs, &budget, &clock).unwrap();
        recorded.push((obs.stamp_nanos, Seen::of(&obs), found(&mut first)));
    }
    let (_, mut second) = engine();
    second.recall(kept.unwrap()).unwrap();
    for (stamp, seen, expected) in recorded.split_off((WHOLE + 10) as usize) {
        second.solve(&seen.observation(stamp), &budget, &clock).unwrap();
        assert_eq!(found(&mut second), expected);
    }
}
