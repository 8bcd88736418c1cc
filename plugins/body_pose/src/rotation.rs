//! Rotations as tensors: 6D, matrices, axis-angle and three revolute angles in series.
//!
//! Every function takes any leading axes, here written `..`, and is differentiable with finite
//! gradients everywhere.

use tch::{Kind, Tensor};

/// Least length by which a vector is divided, dimensionless: a guess, far below what data reaches.
pub(crate) const LEAST_LENGTH: f64 = 1e-6;

/// Turns 6D rotations `[.., 6]` into matrices `[.., 3, 3]`.
///
/// The six numbers are two column vectors, made orthonormal (Zhou et al., "On the Continuity of
/// Rotation Representations in Neural Networks", 2019, eq. 15).
pub fn matrix_from_6d(six: &Tensor) -> Tensor {
    let first = normalised(&six.narrow(-1, 0, 3));
    let second = six.narrow(-1, 3, 3);
    let second = normalised(&(&second - dot(&first, &second) * &first));
    let third = first.cross(&second, -1);
    Tensor::stack(&[first, second, third], -1)
}

/// Takes the first two columns of matrices `[.., 3, 3]` as 6D rotations `[.., 6]`.
pub fn sixd_from_matrix(matrix: &Tensor) -> Tensor {
    matrix.narrow(-1, 0, 2).transpose(-1, -2).flatten(-2, -1)
}

/// Turns rotation vectors `[.., 3]`, radians, into matrices `[.., 3, 3]` (Rodrigues' formula).
pub fn matrix_from_axis_angle(vector: &Tensor) -> Tensor {
    // A tiny length under the root keeps the gradient finite at zero.
    let angle = (vector.square().sum_dim_intlist(-1, true, vector.kind()) + 1e-24).sqrt().unsqueeze(-1);
    let cross = cross_matrix(&(vector / angle.squeeze_dim(-1)));
    let identity = Tensor::eye(3, (vector.kind(), vector.device()));
    identity + angle.sin() * &cross + (1.0 - angle.cos()) * cross.matmul(&cross)
}

/// Turns matrices `[.., 3, 3]` into rotation vectors `[.., 3]`, radians, at most pi long.
///
/// By way of the quaternion component that is largest (Shepperd, 1978), so that it is as exact
/// near pi as near zero.
pub fn axis_angle_from_matrix(matrix: &Tensor) -> Tensor {
    let quaternion = quaternion_from_matrix(matrix);
    let (real, vector) = (quaternion.narrow(-1, 0, 1), quaternion.narrow(-1, 1, 3));
    // q and -q are the same rotation; the one with a positive real part turns by less than pi.
    let sign = real.lt(0.0).to_kind(real.kind()) * -2.0 + 1.0;
    let (real, vector) = (real * &sign, vector * &sign);
    let length = (vector.square().sum_dim_intlist(-1, true, vector.kind()) + 1e-24).sqrt();
    let angle = length.atan2(&real) * 2.0;
    vector * (angle / length)
}

/// Turns matrices `[.., 3, 3]` into unit quaternions `[.., 4]`, real part first.
fn quaternion_from_matrix(matrix: &Tensor) -> Tensor {
    let m = |row: i64, column: i64| matrix.select(-2, row).select(-1, column);
    let (xx, yy, zz) = (m(0, 0), m(1, 1), m(2, 2));
    let (wx, wy, wz) = (m(2, 1) - m(1, 2), m(0, 2) - m(2, 0), m(1, 0) - m(0, 1));
    let (xy, xz, yz) = (m(0, 1) + m(1, 0), m(0, 2) + m(2, 0), m(1, 2) + m(2, 1));
    // Row i is the quaternion times four times its own component i.
    let rows = [
        [&xx + &yy + &zz + 1.0, wx.shallow_clone(), wy.shallow_clone(), wz.shallow_clone()],
        [wx, &xx - &yy - &zz + 1.0, xy.shallow_clone(), xz.shallow_clone()],
        [wy, xy, &yy - &xx - &zz + 1.0, yz.shallow_clone()],
        [wz, xz, yz, &zz - &xx - &yy + 1.0],
    ];
    let rows = Tensor::stack(&rows.map(|row| Tensor::stack(&row, -1)), -2);
    let largest = rows.diagonal(0, -2, -1).argmax(-1, true).unsqueeze(-1);
    let mut index = largest.size();
    *index.last_mut().expect("a quaternion has an axis") = 4;
    normalised(&rows.gather(-2, &largest.expand(&index, false), false).squeeze_dim(-2))
}

