//! Attacks and repairs, block by block.

use tch::{Kind, Tensor};
use thalweg_image_defence::{ImageDefence, LossConfig};
use thalweg_task::{Result, TaskError};
use thalweg_train::ball::{Ball, Norm};

use super::adaptive;
use super::cells::{Cell, Chosen, Ensemble, Losses, Results, Row};
use super::costs;
use super::world::{Arm, ArmKind, Defended, Images, THREATS, Threat, World};
use crate::bench_pose::store::Store;
use crate::defence::attacks::{Apgd, ApgdLoss, Attacked, Classify, Keep, Pgd, Square, errs};
use crate::defence::repair::{Repair, Through};

/// Numbers of steps that the table shows.
pub(super) const SHOWN: [u32; 3] = [1, 3, 5];
/// Images at once.
const AT_ONCE: i64 = 50;
/// Seeds: of where attacks begin, and where repairs do.
pub(super) const ATTACK_SEED: u64 = 1;
const REPAIR_SEED: u64 = 2;
const BLIND_SEED: u64 = 3;
/// Steps of attacks on validation images and for transfer.
const FEWER_STEPS: u32 = 40;
/// What is chosen from: rates of Adam and bounds, all pairs; then one after the other weights lambda, temperatures, views.
const RATES: [f64; 4] = [2.0, 8.0, 32.0, 128.0];
/// Rates on a landscape; the paper has the first.
const RATES_ON_LANDSCAPES: [f64; 5] = [0.2, 1.0, 5.0, 25.0, 125.0];
const BOUNDS: [f64; 6] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
const SHRINKAGES: [f64; 2] = [0.1, 1.0];
const TEMPERATURES: [f64; 2] = [0.1, 0.5];
const VIEWS: [i64; 2] = [2, 8];
/// Radii (L2) of the plot of accuracy against strength, over 255.
const STRENGTHS: [f64; 5] = [0.0, 32.0, 64.0, 128.0, 256.0];
/// Test images of that plot.
const OF_STRENGTH: usize = 200;

/// Options of a descent, made into one.
pub(super) struct Descent<'a> {
    task: ImageDefence,
    pub(super) arm: &'a Arm,
    rate: f64,
}

impl<'a> Descent<'a> {
    pub(super) fn of(defended: &Defended, arm: &'a Arm, chosen: &Chosen) -> anyhow::Result<Self> {
        Ok(Self { task: defended.task(chosen)?, arm, rate: chosen.rate })
    }

    pub(super) fn repair(&self) -> Repair<'_> {
        let repair = Repair::new(&self.task, &self.arm.landscape, self.rate, REPAIR_SEED);
        if self.arm.kind == ArmKind::Blind { repair.blind(BLIND_SEED) } else { repair }
    }
}

/// Splits images into batches and joins what is made of them.
fn batched<const N: usize>(
    images: &Images,
    mut work: impl FnMut(&Tensor, &Tensor) -> Result<[Tensor; N]>,
) -> Result<[Tensor; N]> {
    let mut parts: [Vec<Tensor>; N] = std::array::from_fn(|_| Vec::new());
    for (image, labels) in images.image.split(AT_ONCE, 0).iter().zip(images.labels.split(AT_ONCE, 0)) {
        for (parts, part) in parts.iter_mut().zip(work(image, &labels)?) {
            parts.push(part);
        }
    }
    Ok(parts.map(|parts| Tensor::cat(&parts, 0)))
}

/// Which images are right without a repair and after each number of [`SHOWN`] steps.
pub(super) fn right(repair: &Repair<'_>, defended: &Defended, images: &Images) -> Result<[Tensor; 4]> {
    batched(images, |image, labels| {
        let (_, plain) = tch::no_grad(|| defended.plain.backbone.forward(image))?;
        let repaired = repair.logits(image, &SHOWN, Through::Identity)?;
        let is_right = |logits: &Tensor| errs(&logits.detach(), labels).logical_not();
        let [first, second, third] = &repaired[..] else { return Err(unexpected(&repaired)) };
        Ok([is_right(&plain), is_right(first), is_right(second), is_right(third)])
    })
}

pub(super) fn unexpected(logits: &[Tensor]) -> TaskError {
    TaskError::shape(
        "logits",
        format!("those after {} numbers of steps", SHOWN.len()),
        &Tensor::from(logits.len() as i64),
    )
}

