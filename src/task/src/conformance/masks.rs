//! Rules about what was not observed.

use tch::Tensor;

use super::compare::{Fault, RuleResult, ensure, ensure_finite, same_bits};
use super::probe::{self, Fill, descend, latents, observe};
use super::subject::Subject;
use crate::{Masked, Observation, Task};

/// What is written over hidden entries; none of it may show.
const FILLS: [Fill; 6] = [
    Fill::Value(f64::NAN),
    Fill::Value(f64::INFINITY),
    Fill::Value(f64::NEG_INFINITY),
    Fill::Value(1e30),
    Fill::Value(-3.0),
    Fill::Noise,
];

/// Largest loss at the truth when half of it is hidden, relative to the mean elsewhere.
const TRUTH_TOLERANCE: f64 = 1e-6;

/// Checks that hidden entries contribute nothing, whatever stood in them.
///
/// Sensors write NaN, zero, infinity or stale values where they saw nothing. Loss and gradient
/// must not move by one bit, and the truth must stay the truth when half of it is hidden: a task
/// that takes "unobserved" for zero is found there.
pub(super) fn masking(subject: &Subject<'_>) -> RuleResult {
    for seed in 40..43 {
        hidden_values(&*subject.task, seed)?;
        hidden_truth(&*subject.double, seed)?;
    }
    Ok(format!("3 masks, {} fills: same bits", FILLS.len()))
}

fn hidden_values(task: &dyn Task, seed: u64) -> Result<(), Fault> {
    let x = latents(task.spec(), 3, seed);
    let obs = observe(task, &latents(task.spec(), 1, seed + 10))?;
    let masks = probe::masks(&obs, seed + 20);
    let expected = descend(task, &x, &probe::apply(&obs, &masks, &Fill::Value(0.0))?)?;
    ensure_finite("loss with half of the entries hidden", &expected.loss)?;
    ensure_finite("gradient with half of the entries hidden", &expected.gradient)?;
    for fill in &FILLS {
        let got = descend(task, &x, &probe::apply(&obs, &masks, fill)?)?;
        same_bits(&format!("loss over hidden {fill:?}"), &got.loss, &expected.loss)?;
        same_bits(&format!("gradient over hidden {fill:?}"), &got.gradient, &expected.gradient)?;
    }
    Ok(())
}

fn hidden_truth(task: &dyn Task, seed: u64) -> Result<(), Fault> {
    if !probe::not_rendered(task)?.is_empty() {
        return Ok(());
    }
    let x = latents(task.spec(), 1, seed);
    let obs = observe(task, &x)?;
    let masks = probe::whole(task.spec(), probe::masks(&obs, seed + 30));
    let obs = probe::apply(&obs, &masks, &Fill::Value(f64::NAN))?;
    let at_truth = probe::loss(task, &x, &obs)?.double_value(&[0]);
    let elsewhere = probe::loss(task, &latents(task.spec(), 16, seed + 40), &obs)?;
    let limit = TRUTH_TOLERANCE * elsewhere.mean(elsewhere.kind()).double_value(&[]);
    ensure(at_truth <= limit, || format!("loss {at_truth:.1e} at the truth with half of it hidden, limit {limit:.1e}"))
}

/// Checks that a kind that is absent scores as a kind that is hidden entry by entry.
///
/// Topics come and go; whether a topic is missing or full of NaN must not matter.
pub(super) fn absent_kinds(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.task;
    let x = latents(task.spec(), 3, 50);
    let obs = observe(task, &latents(task.spec(), 1, 51))?;
    let kinds: Vec<_> = obs.fields().map(|(kind, _)| kind).collect();
    if kinds.len() < 2 {
        return Ok("not applicable: one kind only".to_owned());
    }
    for kind in &kinds {
        let hidden = |field: &Masked| Some(field.hide(&Tensor::zeros_like(field.observed())));
        let expected = descend(task, &x, &replace(&obs, kind, hidden))?;
        let got = descend(task, &x, &replace(&obs, kind, |_| None))?;
        same_bits(&format!("loss without {kind}"), &got.loss, &expected.loss)?;
        same_bits(&format!("gradient without {kind}"), &got.gradient, &expected.gradient)?;
    }
    Ok(format!("without {}: as if hidden", kinds.join(" / ")))
}

fn replace(obs: &Observation, kind: &str, with: impl Fn(&Masked) -> Option<Masked>) -> Observation {
    let mut changed = obs.shallow_clone();
    let field = match kind {
        "joints" => &mut changed.joints,
        "image" => &mut changed.image,
        _ => &mut changed.points,
    };
    *field = field.as_ref().and_then(with);
    changed
}

/// Checks that nothing pulls when nothing is observed: a constant loss, a gradient of zero.
///
/// Whatever still pulls is a prior hidden in the objective. Priors belong to the engine, where
/// they can be seen, weighed and switched off.
pub(super) fn hiding_everything(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.double;
    let x = latents(task.spec(), 5, 52);
    let obs = observe(task, &latents(task.spec(), 1, 53))?;
    let obs = obs.map(|field| field.hide(&Tensor::zeros_like(field.observed())));
    let descent = descend(task, &x, &obs)?;
    ensure_finite("loss", &descent.loss)?;
    let (least, most) = (descent.loss.min().double_value(&[]), descent.loss.max().double_value(&[]));
    ensure(least == most, || format!("loss varies between {least:.1e} and {most:.1e}"))?;
    let slope = descent.gradient.abs().max().double_value(&[]);
    ensure(slope == 0.0, || format!("gradient of {slope:.1e}"))?;
    Ok(format!("loss {least:.1e} everywhere, gradient zero"))
}
