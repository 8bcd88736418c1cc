//! A descent on any backend.

use std::sync::Arc;

use tch::Tensor;
use thalweg_task::{Target, Task};

use super::backend::{Backend, BackendChoice};
use super::config::EngineConfig;
use super::error::EngineError;
use super::evaluation::{Point, Problem};
use super::gpu::{GpuDescent, GpuModel};
use super::hypotheses::{Hypotheses, Status};
use super::native::{Native, NativeDescent};
use super::optimizer::Optimizer;
use super::own_steps::OwnSteps;
use super::prior::Prior;
use super::sampler::Sampler;
use super::solution::Statistics;
use crate::landscape::Landscape;

/// K points that descend towards one target.
#[derive(Debug)]
pub(crate) enum Descent {
    Tch(Box<Hypotheses>),
    Fused(Box<NativeDescent>),
    Gpu(Box<GpuDescent>),
}

/// Where a descent begins.
#[derive(Clone, Copy)]
pub(crate) struct Beginning<'a> {
    /// `[K, Z]`.
    pub(crate) z: &'a Tensor,
    /// The landscape's own steps, which come first.
    pub(crate) own: Option<&'a OwnSteps>,
    /// Points, `[K, Z]`, that rows take where they are better.
    pub(crate) warm: Option<&'a Tensor>,
    /// See [`crate::Memory::linearised`].
    pub(crate) linearised: Option<&'a Tensor>,
}

impl<'a> Beginning<'a> {
    /// At `z`, `[K, Z]`, of which nothing else is known.
    pub(crate) fn at(z: &'a Tensor) -> Self {
        Self { z, own: None, warm: None, linearised: None }
    }
}

/// What all descents of an engine, or of its start, have in common.
pub(crate) struct Ground<'a> {
    pub(crate) task: &'a dyn Task,
    pub(crate) landscape: &'a Landscape,
    pub(crate) config: &'a EngineConfig,
    /// What runs in libtorch's place.
    pub(crate) native: Option<&'a Native>,
    /// What runs in place of both, and how many steps it may do at once with the beginning.
    pub(crate) gpu: Option<(&'a Arc<GpuModel>, u32)>,
}

