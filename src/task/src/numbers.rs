//! From tensors to plain numbers, and what is said of many numbers.

use tch::kind::Element;
use tch::{Device, Kind, Tensor};

/// Copies the numbers of a tensor, row-major, as `T`; from any device and element type.
#[must_use]
pub fn numbers<T: Element + Copy + Default>(tensor: &Tensor) -> Vec<T> {
    if is_plain(tensor) && tensor.kind() == T::KIND {
        // Nothing to convert: of a row of joints, saying so to libtorch four times costs more than to copy it.
        let mut values = vec![T::default(); tensor.numel()];
        tensor.copy_data(&mut values, tensor.numel());
        return values;
    }
    let flat = tensor.detach().to_kind(T::KIND).to_device(Device::Cpu).contiguous();
    let mut values = vec![T::default(); flat.numel()];
    flat.copy_data(&mut values, flat.numel());
    values
}

/// Copies the numbers of a tensor, row-major, in double precision.
pub(crate) fn doubles(tensor: &Tensor) -> Vec<f64> {
    if tensor.kind() == Kind::Float {
        numbers::<f32>(tensor).into_iter().map(f64::from).collect()
    } else {
        numbers(tensor)
    }
}

/// Whether the numbers of a tensor lie in memory as they are meant.
pub(crate) fn is_plain(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu && tensor.is_contiguous()
}

/// Puts numbers into a tensor of one row, `[1, N]`, on the CPU.
pub(crate) fn row(values: &[f64], kind: Kind) -> Tensor {
    let shape = [1, values.len() as i64];
    match kind {
        Kind::Float => Tensor::from_slice(&values.iter().map(|value| *value as f32).collect::<Vec<_>>()).view(shape),
        _ => Tensor::from_slice(values).view(shape).to_kind(kind),
    }
}

/// Finds the value below which a share of the measurements lies.
///
/// `share` in `[0, 1]`: 0 is the least value, 0.5 the median, 1 the greatest. Between two ranks it
/// interpolates linearly (definition 7 of Hyndman & Fan, The American Statistician 50, 1996).
/// Without measurements there is no percentile.
#[must_use]
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let rank = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (rank.floor() as usize, rank.ceil() as usize);
    Some(sorted[below] + (sorted[above] - sorted[below]) * rank.fract())
}

/// Averages measurements; there is no mean of none.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_out_row_by_row_whatever_the_tensor_is_like() {
        let tensor = Tensor::from_slice(&[0.1f32, 0.2, 0.3, -0.0]).view([2, 2]);
        assert_eq!(numbers::<f32>(&tensor), [0.1, 0.2, 0.3, -0.0]);
        assert_eq!(numbers::<f32>(&tensor.transpose(0, 1)), [0.1, 0.3, 0.2, -0.0], "not as they lie in memory");
        let doubled = [0.1f32, 0.2, 0.3, -0.0].map(f64::from);
        assert_eq!((numbers::<f64>(&tensor), doubles(&tensor)), (doubled.to_vec(), doubled.to_vec()));
        assert_eq!(numbers::<bool>(&tensor.gt(0.15)), [false, true, true, false]);
        for kind in [Kind::Float, Kind::Double] {
            let row = row(&[0.1, f64::NAN, 1e300], kind);
            assert_eq!((row.size(), row.kind()), (vec![1, 3], kind));
            let same = Tensor::from_slice(&[0.1, f64::NAN, 1e300]).view([1, -1]).to_kind(kind);
            let bits = |tensor: &Tensor| doubles(tensor).iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&row), bits(&same));
        }
    }

    #[test]
    fn ranks_are_hit_and_interpolated() {
        let values = [40.0, 10.0, 30.0, 20.0];
        assert_eq!(percentile(&values, 0.0), Some(10.0));
        assert_eq!(percentile(&values, 0.5), Some(25.0));
        assert_eq!(percentile(&values, 1.0), Some(40.0));
        // Rank 0.99 * 3 = 2.97 lies between 30 and 40.
        assert!(percentile(&values, 0.99).is_some_and(|value| (value - 39.7).abs() < 1e-12));
    }

    #[test]
    fn one_value_is_every_percentile_and_none_has_no_percentile() {
        assert_eq!(percentile(&[3.0], 0.99), Some(3.0));
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
    }
}
