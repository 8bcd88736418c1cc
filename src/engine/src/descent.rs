//! A descent on either backend.

use tch::Tensor;

use super::backend::Backend;
use super::error::EngineError;
use super::evaluation::{Point, Problem};
use super::hypotheses::{Hypotheses, Status};
use super::native::NativeDescent;
use super::sampler::Sampler;
use super::solution::Statistics;

/// K points that descend towards one target.
#[derive(Debug)]
pub(crate) enum Descent {
    Tch(Box<Hypotheses>),
    Fused(Box<NativeDescent>),
}

impl Descent {
    /// Which backend it runs on.
    pub(crate) fn backend(&self) -> Backend {
        match self {
            Self::Tch(_) => Backend::Tch,
            Self::Fused(_) => Backend::Fused,
        }
    }

    /// Does one optimizer step for all rows. Leaves everything as it was on error.
    pub(crate) fn step(&mut self, problem: &Problem<'_>, sampler: &mut Sampler) -> Result<Status, EngineError> {
        match self {
            Self::Tch(hypotheses) => hypotheses.step(problem, sampler),
            Self::Fused(descent) => Ok(descent.step(sampler)),
        }
    }

    /// Takes rows of `z`, `[K, Z]`, where they are better than what is there.
    pub(crate) fn offer(&mut self, problem: &Problem<'_>, z: &Tensor) -> Result<(), EngineError> {
        match self {
            Self::Tch(hypotheses) => hypotheses.offer(problem, z),
            Self::Fused(descent) => {
                descent.offer(z);
                Ok(())
            }
        }
    }

    /// The present points, `[K, Z]`.
    pub(crate) fn z(&self) -> Tensor {
        match self {
            Self::Tch(hypotheses) => hypotheses.current.point.z.shallow_clone(),
            Self::Fused(descent) => descent.z(),
        }
    }

    /// The loss of each row at the present point.
    pub(crate) fn loss(&self) -> &[f64] {
        match self {
            Self::Tch(hypotheses) => &hypotheses.current.point.loss,
            Self::Fused(descent) => descent.loss(),
        }
    }

    /// The least loss that each row has met.
    pub(crate) fn best_loss(&self) -> &[f64] {
        match self {
            Self::Tch(hypotheses) => &hypotheses.best.loss,
            Self::Fused(descent) => descent.best_loss(),
        }
    }

    /// The best point of each row, `[K, Z]`.
    pub(crate) fn best_z(&self) -> Tensor {
        match self {
            Self::Tch(hypotheses) => hypotheses.best.z.shallow_clone(),
            Self::Fused(descent) => descent.best_z(),
        }
    }

    /// The best points; `output` is the shape of one row of F's output.
    pub(crate) fn best(&self, output: &[i64]) -> Point {
        match self {
            Self::Tch(hypotheses) => hypotheses.best.clone(),
            Self::Fused(descent) => descent.best(output),
        }
    }

    /// What it has cost.
    pub(crate) fn statistics(&self) -> Statistics {
        match self {
            Self::Tch(hypotheses) => hypotheses.statistics,
            Self::Fused(descent) => descent.statistics(),
        }
    }
}
