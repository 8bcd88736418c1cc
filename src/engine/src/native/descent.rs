//! The descent on a native model: the same steps as with tensors, on plain numbers.
//!
//! Each file here has its double among the engine's other files: `rows` and `shard` are `hypotheses`, `method` is
//! `optimizer`. A test holds the two equal. Rows are dealt out to threads in shards; the threads are those of a
//! [`Team`], and belong to the engine.

mod method;
mod rows;
mod shard;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tch::{Device, Kind, Tensor};
use thalweg_task::{Target, Task};

use crate::config::EngineConfig;
use crate::descent::Beginning;
use crate::error::EngineError;
use crate::evaluation::Point;
use crate::hypotheses::Status;
use crate::landscape::Landscape;
use crate::native::{EncodedTarget, Model, PriorTerm, Real, Team};
use crate::prior::Prior;
use crate::sampler::Sampler;
use crate::solution::Statistics;
use rows::{RowDescent, Shards};
use thalweg_task::numbers;

/// A task and a landscape as native code, in the task's element type, with the threads that run it.
#[derive(Clone, Debug)]
pub(crate) enum Native {
    Single(Arc<Model<f32>>, Arc<Shards<f32>>),
    Double(Arc<Model<f64>>, Arc<Shards<f64>>),
}

impl Native {
    /// Builds the model and starts the threads but one; none where the task is not dense layers on a CPU.
    ///
    /// # Errors
    /// [`EngineError::Threads`].
    pub(crate) fn new(task: &dyn Task, landscape: &Landscape, threads: usize) -> Result<Option<Self>, EngineError> {
        let (spec, theta) = (task.spec(), landscape.perceptron());
        let Some(form) = task.dense().filter(|_| spec.device == Device::Cpu) else { return Ok(None) };
        match spec.kind {
            Kind::Float => {
                let native =
                    |model: Model<f32>| Ok(Self::Single(Arc::new(model.with_steps(landscape.steps())), team(threads)?));
                Model::new(form, theta).map(native).transpose()
            }
            Kind::Double => {
                let native =
                    |model: Model<f64>| Ok(Self::Double(Arc::new(model.with_steps(landscape.steps())), team(threads)?));
                Model::new(form, theta).map(native).transpose()
            }
            _ => Ok(None),
        }
    }

    /// Builds the model of the same task with another landscape.
    pub(crate) fn with_landscape(&self, landscape: &Landscape) -> Option<Self> {
        let theta = landscape.perceptron();
        match self {
            Self::Single(model, team) => {
                let model = model.with_theta(theta)?.with_steps(landscape.steps());
                Some(Self::Single(Arc::new(model), Arc::clone(team)))
            }
            Self::Double(model, team) => {
                let model = model.with_theta(theta)?.with_steps(landscape.steps());
                Some(Self::Double(Arc::new(model), Arc::clone(team)))
            }
        }
    }

    /// Takes over a target; none when it has not the form that the task described.
    pub(crate) fn encode(&self, target: &Target, prior: &Prior) -> Option<NativeTarget> {
        match self {
            Self::Single(model, _) => Some(NativeTarget::Single(model.encode(target)?.with_prior(prior_term(prior)))),
            Self::Double(model, _) => Some(NativeTarget::Double(model.encode(target)?.with_prior(prior_term(prior)))),
        }
    }
}

/// Starts threads.
fn team<J: Send + 'static>(threads: usize) -> Result<Arc<Team<J>>, EngineError> {
    Team::new(threads).map(Arc::new).map_err(|source| EngineError::Threads { threads, source })
}

/// A prior as plain numbers.
pub(crate) fn prior_term<T: Real>(prior: &Prior) -> Option<PriorTerm<T>> {
    let flat = |tensor: &Option<Tensor>| tensor.as_ref().map_or_else(Vec::new, numbers);
    let offset = prior.offset.as_ref().map_or_else(Vec::new, numbers::<f64>);
    let scale = prior.scale.as_ref().map(numbers)?;
    Some(PriorTerm { scale, centre: flat(&prior.centre), offset })
}

/// A target of a native model.
#[derive(Debug)]
pub(crate) enum NativeTarget {
    Single(EncodedTarget<f32>),
    Double(EncodedTarget<f64>),
}

/// A native descent towards one target.
#[derive(Debug)]
pub(crate) enum NativeDescent {
    Single(RowDescent<f32>),
    Double(RowDescent<f64>),
}

/// Calls one method of a descent, whatever its element type.
macro_rules! either {
    ($value:expr, $descent:ident => $call:expr) => {
        match $value {
            NativeDescent::Single($descent) => $call,
            NativeDescent::Double($descent) => $call,
        }
    };
}

impl NativeDescent {
    /// Evaluates starting points, as [`crate::hypotheses::Hypotheses::start`] does.
    ///
    /// `spare`: a descent that has ended; its memory is used again where it fits. With the landscape's own steps the
    /// descent begins with those.
    ///
    /// # Errors
    /// [`EngineError::NothingFinite`].
    pub(crate) fn start(
        native: &Native,
        encoded: NativeTarget,
        spare: Option<Self>,
        beginning: Beginning<'_>,
        config: &EngineConfig,
        sampler: &mut Sampler,
    ) -> Result<Self, EngineError> {
        let optimizer = &config.optimizer;
        match (native, encoded) {
            (Native::Single(model, team), NativeTarget::Single(encoded)) => {
                let spare = if let Some(Self::Single(spare)) = spare { Some(spare) } else { None };
                RowDescent::start((model, team), encoded, spare, beginning, optimizer, sampler).map(Self::Single)
            }
            (Native::Double(model, team), NativeTarget::Double(encoded)) => {
                let spare = if let Some(Self::Double(spare)) = spare { Some(spare) } else { None };
                RowDescent::start((model, team), encoded, spare, beginning, optimizer, sampler).map(Self::Double)
            }
            _ => unreachable!("a target is encoded by the model that it is used with"),
        }
    }

    /// As [`crate::hypotheses::Hypotheses::offer`].
    pub(crate) fn offer(&mut self, z: &Tensor) {
        either!(self, descent => descent.offer(z));
    }

    /// Does one optimizer step for all rows.
    pub(crate) fn step(&mut self, sampler: &mut Sampler) -> Status {
        either!(self, descent => descent.step(sampler))
    }

    /// The present points, `[K, Z]`.
    pub(crate) fn z(&self) -> Tensor {
        either!(self, descent => descent.z())
    }

    /// See [`crate::Memory::linearised`].
    pub(crate) fn linearised(&self) -> Option<Tensor> {
        either!(self, descent => descent.linearised())
    }

    /// Where theta maps the best point of each row, `[K, X]`.
    pub(crate) fn best_x(&self) -> Tensor {
        either!(self, descent => descent.best_x())
    }

    /// The loss of each row at the present point.
    pub(crate) fn loss(&self) -> &[f64] {
        either!(self, descent => descent.loss())
    }

    /// The least loss that each row has met.
    pub(crate) fn best_loss(&self) -> &[f64] {
        either!(self, descent => descent.best_loss())
    }

    /// The best point of each row, `[K, Z]`.
    pub(crate) fn best_z(&self) -> Tensor {
        either!(self, descent => descent.best_z())
    }

    /// The best points, as tensors.
    pub(crate) fn best(&self, output: &[i64]) -> Point {
        either!(self, descent => descent.best(output))
    }

    /// What it has cost.
    pub(crate) fn statistics(&self) -> Statistics {
        either!(self, descent => descent.statistics())
    }
}
