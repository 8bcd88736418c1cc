//! Who watches a descent: recorders, trainers, statistics.

use std::sync::{Arc, Mutex};
use thalweg_task::lock;

use tch::Tensor;
use thalweg_task::Observation;

use super::hypotheses::Status;
use super::memory::Memory;
use super::solution::Solution;

/// One moment of a descent.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The starting points have been evaluated.
    Begin {
        /// What is to be explained.
        obs: &'a Observation,
        /// What the engine remembered when it took the observation, and its number.
        memory: &'a Memory,
        /// `z_0`, `[K, Z]`, in the order that all steps keep.
        z: &'a Tensor,
        /// Loss of each row.
        loss: &'a [f64],
    },
    /// All rows have done one step.
    Step {
        /// Which step, from 1.
        index: u32,
        /// Points before the step, `[K, Z]`.
        z_before: &'a Tensor,
        /// Points after the step, `[K, Z]`; a diverged row shows its new start.
        z: &'a Tensor,
        /// Loss of each row at `z`.
        loss: &'a [f64],
        /// Least loss that each row has met.
        best: &'a [f64],
        /// What the step did.
        status: Status,
    },
    /// A solve has ended; a descent driven by hand has no such moment.
    End {
        /// What is handed out.
        solution: &'a Solution,
    },
}

/// Which steps an observer sees. It always sees the beginning and the end, except with `Never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// Sees nothing.
    Never,
    /// Sees the beginning and the end, no step.
    Ends,
    /// Sees every step.
    Always,
    /// Sees steps n, 2n, 3n, ..; zero counts as one.
    Every(u32),
    /// Sees the steps that lowered the best loss: the least over all rows when they share one
    /// observation, the mean of the rows' best when each has its own.
    NewBest,
}

impl Cadence {
    fn admits(self, event: &Event<'_>, new_best: bool) -> bool {
        match (self, event) {
            (Self::Never, _) | (Self::Ends, Event::Step { .. }) => false,
            (Self::Every(stride), Event::Step { index, .. }) => index % stride.max(1) == 0,
            (Self::NewBest, Event::Step { .. }) => new_best,
            _ => true,
        }
    }
}

/// Watches descents. Runs inside the step, on the engine's thread: it should only take notes.
pub trait Observer: Send {
    /// Takes notice of one event.
    fn observe(&mut self, event: &Event<'_>);
}

/// Lets the caller keep a handle on an observer that the engine owns.
impl<T: Observer> Observer for Arc<Mutex<T>> {
    fn observe(&mut self, event: &Event<'_>) {
        lock(self).observe(event);
    }
}

/// The observers of one engine.
#[derive(Default)]
pub(crate) struct Observers {
    registered: Vec<(Cadence, Box<dyn Observer>)>,
}

impl Observers {
    pub(crate) fn add(&mut self, cadence: Cadence, observer: Box<dyn Observer>) {
        self.registered.push((cadence, observer));
    }

    pub(crate) fn clear(&mut self) {
        self.registered.clear();
    }

    /// Whether nobody looks.
    pub(crate) fn is_empty(&self) -> bool {
        self.registered.is_empty()
    }

    /// Whether anybody looks at steps.
    pub(crate) fn see_steps(&self) -> bool {
        self.registered.iter().any(|(cadence, _)| !matches!(cadence, Cadence::Never | Cadence::Ends))
    }

    pub(crate) fn notify(&mut self, event: &Event<'_>, new_best: bool) {
        for (cadence, observer) in &mut self.registered {
            if cadence.admits(event, new_best) {
                observer.observe(event);
            }
        }
    }
}