/// Attacks the classifier alone.
pub(super) fn static_attack(defended: &Defended, threat: &Threat, steps: u32, images: &Images) -> Result<Images> {
    let pgd = Pgd { ball: threat.ball, steps, step: threat.step, start: Some(ATTACK_SEED), keep: Keep::WorstLoss };
    let classify = |image: &Tensor| Ok(defended.plain.backbone.forward(image)?.1);
    by_pgd(&pgd, &classify, images)
}

/// Attacks whatever classifies.
pub(super) fn by_pgd(pgd: &Pgd, classify: Classify<'_>, images: &Images) -> Result<Images> {
    let [image] = batched(images, |image, labels| Ok([pgd.attack(classify, image, labels)?.image]))?;
    Ok(Images { image, labels: images.labels.shallow_clone() })
}

/// The images of an attack, which all arms share and which are made where the first arm wants them.
pub(super) fn made(kept: &mut Option<Images>, make: impl FnOnce() -> Result<Images>) -> Result<&Images> {
    let images = match kept.take() {
        Some(images) => images,
        None => make()?,
    };
    Ok(kept.insert(images))
}

/// Measures everything.
pub(super) fn measure(world: &World, store: &mut Store, results: &mut Results) -> anyhow::Result<()> {
    for defended in &world.defended {
        let clean = &world.validation;
        let mut attacked = None;
        for arm in &defended.arms {
            let key = format!("{}/{}/chosen", defended.name, arm.name);
            let plain = results.chosen.last().filter(|_| arm.kind == ArmKind::Blind).cloned();
            let chosen: Chosen = store.once(&key, || {
                let attack = || static_attack(defended, &THREATS[0], FEWER_STEPS, clean);
                choose(defended, arm, (clean, made(&mut attacked, attack)?), plain)
            })?;
            results.chosen.push(chosen);
        }
    }
    for (index, defended) in world.defended.iter().enumerate() {
        adaptive::blocks(world, store, results, defended)?;
        one(world, store, results, index)?;
    }
    Ok(())
}

pub(super) fn chosen_of(results: &Results, defended: &Defended, arm: &Arm) -> anyhow::Result<Chosen> {
    let found = results.chosen.iter().find(|chosen| chosen.defence == defended.name && chosen.arm == arm.name);
    found.cloned().ok_or_else(|| anyhow::anyhow!("no options were chosen for {} and {}", defended.name, arm.name))
}

fn one(world: &World, store: &mut Store, results: &mut Results, index: usize) -> anyhow::Result<()> {
    let defended = &world.defended[index];
    let other = world.defended.get((index + 1) % world.defended.len()).filter(|other| other.name != defended.name);
    let name = &defended.name;
    let rows =
        |store: &mut Store, results: &mut Results, attack: &str, threat: &str, images: &dyn Fn() -> Result<Images>| {
            let mut attacked = None;
            for arm in &defended.arms {
                let chosen = chosen_of(results, defended, arm)?;
                let row: Row = store.once(&format!("{name}/{}/{attack}/{threat}", arm.name), || {
                    let descent = Descent::of(defended, arm, &chosen)?;
                    row(&descent, defended, (attack, threat), made(&mut attacked, images)?)
                })?;
                results.rows.push(row);
            }
            anyhow::Ok(())
        };
    rows(store, results, "clean", "", &|| Ok(world.test.first(world.sizes.test)))?;
    for threat in &THREATS {
        rows(store, results, "static", threat.name, &|| {
            static_attack(defended, threat, world.sizes.steps, &world.test)
        })?;
        if let Some(other) = other {
            rows(store, results, "transfer", threat.name, &|| static_attack(other, threat, FEWER_STEPS, &world.test))?;
        }
        let key = format!("{name}/ensemble/{}", threat.name);
        let mut kept = None;
        let counted: Ensemble = store.once(&key, || {
            let (counted, images) = ensemble(world, defended, threat)?;
            kept = Some(images);
            Ok(counted)
        })?;
        results.ensembles.push(counted);
        rows(store, results, "ensemble", threat.name, &|| match &kept {
            Some(images) => Ok(images.first(world.sizes.test)),
            None => Ok(ensemble(world, defended, threat)?.1),
        })?;
    }
    let arm = &defended.arms[0];
    let chosen = chosen_of(results, defended, arm)?;
    let threat = &THREATS[0];
    results.losses.push(
        store.once(&format!("{name}/losses"), || {
            losses(world, defended, &Descent::of(defended, arm, &chosen)?, threat)
        })?,
    );
    let strengths: Vec<(String, f64, Cell, Cell)> = store
        .once(&format!("{name}/strengths"), || strengths(world, defended, &Descent::of(defended, arm, &chosen)?))?;
    results.strengths.extend(strengths);
    let costs: Vec<_> = store.once(&format!("{name}/costs"), || {
        let descent = Descent::of(defended, arm, &chosen)?;
        costs::measure(defended, &descent.repair(), &world.test.image)
    })?;
    results.costs.extend(costs);
    Ok(())
}

