//! What a robot saw, checked against what a task reads.

use tch::{Device, Kind, Tensor};
use thalweg_task::{Masked, Observation, Reconstruction, Target};

use crate::spec::describe;
use crate::{tensor, values};

const NAN: f32 = f32::NAN;

fn refusal(obs: &Observation) -> String {
    obs.validate(&describe()).unwrap_err().to_string()
}

#[test]
fn what_fits_is_accepted() {
    let spec = describe();
    let image = Some(Masked::new(&Tensor::zeros([2, 3, 4, 5], (Kind::Float, Device::Cpu))));
    let mut obs = Observation { image, ..Observation::of_joints(&tensor(&[0.1, NAN, NAN, NAN], &[2, 2])) };
    obs.validate(&spec).unwrap();
    assert_eq!((obs.rows(), obs.observed()), (2, 121));
    obs.joints = None;
    obs.validate(&spec).unwrap();
    Observation::of_joints(&tensor(&[NAN, NAN], &[1, 2])).validate(&spec).expect("all hidden is no error");
}

#[test]
fn empty_observations_are_refused() {
    let expected = "observation is empty: task example observes joints, image, points";
    assert_eq!(refusal(&Observation::default()), expected);
    assert_eq!(refusal(&Observation::of_joints(&tensor(&[], &[0, 2]))), expected);
    assert_eq!(refusal(&Observation::of_joints(&Tensor::from(0.5_f32))), expected, "a scalar has no rows");
}

#[test]
fn kinds_that_are_not_read_are_refused() {
    let mut spec = describe();
    spec.image = None;
    let obs = Observation::of_image(&Tensor::zeros([1, 3, 4, 5], (Kind::Float, Device::Cpu)));
    let text = obs.validate(&spec).unwrap_err().to_string();
    assert_eq!(text, "task example does not observe image; it observes joints, points");
}

#[test]
fn wrong_shapes_are_refused() {
    let wide = Observation::of_joints(&tensor(&[0.0; 3], &[1, 3]));
    assert_eq!(refusal(&wide), "joints: expected shape [1, 2], got [1, 3]");
    let points = Some(Masked::new(&tensor(&[0.0; 3], &[1, 1, 3])));
    let uneven = Observation { points, ..Observation::of_joints(&tensor(&[0.0; 4], &[2, 2])) };
    assert_eq!(refusal(&uneven), "points: expected shape [2, 1, 3], got [1, 1, 3]");
    let flat = Observation::of_points(&tensor(&[0.0; 3], &[1, 3]));
    assert_eq!(refusal(&flat), "points: expected shape [1, 1, 3], got [1, 3]");
}

#[test]
fn infinite_readings_are_refused() {
    let text = refusal(&Observation::of_joints(&tensor(&[f32::INFINITY, 0.0], &[1, 2])));
    assert!(text.starts_with("joints: 1 observed value(s) are infinite"), "{text}");
}

#[test]
fn rows_move_together_and_the_stamp_stays() {
    let points = Some(Masked::new(&tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 1, 3])));
    let joints = Observation::of_joints(&tensor(&[0.1, NAN, 0.3, 0.4], &[2, 2]));
    let obs = Observation { stamp_nanos: 7, points, ..joints };
    let picked = obs.select_rows(&Tensor::from_slice(&[1_i64])).to(Kind::Double, Device::Cpu);
    assert_eq!((picked.stamp_nanos, picked.rows(), picked.observed()), (7, 1, 5));
    assert_eq!(values(picked.points.unwrap().value()), [4.0, 5.0, 6.0]);
    assert_eq!(picked.joints.unwrap().value().kind(), Kind::Double);
}

#[test]
fn a_reconstruction_reads_as_the_kinds_observed() {
    let mut spec = describe();
    spec.points = None;
    let joints = tensor(&[0.1, 0.2], &[1, 2]).set_requires_grad(true);
    let points = Some(tensor(&[0.0; 3], &[1, 1, 3]));
    let seen = Reconstruction { joints: Some(joints), points, ..Reconstruction::default() }.as_observation(&spec);
    seen.validate(&spec).unwrap();
    assert_eq!(seen.fields().map(|(kind, _)| kind).collect::<Vec<_>>(), ["joints"]);
    assert!(!seen.joints.unwrap().value().requires_grad(), "an observation has no graph");
}

#[test]
fn a_shared_target_stays_one_row() {
    let target = |rows: i64| {
        let value = Tensor::arange(2 * rows, (Kind::Float, Device::Cpu)).view([rows, 2]);
        Target { weight: value.ones_like(), value }
    };
    let order = Tensor::from_slice(&[2_i64, 0, 0]);
    assert_eq!(target(1).rows(&order).value.size(), [1, 2]);
    let picked = target(3).rows(&order);
    assert_eq!(values(&picked.value), [4.0, 5.0, 0.0, 1.0, 0.0, 1.0]);
    assert_eq!(picked.weight.size(), [3, 2]);
}
