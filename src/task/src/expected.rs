//! What is expected of joints that have fallen silent.

use tch::{Device, Kind, Tensor};

use crate::numbers::row;
use crate::{Masked, Result, TaskError};

/// Positions that time makes likely for joints that are not observed, and how much each counts.
///
/// They are no observation: who asks what was seen does not find them in [`crate::Observation::joints`].
#[derive(Debug)]
pub struct Expected {
    /// Positions `[O, J]`, radians or metres; zero where nothing is expected.
    value: Tensor,
    /// How much each counts beside an observed one, which counts 1: `[O, J]`, from 0 to 1.
    weight: Tensor,
    /// Seconds since the frame before, from which they follow; above zero.
    pub elapsed: f64,
}

impl Expected {
    /// Takes positions and weights, both `[O, J]`; what has no finite position, or no weight from 0 to 1, counts nothing.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when the shapes differ.
    pub fn new(value: &Tensor, weight: &Tensor, elapsed: f64) -> Result<Self> {
        if value.size() != weight.size() {
            return Err(TaskError::shape("weight", format!("{:?}", value.size()), weight));
        }
        let usable = value.isfinite().logical_and(&weight.ge(0.0)).logical_and(&weight.le(1.0));
        let or_zero = |tensor: &Tensor| tensor.where_self(&usable, &tensor.zeros_like());
        Ok(Self { value: or_zero(value), weight: or_zero(weight), elapsed })
    }

    /// As [`Expected::new`] of one row of an element type, on the CPU: of a row of joints, an operation of libtorch costs more
    /// than all numbers do.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when there is not one weight for each position.
    pub fn of_row(values: &[f64], weights: &[f64], kind: Kind, elapsed: f64) -> Result<Self> {
        if values.len() != weights.len() || kind != Kind::Float {
            return Self::new(&row(values, kind), &row(weights, kind), elapsed);
        }
        let pairs = values.iter().zip(weights).map(|(value, weight)| (*value as f32, *weight as f32));
        let is_usable = |(value, weight): (f32, f32)| value.is_finite() && (0.0..=1.0).contains(&weight);
        let (values, weights): (Vec<f32>, Vec<f32>) =
            pairs.map(|pair| if is_usable(pair) { pair } else { (0.0, 0.0) }).unzip();
        let row = |values: &[f32]| Tensor::from_slice(values).view([1, values.len() as i64]);
        Ok(Self { value: row(&values), weight: row(&weights), elapsed })
    }

    /// Positions `[O, J]`; zero where nothing is expected.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// How much each counts, `[O, J]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// What is to be compared of joints: those observed, and, where there are none, those expected; and the weight of
    /// each, `[O, J]`.
    pub fn beside(&self, joints: &Masked) -> (Masked, Tensor) {
        let (seen, weight) = (joints.observed(), self.weight.to_kind(joints.value().kind()));
        let known = seen.logical_or(&weight.gt(0.0));
        let value = joints.value().where_self(seen, &self.value.to_kind(joints.value().kind()));
        let value = value.masked_fill(&known.logical_not(), f64::NAN);
        (Masked::new(&value), weight.where_self(&seen.logical_not(), &weight.ones_like()))
    }

    /// The rows in `rows`, an index tensor `[R]`.
    #[must_use]
    pub fn rows(&self, rows: &Tensor) -> Self {
        self.map(|tensor| tensor.index_select(0, rows))
    }

    /// Moves the values to another element type and device.
    #[must_use]
    pub fn to(&self, kind: Kind, device: Device) -> Self {
        self.map(|tensor| tensor.to_kind(kind).to_device(device))
    }

    /// A second handle on the same values.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        self.map(Tensor::shallow_clone)
    }

    fn map(&self, change: impl Fn(&Tensor) -> Tensor) -> Self {
        Self { value: change(&self.value), weight: change(&self.weight), elapsed: self.elapsed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers;

    fn row(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).view([1, -1])
    }

    #[test]
    fn numbers_and_tensors_of_them_are_expected_alike() {
        let values = [0.1, f64::NAN, 1e300, 0.4, 0.5, -0.0, f64::INFINITY];
        let weights = [0.5, 0.5, 0.5, f64::NAN, 1.5, 1.0, 0.25];
        for kind in [Kind::Float, Kind::Double] {
            let of_row = Expected::of_row(&values, &weights, kind, 0.01).expect("of one size");
            let tensor = |values: &[f64]| row(values).to_kind(kind);
            let expected = Expected::new(&tensor(&values), &tensor(&weights), 0.01).expect("of one size");
            for (one, other) in [(of_row.value(), expected.value()), (of_row.weight(), expected.weight())] {
                let bits = |tensor: &Tensor| numbers::<f64>(tensor).iter().map(|n| n.to_bits()).collect::<Vec<_>>();
                assert_eq!((one.size(), one.kind(), bits(one)), (other.size(), other.kind(), bits(other)));
            }
        }
        assert!(Expected::of_row(&values, &weights[1..], Kind::Float, 0.01).is_err());
    }

    #[test]
    fn what_was_seen_comes_before_what_is_expected() {
        let expected = Expected::new(&row(&[1.0, 2.0, 3.0, 4.0]), &row(&[0.5, 0.25, 0.0, f64::NAN]), 0.01);
        let (joints, weight) =
            expected.expect("of one size").beside(&Masked::new(&row(&[9.0, f64::NAN, f64::NAN, 8.0])));
        assert_eq!(numbers::<f64>(joints.value()), [9.0, 2.0, 0.0, 8.0]);
        assert_eq!(numbers::<bool>(joints.observed()), [true, true, false, true]);
        assert_eq!(numbers::<f64>(&weight)[..2], [1.0, 0.25]);
        assert_eq!(numbers::<f64>(&weight)[3], 1.0);
    }

    #[test]
    fn another_shape_is_refused() {
        assert!(Expected::new(&row(&[1.0]), &row(&[1.0, 1.0]), 0.01).is_err());
    }
}
