//! Every way to find body and root.

use std::time::Instant;

use tch::{Kind, Tensor};
use thalweg::clock::SystemClock;
use thalweg::{Inverter, load};
use thalweg_body_pose::BodyPose;
use thalweg_body_pose::kinematics::Rotations;
use thalweg_body_pose::skeleton::JOINTS;
use thalweg_engine::{Answer, Budget, Engine};
use thalweg_task::{LoadOptions, Observation, Root, Task};

use super::TrackerArguments;
use super::limbs::Limbs;
use super::nearest::Nearest;
use super::scenes::poses;
use crate::bench_clouds::players::processor_time;
use crate::eval::plain::plain_engine;
use crate::one_of::one_of;

/// A way to find body and root.
pub(super) struct Method {
    /// What `--methods` calls it.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    Limbs,
    /// The same descent on rotations themselves, pulled to the rest pose.
    Plain,
    Nearest,
    /// Descent in x from drawn points, each frame from the one before.
    Warm,
    Default,
}

pub(super) static METHODS: [Method; 5] = [
    Method { key: "limbs", name: "limb by limb, closed form", how: How::Limbs },
    Method { key: "nearest", name: "nearest stored pose", how: How::Nearest },
    Method { key: "plain", name: "LM on rotations, no learned prior", how: How::Plain },
    Method { key: "warm", name: "LM in x, warm", how: How::Warm },
    Method { key: "default", name: "**default**: examples, LM in x, warm", how: How::Default },
];

/// Reads the key of a method.
pub(super) fn key(text: &str) -> Result<String, String> {
    one_of(text, METHODS.iter().map(|method| method.key))
}

/// Takes what was found in which frame, in how many seconds of a processor.
type Add<'a> = &'a mut dyn FnMut(usize, (&Rotations, &Root), f64);

/// A method at work.
pub(super) enum Player {
    Limbs,
    Nearest(Nearest),
    Plain(Box<Engine>, Budget),
    Library(Box<Inverter>),
}

impl Player {
    pub(super) fn new(method: &Method, table: &str, arguments: &TrackerArguments) -> anyhow::Result<Self> {
        let builder = load("body_pose")?.models(arguments.source.models.clone()).steps(arguments.steps).time(false);
        let builder = builder.parameter("keypoints", table).parameter("point_weight", arguments.point_weight);
        Ok(match method.how {
            How::Limbs => Self::Limbs,
            How::Nearest => Self::Nearest(Nearest::new(table, arguments)?),
            How::Plain => {
                let mut options = LoadOptions { models: arguments.source.models.clone(), ..LoadOptions::default() };
                options.parameters.insert("keypoints".to_owned(), table.into());
                options.parameters.insert("point_weight".to_owned(), arguments.point_weight.into());
                let task: Box<dyn Task> = Box::new(BodyPose::without_prior(&options)?);
                Self::Plain(Box::new(plain_engine(task)?), Budget::of_steps(arguments.steps))
            }
            How::Warm => Self::Library(Box::new(builder.landscape("identity").start("none").build()?)),
            How::Default => Self::Library(Box::new(builder.build()?)),
        })
    }

    /// Plays what was seen of the task's points in each frame of a scene from the start, and adds what was found in which
    /// frame, in how many seconds of a processor. Gives how much better the mirror image of each frame fits stored poses,
    /// where the method has some ([`Engine::handedness`]).
    pub(super) fn play(&mut self, seen: &[Vec<[f64; 3]>], add: Add<'_>) -> anyhow::Result<Vec<f64>> {
        match self {
            Self::Limbs | Self::Nearest(_) => {}
            Self::Plain(engine, _) => engine.reset(),
            Self::Library(inverter) => inverter.reset(),
        }
        let (mut limbs, mut before, mut sides) = (Limbs::new(), None, Vec::new());
        for (frame, seen) in seen.iter().enumerate() {
            let points = Tensor::from_slice(seen.as_flattened()).view([1, -1, 3]).to_kind(Kind::Float);
            let obs = Observation { stamp_nanos: 1 + frame as i64, root: before, ..Observation::of_points(&points) };
            let (begin, began) = (Instant::now(), processor_time());
            let (pose, root) = match self {
                Self::Limbs => limbs.step(seen),
                Self::Nearest(nearest) => nearest.step(seen),
                Self::Plain(engine, budget) => {
                    engine.solve(&obs, budget, &SystemClock::default())?;
                    best(&Answer::of(engine, begin.elapsed())?)?
                }
                Self::Library(inverter) => best(inverter.solve_observation(&obs)?.answer())?,
            };
            let seconds = processor_time() - began;
            if let Self::Library(inverter) = self {
                sides.extend(inverter.engine_mut().handedness(&obs));
            }
            before = Some(root).filter(|root| root.is_seen).or(before);
            add(frame, (&pose, &root), seconds);
        }
        Ok(sides)
    }
}

/// Pose and root of the best hypothesis.
fn best(answer: &Answer) -> anyhow::Result<(Rotations, Root)> {
    let missing = || anyhow::anyhow!("an answer without joints or root");
    let (joints, root) = (answer.joints.first().ok_or_else(missing)?, answer.roots.first().ok_or_else(missing)?);
    let angles = Tensor::from_slice(joints).view([1, 3 * JOINTS as i64]);
    Ok((poses(&angles).pop().ok_or_else(missing)?, *root))
}
