//! Descents of one method towards many images at once.

use anyhow::Context;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};
use rustix::time::{ClockId, clock_gettime};
use tch::Tensor;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::{AdamConfig, Engine, EngineConfig, Optimizer};
use thalweg_task::Observation;

use super::world::{Arm, World};

/// After how many steps [`Arm::ThetaThenX`] leaves the landscape, and its rate until then: that of theta's training.
const ON_THETA: u32 = 5;
const RATE_ON_THETA: f64 = 1.0;

/// How a method is run.
#[derive(Clone, Copy)]
pub(super) struct Descent<'a> {
    pub(super) world: &'a World,
    pub(super) arm: Arm,
    /// Adam's learning rate.
    pub(super) rate: f64,
    /// Weight of the standard normal prior, or, where there is a start, of the pull to what it proposes.
    pub(super) prior_weight: f64,
    /// Seed of the starting points.
    pub(super) seed: u64,
}

/// How descents went; rows are those of the observation, or hypotheses, ranked at the end.
pub(super) struct Trace {
    /// Least loss so far, mean over rows, after each step from 0.
    pub(super) losses: Vec<f64>,
    /// Standard errors of these means.
    pub(super) errors: Vec<f64>,
    /// Seconds of computing from the observation to that.
    pub(super) seconds: Vec<f64>,
    /// Images after the steps that were asked for, `[K, 3, 64, 64]` each.
    pub(super) images: Vec<Tensor>,
}

impl Descent<'_> {
    /// Descends in `rows` rows from random points, or from what the start proposes; keeps images after `shots`, the last
    /// of which ends it.
    pub(super) fn run(&self, seen: &Observation, rows: usize, shots: &[u32]) -> anyhow::Result<Trace> {
        let landscape = self.world.landscape(self.arm);
        let dim = landscape.dim();
        // Loaded before the clock runs, where a descent goes on in X.
        let in_x = || self.engine(Landscape::identity(self.world.spec.latent), rows, self.rate);
        let mut in_x = (self.arm == Arm::ThetaThenX).then(in_x).transpose()?;
        let mut engine = self.engine(landscape, rows, if in_x.is_some() { RATE_ON_THETA } else { self.rate })?;
        let start = computed();
        match engine.start() {
            Some(_) => engine.begin(seen)?,
            None => engine.begin_from(seen, &self.drawn(rows as i64, dim))?,
        }
        let mut trace = Trace { losses: Vec::new(), errors: Vec::new(), seconds: Vec::new(), images: Vec::new() };
        for step in 0..=shots.last().copied().unwrap_or(0) {
            if step > ON_THETA
                && let Some(mut next) = in_x.take()
            {
                let x = engine.solution().map(|solution| solution.x.shallow_clone());
                next.begin_from(seen, &x.context("a descent has points")?)?;
                engine = next;
            }
            if step > 0 {
                engine.refine()?;
            }
            trace.seconds.push(computed() - start);
            if let Some(solution) = engine.solution() {
                let (mean, error) = mean_and_error(&solution.loss);
                trace.losses.push(mean);
                trace.errors.push(error);
                if shots.contains(&step) {
                    trace.images.push(solution.y_hat.shallow_clone());
                }
            }
        }
        Ok(trace)
    }

    fn engine(&self, landscape: Landscape, rows: usize, rate: f64) -> anyhow::Result<Engine> {
        let config = EngineConfig {
            hypotheses: rows,
            optimizer: Optimizer::Adam(AdamConfig { rate, ..AdamConfig::default() }),
            warm_start: false,
            fresh: 0,
            prior_weight: self.prior_weight,
            start_weight: self.prior_weight,
            seed: self.seed,
            ..EngineConfig::default()
        };
        let mut engine = Engine::new(self.world.task()?, landscape, config)?;
        self.world.start(self.arm)?.map_or(Ok(()), |start| engine.set_start(start))?;
        Ok(engine)
    }

    /// Random points where rows begin, `[K, Z]`. The same seed gives X and Z of one dimension the same.
    fn drawn(&self, rows: i64, dim: i64) -> Tensor {
        let mut random = StdRng::seed_from_u64(self.seed);
        let values: Vec<f32> = (0..rows * dim).map(|_| StandardNormal.sample(&mut random)).collect();
        Tensor::from_slice(&values).view([rows, dim])
    }
}

/// Mean and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, (square / (count * (count - 1.0).max(1.0))).sqrt())
}

/// Seconds that this process has computed: what else the machine does must not count.
fn computed() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
