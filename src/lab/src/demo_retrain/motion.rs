//! A motion unlike everything that was trained on: sitting, squatting, climbing, in endless variation.

use std::f64::consts::PI;

use anyhow::Context;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use thalweg_body_pose::skeleton::{SCALAR_JOINTS, joint_names};

/// A pose: joints that are not at rest, degrees.
type Key = &'static [(&'static str, f64)];

/// Arms down, as most poses have them.
const ARMS_DOWN: Key = &[("left_shoulder_z", -70.0), ("right_shoulder_z", 70.0)];

/// The key poses: none of them is in the training data, whose people stand, walk and jump.
const KEYS: [Key; 7] = [
    // On a chair.
    &[("left_hip_x", -88.0), ("right_hip_x", -88.0), ("left_knee_x", 90.0), ("right_knee_x", 90.0), ("spine1_x", 8.0)],
    // On a chair, reaching for the floor ahead.
    &[
        ("left_hip_x", -95.0),
        ("right_hip_x", -95.0),
        ("left_knee_x", 85.0),
        ("right_knee_x", 85.0),
        ("spine1_x", 35.0),
        ("spine2_x", 15.0),
        ("left_shoulder_z", -45.0),
        ("right_shoulder_z", 45.0),
        ("left_shoulder_y", -70.0),
        ("right_shoulder_y", 70.0),
    ],
    // On a chair, legs crossed, hands behind the head.
    &[
        ("left_hip_x", -85.0),
        ("right_hip_x", -100.0),
        ("right_hip_y", -25.0),
        ("left_knee_x", 80.0),
        ("right_knee_x", 70.0),
        ("left_shoulder_z", 35.0),
        ("right_shoulder_z", -35.0),
        ("left_elbow_y", -120.0),
        ("right_elbow_y", 120.0),
    ],
    // A deep squat, arms ahead.
    &[
        ("left_hip_x", -115.0),
        ("right_hip_x", -115.0),
        ("left_hip_z", 15.0),
        ("right_hip_z", -15.0),
        ("left_knee_x", 135.0),
        ("right_knee_x", 135.0),
        ("left_ankle_x", -25.0),
        ("right_ankle_x", -25.0),
        ("spine1_x", 25.0),
        ("left_shoulder_y", -80.0),
        ("right_shoulder_y", 80.0),
    ],
    // On a ladder, left foot and right hand up.
    &[
        ("left_hip_x", -100.0),
        ("left_knee_x", 105.0),
        ("right_hip_x", 5.0),
        ("right_knee_x", 10.0),
        ("left_shoulder_y", -80.0),
        ("left_elbow_y", -60.0),
        ("right_shoulder_z", -75.0),
        ("left_shoulder_z", -20.0),
    ],
    // On a ladder, right foot and left hand up.
    &[
        ("right_hip_x", -100.0),
        ("right_knee_x", 105.0),
        ("left_hip_x", 5.0),
        ("left_knee_x", 10.0),
        ("right_shoulder_y", 80.0),
        ("right_elbow_y", 60.0),
        ("left_shoulder_z", 75.0),
        ("right_shoulder_z", 20.0),
    ],
    // On the floor, legs stretched, leaning on the hands.
    &[
        ("left_hip_x", -80.0),
        ("right_hip_x", -80.0),
        ("left_knee_x", 5.0),
        ("right_knee_x", 5.0),
        ("left_hip_z", 12.0),
        ("right_hip_z", -12.0),
        ("left_shoulder_z", -60.0),
        ("right_shoulder_z", 60.0),
        ("left_shoulder_y", 35.0),
        ("right_shoulder_y", -35.0),
    ],
];

/// Standard deviation of a joint's angle from one visit of a key to the next, degrees.
const VARIATION: f64 = 8.0;
/// Seconds from one key to the next.
const WAY: std::ops::Range<f64> = 0.8..1.6;

/// Angles of the 63 scalar joints over time, radians, one row for each frame.
///
/// # Errors
/// When a key names a joint that the body does not have.
pub(super) fn frames(count: usize, rate: f64, seed: u64) -> anyhow::Result<Vec<Vec<f64>>> {
    let names = joint_names();
    let keys = KEYS.iter().map(|key| angles(key, &names)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut random = StdRng::seed_from_u64(seed);
    let mut frames = Vec::with_capacity(count);
    let (mut last, mut from) = (0, vary(&keys[0], &mut random));
    while frames.len() < count {
        let next = (0..keys.len()).filter(|key| *key != last).choose(&mut random).unwrap_or(0);
        let to = vary(&keys[next], &mut random);
        let steps = (random.random_range(WAY) * rate).ceil().max(1.0) as usize;
        for step in 0..steps {
            // Starts and ends at rest.
            let along = 0.5 - 0.5 * (PI * step as f64 / steps as f64).cos();
            frames.push(from.iter().zip(&to).map(|(from, to)| from + along * (to - from)).collect());
        }
        (last, from) = (next, to);
    }
    frames.truncate(count);
    Ok(frames)
}

fn angles(key: Key, names: &[String]) -> anyhow::Result<Vec<f64>> {
    let mut angles = vec![0.0; SCALAR_JOINTS];
    for (name, degrees) in ARMS_DOWN.iter().chain(key) {
        let place = names.iter().position(|known| known == name);
        angles[place.with_context(|| format!("the body has no joint {name}"))?] = degrees.to_radians();
    }
    Ok(angles)
}

fn vary(key: &[f64], random: &mut StdRng) -> Vec<f64> {
    let noise = rand_distr::Normal::new(0.0, VARIATION.to_radians()).ok();
    let vary = |angle: &f64| {
        let moves = *angle != 0.0;
        angle + noise.filter(|_| moves).map_or(0.0, |noise| random.sample(noise))
    };
    key.iter().map(vary).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_motion_is_smooth_and_the_same_for_the_same_seed() {
        let one = frames(300, 30.0, 7).expect("the keys name joints");
        assert_eq!(one, frames(300, 30.0, 7).expect("the keys name joints"));
        assert_ne!(one, frames(300, 30.0, 8).expect("the keys name joints"));
        let jump = one.windows(2).flat_map(|pair| pair[0].iter().zip(&pair[1]).map(|(a, b)| (a - b).abs()));
        let most = jump.fold(0.0, f64::max);
        assert!(most > 0.02 && most < 0.5, "at 30 Hz a joint moves by {most} rad at most");
    }
}
