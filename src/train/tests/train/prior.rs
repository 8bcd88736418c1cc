//! The prior learns, and resumes to the same bits.

use thalweg_body_pose::prior::{PoseSet, TrainOptions, mirrored};
use thalweg_engine::pin_threads;

/// Poses that a small network can learn: every joint turns with one of two phases.
fn swinging(count: usize) -> Vec<f32> {
    let pose = |frame: usize| {
        (0..63).map(move |axis| 0.4 * ((frame as f32) * 0.1 + if axis % 2 == 0 { 0.0 } else { 1.5 }).sin())
    };
    (0..count).flat_map(pose).collect()
}

#[test]
fn the_prior_learns_and_resumes_to_the_same_bits() {
    pin_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let training = tch::Tensor::from_slice(&swinging(300)).view([-1, 63]);
    let validation = PoseSet::from_axis_angle(&swinging(40), tch::Device::Cpu);
    let options = TrainOptions { steps: 60, batch: 32, validate_every: 20, ..TrainOptions::default() };
    let mut errors = Vec::new();
    let unbroken = thalweg_body_pose::prior::train(&options, &training, &validation, &mut |progress| {
        errors.push(progress.validation.geodesic_deg);
        true
    })
    .unwrap();
    assert!(errors[2] < errors[0], "{errors:?}");
    let options = TrainOptions { checkpoint: Some(folder.path().join("prior.checkpoint")), ..options };
    for _ in 0..2 {
        thalweg_body_pose::prior::train(&options, &training, &validation, &mut |progress| progress.step > 40).unwrap();
    }
    let resumed = thalweg_body_pose::prior::train(&options, &training, &validation, &mut |_| true).unwrap();
    for (a, b) in unbroken.parameters().iter().zip(resumed.parameters()) {
        assert!(a.equal(&b), "weights differ");
    }
}

#[test]
fn mirroring_twice_changes_nothing_and_once_swaps_the_sides() {
    let pose: Vec<f32> = (0..63).map(|value| value as f32).collect();
    let once = mirrored(&pose);
    assert_eq!(mirrored(&once), pose);
    assert_eq!(once[0..3], [pose[3], -pose[4], -pose[5]], "left hip takes right hip's turn");
}