impl Ground<'_> {
    /// What is minimised towards one target.
    pub(crate) fn problem<'b>(
        &'b self,
        (target, prior): (&'b Target, &'b Prior),
        own: Option<&'b OwnSteps>,
    ) -> Problem<'b> {
        let keep_residual = self.config.optimizer.needs_residual();
        Problem { task: self.task, landscape: self.landscape, target, prior, keep_residual, own }
    }

    /// Starts a descent, and takes rows of `warm` where they are better: on a GPU or a native one where it can be one, with
    /// the memory of `spare`.
    ///
    /// # Errors
    /// [`EngineError::NotFused`], or as [`Hypotheses::start`].
    pub(crate) fn descend(
        &self,
        sought: (&Target, &Prior),
        beginning: Beginning<'_>,
        spare: Option<Box<NativeDescent>>,
        sampler: &mut Sampler,
    ) -> Result<Descent, EngineError> {
        let Beginning { z, own, warm, .. } = beginning;
        if let Some(descent) = self.descend_on_gpu(sought, (z, own, warm), sampler)? {
            return Ok(Descent::Gpu(Box::new(descent)));
        }
        let mut descent = self.descend_here(sought, beginning, spare, sampler)?;
        if let Some(warm) = warm {
            descent.offer(&self.problem(sought, own), warm)?;
        }
        Ok(descent)
    }

    /// None where no GPU was given, it cannot do this, or it failed: the device keeps why.
    fn descend_on_gpu(
        &self,
        (target, prior): (&Target, &Prior),
        points: (&Tensor, Option<&OwnSteps>, Option<&Tensor>),
        sampler: &mut Sampler,
    ) -> Result<Option<GpuDescent>, EngineError> {
        let Some((model, ahead)) = self.gpu.filter(|_| self.config.backend == BackendChoice::Auto) else {
            return Ok(None);
        };
        let (Optimizer::Adam(adam), None) = (&self.config.optimizer, model.gpu().trouble()) else { return Ok(None) };
        let Some(target) = model.encode(target, prior) else { return Ok(None) };
        // What it drew before it failed is drawn once more.
        let before = sampler.clone();
        match GpuDescent::start(model, &target, points, adam, ahead, sampler) {
            Ok(descent) => Ok(Some(descent)),
            Err(EngineError::Gpu(_)) => {
                *sampler = before;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn descend_here(
        &self,
        (target, prior): (&Target, &Prior),
        beginning: Beginning<'_>,
        spare: Option<Box<NativeDescent>>,
        sampler: &mut Sampler,
    ) -> Result<Descent, EngineError> {
        let config = self.config;
        let encoded = self.native.and_then(|native| Some((native, native.encode(target, prior)?)));
        let Some((native, encoded)) = encoded else {
            if config.backend == BackendChoice::Fused {
                let reason = "a target has another form than the task describes";
                return Err(EngineError::NotFused { task: self.task.spec().name.clone(), reason });
            }
            let problem = self.problem((target, prior), beginning.own);
            let hypotheses = Hypotheses::start(&problem, beginning.z, &config.optimizer, sampler)?;
            return Ok(Descent::Tch(Box::new(hypotheses)));
        };
        let spare = spare.map(|spare| *spare);
        let descent = NativeDescent::start(native, encoded, spare, beginning, config, sampler)?;
        Ok(Descent::Fused(Box::new(descent)))
    }

    /// Does one step, or, on a GPU, takes one that it has done or has it do `ahead`; where that fails, the descent goes on
    /// here from the best points that are known.
    ///
    /// # Errors
    /// As [`Descent::step`].
    pub(crate) fn step(
        &self,
        descent: &mut Descent,
        sought: (&Target, &Prior),
        own: &mut Option<OwnSteps>,
        (ahead, sampler): (u32, &mut Sampler),
    ) -> Result<Status, EngineError> {
        match descent.step(&self.problem(sought, own.as_ref()), ahead, sampler) {
            Err(EngineError::Gpu(_)) => {
                let best = descent.best_z();
                *own = None;
                *descent = self.descend_here(sought, Beginning::at(&best), None, sampler)?;
                descent.step(&self.problem(sought, None), ahead, sampler)
            }
            done => done,
        }
    }
}

impl Descent {
    /// Which backend it runs on.
    pub(crate) fn backend(&self) -> Backend {
        match self {
            Self::Tch(_) => Backend::Tch,
            Self::Fused(_) => Backend::Fused,
            Self::Gpu(_) => Backend::Gpu,
        }
    }

    /// Whether the next step has been done already.
    pub(crate) fn is_ahead(&self) -> bool {
        matches!(self, Self::Gpu(descent) if descent.is_ahead())
    }

    /// Does one optimizer step for all rows, or `ahead` on a GPU. Leaves everything as it was on error.
    pub(crate) fn step(
        &mut self,
        problem: &Problem<'_>,
        ahead: u32,
        sampler: &mut Sampler,
    ) -> Result<Status, EngineError> {
        match self {
            Self::Tch(hypotheses) => hypotheses.step(problem, sampler),
            Self::Fused(descent) => Ok(descent.step(sampler)),
            Self::Gpu(descent) => descent.step(ahead, sampler),
        }
    }

    /// Takes rows of `z`, `[K, Z]`, where they are better than what is there. A GPU has taken them at its start.
    fn offer(&mut self, problem: &Problem<'_>, z: &Tensor) -> Result<(), EngineError> {
        match self {
            Self::Tch(hypotheses) => hypotheses.offer(problem, z),
            Self::Fused(descent) => {
                descent.offer(z);
                Ok(())
            }
            Self::Gpu(_) => Ok(()),
        }
    }

    /// The present points, `[K, Z]`.
    pub(crate) fn z(&self) -> Tensor {
        match self {
            Self::Tch(hypotheses) => hypotheses.current.point.z.shallow_clone(),
            Self::Fused(descent) => descent.z(),
            Self::Gpu(descent) => descent.z(),
        }
    }

    /// Where the landscape maps the best point of each row, `[K, X]`.
    pub(crate) fn best_x(&self) -> Tensor {
        match self {
            Self::Tch(hypotheses) => hypotheses.best.x.shallow_clone(),
            Self::Fused(descent) => descent.best_x(),
            Self::Gpu(descent) => descent.best_x(),
        }
    }

    /// See [`crate::Memory::linearised`].
    pub(crate) fn linearised(&self) -> Option<Tensor> {
        if let Self::Fused(descent) = self { descent.linearised() } else { None }
    }

    /// The loss of each row at the present point.
    pub(crate) fn loss(&self) -> &[f64] {
        match self {
            Self::Tch(hypotheses) => &hypotheses.current.point.loss,
            Self::Fused(descent) => descent.loss(),
            Self::Gpu(descent) => descent.loss(),
        }
    }

    /// The least loss that each row has met.
    pub(crate) fn best_loss(&self) -> &[f64] {
        match self {
            Self::Tch(hypotheses) => &hypotheses.best.loss,
            Self::Fused(descent) => descent.best_loss(),
            Self::Gpu(descent) => descent.best_loss(),
        }
    }

    /// The best point of each row, `[K, Z]`.
    pub(crate) fn best_z(&self) -> Tensor {
        match self {
            Self::Tch(hypotheses) => hypotheses.best.z.shallow_clone(),
            Self::Fused(descent) => descent.best_z(),
            Self::Gpu(descent) => descent.best_z(),
        }
    }

    /// The best points; `output` is the shape of one row of F's output.
    pub(crate) fn best(&self, output: &[i64]) -> Point {
        match self {
            Self::Tch(hypotheses) => hypotheses.best.clone(),
            Self::Fused(descent) => descent.best(output),
            Self::Gpu(descent) => descent.best(output),
        }
    }

    /// What it has cost.
    pub(crate) fn statistics(&self) -> Statistics {
        match self {
            Self::Tch(hypotheses) => hypotheses.statistics,
            Self::Fused(descent) => descent.statistics(),
            Self::Gpu(descent) => descent.statistics(),
        }
    }
}
