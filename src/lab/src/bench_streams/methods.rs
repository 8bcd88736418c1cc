//! Every way to fill the gaps.

use std::rc::Rc;
use std::time::Instant;

use tch::Tensor;
use thalweg::{Inverter, defaults, load};
use thalweg_body_pose::rotations_from_angles;
use thalweg_body_pose::skeleton::JOINTS;
use thalweg_engine::{Budget, EngineConfig, LmConfig, Optimizer, ReportConfig};
use thalweg_task::Observation;

use super::StreamArguments;
use super::clips::Clips;
use super::constants::Arm;
use super::filters::{Filter, Filters};
use super::scenarios::Stream;
use crate::eval::rivals::NearestPose;
use crate::one_of::one_of;

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
    /// Descent in x from what an amortised network proposes, warm.
    Amortised,
    /// The nearest training pose on the joints that are seen; those pass through.
    Nearest,
    /// The default without time.
    Theta,
    /// The default.
    Default,
}

pub(super) static METHODS: [Method; 10] = [
    Method { key: "hold", name: "hold the last value", how: How::Hold },
    Method { key: "velocity", name: "constant velocity, decaying", how: How::Velocity },
    Method { key: "kalman", name: "Kalman filter per joint", how: How::Kalman },
    Method { key: "x_cold", name: "LM in x, each frame anew", how: How::Cold },
    Method { key: "x_warm", name: "LM in x, warm", how: How::Warm },
    Method { key: "theta_cold", name: "theta, LM in x, each frame anew", how: How::Each },
    Method { key: "amortised", name: "amortised start, LM in x, warm", how: How::Amortised },
    Method { key: "nearest", name: "nearest training pose", how: How::Nearest },
    Method { key: "theta", name: "theta, LM in x, warm", how: How::Theta },
    Method { key: "default", name: "**default**: as above, with time", how: How::Default },
];

/// Reads the key of a method.
pub(super) fn key(text: &str) -> Result<String, String> {
    one_of(text, METHODS.iter().map(|one| one.key))
}

/// All hypotheses of each frame, `[K, 21, 3, 3]`, the reported one first.
pub(super) type Answers = Vec<Tensor>;

/// What a method gave for a stream.
#[derive(Default)]
pub(super) struct Played {
    pub(super) answers: Answers,
    /// Seconds that each took.
    pub(super) seconds: Vec<f64>,
    /// Joints of the reported hypothesis and their standard deviations, `[63]` both, where the method says so.
    pub(super) deviations: Vec<[Vec<f64>; 2]>,
}

/// A method at work.
pub(super) enum Player {
    Filter(Filter),
    Engine(Box<Inverter>),
    Nearest(Rc<NearestPose>),
}

impl Player {
    /// None where something is missing: motion to look in, or the file of the network.
    pub(super) fn new(arm: &Arm, (arguments, clips): (&StreamArguments, &Clips)) -> anyhow::Result<Option<Self>> {
        let usual = ReportConfig::default();
        let [own, spread] = usual.variance;
        let report = ReportConfig {
            share: arm.value("default.share", usual.share),
            delay: arm.value("default.delay", usual.delay),
            variance: [arm.value("default.variance", own), arm.value("default.spread", spread)],
            ..usual
        };
        let builder = load("body_pose")?.models(arguments.source.models.clone()).steps(arguments.steps).time(false);
        let filter = |filter| Ok(Some(Self::Filter(filter)));
        let builder = match arm.method.how {
            How::Hold => return filter(Filter::Hold),
            How::Velocity => return filter(Filter::velocity(arm)),
            How::Kalman => return filter(Filter::kalman(arm)),
            How::Nearest => return Ok(clips.training.clone().map(Self::Nearest)),
            How::Amortised => match &arguments.start {
                Some(start) => builder.landscape("identity").start(start.as_path()),
                None => return Ok(None),
            },
            How::Cold => builder.landscape("identity").start("none").warm_start(false),
            How::Warm => builder.landscape("identity").start("none"),
            How::Each => builder.warm_start(false),
            How::Theta => builder,
            How::Default => builder
                .time(true)
                .report(report)
                .continuity(arm.value("default.continuity", EngineConfig::default().continuity)),
        };
        let mut inverter = builder.build()?;
        let key = format!("{}.tolerance", arm.method.key);
        let usual = if matches!(arm.method.how, How::Default) { defaults::TOLERANCE } else { 0.0 };
        let tolerance = Some(arm.value(&key, usual)).filter(|tolerance| *tolerance > 0.0);
        inverter.set_budget(Budget { tolerance, ..*inverter.budget() })?;
        if let Optimizer::LevenbergMarquardt(damped) = inverter.engine().config().optimizer.clone()
            && matches!(arm.method.how, How::Default)
        {
            let reuse = arm.value("default.reuse", damped.reuse);
            let damped = LmConfig { reuse, ..damped };
            inverter.engine_mut().set_optimizer(Optimizer::LevenbergMarquardt(damped))?;
        }
        if let Some(timeline) = inverter.timeline_mut() {
            timeline.set_seen_variance(arm.value("default.seen_variance", timeline.seen_variance()));
        }
        Ok(Some(Self::Engine(Box::new(inverter))))
    }

