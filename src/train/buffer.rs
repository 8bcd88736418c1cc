//! The replay buffer: points of descents and the observations they belong to.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tch::{Device, Tensor};

use crate::engine::{Event, Observer};

/// Keeps every point `z_0 .. z_T` of the descents it watches, and the losses at `z_0`.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    moments: Vec<Tensor>,
    first: Vec<f64>,
}

impl Observer for Trace {
    fn observe(&mut self, event: &Event<'_>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begin { z, loss, .. } => {
                kept.moments.push(z.copy());
                kept.first = loss.to_vec();
            }
            Event::Step { z, .. } => kept.moments.push(z.copy()),
            Event::End { .. } => {}
        }
    }
}

impl Trace {
    /// Takes out the points, one `[N, Z]` for each of the T + 1 moments, and the first losses `[N]`.
    pub(super) fn take(&self) -> (Vec<Tensor>, Vec<f64>) {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        (kept.moments, kept.first)
    }
}

/// Points `[B, Z]` with, for each, the row of its observation, `[B]`.
#[derive(Debug)]
pub(super) struct ReplayBuffer {
    z: Tensor,
    row: Tensor,
}

impl ReplayBuffer {
    /// Joins the moments of N descents; descent n belongs to observation `rows[n]`.
    pub(super) fn new(moments: &[Tensor], rows: &Tensor) -> Self {
        Self { z: Tensor::cat(moments, 0), row: rows.repeat([moments.len() as i64]) }
    }

    /// Deals the points out in random order, `batch` at a time.
    pub(super) fn batches(&self, batch: usize, random: &mut StdRng) -> Vec<(Tensor, Tensor)> {
        let mut order: Vec<i64> = (0..self.z.size()[0]).collect();
        order.shuffle(random);
        order.chunks(batch).map(|index| self.pick(index, self.z.device())).collect()
    }

    fn pick(&self, index: &[i64], device: Device) -> (Tensor, Tensor) {
        let index = Tensor::from_slice(index).to_device(device);
        (self.z.index_select(0, &index), self.row.index_select(0, &index))
    }
}
