//! What is known of how joints usually fit each other: by it a joint that lies is told.

use std::path::Path;

use tch::{Device, Kind, Tensor};
use thalweg_nn::Result;
use thalweg_nn::weights::{self, Weights};
use thalweg_task::{TaskSpec, numbers};

use super::cholesky::Cholesky;
use super::model::joints;

/// What a file of it says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-surprise-model";
/// Version of that format.
const VERSION: &str = "1";
/// The tensors in it.
const MEAN: &str = "mean";
const COVARIANCE: &str = "covariance";
const SPEED: &str = "speed";
const CENTRE: &str = "centre";
const LIMITS: &str = "limits";
/// Added to each variance, as a share of it and in squared radians or metres, so that joints that follow each other
/// exactly can be conditioned on. Guesses.
const RIDGE: f64 = 1e-3;
const LEAST_VARIANCE: f64 = 1e-6;
/// Misfits are taken to be of a t-distribution of so many degrees of freedom: where all joints are unusual, each may be.
/// Of none and 3 the better on motion of the G1.
const FREEDOM: f64 = 3.0;

/// Normal distribution of the positions of joints.
#[derive(Clone, Debug, Default)]
pub struct Poses {
    /// `[J]`, radians or metres.
    pub mean: Vec<f64>,
    /// `[J, J]`; zero on the diagonal of a joint whose positions say nothing.
    pub covariance: Vec<f64>,
}

impl Poses {
    /// Takes mean and covariance of positions `[N, J]`; a joint that is not `judged` gets none.
    #[must_use]
    pub fn of(positions: &Tensor, judged: &[bool]) -> Self {
        let all = positions.to_kind(Kind::Double);
        let mean = all.mean_dim(0, false, Kind::Double);
        let apart = &all - &mean;
        let covariance = apart.transpose(0, 1).matmul(&apart) / all.size()[0].max(1) as f64;
        let mut covariance: Vec<f64> = numbers(&covariance);
        let size = judged.len();
        for place in 0..covariance.len().min(size * size) {
            if !(judged[place / size] && judged[place % size]) {
                covariance[place] = 0.0;
            }
        }
        Self { mean: numbers(&mean), covariance }
    }

    /// Variance of a joint.
    #[must_use]
    pub fn variance(&self, joint: usize) -> f64 {
        self.covariance.get(joint * (self.mean.len() + 1)).copied().unwrap_or(0.0)
    }

    /// The inverse of the covariance of some joints, row by row; none where there is none.
    pub(super) fn precision(&self, joints: &[usize]) -> Option<Vec<f64>> {
        let (count, size) = (joints.len(), self.mean.len());
        let mut matrix: Vec<f64> = joints
            .iter()
            .flat_map(|&row| joints.iter().map(move |column| self.covariance[row * size + column]))
            .collect();
        for (place, &joint) in joints.iter().enumerate() {
            matrix[place * count + place] += RIDGE * self.variance(joint) + LEAST_VARIANCE;
        }
        let factor = Cholesky::new(matrix, count)?;
        let mut inverse = vec![0.0; count * count];
        for (place, row) in inverse.chunks_exact_mut(count).enumerate() {
            row[place] = 1.0;
            factor.solve(row);
        }
        Some(inverse)
    }

    /// How far each of some joints is from its mean given the others, radians or metres; empty where there is no inverse.
    #[must_use]
    pub fn left_out(&self, joints: &[usize], positions: &[f64]) -> Vec<f64> {
        let Some(precision) = self.precision(joints) else { return Vec::new() };
        let count = joints.len();
        let apart: Vec<f64> = joints.iter().map(|&joint| positions[joint] - self.mean[joint]).collect();
        let off = |(place, row): (usize, &[f64])| {
            row.iter().zip(&apart).map(|(a, b)| a * b).sum::<f64>() / precision[place * count + place]
        };
        precision.chunks_exact(count).enumerate().map(off).collect()
    }