/// Chooses options by how many attacked validation images are right, over all numbers of steps; a gentle repair must keep the
/// clean ones. A control in drawn directions takes what was chosen for `plain`.
fn choose(
    defended: &Defended,
    arm: &Arm,
    (clean, attacked): (&Images, &Images),
    plain: Option<Chosen>,
) -> anyhow::Result<Chosen> {
    let shares = |chosen: &Chosen, images: &Images| -> anyhow::Result<Vec<f64>> {
        let right = right(&Descent::of(defended, arm, chosen)?.repair(), defended, images)?;
        Ok(right.iter().map(|right| Cell::count(right).share()).collect())
    };
    let LossConfig { temperature, .. } = defended.plain.loss;
    let views = defended.plain.views.count;
    let is_control = plain.is_some();
    let mut best = plain.unwrap_or(Chosen {
        defence: defended.name.clone(),
        arm: String::new(),
        rate: RATES[0],
        bound: BOUNDS[0],
        shrinkage: 0.0,
        temperature,
        views,
        attacked: Vec::new(),
        clean: Vec::new(),
    });
    best.arm.clone_from(&arm.name);
    let fill = |chosen: &mut Chosen| -> anyhow::Result<()> {
        chosen.attacked = shares(chosen, attacked)?;
        if arm.kind == ArmKind::Gentle {
            chosen.clean = shares(chosen, clean)?;
        }
        Ok(())
    };
    fill(&mut best)?;
    let try_out = |best: &mut Chosen, mut other: Chosen| -> anyhow::Result<()> {
        fill(&mut other)?;
        if other.score() > best.score() {
            *best = other;
        }
        Ok(())
    };
    if !is_control {
        let rates = if arm.landscape.perceptron().is_some() { &RATES_ON_LANDSCAPES[..] } else { &RATES };
        for (bound, rate) in BOUNDS.iter().flat_map(|bound| rates.iter().map(|rate| (*bound, *rate))) {
            let other = Chosen { bound, rate, ..best.clone() };
            try_out(&mut best, other)?;
        }
        for shrinkage in SHRINKAGES {
            let other = Chosen { shrinkage, ..best.clone() };
            try_out(&mut best, other)?;
        }
        for temperature in TEMPERATURES {
            let other = Chosen { temperature, ..best.clone() };
            try_out(&mut best, other)?;
        }
        for views in VIEWS {
            let other = Chosen { views, ..best.clone() };
            try_out(&mut best, other)?;
        }
    }
    best.clean = shares(&best, clean)?;
    Ok(best)
}

fn row(
    descent: &Descent<'_>,
    defended: &Defended,
    (attack, threat): (&str, &str),
    images: &Images,
) -> anyhow::Result<Row> {
    let [none, repaired @ ..] = right(&descent.repair(), defended, images)?;
    Ok(Row {
        defence: defended.name.clone(),
        attack: attack.to_owned(),
        threat: threat.to_owned(),
        arm: descent.arm.name.clone(),
        none: Cell::count(&none),
        repaired: repaired.iter().map(Cell::count).collect(),
    })
}

