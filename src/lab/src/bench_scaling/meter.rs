//! Counts what goes between ranks.

use std::cell::Cell;
use std::rc::Rc;

use tch::Tensor;
use thalweg_nn::{Collectives, Result};

/// Collectives that are counted.
#[derive(Debug)]
pub(super) struct Metered {
    /// Those that carry them out.
    pub(super) collectives: Box<dyn Collectives>,
    /// What counts.
    pub(super) meter: Meter,
}

/// What has been exchanged so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    summed: Rc<Cell<u64>>,
    gathered: Rc<Cell<u64>>,
    largest: Rc<Cell<u64>>,
    updates: Rc<Cell<u64>>,
}

/// What is exchanged in a buffer, on average.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// Bytes that are summed.
    pub(super) summed: f64,
    /// Bytes that this rank sends to all others.
    pub(super) gathered: f64,
    /// Bytes of the largest sum: gradients and loss.
    pub(super) largest: u64,
    /// Sums of that size: updates.
    pub(super) updates: f64,
}

fn bytes(tensor: &Tensor) -> u64 {
    (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64
}

impl Meter {
    /// Means over `buffers`.
    pub(super) fn reading(&self, buffers: u32) -> Reading {
        let each = |cell: &Cell<u64>| cell.get() as f64 / f64::from(buffers.max(1));
        Reading {
            summed: each(&self.summed),
            gathered: each(&self.gathered),
            largest: self.largest.get(),
            updates: each(&self.updates),
        }
    }

    fn count_sum(&self, bytes: u64) {
        self.summed.set(self.summed.get() + bytes);
        if bytes > self.largest.get() {
            self.largest.set(bytes);
            self.updates.set(0);
        }
        self.updates.set(self.updates.get() + u64::from(bytes == self.largest.get()));
    }
}

impl Collectives for Metered {
    fn rank(&self) -> usize {
        self.collectives.rank()
    }

    fn size(&self) -> usize {
        self.collectives.size()
    }

    fn local_rank(&self) -> usize {
        self.collectives.local_rank()
    }

    fn sum(&self, tensor: &Tensor) -> Result<()> {
        self.meter.count_sum(bytes(tensor));
        self.collectives.sum(tensor)
    }

    fn broadcast(&self, tensor: &Tensor, from: usize) -> Result<()> {
        self.collectives.broadcast(tensor, from)
    }

    fn gather(&self, tensor: &Tensor) -> Result<Tensor> {
        self.meter.gathered.set(self.meter.gathered.get() + bytes(tensor));
        self.collectives.gather(tensor)
    }

    fn busy(&self) -> f64 {
        self.collectives.busy()
    }

    fn part(&self, why: &str) {
        self.collectives.part(why);
    }

    fn leave(&self) {
        self.collectives.leave();
    }
}