    /// Plays a stream from the start.
    pub(super) fn play(&mut self, stream: &Stream) -> anyhow::Result<Played> {
        let _no_grad = tch::no_grad_guard();
        match self {
            Self::Filter(filter) => Ok(play_filter(*filter, stream)),
            Self::Engine(engine) => play_engine(engine, stream),
            Self::Nearest(poses) => Ok(play_nearest(poses, stream)),
        }
    }
}

fn play_filter(filter: Filter, stream: &Stream) -> Played {
    let mut filters = Filters::new(filter);
    let mut seconds = Vec::new();
    let mut angles = Vec::new();
    for seen in &stream.seen {
        let begin = Instant::now();
        angles.extend(filters.step(seen, 1.0 / stream.rate));
        seconds.push(begin.elapsed().as_secs_f64());
    }
    let rotations = rotations_from_angles(&Tensor::from_slice(&angles).view([-1, 3 * JOINTS as i64]));
    let answers = (0..stream.seen.len() as i64).map(|frame| rotations.narrow(0, frame, 1)).collect();
    Played { answers, seconds, ..Played::default() }
}

fn play_nearest(poses: &NearestPose, stream: &Stream) -> Played {
    let mut played = Played::default();
    for seen in &stream.seen {
        let begin = Instant::now();
        let hidden: Vec<bool> = seen.as_chunks::<3>().0.iter().map(|axes| axes[0].is_nan()).collect();
        let hidden = Tensor::from_slice(&hidden).view([1, -1]);
        let angles: Vec<f64> = seen.iter().map(|angle| if angle.is_nan() { 0.0 } else { *angle }).collect();
        let seen = rotations_from_angles(&Tensor::from_slice(&angles).view([1, -1]));
        let found = poses.complete(&seen, &hidden, 1).to_kind(seen.kind());
        played.answers.push(found.where_self(&hidden.view([1, -1, 1, 1]), &seen));
        played.seconds.push(begin.elapsed().as_secs_f64());
    }
    played
}

fn play_engine(engine: &mut Inverter, stream: &Stream) -> anyhow::Result<Played> {
    engine.reset();
    let mut played = Played::default();
    for (frame, seen) in stream.seen.iter().enumerate() {
        let values: Vec<f32> = seen.iter().map(|value| *value as f32).collect();
        // Zero would be no time.
        let stamp_nanos = 1_000_000_000 + (frame as f64 / stream.rate * 1e9) as i64;
        let obs = Observation { stamp_nanos, ..Observation::of_joints(&Tensor::from_slice(&values).view([1, -1])) };
        let begin = Instant::now();
        let solved = engine.solve_observation(&obs)?;
        played.seconds.push(begin.elapsed().as_secs_f64());
        played.deviations.push([solved.best().joints().to_vec(), solved.answer().deviation.clone()]);
        let joints = Tensor::from_slice(&solved.answer().joints.concat()).view([-1, 3 * JOINTS as i64]);
        played.answers.push(rotations_from_angles(&joints));
    }
    Ok(played)
}
