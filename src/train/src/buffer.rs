//! The replay buffer: points of descents and the observations they belong to.

use std::sync::{Arc, Mutex};
use thalweg_task::lock;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tch::{Device, Tensor};

use thalweg_engine::{Event, Observer};

/// Notes every point `z_0 .. z_T` of the descents it watches, and how good it was.
#[derive(Clone, Debug, Default)]
pub(super) struct TrajectoryRecorder(Arc<Mutex<Trajectories>>);

/// N descents, moment after moment.
#[derive(Debug, Default)]
pub(super) struct Trajectories {
    /// One `[N, Z]` for each moment.
    pub(super) z: Vec<Tensor>,
    /// Mean loss at each moment, as the descents saw it.
    pub(super) loss: Vec<f64>,
}

impl Observer for TrajectoryRecorder {
    fn observe(&mut self, event: &Event<'_>) {
        let (Event::Begin { z, loss, .. } | Event::Step { z, loss, .. }) = event else { return };
        let mut moments = lock(&self.0);
        moments.z.push(z.copy());
        moments.loss.push(loss.iter().sum::<f64>() / loss.len() as f64);
    }
}

impl TrajectoryRecorder {
    /// Takes out what was noted since the last time.
    pub(super) fn take(&self) -> Trajectories {
        std::mem::take(&mut *lock(&self.0))
    }
}

/// Points of descents, those that belong to one observation at one moment together.
#[derive(Debug)]
pub(super) struct ReplayBuffer {
    /// `[P, S, Z]`.
    z: Tensor,
    /// The row of each observation, `[P]`.
    row: Tensor,
}

impl ReplayBuffer {
    /// Joins moments `[G * S, Z]` of the descents towards `rows`, `[G]`, S towards each.
    pub(super) fn new(moments: &[Tensor], rows: &Tensor, best_of: usize) -> Self {
        let (z, row) = (Tensor::cat(moments, 0), rows.repeat([moments.len() as i64]));
        Self { z: z.view([row.size()[0], best_of as i64, -1]), row }
    }

    /// Joins buffers.
    pub(super) fn joined<'a>(buffers: impl Iterator<Item = &'a Self>) -> Self {
        let (z, row): (Vec<&Tensor>, Vec<&Tensor>) = buffers.map(|buffer| (&buffer.z, &buffer.row)).unzip();
        match (z.as_slice(), row.as_slice()) {
            ([z], [row]) => Self { z: z.shallow_clone(), row: row.shallow_clone() },
            (z, row) => Self { z: Tensor::cat(z, 0), row: Tensor::cat(row, 0) },
        }
    }

    /// Deals the points out in random order, `count` times S at a time.
    ///
    /// Gives points `[count * S, Z]` and the rows of their observations, `[count]`.
    pub(super) fn batches(&self, count: usize, random: &mut StdRng) -> impl Iterator<Item = (Tensor, Tensor)> {
        let mut order: Vec<i64> = (0..self.row.size()[0]).collect();
        order.shuffle(random);
        let starts = (0..order.len()).step_by(count);
        starts.map(move |start| self.pick(&order[start..order.len().min(start + count)], self.row.device()))
    }

    fn pick(&self, index: &[i64], device: Device) -> (Tensor, Tensor) {
        let index = Tensor::from_slice(index).to_device(device);
        (self.z.index_select(0, &index).flatten(0, 1), self.row.index_select(0, &index))
    }
}
