//! Values of which some are unobserved.

use tch::{Kind, Tensor};

use crate::numbers::{doubles, is_plain, row};
use crate::{Result, TaskError, numbers};

/// Numbers up to which they are looked at one by one: fewer than an operation of libtorch costs.
const FEW: usize = 1024;

/// A tensor and, entry by entry, whether it was observed.
///
/// Unobserved entries hold zero: whatever stood there before (NaN included) is gone, so no
/// arithmetic downstream can pick it up.
#[derive(Debug)]
pub struct Masked {
    value: Tensor,
    observed: Tensor,
}

impl Masked {
    /// Takes NaN as "unobserved".
    ///
    /// `value`: `[O, ..]`, floating point.
    #[must_use]
    pub fn new(value: &Tensor) -> Self {
        Self::split(value, value.isnan().logical_not())
    }

    /// As [`Masked::new`] of plain numbers, row-major, on the CPU; for a few of them, where each operation of libtorch costs
    /// more than all numbers do.
    ///
    /// # Panics
    /// As `Tensor::view` does, where there are not as many as `shape` says.
    #[must_use]
    pub fn of_numbers(values: &[f32], shape: &[i64]) -> Self {
        let observed: Vec<bool> = values.iter().map(|value| !value.is_nan()).collect();
        let values: Vec<f32> = values.iter().map(|value| if value.is_nan() { 0.0 } else { *value }).collect();
        Self { value: Tensor::from_slice(&values).view(shape), observed: Tensor::from_slice(&observed).view(shape) }
    }

    /// As [`Masked::new`] of one row, `[1, N]`, of an element type, on the CPU.
    #[must_use]
    pub fn of_row(values: &[f64], kind: Kind) -> Self {
        match kind {
            Kind::Float => {
                let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
                Self::of_numbers(&values, &[1, values.len() as i64])
            }
            _ => Self::new(&row(values, kind)),
        }
    }

    /// The values, row-major, with NaN where unobserved.
    #[must_use]
    pub fn numbers_with_nan(&self) -> Vec<f64> {
        let observed: Vec<bool> = numbers(&self.observed);
        doubles(&self.value)
            .into_iter()
            .zip(observed)
            .map(|(value, is_seen)| if is_seen { value } else { f64::NAN })
            .collect()
    }

    /// Takes an entry as observed where `observed` is non-zero and the value is not NaN.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when the shapes differ.
    pub fn with_mask(value: &Tensor, observed: &Tensor) -> Result<Self> {
        if value.size() != observed.size() {
            return Err(TaskError::shape("mask", format!("{:?}", value.size()), observed));
        }
        let observed = observed.to_kind(Kind::Bool).logical_and(&value.isnan().logical_not());
        Ok(Self::split(value, observed))
    }

    fn split(value: &Tensor, observed: Tensor) -> Self {
        let value = value.where_self(&observed, &value.zeros_like());
        Self { value, observed }
    }

    /// The values, `[O, ..]`; zero where unobserved.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// Whether each entry was observed, `[O, ..]`, boolean.
    pub fn observed(&self) -> &Tensor {
        &self.observed
    }

    /// The values with NaN where unobserved, `[O, ..]`.
    pub fn with_nan(&self) -> Tensor {
        self.value.masked_fill(&self.observed.logical_not(), f64::NAN)
    }

    /// Hides further entries: those where `visible` (broadcast to `[O, ..]`) is zero.
    #[must_use]
    pub fn hide(&self, visible: &Tensor) -> Self {
        Self::split(&self.value, self.observed.logical_and(&visible.to_kind(Kind::Bool)))
    }

    /// How many entries were observed, over all rows.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.observed.sum(Kind::Int64).int64_value(&[])
    }

    /// How many observed entries are infinite.
    #[must_use]
    pub fn infinite(&self) -> i64 {
        if self.value.numel() <= FEW && is_plain(&self.value) && self.value.kind() == Kind::Float {
            return numbers::<f32>(&self.value).iter().filter(|value| value.is_infinite()).count() as i64;
        }
        self.value.isinf().sum(Kind::Int64).int64_value(&[])
    }

    /// The rows in `rows`, an index tensor `[R]`.
    #[must_use]
    pub fn rows(&self, rows: &Tensor) -> Self {
        Self { value: self.value.index_select(0, rows), observed: self.observed.index_select(0, rows) }
    }

    /// Puts the rows of several one after the other; their shapes agree but for axis 0.
    #[must_use]
    pub fn joined(parts: &[&Self]) -> Self {
        let join = |of: fn(&Self) -> &Tensor| Tensor::cat(&parts.iter().map(|part| of(part)).collect::<Vec<_>>(), 0);
        Self { value: join(Self::value), observed: join(Self::observed) }
    }

    /// A second handle on the same values.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        Self { value: self.value.shallow_clone(), observed: self.observed.shallow_clone() }
    }

    /// Moves the values to another element type and device.
    #[must_use]
    pub fn to(&self, kind: Kind, device: tch::Device) -> Self {
        Self { value: self.value.to_kind(kind).to_device(device), observed: self.observed.to_device(device) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &Masked, other: &Masked) {
        let bits =
            |masked: &Masked| numbers::<f32>(masked.value()).iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(one), bits(other));
        assert_eq!(numbers::<bool>(one.observed()), numbers::<bool>(other.observed()));
        assert_eq!((one.value().size(), one.value().kind()), (other.value().size(), other.value().kind()));
        assert_eq!(one.infinite(), other.infinite());
    }

    #[test]
    fn numbers_and_tensors_of_them_are_masked_alike() {
        let values = [0.1f32, f32::NAN, -0.0, f32::INFINITY, 1e-40, f32::NEG_INFINITY];
        let tensor = Tensor::from_slice(&values).view([1, 2, 3]);
        let masked = Masked::of_numbers(&values, &[1, -1, 3]);
        same(&masked, &Masked::new(&tensor));
        assert_eq!(masked.infinite(), 2);
        let with_nan = masked.numbers_with_nan();
        let expected: Vec<f64> = numbers(&masked.with_nan());
        assert_eq!(
            with_nan.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
            expected.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        );
        let doubles = [0.1f64, f64::NAN, 1e300, 0.3];
        for kind in [Kind::Float, Kind::Double] {
            same(
                &Masked::of_row(&doubles, kind),
                &Masked::new(&Tensor::from_slice(&doubles).view([1, -1]).to_kind(kind)),
            );
        }
        let many = Tensor::zeros([1, 2 * FEW as i64], (Kind::Float, tch::Device::Cpu)) + f64::INFINITY;
        assert_eq!(Masked::new(&many).infinite(), 2 * FEW as i64);
    }
}
