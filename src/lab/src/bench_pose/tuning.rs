//! Chooses each method's setting on validation poses.

use crate::eval::completion::CompletionErrors;
use serde::{Deserialize, Serialize};

use super::arms::Arm;
use super::cases::Case;
use super::descent::{Descent, Setting};
use super::masks::{NOTHING, TUNED};
use super::store::Store;
use super::world::{Loss, World};

/// Seed of the validation poses, apart from those of the test.
const SEED: u64 = 1_000;

/// A setting and how it did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Chosen {
    pub(super) setting: Setting,
    /// What was minimised: mean hidden error in degrees, or loss.
    pub(super) score: f64,
}

/// Chooses rate, weight of the prior and steps by the mean hidden error over the tuned masks.
pub(super) fn for_completion(world: &World, store: &mut Store, arm: &Arm) -> anyhow::Result<Chosen> {
    store.once(&completion_key(arm), || {
        let checkpoints = arm.checkpoints(world.sizes.last);
        let settings = settings(world, arm);
        let mut best: Option<Chosen> = None;
        for setting in settings {
            for (steps, score) in checkpoints.iter().zip(hidden_errors(world, arm, setting, &checkpoints)?) {
                if best.is_none_or(|best| score < best.score) {
                    best = Some(Chosen { setting: Setting { steps: *steps, ..setting }, score });
                }
            }
        }
        best.ok_or_else(|| anyhow::anyhow!("{}: no setting gave a finite error", arm.name))
    })
}

/// Chooses, for each number of steps in `at`, the rate with the least loss there.
pub(super) fn for_loss(world: &World, store: &mut Store, arm: &Arm, at: &[u32]) -> anyhow::Result<Vec<Chosen>> {
    store.once(&loss_key(arm), || {
        let last = arm.curve_steps(world.sizes.last);
        let case = Case::new(world.validation.sample(world.sizes.validation, SEED), NOTHING, SEED)?;
        let mut curves = Vec::new();
        for setting in settings_without_prior(world, arm) {
            let descent = Descent { world, arm, setting, loss: Loss::AxisAngle, seed: SEED };
            curves.push((setting, descent.curve(&case, last)?));
        }
        let chosen = |&steps: &u32| {
            let score = |curve: &[f64]| curve[(steps as usize).min(curve.len() - 1)];
            let best = curves.iter().min_by(|(_, a), (_, b)| score(a).total_cmp(&score(b)));
            let best = best.ok_or_else(|| anyhow::anyhow!("{}: there is no setting", arm.name));
            best.map(|(setting, curve)| Chosen { setting: Setting { steps, ..*setting }, score: score(curve) })
        };
        at.iter().map(chosen).collect()
    })
}

/// Key of the block.
fn completion_key(arm: &Arm) -> String {
    format!("tuning of completion/{}", arm.key)
}

fn loss_key(arm: &Arm) -> String {
    format!("tuning of steps/{}", arm.key)
}

/// The rates and weights that a method has to choose from.
pub(super) fn settings(world: &World, arm: &Arm) -> Vec<Setting> {
    let rates = if arm.has_rate() { world.sizes.rates.as_slice() } else { &[1.0] };
    let weights = if arm.prior { world.sizes.prior_weights.as_slice() } else { &[0.0] };
    let pairs = weights.iter().flat_map(|weight| rates.iter().map(move |rate| (*rate, *weight)));
    pairs.map(|(rate, prior_weight)| Setting { rate, prior_weight, steps: 0 }).collect()
}

/// The rates that a method has to choose from, for whole observations.
pub(super) fn settings_without_prior(world: &World, arm: &Arm) -> Vec<Setting> {
    let rates = if arm.has_rate() { world.sizes.rates.as_slice() } else { &[1.0] };
    rates.iter().map(|rate| Setting { rate: *rate, prior_weight: 0.0, steps: 0 }).collect()
}

/// Mean hidden error at each checkpoint, degrees, over the tuned masks.
fn hidden_errors(world: &World, arm: &Arm, setting: Setting, checkpoints: &[u32]) -> anyhow::Result<Vec<f64>> {
    let mut errors = vec![0.0; checkpoints.len()];
    for mask in TUNED {
        let case = Case::new(world.validation.sample(world.sizes.validation, SEED), mask, SEED)?;
        let descent = Descent { world, arm, setting, loss: Loss::Rotation, seed: SEED };
        let last = checkpoints.last().copied().unwrap_or(0);
        let trace = descent.run(&case, 1, last, checkpoints)?;
        for (sum, snapshot) in errors.iter_mut().zip(&trace.snapshots) {
            let errors =
                CompletionErrors::measure(&world.body, &case.hidden, &snapshot.rotations, &case.poses.rotations);
            *sum += errors.summary(1).hidden_deg.mean / TUNED.len() as f64;
        }
    }
    Ok(errors)
}
