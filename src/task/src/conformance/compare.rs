//! Comparisons of tensors that end in a sentence.

use tch::{Device, Kind, Tensor};

use crate::TaskError;

/// Why a rule failed, as text.
#[derive(Debug)]
pub(super) struct Fault(pub(super) String);

/// What a rule answers: the figures when it passed, the reason when it failed.
pub(super) type RuleResult = std::result::Result<String, Fault>;

impl From<TaskError> for Fault {
    fn from(error: TaskError) -> Self {
        Self(format!("error: {error}"))
    }
}

impl From<tch::TchError> for Fault {
    fn from(error: tch::TchError) -> Self {
        TaskError::from(error).into()
    }
}

/// Fails with a sentence unless a condition holds.
pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault(otherwise())) }
}

/// Fails unless a tensor has the expected shape.
pub(super) fn ensure_shape(what: &str, tensor: &Tensor, expected: &[i64]) -> Result<(), Fault> {
    ensure(tensor.size() == expected, || format!("{what}: expected shape {expected:?}, got {:?}", tensor.size()))
}

/// Fails when a tensor holds NaN or infinity.
pub(super) fn ensure_finite(what: &str, tensor: &Tensor) -> Result<(), Fault> {
    let bad = tensor.isfinite().logical_not().sum(Kind::Int64).int64_value(&[]);
    ensure(bad == 0, || format!("{what}: {bad} of {} values are not finite", tensor.numel()))
}

/// Fails when two tensors differ by more than `tolerance`, relative to the largest value.
///
/// Returns the relative deviation. NaN differs from everything.
pub(super) fn close(what: &str, got: &Tensor, expected: &Tensor, tolerance: f64) -> Result<f64, Fault> {
    ensure_shape(what, got, &expected.size())?;
    let largest = |tensor: &Tensor| {
        if tensor.numel() == 0 { 0.0 } else { tensor.abs().max().double_value(&[]) }
    };
    let scale = largest(got).max(largest(expected)).max(f64::MIN_POSITIVE);
    let deviation = largest(&(got - expected)) / scale;
    ensure(deviation <= tolerance, || format!("{what}: relative deviation {deviation:.1e}, limit {tolerance:.0e}"))?;
    Ok(deviation)
}

/// Fails when two tensors differ in a single bit; NaN equals NaN.
pub(super) fn same_bits(what: &str, got: &Tensor, expected: &Tensor) -> Result<(), Fault> {
    ensure_shape(what, got, &expected.size())?;
    let (got, expected) = (bits(got)?, bits(expected)?);
    let different = got.iter().zip(&expected).filter(|(a, b)| a != b).count();
    ensure(different == 0, || format!("{what}: {different} of {} values differ", got.len()))
}

/// Values as bit patterns, one pattern for every NaN; f32 and f16 fit into f64 exactly.
fn bits(tensor: &Tensor) -> Result<Vec<u64>, Fault> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double).contiguous().view(-1);
    let values = Vec::<f64>::try_from(&flat)?;
    Ok(values.iter().map(|value| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }).collect())
}
