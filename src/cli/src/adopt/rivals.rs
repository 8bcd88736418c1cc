//! What a model has to be better than: the simplest ways to complete joints, on the same training frames.

use tch::{Kind, Tensor};
use thalweg_robot::layout::{Column, TYPICAL, features};

/// Frames that the nearest is looked for among, evenly chosen.
const MOST_NEAREST: i64 = 20_000;
/// Added to each variance, as a share of that of a typical joint: so that still joints can be conditioned on.
const LEAST_VARIANCE: f64 = 1e-4;

/// Training frames in weighted numbers, and their normal distribution.
#[derive(Debug)]
pub(super) struct Rivals {
    columns: Vec<Column>,
    weight: Tensor,
    /// `[N, R]`.
    pool: Tensor,
    /// `[R]`.
    mean: Tensor,
    /// `[R, R]`.
    covariance: Tensor,
}

impl Rivals {
    /// Takes positions `[N, J]`.
    pub(super) fn of(columns: Vec<Column>, training: &Tensor) -> Self {
        let weights: Vec<f64> = columns.iter().map(|column| column.weight).collect();
        let weight = Tensor::from_slice(&weights);
        let all = features(&columns, &training.to_kind(Kind::Double)) * &weight;
        let mean = all.mean_dim(0, false, Kind::Double);
        let apart = &all - &mean;
        let least =
            Tensor::eye(columns.len() as i64, (Kind::Double, tch::Device::Cpu)) * (LEAST_VARIANCE * TYPICAL * TYPICAL);
        let covariance = apart.transpose(0, 1).matmul(&apart) / apart.size()[0] as f64 + least;
        let (count, most) = (all.size()[0], all.size()[0].min(MOST_NEAREST));
        let index: Vec<i64> = (0..most).map(|row| row * count / most).collect();
        let pool = all.index_select(0, &Tensor::from_slice(&index));
        Self { columns, weight, pool, mean, covariance }
    }

    /// The columns of a pose, and which of them are hidden: places, visible ones first.
    fn split(&self, positions: &[f64], hidden: &[bool]) -> (Tensor, Tensor, Tensor) {
        let row = Tensor::from_slice(positions).view([1, -1]);
        let values = (features(&self.columns, &row) * &self.weight).view(-1);
        let places = |wanted: bool| {
            let found = self.columns.iter().enumerate().filter(|(_, column)| hidden[column.joint] == wanted);
            Tensor::from_slice(&found.map(|(place, _)| place as i64).collect::<Vec<_>>())
        };
        (values, places(false), places(true))
    }

    /// The mean of what is hidden, given what is seen: `m_h + C_hv C_vv^-1 (x_v - m_v)`. Returns all R numbers.
    pub(super) fn gaussian(&self, positions: &[f64], hidden: &[bool]) -> Vec<f64> {
        let (values, seen, gone) = self.split(positions, hidden);
        let block = |rows: &Tensor, columns: &Tensor| self.covariance.index_select(0, rows).index_select(1, columns);
        let apart = (values.index_select(0, &seen) - self.mean.index_select(0, &seen)).unsqueeze(1);
        let solved = apart.cholesky_solve(&block(&seen, &seen).linalg_cholesky(false), false);
        let found = self.mean.index_select(0, &gone) + block(&gone, &seen).matmul(&solved).squeeze_dim(1);
        self.numbers(&values.index_copy(0, &gone, &found))
    }

    /// The hidden part of the training frame that is nearest on what is seen. Returns all R numbers.
    pub(super) fn nearest(&self, positions: &[f64], hidden: &[bool]) -> Vec<f64> {
        let (values, seen, gone) = self.split(positions, hidden);
        let apart = self.pool.index_select(1, &seen) - values.index_select(0, &seen);
        let nearest = apart.square().sum_dim_intlist(1, false, Kind::Double).argmin(0, false);
        let found = self.pool.get(nearest.int64_value(&[])).index_select(0, &gone);
        self.numbers(&values.index_copy(0, &gone, &found))
    }

    fn numbers(&self, weighted: &Tensor) -> Vec<f64> {
        thalweg_task::numbers(&(weighted / &self.weight))
    }
}
