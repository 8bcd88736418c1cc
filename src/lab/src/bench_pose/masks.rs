//! Which joints are hidden.

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::Tensor;
use thalweg_body_pose::skeleton::{JOINTS, group};

/// Nothing is hidden.
pub(super) const NOTHING: &str = "nothing";
/// Every joint is hidden by chance, each pose in its own way.
pub(super) const RANDOM: &str = "random 30 %";
/// Share of joints that are hidden by chance (HuProSO3: Dünkel et al., 2024).
const SHARE: f64 = 0.3;

/// The masks of the protocol.
pub(super) const NAMES: [&str; 7] = ["arms", "left_arm", "legs", "left_leg", "trunk", "end_effectors_only", RANDOM];

/// The masks on whose mean error methods are tuned.
pub(super) const TUNED: [&str; 2] = ["arms", "legs"];

/// Says which joints of each pose are hidden: boolean `[P, 21]`.
pub(super) fn hidden(name: &str, poses: i64, seed: u64) -> anyhow::Result<Tensor> {
    let rows = match name {
        NOTHING => vec![false; poses as usize * JOINTS],
        RANDOM => by_chance(poses, seed),
        _ => {
            let joints = group(name).with_context(|| format!("no group of joints named {name}"))?;
            let row: Vec<bool> = (0..JOINTS).map(|joint| joints.contains(&joint)).collect();
            row.repeat(poses as usize)
        }
    };
    Ok(Tensor::from_slice(&rows).view([poses, JOINTS as i64]))
}

/// Hides each joint by chance; at least one is hidden and at least one seen.
fn by_chance(poses: i64, seed: u64) -> Vec<bool> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut row = || loop {
        let row: Vec<bool> = (0..JOINTS).map(|_| random.random_bool(SHARE)).collect();
        if row.contains(&true) && row.contains(&false) {
            break row;
        }
    };
    (0..poses).flat_map(|_| row()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn groups_hide_the_same_and_chance_hides_its_share() {
        let arms = hidden("arms", 3, 1).expect("the arms are a group");
        assert_eq!(Vec::<i64>::try_from(arms.sum_dim_intlist(1, false, Kind::Int64)).expect("counts"), [8, 8, 8]);
        let random = hidden(RANDOM, 2_000, 1).expect("chance is a mask");
        let share = random.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        assert!((share - SHARE).abs() < 0.01, "{share}");
        assert!(hidden("tail", 1, 1).is_err());
    }
}
