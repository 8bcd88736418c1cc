//! Values of which some are unobserved.

use tch::{Device, Kind, Tensor};
use thalweg_task::{Masked, TaskError};

use crate::{tensor, values};

const NAN: f32 = f32::NAN;

#[test]
fn nan_is_unobserved_and_gone() {
    let masked = Masked::new(&tensor(&[1.0, NAN, 0.0, NAN], &[2, 2]));
    assert_eq!(values(masked.value()), [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(values(masked.observed()), [1.0, 0.0, 1.0, 0.0]);
    assert_eq!(masked.observed().kind(), Kind::Bool);
    assert_eq!(masked.count(), 2);
    let again = values(&masked.with_nan());
    assert!(again[0] == 1.0 && again[2] == 0.0 && again[1].is_nan() && again[3].is_nan(), "{again:?}");
}

#[test]
fn a_mask_hides_what_is_there_and_shows_no_nan() {
    let value = tensor(&[1.0, f32::INFINITY, NAN, 4.0], &[1, 4]);
    let masked = Masked::with_mask(&value, &tensor(&[1.0, 0.0, 1.0, 7.0], &[1, 4])).unwrap();
    assert_eq!(values(masked.value()), [1.0, 0.0, 0.0, 4.0]);
    assert_eq!(values(masked.observed()), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(masked.infinite(), 0);
}

#[test]
fn a_mask_of_another_shape_is_refused() {
    let error = Masked::with_mask(&tensor(&[1.0, 2.0], &[1, 2]), &tensor(&[1.0], &[1, 1])).unwrap_err();
    assert!(matches!(error, TaskError::Shape { .. }));
    assert_eq!(error.to_string(), "mask: expected shape [1, 2], got [1, 1]");
}

#[test]
fn observed_infinities_are_counted() {
    let value = tensor(&[f32::INFINITY, 1.0, f32::NEG_INFINITY, NAN], &[2, 2]);
    assert_eq!(Masked::new(&value).infinite(), 2);
}

#[test]
fn hiding_broadcasts_over_rows_and_only_hides() {
    let masked = Masked::new(&tensor(&[1.0, NAN, 3.0, 4.0], &[2, 2]));
    let hidden = masked.hide(&tensor(&[0.0, 1.0], &[2]));
    assert_eq!(values(hidden.observed()), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(values(hidden.value()), [0.0, 0.0, 0.0, 4.0]);
    assert_eq!(masked.count(), 3, "the original stays as it was");
}

#[test]
fn rows_and_element_type() {
    let masked = Masked::new(&tensor(&[1.0, NAN, 3.0, 4.0], &[2, 2]));
    let picked = masked.rows(&Tensor::from_slice(&[1_i64, 0, 1])).to(Kind::Double, Device::Cpu);
    assert_eq!(values(picked.value()), [3.0, 4.0, 1.0, 0.0, 3.0, 4.0]);
    assert_eq!(values(picked.observed()), [1.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    assert_eq!((picked.value().kind(), picked.observed().kind()), (Kind::Double, Kind::Bool));
}
