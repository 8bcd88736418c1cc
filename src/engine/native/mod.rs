//! The descent on a native model: the same steps as with tensors, on plain numbers.
//!
//! Each file here has its double among the engine's other files: `rows` is `hypotheses`, `method` is
//! `optimizer`. A test holds the two equal.

mod method;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tch::{Device, Kind, Tensor};
use thalweg_task::{Target, Task};

use super::config::EngineConfig;
use super::error::EngineError;
use super::evaluation::Point;
use super::hypotheses::Status;
use super::prior::Prior;
use super::sampler::Sampler;
use super::solution::Statistics;
use crate::fused::{Aim, Model, Pull, Real, numbers};
use crate::landscape::Landscape;
use rows::Descent;

/// A task and a landscape as native code, in the task's element type.
#[derive(Clone, Debug)]
pub(crate) enum Native {
    Single(Arc<Model<f32>>),
    Double(Arc<Model<f64>>),
}

impl Native {
    /// Builds the model; none where the task is not dense layers on a CPU.
    pub(crate) fn new(task: &dyn Task, landscape: &Landscape) -> Option<Self> {
        let spec = task.spec();
        let (form, theta) = (task.dense()?, landscape.perceptron());
        match (spec.device, spec.kind) {
            (Device::Cpu, Kind::Float) => Some(Self::Single(Arc::new(Model::new(form, theta)?))),
            (Device::Cpu, Kind::Double) => Some(Self::Double(Arc::new(Model::new(form, theta)?))),
            _ => None,
        }
    }

    /// Builds the model of the same task with another landscape.
    pub(crate) fn with_landscape(&self, landscape: &Landscape) -> Option<Self> {
        let theta = landscape.perceptron();
        match self {
            Self::Single(model) => Some(Self::Single(Arc::new(model.with_theta(theta)?))),
            Self::Double(model) => Some(Self::Double(Arc::new(model.with_theta(theta)?))),
        }
    }

    /// Takes over a target; none when it has not the form that the task described.
    pub(crate) fn aim(&self, target: &Target, prior: &Prior) -> Option<NativeAim> {
        match self {
            Self::Single(model) => Some(NativeAim::Single(model.aim(target)?.with_pull(pull(prior)))),
            Self::Double(model) => Some(NativeAim::Double(model.aim(target)?.with_pull(pull(prior)))),
        }
    }
}

/// A prior as plain numbers.
pub(super) fn pull<T: Real>(prior: &Prior) -> Option<Pull<T>> {
    let flat = |tensor: &Option<Tensor>| tensor.as_ref().map_or_else(Vec::new, numbers);
    let offset = prior.offset.as_ref().map_or_else(Vec::new, numbers::<f64>);
    let scale = prior.scale.as_ref().map(numbers)?;
    Some(Pull { scale, centre: flat(&prior.centre), offset })
}

/// A target of a native model.
#[derive(Debug)]
pub(crate) enum NativeAim {
    Single(Aim<f32>),
    Double(Aim<f64>),
}

/// A native descent towards one target.
#[derive(Debug)]
pub(crate) enum NativeDescent {
    Single(Descent<f32>),
    Double(Descent<f64>),
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
    /// Evaluates starting points `z`, `[K, Z]`, as [`super::hypotheses::Hypotheses::start`] does.
    ///
    /// `spare`: a descent that has ended; its memory is used again where it fits.
    ///
    /// # Errors
    /// [`EngineError::NothingFinite`].
    pub(crate) fn start(
        native: &Native,
        aim: NativeAim,
        spare: Option<Self>,
        z: &Tensor,
        config: &EngineConfig,
        sampler: &mut Sampler,
    ) -> Result<Self, EngineError> {
        match (native, aim, spare) {
            (Native::Single(model), NativeAim::Single(aim), Some(Self::Single(spare))) => {
                Descent::start(model, aim, Some(spare), z, &config.optimizer, sampler).map(Self::Single)
            }
            (Native::Single(model), NativeAim::Single(aim), _) => {
                Descent::start(model, aim, None, z, &config.optimizer, sampler).map(Self::Single)
            }
            (Native::Double(model), NativeAim::Double(aim), Some(Self::Double(spare))) => {
                Descent::start(model, aim, Some(spare), z, &config.optimizer, sampler).map(Self::Double)
            }
            (Native::Double(model), NativeAim::Double(aim), _) => {
                Descent::start(model, aim, None, z, &config.optimizer, sampler).map(Self::Double)
            }
            _ => unreachable!("an aim is made by the model that it is used with"),
        }
    }

    /// As [`super::hypotheses::Hypotheses::offer`].
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
