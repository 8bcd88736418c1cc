//! Angles, rotations and places of a few poses, number by number: as tensors they are a hundred operations of some
//! microseconds each, whatever they compute.

use tch::{Device, Kind, Tensor};
use thalweg_task::numbers;

use crate::angles::LEAST_COSINE;
use crate::skeleton::{AXIS_ORDERS, JOINTS, OFFSETS, PARENTS};

/// A rotation matrix, row by row.
pub(crate) type Matrix = [f64; 9];

const IDENTITY: Matrix = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

/// Whether numbers will do: on the processor, where nobody asks for derivatives.
pub(crate) fn serves(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu && !tensor.requires_grad()
}

/// Splits rotations `[.., 21, 3, 3]` into angles about x, y, z, `[.., 21, 3]` flat, radians, as
/// [`crate::angles::Angles::split`] does.
pub(crate) fn angles(rotations: &Tensor) -> Vec<f64> {
    let matrices = numbers::<f64>(rotations);
    let mut angles = vec![0.0; matrices.len() / 3];
    let joints = matrices.as_chunks::<9>().0.iter().zip(angles.as_chunks_mut::<3>().0);
    for (at, (matrix, angles)) in joints.enumerate() {
        let [i, j, k] = AXIS_ORDERS[at % JOINTS].axes();
        let entry = |row: usize, column: usize| matrix[3 * row + column];
        let sign = if (i + 1) % 3 == j { 1.0 } else { -1.0 };
        let (sine, cosine) = (-sign * entry(j, k), entry(k, k));
        angles[i] = sine.atan2(cosine);
        let middle = sine.mul_add(sine, cosine.mul_add(cosine, LEAST_COSINE * LEAST_COSINE)).sqrt();
        angles[j] = (sign * entry(i, k)).atan2(middle);
        angles[k] = (-sign * entry(i, j)).atan2(entry(i, i));
    }
    angles
}

/// Composes angles about x, y, z, `[.., 21, 3]`, radians, into rotations `[N, 21, 3, 3]` of the same kind.
pub(crate) fn rotations(angles: &Tensor) -> Tensor {
    let values = numbers::<f64>(angles);
    let joints = values.as_chunks::<3>().0.iter().enumerate();
    let matrices: Vec<Matrix> = joints.map(|(at, angles)| rotation(AXIS_ORDERS[at % JOINTS].axes(), angles)).collect();
    tensor(matrices.as_flattened(), &[-1, JOINTS as i64, 3, 3], angles.kind())
}

/// Composes angles about x, y and z, radians, in an order of axes.
pub(crate) fn rotation(order: [usize; 3], angles: &[f64; 3]) -> Matrix {
    let mut matrix = IDENTITY;
    order.into_iter().for_each(|axis| turn(&mut matrix, axis, angles[axis]));
    matrix
}

/// Places pelvis, joints and what hangs on them: `[B, 22 + leaves, 3]` of rotations `[B, 21, 3, 3]`, metres, in the pelvis
/// frame. `leaves`: the joint that each is fixed to, or the pelvis, and its place in that frame.
pub(crate) fn positions(rotations: &Tensor, leaves: &[(Option<usize>, [f64; 3])]) -> Tensor {
    let matrices = numbers::<f64>(rotations);
    let poses = matrices.as_chunks::<9>().0.chunks_exact(JOINTS);
    let mut places = Vec::with_capacity(poses.len() * (JOINTS + 1 + leaves.len()));
    for pose in poses {
        let (mut turned, mut placed) = ([IDENTITY; JOINTS], [[0.0; 3]; JOINTS]);
        for joint in 0..JOINTS {
            let (above, place) = PARENTS[joint].map_or((IDENTITY, [0.0; 3]), |above| (turned[above], placed[above]));
            placed[joint] = hung(&above, place, OFFSETS[joint]);
            turned[joint] = product(&above, &pose[joint]);
        }
        places.push([0.0; 3]);
        places.extend(placed);
        places.extend(leaves.iter().map(|(joint, offset)| match joint {
            Some(joint) => hung(&turned[*joint], placed[*joint], *offset),
            None => *offset,
        }));
    }
    let rows = (JOINTS + 1 + leaves.len()) as i64;
    tensor(places.as_flattened(), &[rotations.size()[0], rows, 3], rotations.kind())
}

fn tensor(values: &[f64], size: &[i64], kind: Kind) -> Tensor {
    Tensor::from_slice(values).view(size).to_kind(kind)
}

/// Turns a matrix about an axis of its frame, from the right; radians.
fn turn(matrix: &mut Matrix, axis: usize, angle: f64) {
    let ((sine, cosine), (next, last)) = (angle.sin_cos(), ((axis + 1) % 3, (axis + 2) % 3));
    for row in matrix.as_chunks_mut::<3>().0 {
        let before = *row;
        row[next] = cosine * before[next] + sine * before[last];
        row[last] = cosine * before[last] - sine * before[next];
    }
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|at| (0..3).map(|k| a[at / 3 * 3 + k] * b[3 * k + at % 3]).sum())
}

/// A place in the frame of what it hangs on.
fn hung(turned: &Matrix, place: [f64; 3], offset: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|row| place[row] + (0..3).map(|k| turned[3 * row + k] * offset[k]).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use thalweg_task::draws;

    use super::*;
    use crate::angles::Angles;
    use crate::body::Body;

    fn apart(one: &Tensor, other: &Tensor) -> f64 {
        assert_eq!((one.size(), one.kind()), (other.size(), other.kind()));
        (one - other).abs().max().double_value(&[])
    }

    /// What asks for derivatives goes through tensors.
    #[test]
    fn numbers_are_those_of_tensors() {
        let mut random = StdRng::seed_from_u64(5);
        for (kind, tolerance) in [(Kind::Double, 1e-9), (Kind::Float, 2e-6)] {
            let convert = Angles::new(kind, Device::Cpu);
            let leaves = [(None, [0.3, 0.0, -0.1]), (Some(20), [0.0, 0.1, 0.02]), (Some(4), [0.1, -0.2, 0.3])];
            let body = Body::with_leaves(&leaves, kind, Device::Cpu);
            let angles = (draws::uniform(&mut random, &[5, 63]) * 2.8 - 1.4).to_kind(kind);
            let tracked = angles.detach().set_requires_grad(true);
            let (turned, by_tensors) = (crate::rotations_from_angles(&angles), crate::rotations_from_angles(&tracked));
            assert!(serves(&angles) && !serves(&by_tensors));
            assert!(apart(&turned, &by_tensors.detach()) < tolerance);
            assert!(apart(&body.positions(&turned), &body.positions(&by_tensors).detach()) < tolerance);
            assert!(apart(&convert.split(&turned), &convert.split(&by_tensors).detach()) < 10.0 * tolerance);
            assert!(apart(&convert.split(&turned), &angles) < 1e-3, "but for what fades near a right angle");
        }
    }
}
