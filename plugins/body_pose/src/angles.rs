//! The three revolute angles of each joint, as tensors.

use tch::{Device, Kind, Tensor};

use crate::numeric;
use crate::rotation::matrix_from_axis_angle;
use crate::skeleton::{AXIS_ORDERS, JOINTS};

/// Least length by which a sine and cosine are divided. Nearer to gimbal lock than this (a middle
/// angle within 0.06 degrees of 90) the outer angles fade out of the loss: they mean nothing there.
pub(crate) const LEAST_COSINE: f64 = 1e-3;

/// Converts between rotations and angles, each joint in its own order of axes.
///
/// `slots` are the places in the chain (first, middle, last); `axes` are x, y, z.
#[derive(Debug)]
pub(crate) struct Angles {
    /// Axis of each slot, `[21, 3]`.
    axis_of_slot: Tensor,
    /// Slot of each axis, `[21, 3]`.
    slot_of_axis: Tensor,
    /// Unit vector of each slot, `[21, 3, 3]`.
    unit: Tensor,
    /// Entries of the flattened matrix from which the angles are read, `[21, 5]`:
    /// with slots i, j, k those at (j, k), (k, k), (i, k), (i, j), (i, i).
    entry: Tensor,
    /// +1 for cyclic orders of axes, -1 for the others, `[21]`.
    sign: Tensor,
}

impl Angles {
    /// Element type and device of its tensors.
    pub(crate) fn kind_and_device(&self) -> (Kind, Device) {
        (self.unit.kind(), self.unit.device())
    }

    pub(crate) fn new(kind: Kind, device: Device) -> Self {
        let indices = |of: &dyn Fn([usize; 3]) -> Vec<usize>| -> Tensor {
            let values: Vec<i64> = AXIS_ORDERS.iter().flat_map(|order| of(order.axes())).map(|v| v as i64).collect();
            Tensor::from_slice(&values).view([JOINTS as i64, -1]).to_device(device)
        };
        let axis_of_slot = indices(&|axes| axes.to_vec());
        let sign: Vec<f64> =
            AXIS_ORDERS.map(|order| if (order.axes()[0] + 1) % 3 == order.axes()[1] { 1.0 } else { -1.0 }).to_vec();
        Self {
            unit: Tensor::eye(3, (kind, device)).index_select(0, &axis_of_slot.flatten(0, 1)).view([-1, 3, 3]),
            slot_of_axis: axis_of_slot.argsort(-1, false),
            entry: indices(&|[i, j, k]| vec![3 * j + k, 3 * k + k, 3 * i + k, 3 * i + j, 3 * i + i]),
            sign: Tensor::from_slice(&sign).to_kind(kind).to_device(device),
            axis_of_slot,
        }
    }

    /// Sorts `[.., 21, 3]` from axes (x, y, z) to slots (first, middle, last).
    pub(crate) fn to_slots(&self, by_axis: &Tensor) -> Tensor {
        by_axis.gather(-1, &self.axis_of_slot.expand(by_axis.size(), false), false)
    }

    /// Composes rotations `[O, 21, 3, 3]` from angles by slot `[O, 21, 3]`, radians.
    pub(crate) fn compose(&self, by_slot: &Tensor) -> Tensor {
        let turns = matrix_from_axis_angle(&(by_slot.unsqueeze(-1) * &self.unit));
        let turn = |slot: i64| turns.select(-3, slot);
        turn(0).matmul(&turn(1)).matmul(&turn(2))
    }

    /// Reads sine and cosine of each angle from rotations `[K, 21, 3, 3]`: `[K, 21, 3, 2]` by slot.
    ///
    /// Diebel (2006), "Representing attitude", section 8, for all orders of axes at once.
    pub(crate) fn sines(&self, rotations: &Tensor) -> Tensor {
        let flat = rotations.flatten(-2, -1);
        let mut shape = flat.size();
        shape[2] = 5;
        let read = flat.gather(-1, &self.entry.expand(&shape, false), false);
        let entry = |index: i64| read.select(-1, index);
        let negative = -&self.sign;
        let (first_sin, first_cos) = (entry(0) * &negative, entry(1));
        let (last_sin, last_cos) = (entry(3) * &negative, entry(4));
        let middle_cos = (first_sin.square() + first_cos.square() + LEAST_COSINE * LEAST_COSINE).sqrt();
        let last = (last_sin.square() + last_cos.square() + LEAST_COSINE * LEAST_COSINE).sqrt();
        let sin = Tensor::stack(&[first_sin / &middle_cos, entry(2) * &self.sign, last_sin / &last], -1);
        let cos = Tensor::stack(&[first_cos / &middle_cos, middle_cos, last_cos / &last], -1);
        Tensor::stack(&[sin, cos], -1)
    }

    /// Splits rotations `[K, 21, 3, 3]` into angles about x, y, z: `[K, 63]`, radians.
    ///
    /// The middle angle of a chain lies in [-pi/2, pi/2], the others in [-pi, pi].
    pub(crate) fn split(&self, rotations: &Tensor) -> Tensor {
        if numeric::serves(rotations) {
            let angles = Tensor::from_slice(&numeric::angles(rotations)).view([-1, 3 * JOINTS as i64]);
            return angles.to_kind(rotations.kind());
        }
        let sines = self.sines(rotations);
        let by_slot = sines.select(-1, 0).atan2(&sines.select(-1, 1));
        by_slot.gather(-1, &self.slot_of_axis.expand(by_slot.size(), false), false).flatten(-2, -1)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use thalweg_task::draws;

    use super::*;
    use crate::kinematics::{compose, split};

    #[test]
    fn tensors_and_kinematics_agree_on_every_order() {
        let angles = Angles::new(Kind::Double, Device::Cpu);
        // Middle angles stay below 90 degrees, where the split is unique.
        let by_axis = draws::uniform(&mut StdRng::seed_from_u64(3), &[5, JOINTS as i64, 3]) * 2.8 - 1.4;
        let rotations = angles.compose(&angles.to_slots(&by_axis));
        let back = angles.split(&rotations);
        assert!((&back - by_axis.flatten(1, 2)).abs().max().double_value(&[]) < 1e-5);
        for (joint, order) in AXIS_ORDERS.into_iter().enumerate() {
            let turn = [0, 1, 2].map(|axis| by_axis.double_value(&[2, joint as i64, axis]));
            let expected = compose(order, turn);
            let matrix = expected.to_rotation_matrix();
            for row in 0..3 {
                for column in 0..3 {
                    let got = rotations.double_value(&[2, joint as i64, row, column]);
                    assert!((got - matrix[(row as usize, column as usize)]).abs() < 1e-12, "joint {joint}");
                }
            }
            let parts = split(order, &expected);
            (0..3).for_each(|axis| {
                assert!((back.double_value(&[2, 3 * joint as i64 + axis]) - parts[axis as usize]).abs() < 1e-5);
            });
        }
    }
}
