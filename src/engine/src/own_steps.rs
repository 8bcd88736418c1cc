//! The steps that a landscape was trained for, for the hypotheses at hand.

use tch::Tensor;
use thalweg_task::Observation;

use crate::evaluation::Evaluation;
use crate::landscape::{Steps, offset_of_gaps};

/// The steps of a landscape and where they lead each hypothesis.
#[derive(Debug)]
pub(crate) struct OwnSteps {
    steps: Steps,
    /// What is added to `z` after the first step, `[K, Z]`.
    offset: Tensor,
    /// Whether nothing follows them, so that nobody asks for the last point's gradient.
    is_all: bool,
}

impl OwnSteps {
    /// For hypotheses of the given codes, `[K, C]`, towards an observation of one row or of K.
    pub(crate) fn new(steps: &Steps, codes: &Tensor, obs: &Observation) -> Self {
        let offset = codes.matmul(steps.codes()) + offset_of_gaps(obs, steps.gaps());
        Self { steps: steps.shallow_clone(), offset, is_all: false }
    }

    /// The same, with nothing to follow them.
    pub(crate) fn and_no_more(self) -> Self {
        Self { is_all: true, ..self }
    }

    pub(crate) fn is_all(&self) -> bool {
        self.is_all
    }

    /// Where all hypotheses begin, `[K, Z]`.
    pub(crate) fn origin(&self) -> Tensor {
        self.offset.zeros_like()
    }

    pub(crate) fn offset(&self) -> &Tensor {
        &self.offset
    }

    /// Number T of steps.
    pub(crate) fn count(&self) -> usize {
        self.steps.count() as usize
    }

    /// Metric of step `step`, `[X, X]`; none after the last.
    pub(crate) fn metric(&self, step: usize) -> Option<Tensor> {
        (step < self.count()).then(|| self.steps.metric().get(step as i64))
    }

    /// Where step `step` leads from a point whose gradient its metric has gone into, `[K, Z]`.
    pub(crate) fn next(&self, step: usize, at: &Evaluation) -> Tensor {
        let z = &at.point.z - &at.gradient;
        if step == 0 { z + &self.offset } else { z }
    }
}
