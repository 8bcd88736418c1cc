//! Every way to fill the gaps.

use std::time::Instant;

use tch::Tensor;
use thalweg::{Inverter, load};
use thalweg_body_pose::rotations_from_angles;
use thalweg_body_pose::skeleton::JOINTS;
use thalweg_task::Observation;

use super::StreamArguments;
use super::filters::{Filter, Filters};
use super::scenarios::Stream;

/// A way to fill gaps.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Hold,
    Velocity,
    Kalman,
    /// Descent in x from drawn points, each frame anew.
    Cold,
    /// Descent in x from where the frame before ended.
    Warm,
    /// Two steps of theta, then descent in x; each frame anew.
    Each,
    /// The default without time.
    Theta,
    /// The default.
    Default,
}

pub(super) static METHODS: [Method; 8] = [
    Method { key: "hold", name: "hold the last value", how: How::Hold },
    Method { key: "velocity", name: "constant velocity, decaying", how: How::Velocity },
    Method { key: "kalman", name: "Kalman filter per joint", how: How::Kalman },
    Method { key: "x_cold", name: "LM in x, each frame anew", how: How::Cold },
    Method { key: "x_warm", name: "LM in x, warm", how: How::Warm },
    Method { key: "theta_cold", name: "theta, LM in x, each frame anew", how: How::Each },
    Method { key: "theta", name: "theta, LM in x, warm", how: How::Theta },
    Method { key: "default", name: "**default**: as above, with time", how: How::Default },
];

/// A guess: not tuned on validation clips yet.
const VELOCITY: Filter = Filter::Velocity { smooth: 0.05, decay: 0.1 };
/// A guess, too.
const KALMAN: Filter = Filter::Kalman { decay: 0.1, drive: 100.0, noise: 0.01 };

/// Reads the key of a method.
pub(super) fn key(text: &str) -> Result<String, String> {
    let known = || METHODS.iter().map(|one| one.key).collect::<Vec<_>>().join(", ");
    if METHODS.iter().any(|one| one.key == text) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected one of: {}", known()))
    }
}

/// All hypotheses of each frame, `[K, 21, 3, 3]`, the reported one first.
pub(super) type Answers = Vec<Tensor>;

/// A method at work.
pub(super) enum Player {
    Filter(Filter),
    Engine(Box<Inverter>),
}

impl Player {
    pub(super) fn new(method: &Method, arguments: &StreamArguments) -> anyhow::Result<Self> {
        let builder = load("body_pose")?.models(arguments.models.clone()).steps(arguments.steps).time(false);
        let builder = match method.how {
            How::Hold => return Ok(Self::Filter(Filter::Hold)),
            How::Velocity => return Ok(Self::Filter(VELOCITY)),
            How::Kalman => return Ok(Self::Filter(KALMAN)),
            How::Cold => builder.landscape("identity").start("none").warm_start(false),
            How::Warm => builder.landscape("identity").start("none"),
            How::Each => builder.warm_start(false),
            How::Theta => builder,
            How::Default => builder.time(true),
        };
        Ok(Self::Engine(Box::new(builder.build()?)))
    }

    /// Plays a stream from the start; answers, and seconds that each took.
    pub(super) fn play(&mut self, stream: &Stream) -> anyhow::Result<(Answers, Vec<f64>)> {
        let _no_grad = tch::no_grad_guard();
        match self {
            Self::Filter(filter) => Ok(play_filter(*filter, stream)),
            Self::Engine(engine) => play_engine(engine, stream),
        }
    }
}

fn play_filter(filter: Filter, stream: &Stream) -> (Answers, Vec<f64>) {
    let mut filters = Filters::new(filter);
    let mut seconds = Vec::new();
    let mut angles = Vec::new();
    for seen in &stream.seen {
        let begin = Instant::now();
        angles.extend(filters.step(seen, 1.0 / stream.rate));
        seconds.push(begin.elapsed().as_secs_f64());
    }
    let rotations = rotations_from_angles(&Tensor::from_slice(&angles).view([-1, 3 * JOINTS as i64]));
    ((0..stream.seen.len() as i64).map(|frame| rotations.narrow(0, frame, 1)).collect(), seconds)
}

fn play_engine(engine: &mut Inverter, stream: &Stream) -> anyhow::Result<(Answers, Vec<f64>)> {
    engine.reset();
    let (mut answers, mut seconds) = (Vec::new(), Vec::new());
    for (frame, seen) in stream.seen.iter().enumerate() {
        let values: Vec<f32> = seen.iter().map(|value| *value as f32).collect();
        // Zero would be no time.
        let stamp_nanos = 1_000_000_000 + (frame as f64 / stream.rate * 1e9) as i64;
        let obs = Observation { stamp_nanos, ..Observation::of_joints(&Tensor::from_slice(&values).view([1, -1])) };
        let begin = Instant::now();
        let solved = engine.solve_observation(&obs)?;
        seconds.push(begin.elapsed().as_secs_f64());
        let joints = Tensor::from_slice(&solved.answer().joints.concat()).view([-1, 3 * JOINTS as i64]);
        answers.push(rotations_from_angles(&joints));
    }
    Ok((answers, seconds))
}
