//! Attacks that look through the repair.

use tch::Tensor;
use thalweg_task::Result;

use super::attacked::{ATTACK_SEED, Descent, SHOWN, by_pgd, chosen_of, made, right, static_attack, unexpected};
use super::cells::{Cell, Results, Row};
use super::world::{Defended, Images, THREATS, Threat, World};
use crate::bench_pose::store::Store;
use crate::defence::attacks::{Keep, Pgd};
use crate::defence::repair::{Repair, Through};

/// All repairs of one classifier, within each ball.
pub(super) fn blocks(
    world: &World,
    store: &mut Store,
    results: &mut Results,
    defended: &Defended,
) -> anyhow::Result<()> {
    let clean = world.test.first(world.sizes.adaptive);
    let mut known = THREATS.map(|_| None);
    for arm in defended.arms.iter().filter(|arm| arm.is_repair()) {
        let chosen = chosen_of(results, defended, arm)?;
        for (threat, known) in THREATS.iter().zip(&mut known) {
            let rows: Vec<Row> =
                store.once(&format!("{}/{}/adaptive/{}", defended.name, arm.name, threat.name), || {
                    let known = made(known, || static_attack(defended, threat, world.sizes.steps, &clean))?;
                    rows(world, defended, &Descent::of(defended, arm, &chosen)?, threat, (&clean, known))
                })?;
            results.rows.extend(rows);
        }
    }
    Ok(())
}

/// How many images stand, by number of steps: against all attacks, and against each that knows the number of steps.
///
/// An image that was made to fool the repair of one length is tried on those of other lengths, too, as are those of the
/// static attack (`known`): gradients through many steps are worse than through one.
fn rows(
    world: &World,
    defended: &Defended,
    descent: &Descent<'_>,
    threat: &Threat,
    (clean, known): (&Images, &Images),
) -> anyhow::Result<Vec<Row>> {
    let repair = descent.repair();
    let [none, mut all @ ..] = right(&repair, defended, known)?;
    let kinds = [("unrolled", Through::Unrolled), ("BPDA", Through::Identity)];
    let mut own = kinds.map(|_| Vec::new());
    for (own, (_, through)) in own.iter_mut().zip(kinds) {
        for (index, steps) in SHOWN.into_iter().enumerate() {
            let images = attack(world, &repair, threat, (steps, through), clean)?;
            let [_, stand @ ..] = right(&repair, defended, &images)?;
            own.push(Cell::count(&stand[index]));
            for (all, stand) in all.iter_mut().zip(&stand) {
                *all = all.logical_and(stand);
            }
        }
    }
    let row = |attack: &str, repaired: Vec<Cell>| Row {
        defence: defended.name.clone(),
        attack: attack.to_owned(),
        threat: threat.name.to_owned(),
        arm: descent.arm.name.clone(),
        none: Cell::count(&none),
        repaired,
    };
    let mut rows = vec![row("adaptive", all.iter().map(Cell::count).collect())];
    rows.extend(kinds.iter().zip(own).map(|((name, _), own)| row(name, own)));
    Ok(rows)
}

/// PGD on what the classifier says after a repair of so many steps.
fn attack(
    world: &World,
    repair: &Repair<'_>,
    threat: &Threat,
    (steps, through): (u32, Through),
    clean: &Images,
) -> Result<Images> {
    let pgd = Pgd {
        ball: threat.ball,
        steps: world.sizes.adaptive_steps,
        step: threat.step,
        start: Some(ATTACK_SEED),
        keep: Keep::FirstSuccess,
    };
    let classify = |image: &Tensor| {
        let logits = repair.logits(image, &[steps], through)?;
        logits.into_iter().next().ok_or_else(|| unexpected(&[]))
    };
    by_pgd(&pgd, &classify, clean)
}
