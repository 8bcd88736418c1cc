//! The observations of a buffer.

use std::ops::Range;

use tch::{Device, Kind, Tensor};
use thalweg_task::Observation;

/// Observations and what is seen of them, G rows, for K hypotheses each.
pub(super) struct Batch {
    pub(super) complete: Observation,
    pub(super) seen: Observation,
    /// Rows of the training observations, `[G]`.
    pub(super) rows: Tensor,
    /// Whether anything is hidden, `[G]`.
    pub(super) has_gaps: Tensor,
    /// Where descents begin, `[G, Z]`.
    pub(super) start: Tensor,
    /// What is added after the first step, `[G * K, Z]`.
    pub(super) offset: Tensor,
}

impl Batch {
    pub(super) fn groups(&self) -> usize {
        self.rows.size()[0] as usize
    }

    /// A contiguous part of the observations, for `hypotheses` each.
    pub(super) fn part(&self, groups: &Range<usize>, hypotheses: usize) -> Self {
        let (start, end) = (groups.start as i64, groups.end as i64);
        self.rows_of(&Tensor::arange_start(start, end, (Kind::Int64, self.rows.device())), hypotheses as i64)
    }

    /// Some of the observations, an index tensor `[R]`, for `hypotheses` each.
    pub(super) fn rows_of(&self, index: &Tensor, hypotheses: i64) -> Self {
        let pick = |tensor: &Tensor| tensor.index_select(0, index);
        let width = self.offset.size()[1];
        Self {
            complete: self.complete.select_rows(index),
            seen: self.seen.select_rows(index),
            rows: pick(&self.rows),
            has_gaps: pick(&self.has_gaps),
            start: pick(&self.start),
            offset: pick(&self.offset.view([-1, hypotheses, width])).view([-1, width]),
        }
    }
}

/// Row numbers `0, 0, .., 1, 1, ..`: each of `count` rows `times` times, where `like` is.
pub(super) fn spread(count: i64, times: i64, like: &Tensor) -> Tensor {
    Tensor::arange(count, (Kind::Int64, like.device())).repeat_interleave_self_int(times, None, None)
}

/// Which rows of `seen` lack something of `complete`, `[G]`.
pub(super) fn has_gaps(complete: &Observation, seen: &Observation) -> Tensor {
    let count = |obs: &Observation| {
        let rows = obs.rows();
        let each =
            obs.fields().map(|(_, field)| field.observed().reshape([rows, -1]).sum_dim_intlist(1, false, Kind::Int64));
        each.reduce(|sum, more| sum + more).unwrap_or_else(|| Tensor::zeros([rows], (Kind::Int64, Device::Cpu)))
    };
    count(seen).less_tensor(&count(complete))
}