/// Attacks without parameters, one after the other, on the classifier alone.
fn ensemble(world: &World, defended: &Defended, threat: &Threat) -> Result<(Ensemble, Images)> {
    let classify = |image: &Tensor| Ok(defended.plain.backbone.forward(image)?.1);
    let (sizes, ball) = (&world.sizes, threat.ball);
    let images = world.test.first(sizes.ensemble);
    let apgd = |loss| Apgd { ball, steps: sizes.apgd_steps, loss, seed: ATTACK_SEED };
    let square = Square { ball, queries: sizes.queries, seed: ATTACK_SEED };
    let [image, clean, ce, dlr, all, alone] = batched(&images, |image, labels| {
        let clean = Attacked::none(&classify, image, labels)?;
        let ce = apgd(ApgdLoss::CrossEntropy).attack(&classify, image, labels)?;
        let dlr = apgd(ApgdLoss::LogitRatio).attack(&classify, &ce.image, labels)?;
        // An attack begins at the image itself where no attack before it has succeeded.
        let all = square.attack(&classify, &dlr.image, labels)?;
        let alone = square.attack(&classify, image, labels)?;
        Ok([all.image, clean.is_fooled, ce.is_fooled, dlr.is_fooled, all.is_fooled, alone.is_fooled])
    })?;
    let cell = |fooled: &Tensor| Cell::count(&fooled.logical_not());
    let result = Ensemble {
        defence: defended.name.clone(),
        threat: threat.name.to_owned(),
        clean: cell(&clean),
        after_ce: cell(&ce),
        after_dlr: cell(&dlr),
        after_square: cell(&all),
        square: cell(&alone),
    };
    Ok((result, Images { image, labels: images.labels }))
}

/// Why a repair helps, or does not.
fn losses(world: &World, defended: &Defended, descent: &Descent<'_>, threat: &Threat) -> anyhow::Result<Losses> {
    let clean = world.test.first(OF_STRENGTH);
    let attacked = static_attack(defended, threat, FEWER_STEPS, &clean)?;
    let repair = descent.repair();
    let last = SHOWN.iter().max().copied().unwrap_or(0);
    let of = |images: &Images| -> Result<[Tensor; 3]> {
        batched(images, |image, _| {
            let (before, after, correction) = repair.losses(image, last)?;
            Ok([before, after, correction])
        })
    };
    let [clean_before, clean_after, _] = of(&clean)?;
    let [before, after, correction] = of(&attacked)?;
    let mean = |tensor: &Tensor| tensor.mean(Kind::Double).double_value(&[]);
    let way_back = (&clean.image - &attacked.image).flatten(1, -1);
    let correction = correction.flatten(1, -1);
    let length = |tensor: &Tensor| tensor.square().sum_dim_intlist([1].as_slice(), false, Kind::Float).sqrt();
    let product = (&correction * &way_back).sum_dim_intlist([1].as_slice(), false, Kind::Float);
    let lengths = length(&correction) * length(&way_back);
    let was_changed = length(&way_back).gt(1e-6).nonzero().view(-1);
    let of_changed = |tensor: &Tensor| (was_changed.numel() > 0).then(|| mean(&tensor.index_select(0, &was_changed)));
    let more = before.view([-1, 1]).gt_tensor(&clean_before.view([1, -1]));
    Ok(Losses {
        defence: defended.name.clone(),
        threat: threat.name.to_owned(),
        clean: [mean(&clean_before), mean(&clean_after)],
        attacked: [mean(&before), mean(&after)],
        told_apart: mean(&more.to_kind(Kind::Double)),
        length: of_changed(&(length(&correction) / length(&way_back))),
        back: of_changed(&(product / (lengths + 1e-12))),
    })
}

/// Accuracy against how far the static attack (L2) may go, without a repair and after the most steps.
fn strengths(
    world: &World,
    defended: &Defended,
    descent: &Descent<'_>,
) -> anyhow::Result<Vec<(String, f64, Cell, Cell)>> {
    let clean = world.test.first(OF_STRENGTH);
    let mut points = Vec::new();
    for radius in STRENGTHS.map(|radius| radius / 255.0) {
        let threat = Threat { name: "", ball: Ball { norm: Norm::L2, radius }, step: radius / 4.0 };
        let attacked = static_attack(defended, &threat, FEWER_STEPS, &clean)?;
        let [none, .., last] = right(&descent.repair(), defended, &attacked)?;
        points.push((defended.name.clone(), radius, Cell::count(&none), Cell::count(&last)));
    }
    Ok(points)
}
