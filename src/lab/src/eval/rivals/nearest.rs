//! The nearest training poses, and their mean.

use tch::{Kind, Tensor};
use thalweg_body_pose::skeleton::JOINTS;

/// Queries that are compared at once: bounds memory to some hundred megabytes.
const AT_ONCE: i64 = 256;

/// Finds the training poses that are nearest on the joints that were seen.
///
/// Nearest in the sum of squared chords between rotations, the loss of the task's `rotation`.
#[derive(Debug)]
pub struct NearestPose {
    /// `[N, 189]`.
    rotations: Tensor,
}

impl NearestPose {
    /// Takes training poses, rotations `[N, 21, 3, 3]`.
    #[must_use]
    pub fn new(rotations: &Tensor) -> Self {
        Self { rotations: rotations.to_kind(Kind::Float).flatten(1, -1) }
    }

    /// Gives the `hypotheses` nearest poses to each, nearest first: `[P * S, 21, 3, 3]`.
    ///
    /// `seen`: rotations `[P, 21, 3, 3]`, of which the hidden ones do not count.
    pub fn complete(&self, seen: &Tensor, hidden: &Tensor, hypotheses: i64) -> Tensor {
        let _no_grad = tch::no_grad_guard();
        let joints = JOINTS as i64;
        let visible = hidden.logical_not().view([-1, joints, 1, 1]);
        let queries = (seen.to_kind(Kind::Float) * visible).flatten(1, -1);
        let mut found = Vec::new();
        for start in (0..queries.size()[0]).step_by(AT_ONCE as usize) {
            let some = queries.narrow(0, start, AT_ONCE.min(queries.size()[0] - start));
            // All rotations are equally long, so the greatest product is the least distance.
            let (_, index) = some.matmul(&self.rotations.transpose(0, 1)).topk(hypotheses, 1, true, true);
            found.push(self.rotations.index_select(0, &index.flatten(0, 1)));
        }
        Tensor::cat(&found, 0).view([-1, joints, 3, 3])
    }
}

/// Averages rotations `[N, 21, 3, 3]`: the rotations nearest to the mean matrices, `[21, 3, 3]`.
///
/// The chordal mean (Hartley et al., "Rotation averaging", 2013, sec. 5.3), by singular values.
pub fn mean_pose(rotations: &Tensor) -> Tensor {
    let mean = rotations.to_kind(Kind::Double).mean_dim(0, false, Kind::Double);
    let (u, _, v) = mean.svd(true, true);
    let mirrored = u.matmul(&v.transpose(-1, -2)).det();
    let ones = mirrored.ones_like();
    let sign = Tensor::stack(&[ones.shallow_clone(), ones, mirrored], -1).unsqueeze(-2);
    (u * sign).matmul(&v.transpose(-1, -2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;
    use thalweg_body_pose::rotation::{geodesic, matrix_from_axis_angle};

    /// Poses whose every joint is turned about y by so many degrees.
    fn poses(degrees: &[f64]) -> Tensor {
        let angles = Tensor::from_slice(degrees).deg2rad().view([-1, 1, 1]).expand([-1, JOINTS as i64, 1], false);
        let zero = angles.zeros_like();
        matrix_from_axis_angle(&Tensor::cat(&[&zero, &angles, &zero], -1))
    }

    #[test]
    fn hidden_joints_do_not_decide_which_pose_is_nearest() {
        let nearest = NearestPose::new(&poses(&[0.0, 20.0, 50.0, 90.0]));
        // Seen joints say 22 degrees; the hidden one, 90.
        let query = poses(&[22.0]);
        query.narrow(1, 3, 1).copy_(&poses(&[90.0]).narrow(1, 3, 1));
        let hidden = Tensor::zeros([1, JOINTS as i64], (Kind::Bool, Device::Cpu));
        hidden.narrow(1, 3, 1).copy_(&Tensor::from(true));
        let found = nearest.complete(&query, &hidden, 3);
        let angle = geodesic(&found.to_kind(Kind::Double), &poses(&[0.0])).rad2deg().select(1, 3);
        let got = Vec::<f64>::try_from(angle).expect("three angles");
        assert!(got.iter().zip([20.0, 0.0, 50.0]).all(|(got, expected)| (got - expected).abs() < 1e-3), "{got:?}");
    }

    #[test]
    fn the_mean_pose_lies_between() {
        let mean = mean_pose(&poses(&[10.0, 20.0, 60.0]));
        // Of rotations about one axis: the angle of the mean of cosines and sines.
        let (sin, cos) = [10f64, 20.0, 60.0]
            .iter()
            .fold((0.0, 0.0), |(sin, cos), angle| (sin + angle.to_radians().sin(), cos + angle.to_radians().cos()));
        let apart = geodesic(&mean, &poses(&[f64::atan2(sin, cos).to_degrees()]).get(0));
        assert!(apart.max().double_value(&[]) < 1e-9);
    }
}
