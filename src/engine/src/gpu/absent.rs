//! What stands in for a device where the feature `gpu` is off: types of which there is no value.

use std::convert::Infallible;
use std::sync::Arc;

use tch::Tensor;
use thalweg_task::{Target, Task};

use super::{AdapterReport, GpuChoice, GpuError};
use crate::error::EngineError;
use crate::evaluation::Point;
use crate::hypotheses::Status;
use crate::landscape::Landscape;
use crate::optimizer::AdamConfig;
use crate::own_steps::OwnSteps;
use crate::prior::Prior;
use crate::sampler::Sampler;
use crate::solution::Statistics;

/// Lists no adapter.
#[must_use]
pub fn adapters() -> Vec<AdapterReport> {
    Vec::new()
}

/// Finds none.
///
/// # Errors
/// [`GpuError::NotBuilt`].
pub fn find(_choice: &GpuChoice) -> Result<AdapterReport, GpuError> {
    Err(GpuError::NotBuilt)
}

/// A device, of which there is none.
#[derive(Clone, Debug)]
pub struct Gpu(Infallible);

impl Gpu {
    /// Refuses.
    ///
    /// # Errors
    /// [`GpuError::NotBuilt`].
    pub fn open(_choice: &GpuChoice) -> Result<Self, GpuError> {
        Err(GpuError::NotBuilt)
    }

    /// What it is.
    #[must_use]
    pub fn report(&self) -> &AdapterReport {
        match self.0 {}
    }

    /// Why it is of no use any more.
    #[must_use]
    pub fn trouble(&self) -> Option<GpuError> {
        match self.0 {}
    }

    /// Takes the device away.
    pub fn destroy(&self) {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct GpuModel(Infallible);

impl GpuModel {
    pub(crate) fn new(gpu: &Gpu, _task: &dyn Task, _landscape: &Landscape) -> Result<Self, GpuError> {
        match gpu.0 {}
    }

    pub(crate) fn gpu(&self) -> &Gpu {
        match self.0 {}
    }

    pub(crate) fn encode(&self, _target: &Target, _prior: &Prior) -> Option<GpuTarget> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct GpuTarget(Infallible);

#[derive(Debug)]
pub(crate) struct GpuDescent(Infallible);

impl GpuDescent {
    pub(crate) fn start(
        model: &Arc<GpuModel>,
        _target: &GpuTarget,
        _points: (&Tensor, Option<&OwnSteps>, Option<&Tensor>),
        _adam: &AdamConfig,
        _ahead: u32,
        _sampler: &mut Sampler,
    ) -> Result<Self, EngineError> {
        match model.0 {}
    }

    pub(crate) fn step(&mut self, _ahead: u32, _sampler: &mut Sampler) -> Result<Status, EngineError> {
        match self.0 {}
    }

    pub(crate) fn z(&self) -> Tensor {
        match self.0 {}
    }

    pub(crate) fn best_x(&self) -> Tensor {
        match self.0 {}
    }

    pub(crate) fn best_z(&self) -> Tensor {
        match self.0 {}
    }

    pub(crate) fn loss(&self) -> &[f64] {
        match self.0 {}
    }

    pub(crate) fn best_loss(&self) -> &[f64] {
        match self.0 {}
    }

    pub(crate) fn best(&self, _output: &[i64]) -> Point {
        match self.0 {}
    }

    pub(crate) fn statistics(&self) -> Statistics {
        match self.0 {}
    }

    pub(crate) fn is_ahead(&self) -> bool {
        match self.0 {}
    }
}
