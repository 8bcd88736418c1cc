//! The engine's random numbers: a stream of its own for each observation.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use tch::{Device, Kind, Tensor};

/// Draws starting points `z ~ N(0, I)`.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    seed: u64,
    rng: StdRng,
    kind: Kind,
    device: Device,
}

impl Sampler {
    pub(crate) fn new(seed: u64, kind: Kind, device: Device) -> Self {
        Self { seed, rng: StdRng::seed_from_u64(seed), kind, device }
    }

    /// Begins the stream of one observation: what it draws depends on the seed and on `index` only, so that a
    /// recorded solve can be repeated without those before it.
    pub(crate) fn begin(&mut self, index: u64) {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        self.rng = StdRng::from_seed(key);
    }

    /// Draws `[rows, dim]`, row by row, so that the first rows do not depend on how many follow.
    pub(crate) fn draw(&mut self, rows: usize, dim: i64) -> Tensor {
        let values: Vec<f64> = self.values(rows * dim as usize).collect();
        Tensor::from_slice(&values).view([rows as i64, dim]).to_kind(self.kind).to_device(self.device)
    }

    /// Draws `count` numbers, the same that [`Sampler::draw`] would.
    pub(crate) fn values(&mut self, count: usize) -> impl Iterator<Item = f64> {
        (0..count).map(|_| self.rng.sample(StandardNormal))
    }
}
