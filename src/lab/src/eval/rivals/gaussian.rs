//! A normal distribution of whole poses, conditioned on what was seen.

use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;
use tch::{Kind, Tensor};
use thalweg_body_pose::rotation::{axis_angle_from_matrix, matrix_from_axis_angle};
use thalweg_body_pose::skeleton::{JOINTS, SCALAR_JOINTS};

/// Added to each variance, squared radians: half a degree, so that joints which a source does not
/// record can be conditioned on. A guess.
const LEAST_VARIANCE: f64 = 1e-4;

/// The normal distribution of the rotation vectors of training poses.
#[derive(Debug)]
pub struct ConditionalGaussian {
    /// `[63]`, radians.
    mean: Tensor,
    /// `[63, 63]`, squared radians.
    covariance: Tensor,
}

/// The distribution of what is hidden, given one pattern of what is seen.
struct Conditional {
    hidden: Tensor,
    visible: Tensor,
    /// `[H, V]`: the mean of the hidden follows the visible by this much.
    gain: Tensor,
    /// `[H, H]`, lower triangular: its product with white noise is what is uncertain.
    spread: Tensor,
}

impl ConditionalGaussian {
    /// Fits mean and covariance to training poses, rotations `[N, 21, 3, 3]`.
    #[must_use]
    pub fn new(rotations: &Tensor) -> Self {
        let _no_grad = tch::no_grad_guard();
        let vectors = vectors(rotations);
        let mean = vectors.mean_dim(0, false, Kind::Double);
        let apart = vectors - &mean;
        let covariance = apart.transpose(0, 1).matmul(&apart) / apart.size()[0] as f64;
        let least = Tensor::eye(SCALAR_JOINTS as i64, (Kind::Double, covariance.device())) * LEAST_VARIANCE;
        Self { mean, covariance: covariance + least }
    }

    /// Gives the conditional mean of each pose: `[P, 21, 3, 3]`.
    ///
    /// `seen`: rotations `[P, 21, 3, 3]`, of which the hidden ones are not looked at.
    pub fn mean(&self, seen: &Tensor, hidden: &Tensor) -> Tensor {
        self.complete(seen, hidden, None)
    }

    /// Draws `hypotheses` poses for each: `[P * S, 21, 3, 3]`.
    pub fn sample(&self, seen: &Tensor, hidden: &Tensor, hypotheses: i64, random: &mut StdRng) -> Tensor {
        self.complete(seen, hidden, Some((hypotheses, random)))
    }

    fn complete(&self, seen: &Tensor, hidden: &Tensor, mut draw: Option<(i64, &mut StdRng)>) -> Tensor {
        let _no_grad = tch::no_grad_guard();
        let vectors = vectors(seen);
        let mut known: Option<(Tensor, Conditional)> = None;
        let mut found = Vec::new();
        for pose in 0..vectors.size()[0] {
            let mask = hidden.get(pose);
            let conditional = match known.take().filter(|(last, _)| last.equal(&mask)) {
                Some((_, conditional)) => conditional,
                None => self.given(&mask),
            };
            let noise = draw.as_mut().map(|(count, random)| white(*count, conditional.hidden.size()[0], random));
            found.push(self.completed(&conditional, &vectors.get(pose), noise.as_ref()));
            known = Some((mask, conditional));
        }
        matrix_from_axis_angle(&Tensor::cat(&found, 0).view([-1, JOINTS as i64, 3]))
    }

    /// Prepares for one pattern, boolean `[21]`.
    ///
    /// With blocks of the covariance, h hidden and v visible, the hidden are distributed as
    /// `N(m_h + C_hv C_vv^-1 (x_v - m_v), C_hh - C_hv C_vv^-1 C_vh)`.
    fn given(&self, hidden: &Tensor) -> Conditional {
        let mask = hidden.unsqueeze(-1).expand([-1, 3], false).flatten(0, 1);
        let (hidden, visible) = (mask.nonzero().view(-1), mask.logical_not().nonzero().view(-1));
        let block = |rows: &Tensor, columns: &Tensor| self.covariance.index_select(0, rows).index_select(1, columns);
        let (across, seen) = (block(&visible, &hidden), block(&visible, &visible));
        let gain = across.cholesky_solve(&seen.linalg_cholesky(false), false).transpose(0, 1);
        let left = block(&hidden, &hidden) - gain.matmul(&across);
        Conditional { spread: left.linalg_cholesky(false), gain, hidden, visible }
    }

