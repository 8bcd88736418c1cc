//! Every way to find silent joints.

use std::path::PathBuf;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tch::{Kind, Tensor};
use thalweg::clock::SystemClock;
use thalweg::{Inverter, Registry};
use thalweg_engine::{Answer, Budget, Engine};
use thalweg_nn::Perceptron;
use thalweg_robot::{Model, RobotTask};
use thalweg_task::{LoadOptions, Observation, Task};

use super::report::Row;
use super::{CLIP, CloudArguments, Scene, WHOLE, model};
use crate::eval::plain::plain_engine;

/// A way to find silent joints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Method {
    /// The last positions that were heard.
    Hold,
    /// The same descent on positions themselves, pulled a little to their means.
    Plain,
    Default,
}

pub(super) static METHODS: [Method; 3] = [Method::Hold, Method::Plain, Method::Default];

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold the last value",
            Self::Plain => "LM, no learned prior",
            Self::Default => "**default**: theta, LM in x, warm",
        }
    }

    /// Whether it makes sense with so many points: a held value knows of none.
    pub(super) fn is_for(self, points: usize) -> bool {
        self != Self::Hold || points == 0
    }
}

/// A method at work.
pub(super) enum Player {
    Hold,
    Plain(Box<Engine>, Budget),
    Library(Box<Inverter>),
}

impl Player {
    pub(super) fn new(method: &Method, points: usize, arguments: &CloudArguments) -> anyhow::Result<Self> {
        let weight = if points > 0 { arguments.cloud_weight } else { 0.0 };
        let most = points.max(50);
        Ok(match method {
            Method::Hold => Self::Hold,
            Method::Plain => {
                let mut options = LoadOptions { models: arguments.source.models.clone(), ..LoadOptions::default() };
                options.parameters.insert("cloud_weight".to_owned(), weight.into());
                options.parameters.insert("cloud_points".to_owned(), most.into());
                let task: Box<dyn Task> = Box::new(RobotTask::of(PathBuf::new(), plain(model(arguments)?)?, &options)?);
                Self::Plain(Box::new(plain_engine(task)?), Budget::of_steps(arguments.steps))
            }
            Method::Default => {
                let builder =
                    Registry::shipped().open("robot")?.models(&arguments.source.models).steps(arguments.steps);
                let builder = builder.parameter("cloud_weight", weight).parameter("cloud_points", most);
                Self::Library(Box::new(builder.build()?))
            }
        })
    }

    /// Plays all clips and adds how they went.
    pub(super) fn play(&mut self, scene: &Scene, clouds: &[Vec<[f64; 3]>], row: &mut Row) -> anyhow::Result<()> {
        for (clip, (frames, clouds)) in scene.frames.chunks_exact(CLIP).zip(clouds.chunks_exact(CLIP)).enumerate() {
            match self {
                Self::Hold => {}
                Self::Plain(engine, _) => engine.reset(),
                Self::Library(inverter) => inverter.reset(),
            }
            for (at, (truth, cloud)) in frames.iter().zip(clouds).enumerate() {
                let stamp_nanos = 1_000_000_000 * (1 + 100 * clip as i64) + (at as f64 / super::RATE * 1e9) as i64;
                let mut heard = truth.clone();
                if at >= WHOLE {
                    scene.hidden.iter().for_each(|&joint| heard[joint] = f64::NAN);
                }
                let begin = processor_time();
                let found = match self {
                    Self::Hold => frames[at.min(WHOLE - 1)].clone(),
                    Self::Plain(engine, budget) => {
                        let obs = observation(engine.task(), stamp_nanos, &heard, cloud);
                        engine.solve(&obs, budget, &SystemClock::default())?;
                        best(&Answer::of(engine, Duration::ZERO)?)?
                    }
                    Self::Library(inverter) => {
                        let obs = of_spec(inverter.spec(), stamp_nanos, &heard, cloud);
                        best(inverter.solve_observation(&obs)?.answer())?
                    }
                };
                let seconds = processor_time() - begin;
                if at >= WHOLE {
                    row.add(scene, truth, &found, seconds);
                }
            }
        }
        Ok(())
    }
}

/// Seconds that this thread has computed: a machine with other work takes longer.
pub(crate) fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn observation(task: &dyn Task, stamp_nanos: i64, heard: &[f64], cloud: &[[f64; 3]]) -> Observation {
    of_spec(task.spec(), stamp_nanos, heard, cloud)
}

/// What is heard and seen of one moment.
fn of_spec(spec: &thalweg_task::TaskSpec, stamp_nanos: i64, heard: &[f64], cloud: &[[f64; 3]]) -> Observation {
    let joints = Tensor::from_slice(heard).view([1, -1]).to_kind(Kind::Float);
    let points = spec.points.as_ref().filter(|_| !cloud.is_empty()).map(|points| {
        let mut all = vec![[f64::NAN; 3]; points.names.len()];
        all.extend_from_slice(cloud);
        all.resize(points.count(), [f64::NAN; 3]);
        Tensor::from_slice(all.as_flattened()).view([1, -1, 3]).to_kind(Kind::Float)
    });
    let points = points.and_then(|points| Observation::of_points(&points).points);
    Observation { stamp_nanos, points, ..Observation::of_joints(&joints) }
}

fn best(answer: &Answer) -> anyhow::Result<Vec<f64>> {
    answer.joints.first().cloned().ok_or_else(|| anyhow::anyhow!("an answer without joints"))
}

/// The same robot with nothing learned: x are the positions, in spreads about their means.
fn plain(model: Model) -> anyhow::Result<Model> {
    let learned = model.layout.learned(&model.robot).len() as i64;
    let layer = [
        Tensor::eye(learned, (Kind::Float, tch::Device::Cpu)),
        Tensor::zeros([learned], (Kind::Float, tch::Device::Cpu)),
    ];
    let decoder = Perceptron::from_parameters(&layer, 0.2)?;
    Ok(Model { decoder, latent: learned, ..model })
}
