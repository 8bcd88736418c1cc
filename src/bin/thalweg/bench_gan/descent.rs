//! Descents of one method towards many images at once.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};
use rustix::time::{ClockId, clock_gettime};
use tch::Tensor;
use thalweg::engine::{AdamConfig, Engine, EngineConfig, Optimizer};
use thalweg_task::Observation;

use super::world::{Arm, World};

/// How a method is run.
#[derive(Clone, Copy)]
pub(super) struct Descent<'a> {
    pub(super) world: &'a World,
    pub(super) arm: Arm,
    /// Adam's learning rate.
    pub(super) rate: f64,
    /// Weight of the standard normal prior.
    pub(super) prior_weight: f64,
    /// Seed of the starting points.
    pub(super) seed: u64,
}

/// How descents went; rows are those of the observation, or hypotheses, ranked at the end.
pub(super) struct Trace {
    /// Least loss so far, mean over rows, after each step from 0.
    pub(super) losses: Vec<f64>,
    /// Seconds of computing from the observation to that.
    pub(super) seconds: Vec<f64>,
    /// Images after the steps that were asked for, `[K, 3, 64, 64]` each.
    pub(super) images: Vec<Tensor>,
}

impl Descent<'_> {
    /// Descends in `rows` rows from random points, or from what the encoder says; keeps images after `shots`, the last
    /// of which ends it.
    pub(super) fn run(&self, seen: &Observation, rows: usize, shots: &[u32]) -> anyhow::Result<Trace> {
        let Self { world, arm, rate, prior_weight, seed } = *self;
        let landscape = world.landscape(arm);
        let dim = landscape.dim();
        let config = EngineConfig {
            hypotheses: rows,
            optimizer: Optimizer::Adam(AdamConfig { rate, ..AdamConfig::default() }),
            warm_start: false,
            fresh: 0,
            prior_weight,
            seed,
            ..EngineConfig::default()
        };
        let mut engine = Engine::new(world.task()?, landscape, config)?;
        let start = computed();
        let z = self.start(seen, rows as i64, dim)?;
        engine.begin_from(seen, &z)?;
        let mut trace = Trace { losses: Vec::new(), seconds: Vec::new(), images: Vec::new() };
        for step in 0..=shots.last().copied().unwrap_or(0) {
            if step > 0 {
                engine.refine()?;
            }
            trace.seconds.push(computed() - start);
            if let Some(solution) = engine.solution() {
                trace.losses.push(solution.loss.iter().sum::<f64>() / rows as f64);
                if shots.contains(&step) {
                    trace.images.push(solution.y_hat.shallow_clone());
                }
            }
        }
        Ok(trace)
    }

    /// Where rows begin, `[K, Z]`. The same seed gives X and Z of one dimension the same points.
    fn start(&self, seen: &Observation, rows: i64, dim: i64) -> anyhow::Result<Tensor> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let values: Vec<f32> = (0..rows * dim).map(|_| StandardNormal.sample(&mut random)).collect();
        let drawn = Tensor::from_slice(&values).view([rows, dim]);
        let (Arm::Encoder, Some(encoder)) = (self.arm, &self.world.encoder) else { return Ok(drawn) };
        let guess = tch::no_grad(|| encoder.encode(seen, &self.world.spec))?;
        if guess.size()[0] == rows {
            return Ok(guess);
        }
        // One image for several hypotheses: around the guess.
        Ok(guess + drawn * SPREAD)
    }
}

/// Seconds that this process has computed: what else the machine does must not count.
fn computed() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Standard deviation of hypotheses around the encoder's guess: half of the prior's, a guess.
const SPREAD: f64 = 0.5;
