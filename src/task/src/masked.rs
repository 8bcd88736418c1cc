//! Values of which some are unobserved.

use tch::{Kind, Tensor};

use crate::{Result, TaskError};

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
