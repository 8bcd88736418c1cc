//! Hidden joints: every method, mask, test set and seed.

use crate::eval::completion::{CompletionErrors, CompletionSummary};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::arms::{Arm, Method};
use super::cases::Case;
use super::descent::{Descent, Setting, Snapshot};
use super::store::Store;
use super::tuning;
use super::world::{Loss, Rivals, World};

/// One method on one mask, one test set, one seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Completion {
    pub(super) arm: String,
    pub(super) test: String,
    pub(super) mask: String,
    pub(super) seed: u64,
    /// What was chosen; none where there is nothing to choose.
    pub(super) setting: Option<Setting>,
    /// Over the first 1, 5 and all hypotheses.
    pub(super) summaries: Vec<CompletionSummary>,
    /// Hidden error of the hypothesis that fits best what is seen, degrees.
    pub(super) ranked_deg: f64,
    /// The same, millimetres.
    pub(super) ranked_mm: f64,
}

/// What a method found.
struct Found {
    /// `[P * S, 21, 3, 3]`.
    rotations: Tensor,
    ranked: Ranked,
}

/// Which hypothesis is handed out.
enum Ranked {
    /// The one of each pose, `[P]`.
    Picked(Tensor),
    /// A pose of its own, `[P, 21, 3, 3]`.
    Apart(Tensor),
}

fn arms(world: &World) -> Vec<&'static Arm> {
    world.arms(Arm::is_completion)
}

fn is_tuned(arm: &Arm) -> bool {
    arm.is_inversion() && arm.method != Method::Start
}

/// How many blocks there will be.
pub(super) fn count(world: &World) -> usize {
    let arms = arms(world);
    let tuned = arms.iter().filter(|arm| is_tuned(arm)).count();
    tuned + arms.len() * world.tests.len() * world.sizes.masks.len() * world.sizes.seeds as usize
}

/// The setting of each method that completes, chosen on validation poses.
pub(super) fn settings(world: &World, store: &mut Store) -> anyhow::Result<Vec<(&'static Arm, Option<Setting>)>> {
    let chosen = |arm: &'static Arm| {
        let setting = is_tuned(arm).then(|| tuning::for_completion(world, store, arm)).transpose()?;
        Ok((arm, setting.map(|chosen| chosen.setting)))
    };
    arms(world).into_iter().map(chosen).collect()
}

/// Measures everything; `all` keeps what there is, should it end early.
pub(super) fn measure(world: &World, store: &mut Store, all: &mut Vec<Completion>) -> anyhow::Result<()> {
    let settings = settings(world, store)?;
    for seed in world.sizes.all_seeds() {
        for mask in &world.sizes.masks {
            for test in &world.tests {
                for (arm, setting) in &settings {
                    let key = format!("completion/{}/{mask}/{}/seed {seed}", test.name, arm.key);
                    all.push(store.once(&key, || {
                        let case = Case::new(test.poses.sample(world.sizes.poses, seed), mask, seed)?;
                        let (test, mask) = (test.name.to_owned(), mask.clone());
                        let mut row = one(world, arm, *setting, &case, seed)?;
                        (row.test, row.mask) = (test, mask);
                        Ok(row)
                    })?);
                }
            }
        }
    }
    Ok(())
}

fn one(world: &World, arm: &Arm, setting: Option<Setting>, case: &Case, seed: u64) -> anyhow::Result<Completion> {
    let found = find(world, arm, setting, case, seed)?;
    let truth = &case.poses.rotations;
    let errors = CompletionErrors::measure(&world.body, &case.hidden, &found.rotations, truth);
    let (ranked_deg, ranked_mm) = match &found.ranked {
        Ranked::Picked(index) => errors.of_picked(index),
        Ranked::Apart(rotations) => {
            let alone = CompletionErrors::measure(&world.body, &case.hidden, rotations, truth).summary(1);
            (alone.hidden_deg.mean, alone.hidden_mm.mean)
        }
    };
    let all = world.sizes.hypotheses as i64;
    let counts = [1, 5, all].into_iter().filter(|count| *count <= all);
    let mut summaries: Vec<_> = counts.map(|count| errors.summary(count)).collect();
    summaries.dedup_by_key(|summary| summary.hypotheses);
    let (test, mask, arm) = (String::new(), String::new(), arm.key.to_owned());
    Ok(Completion { arm, test, mask, seed, setting, summaries, ranked_deg, ranked_mm })
}

fn find(world: &World, arm: &Arm, setting: Option<Setting>, case: &Case, seed: u64) -> anyhow::Result<Found> {
    match (arm.is_inversion(), &world.rivals) {
        (false, Some(rivals)) => Ok(closed_form(rivals, arm, case, world.sizes.hypotheses as i64, seed)),
        (false, None) => anyhow::bail!("{} needs training poses", arm.name),
        (true, _) => {
            let setting = setting.unwrap_or(Setting { rate: 1.0, prior_weight: 0.0, steps: 0 });
            let descent = Descent { world, arm, setting, loss: Loss::Rotation, seed };
            let mut trace = descent.run(case, world.sizes.hypotheses, setting.steps, &[setting.steps])?;
            let snapshot = trace.snapshots.pop();
            snapshot
                .map(|snapshot| ranked(snapshot, world.sizes.hypotheses as i64))
                .ok_or_else(|| anyhow::anyhow!("{}: no solution after {} steps", arm.name, setting.steps))
        }
    }
}

/// Ranks by what was minimised.
fn ranked(snapshot: Snapshot, hypotheses: i64) -> Found {
    let loss = Tensor::from_slice(&snapshot.loss).view([-1, hypotheses]);
    Found { rotations: snapshot.rotations, ranked: Ranked::Picked(loss.argmin(1, false)) }
}

fn closed_form(rivals: &Rivals, arm: &Arm, case: &Case, hypotheses: i64, seed: u64) -> Found {
    let (seen, poses) = (&case.poses.rotations, case.poses.count());
    let first = Ranked::Picked(Tensor::zeros([poses], (Kind::Int64, tch::Device::Cpu)));
    match arm.method {
        Method::Nearest => Found { rotations: rivals.nearest.complete(seen, &case.hidden, hypotheses), ranked: first },
        Method::Gaussian => {
            let mut random = StdRng::seed_from_u64(seed);
            Found {
                rotations: rivals.gaussian.sample(seen, &case.hidden, hypotheses, &mut random),
                ranked: Ranked::Apart(rivals.gaussian.mean(seen, &case.hidden)),
            }
        }
        _ => {
            let mean = rivals.mean.unsqueeze(0).expand([poses * hypotheses, -1, -1, -1], false);
            Found { rotations: mean, ranked: first }
        }
    }
}
