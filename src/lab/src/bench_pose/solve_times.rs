//! How long one solve takes, with the steps that were chosen for completion.

use std::time::Instant;

use crate::eval::lbfgs;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use thalweg_engine::{Engine, Status};
use thalweg_task::percentile;
use thalweg_task::{Observation, Task};

use super::arms::{Arm, Method, together};
use super::cases::Case;
use super::completions;
use super::descent::{Descent, Setting, drawn, evaluate};
use super::masks::TUNED;
use super::store::Store;
use super::world::{Loss, World};

/// Numbers of hypotheses.
const POPULATIONS: [usize; 2] = [1, 10];
/// Seed of poses and starting points, and how often the timed poses are gone through.
const SEED: u64 = 1;
const ROUNDS: usize = 3;

/// Time of one solve, from the observation to the ranked solution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SolveTime {
    pub(super) arm: String,
    pub(super) hypotheses: usize,
    pub(super) steps: u32,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Solves that were measured.
    pub(super) solves: usize,
}

/// How many blocks there will be.
pub(super) fn count(_world: &World) -> usize {
    1
}

/// Measures all methods, taking turns on each pose.
pub(super) fn measure(world: &World, store: &mut Store) -> anyhow::Result<Vec<SolveTime>> {
    let settings = completions::settings(world, store)?;
    let together = together(settings.iter().map(|(arm, _)| *arm));
    store.once(&format!("solve times/{together}"), || {
        let mut solvers = Vec::new();
        for (arm, setting) in settings {
            for hypotheses in POPULATIONS {
                solvers.extend(setting.map(|setting| Timed::new(world, arm, setting, hypotheses)).transpose()?);
            }
        }
        let Some(test) = world.tests.first() else { anyhow::bail!("there is no test set") };
        let case = Case::new(test.poses.sample(world.sizes.timed, SEED), TUNED[0], SEED)?;
        let obs = case.observation();
        for _ in 0..ROUNDS {
            for pose in 0..case.poses.count() {
                let row = obs.select_rows(&Tensor::from_slice(&[pose]));
                solvers.iter_mut().try_for_each(|solver| solver.solve(&row))?;
            }
        }
        Ok(solvers.iter().map(Timed::row).collect())
    })
}

/// One method with one number of hypotheses, and how long it took.
struct Timed {
    arm: &'static Arm,
    setting: Setting,
    hypotheses: usize,
    engine: Option<Engine>,
    task: Box<dyn Task>,
    milliseconds: Vec<f64>,
}

impl Timed {
    fn new(world: &World, arm: &'static Arm, setting: Setting, hypotheses: usize) -> anyhow::Result<Self> {
        let descent = Descent { world, arm, setting, loss: Loss::Rotation, seed: SEED };
        let engine = (arm.method != Method::Lbfgs).then(|| descent.build(hypotheses * arm.starts, SEED)).transpose()?;
        Ok(Self { arm, setting, hypotheses, engine, task: world.task(Loss::Rotation)?, milliseconds: Vec::new() })
    }

    fn solve(&mut self, obs: &Observation) -> anyhow::Result<()> {
        let start = Instant::now();
        match &mut self.engine {
            Some(engine) => {
                engine.begin(obs)?;
                for _ in 0..self.setting.steps {
                    if engine.refine()? == Status::Converged {
                        break;
                    }
                }
                anyhow::ensure!(engine.solution().is_some(), "{}: no solution", self.arm.name);
            }
            None => self.library(obs)?,
        }
        self.milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }

    fn library(&self, obs: &Observation) -> anyhow::Result<()> {
        let target = self.task.encode(obs)?;
        let points = drawn(SEED, self.hypotheses as i64, self.task.spec().latent).to_kind(Kind::Double);
        for row in 0..self.hypotheses as i64 {
            let start = Vec::<f64>::try_from(points.get(row))?;
            let objective = |point: &[f64]| evaluate(self.task.as_ref(), &target, point);
            lbfgs::descend(&objective, &start, self.setting.steps, &mut |_, _, _| true)?;
        }
        Ok(())
    }

    fn row(&self) -> SolveTime {
        let at = |share| percentile(&self.milliseconds, share).unwrap_or(f64::NAN);
        SolveTime {
            arm: self.arm.key.to_owned(),
            hypotheses: self.hypotheses,
            steps: self.setting.steps,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            solves: self.milliseconds.len(),
        }
    }
}
