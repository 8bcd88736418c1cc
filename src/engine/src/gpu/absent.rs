//! What stands in for a device where the feature `gpu` is off: nothing that can be made.

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

/// A device, of which there is none.
#[derive(Clone, Debug)]
pub enum Gpu {}

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
        match *self {}
    }

    /// Why it is of no use any more.
    #[must_use]
    pub fn trouble(&self) -> Option<GpuError> {
        match *self {}
    }

    /// Takes the device away.
    pub fn destroy(&self) {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum GpuModel {}

impl GpuModel {
    pub(crate) fn new(gpu: &Gpu, _task: &dyn Task, _landscape: &Landscape) -> Result<Self, GpuError> {
        match *gpu {}
    }

    pub(crate) fn gpu(&self) -> &Gpu {
        match *self {}
    }

    pub(crate) fn encode(&self, _target: &Target, _prior: &Prior) -> Option<GpuTarget> {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum GpuTarget {}

#[derive(Debug)]
pub(crate) enum GpuDescent {}

impl GpuDescent {
    pub(crate) fn start(
        model: &Arc<GpuModel>,
        _target: &GpuTarget,
        _points: (&Tensor, Option<&OwnSteps>, Option<&Tensor>),
        _adam: &AdamConfig,
        _ahead: u32,
        _sampler: &mut Sampler,
    ) -> Result<Self, EngineError> {
        match **model {}
    }

    pub(crate) fn step(&mut self, _ahead: u32, _sampler: &mut Sampler) -> Result<Status, EngineError> {
        match *self {}
    }

    pub(crate) fn z(&self) -> Tensor {
        match *self {}
    }

    pub(crate) fn best_x(&self) -> Tensor {
        match *self {}
    }

    pub(crate) fn best_z(&self) -> Tensor {
        match *self {}
    }

    pub(crate) fn loss(&self) -> &[f64] {
        match *self {}
    }

    pub(crate) fn best_loss(&self) -> &[f64] {
        match *self {}
    }

    pub(crate) fn best(&self, _output: &[i64]) -> Point {
        match *self {}
    }

    pub(crate) fn statistics(&self) -> Statistics {
        match *self {}
    }

    pub(crate) fn is_ahead(&self) -> bool {
        match *self {}
    }
}
