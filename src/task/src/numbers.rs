//! From tensors to plain numbers, and what is said of many numbers.

use tch::kind::Element;
use tch::{Device, Tensor};

/// Copies the numbers of a tensor, row-major, as `T`; from any device and element type.
#[must_use]
pub fn numbers<T: Element + Copy + Default>(tensor: &Tensor) -> Vec<T> {
    let flat = tensor.detach().to_kind(T::KIND).to_device(Device::Cpu).contiguous();
    let mut values = vec![T::default(); flat.numel()];
    flat.copy_data(&mut values, flat.numel());
    values
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