    /// How badly each of some joints fits what the others say: its reading less its mean given the others, in standard
    /// deviations of that, `(P d)_j / sqrt(P_jj)` for the precision P of these joints and `d = x - m`, less where the
    /// others are unusual themselves. And the mean square of all, `d' P d / N`.
    pub(super) fn misfits(&self, joints: &[usize], precision: &[f64], positions: &[f64]) -> (Vec<f64>, f64) {
        let count = joints.len();
        let apart: Vec<f64> = joints.iter().map(|&joint| positions[joint] - self.mean[joint]).collect();
        let pulled: Vec<f64> =
            precision.chunks_exact(count).map(|row| row.iter().zip(&apart).map(|(a, b)| a * b).sum::<f64>()).collect();
        let all: f64 = apart.iter().zip(&pulled).map(|(a, b)| a * b).sum();
        let misfit = |(place, pull): (usize, &f64)| {
            let own = precision[place * count + place];
            let others = (all - pull * pull / own).max(0.0) / (count - 1).max(1) as f64;
            pull / own.sqrt() / ((FREEDOM + others) / (FREEDOM + 1.0)).sqrt()
        };
        (pulled.iter().enumerate().map(misfit).collect(), all / count.max(1) as f64)
    }
}

/// How joints usually fit each other, how lively they are, and how far from that is unheard of.
#[derive(Clone, Debug, Default)]
pub struct SurpriseModel {
    /// Where joints are.
    pub poses: Poses,
    /// Root mean square of the velocity of each joint, `[J]`, per second; zero where it is not judged.
    pub speed: Vec<f64>,
    /// Mean of how lively each joint is beside the others, `[J]`, natural logarithm.
    pub centre: Vec<f64>,
    /// What is exceeded once an hour or less often, `[J]`: by the misfit of a joint averaged over poses, in its standard
    /// deviations; by how much livelier it is than usual; and by how much less.
    pub limits: Vec<[f64; 3]>,
}

impl SurpriseModel {
    /// Reads one that was made for the joints of a task.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError`], saying what was expected and what came.
    pub fn load(path: &Path, spec: &TaskSpec) -> Result<Self> {
        let file = Weights::open(path, Kind::Double, Device::Cpu)?;
        file.expect_meta("format", FORMAT)?;
        file.expect_meta("version", VERSION)?;
        file.expect_meta("joints", &joints(spec))?;
        file.expect_names([MEAN, COVARIANCE, SPEED, CENTRE, LIMITS])?;
        let count = spec.joints.len() as i64;
        let values = |name: &str, width: i64| file.tensor(name, &[count, width]).map(|tensor| numbers::<f64>(&tensor));
        let poses = Poses { mean: values(MEAN, 1)?, covariance: values(COVARIANCE, count)? };
        let (speed, centre) = (values(SPEED, 1)?, values(CENTRE, 1)?);
        let limits: Vec<[f64; 3]> = values(LIMITS, 3)?.as_chunks().0.to_vec();
        let is_negative = (0..speed.len()).any(|joint| speed[joint] < 0.0 || poses.variance(joint) < 0.0);
        if is_negative || limits.as_flattened().iter().any(|limit| *limit <= 0.0) {
            return Err(file.refuse("expected speeds and variances of at least 0 and limits above 0"));
        }
        Ok(Self { poses, speed, centre, limits })
    }

    /// Writes it in single precision; `how` says how it was made.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError::Io`].
    pub fn save(&self, path: &Path, spec: &TaskSpec, how: &[(&str, String)]) -> Result<()> {
        let count = spec.joints.len() as i64;
        let tensor = |values: &[f64]| Tensor::from_slice(values).view([count, -1]).to_kind(Kind::Float);
        let tensors = [
            (MEAN, tensor(&self.poses.mean)),
            (COVARIANCE, tensor(&self.poses.covariance)),
            (SPEED, tensor(&self.speed)),
            (CENTRE, tensor(&self.centre)),
            (LIMITS, tensor(self.limits.as_flattened())),
        ];
        let mut metadata =
            vec![("format", FORMAT.to_owned()), ("version", VERSION.to_owned()), ("joints", joints(spec))];
        metadata.extend_from_slice(how);
        weights::save(path, &tensors.map(|(name, tensor)| (name.to_owned(), tensor)), &metadata)
    }
}