/// Angle between rotations `[.., 3, 3]`, `[..]`, radians (geodesic distance on SO(3)).
///
/// From the chord `|A - B|_F = 2 sqrt(2) sin(angle / 2)`, exact for small angles, where the
/// arc cosine of the trace is not.
pub fn geodesic(a: &Tensor, b: &Tensor) -> Tensor {
    let chord = (a - b).square().flatten(-2, -1).sum_dim_intlist(-1, false, Kind::Double).sqrt();
    (chord / 8f64.sqrt()).clamp_max(1.0).asin() * 2.0
}

fn dot(a: &Tensor, b: &Tensor) -> Tensor {
    (a * b).sum_dim_intlist(-1, true, a.kind())
}

fn normalised(vector: &Tensor) -> Tensor {
    vector / (dot(vector, vector) + LEAST_LENGTH * LEAST_LENGTH).sqrt()
}

fn cross_matrix(vector: &Tensor) -> Tensor {
    let (x, y, z) = (vector.select(-1, 0), vector.select(-1, 1), vector.select(-1, 2));
    let zero = x.zeros_like();
    let rows = [[&zero, &-&z, &y], [&z, &zero, &-&x], [&-&y, &x, &zero]].map(|row| Tensor::stack(&row, -1));
    Tensor::stack(&rows, -2)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use thalweg_task::draws;

    use super::*;

    fn random(rows: i64, width: i64) -> Tensor {
        draws::normal(&mut StdRng::seed_from_u64(7), &[rows, width])
    }

    fn largest(difference: &Tensor) -> f64 {
        difference.abs().max().double_value(&[])
    }

    #[test]
    fn six_numbers_give_a_rotation_and_come_back() {
        let matrix = matrix_from_6d(&random(64, 6));
        let identity = Tensor::eye(3, (Kind::Double, tch::Device::Cpu));
        assert!(largest(&(matrix.matmul(&matrix.transpose(-1, -2)) - identity)) < 1e-9);
        assert!(largest(&(matrix_from_6d(&sixd_from_matrix(&matrix)) - &matrix)) < 1e-9);
        assert!(largest(&(matrix.det() - 1.0)) < 1e-9);
    }

    #[test]
    fn axis_angle_comes_back_up_to_pi() {
        let axis = normalised(&random(64, 3));
        for angle in [0.0, 1e-9, 1e-4, 0.5, 2.0, 3.0, PI - 1e-4] {
            let vector = &axis * angle;
            let back = axis_angle_from_matrix(&matrix_from_axis_angle(&vector));
            assert!(largest(&(back - vector)) < 1e-6, "angle {angle}");
        }
    }

    #[test]
    fn gradients_are_finite_at_zero_and_at_pi() {
        for angle in [0.0, PI] {
            let vector = Tensor::from_slice(&[angle, 0.0, 0.0]).reshape([1, 3]).set_requires_grad(true);
            axis_angle_from_matrix(&matrix_from_axis_angle(&vector)).sum(Kind::Double).backward();
            assert_eq!(vector.grad().isfinite().all().int64_value(&[]), 1, "angle {angle}");
        }
    }

    #[test]
    fn geodesic_is_the_turning_angle() {
        let vector = Tensor::from_slice(&[0.0, 1e-5, 0.0, 0.3, -0.4, 0.0]).reshape([2, 3]);
        let none = Tensor::eye(3, (Kind::Double, tch::Device::Cpu));
        let angle = Vec::<f64>::try_from(geodesic(&matrix_from_axis_angle(&vector), &none)).expect("two angles");
        assert!((angle[0] - 1e-5).abs() < 1e-12 && (angle[1] - 0.5).abs() < 1e-12, "{angle:?}");
    }
}