    /// Puts mean, or mean and noise `[S, H]`, in the place of what is hidden: `[1 or S, 63]`.
    fn completed(&self, given: &Conditional, vector: &Tensor, noise: Option<&Tensor>) -> Tensor {
        let part = |of: &Tensor, places: &Tensor| of.index_select(0, places);
        let apart = part(vector, &given.visible) - part(&self.mean, &given.visible);
        let mean = (part(&self.mean, &given.hidden) + given.gain.mv(&apart)).unsqueeze(0);
        let filled =
            noise.map_or_else(|| mean.shallow_clone(), |noise| &mean + noise.matmul(&given.spread.transpose(0, 1)));
        vector.unsqueeze(0).repeat([filled.size()[0], 1]).index_copy(1, &given.hidden, &filled)
    }
}

fn vectors(rotations: &Tensor) -> Tensor {
    axis_angle_from_matrix(&rotations.to_kind(Kind::Double)).flatten(1, -1)
}

fn white(rows: i64, columns: i64, random: &mut StdRng) -> Tensor {
    let values: Vec<f64> = (0..rows * columns).map(|_| random.sample(StandardNormal)).collect();
    Tensor::from_slice(&values).view([rows, columns])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use tch::Device;

    /// Two joints in play: the second follows the first with slope 0.5 and spread 0.1, about x.
    fn poses(count: i64) -> Tensor {
        let mut random = StdRng::seed_from_u64(4);
        let draws = white(count, 2, &mut random) * Tensor::from_slice(&[0.3, 0.1]);
        let first = draws.select(1, 0);
        let second = &first * 0.5 + draws.select(1, 1) + 0.2;
        let vectors = Tensor::zeros([count, JOINTS as i64, 3], (Kind::Double, Device::Cpu));
        vectors.select(1, 4).select(1, 0).copy_(&first);
        vectors.select(1, 7).select(1, 0).copy_(&second);
        matrix_from_axis_angle(&vectors)
    }

    fn hiding(joint: i64) -> Tensor {
        let hidden = Tensor::zeros([1, JOINTS as i64], (Kind::Bool, Device::Cpu));
        hidden.narrow(1, joint, 1).copy_(&Tensor::from(true));
        hidden
    }

    fn about_x(rotations: &Tensor, joint: i64) -> Vec<f64> {
        Vec::try_from(axis_angle_from_matrix(rotations).select(1, joint).select(1, 0).contiguous()).expect("angles")
    }

    #[test]
    fn the_conditional_mean_is_the_regression_line() {
        let model = ConditionalGaussian::new(&poses(20_000));
        let seen = poses(1);
        let (first, got) = (about_x(&seen, 4)[0], about_x(&model.mean(&seen, &hiding(7)), 7)[0]);
        assert!((got - (0.2 + 0.5 * first)).abs() < 5e-3, "{got} at {first}");
        // What was seen stays.
        assert!((about_x(&model.mean(&seen, &hiding(7)), 4)[0] - first).abs() < 1e-9);
    }

    #[test]
    fn samples_spread_as_the_residuals_do() {
        let model = ConditionalGaussian::new(&poses(20_000));
        let seen = poses(1);
        let samples = model.sample(&seen, &hiding(7), 4_000, &mut StdRng::seed_from_u64(1));
        let angles = about_x(&samples, 7);
        let mean = angles.iter().sum::<f64>() / angles.len() as f64;
        let variance = angles.iter().map(|angle| (angle - mean).powi(2)).sum::<f64>() / angles.len() as f64;
        assert!((mean - (0.2 + 0.5 * about_x(&seen, 4)[0])).abs() < 1e-2, "{mean}");
        assert!((variance.sqrt() - 0.1).abs() < 5e-3, "{}", variance.sqrt());
    }
}
