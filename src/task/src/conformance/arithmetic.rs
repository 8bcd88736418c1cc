//! Rules about the values of F, L and their gradient.

use tch::{Kind, Tensor};

use super::compare::{Fault, RuleResult, close, ensure, ensure_finite, same_bits};
use super::declaration::everything;
use super::probe::{self, Fill, descend, index, latents, observe};
use super::subject::Subject;
use crate::{Observation, Task, TaskSpec};

/// How many latents stand for the prior where every one must hold.
const PRIOR_SAMPLE: i64 = 64;

/// Steps of the central differences. Where the first does not agree the second is taken, too, and the better one counts: a rectifier's kink that
/// happens to lie within the longer step must not accuse a correct gradient. In f64 the shorter
/// step still leaves about nine digits.
const STEPS: [f64; 2] = [1e-5, 1e-7];

/// Largest deviation of the gradient from central differences, relative to its largest entry.
/// Truncation and rounding stay below 1e-7 at [`STEPS`]; a wrong term is far above.
const GRADIENT_TOLERANCE: f64 = 1e-5;

/// Most dimensions of a latent that are differenced one by one; of a larger one so many are, and [`ACROSS`] directions in
/// which all of them change.
const MOST_DIMENSIONS: i64 = 256;
const ACROSS: i64 = 32;

/// Rows that are evaluated at once, so that memory stays small whatever the task makes of a row.
const ROWS: i64 = 128;

/// Largest loss at the truth, relative to the mean loss at other latents.
const TRUTH_TOLERANCE: f64 = 1e-6;

/// Largest relative deviation where two ways of computing must agree, in f64.
pub(super) const TOLERANCE: f64 = 1e-9;

/// Checks that F and L are finite on the prior.
///
/// The engine starts every hypothesis there; rows that are not finite are thrown away, and a
/// task that often gives such rows wastes hypotheses.
pub(super) fn finite(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.task;
    let x = latents(task.spec(), PRIOR_SAMPLE, 8);
    let y_hat = task.forward(&x)?;
    ensure_finite("F(x)", &y_hat)?;
    let obs = observe(task, &latents(task.spec(), 1, 9))?;
    let descent = descend(task, &x, &obs)?;
    ensure_finite("loss", &descent.loss)?;
    ensure_finite("gradient", &descent.gradient)?;
    let target = task.encode(&obs)?;
    for rendered in [task.render(&y_hat)?, task.render_seen(&y_hat, &target)?] {
        for (kind, tensor) in rendered.fields() {
            ensure_finite(&format!("rendered {kind}"), tensor)?;
        }
    }
    Ok(format!("{PRIOR_SAMPLE} latents of the prior"))
}

/// Checks that no loss is negative.
///
/// Weights of hypotheses, convergence and the figures of merit are ratios of losses. Tried on the
/// prior and at the truth, with all, half and none of the entries observed.
pub(super) fn loss_sign(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.task;
    let truth = latents(task.spec(), 1, 11);
    let x = Tensor::cat(&[&latents(task.spec(), PRIOR_SAMPLE, 10), &truth], 0);
    let obs = observe(task, &truth)?;
    let half = probe::apply(&obs, &probe::masks(&obs, 12), &Fill::Value(f64::NAN))?;
    let none = obs.map(|field| field.hide(&Tensor::zeros_like(field.observed())));
    let y_hat = task.forward(&x)?;
    let losses = [&obs, &half, &none].map(|obs| Ok(task.objective(&y_hat, &task.encode(obs)?)?.loss));
    let losses = Tensor::cat(&losses.into_iter().collect::<crate::Result<Vec<_>>>()?, 0);
    let least = losses.min().double_value(&[]);
    ensure(least >= 0.0, || format!("least loss is {least:.3e}"))?;
    Ok(format!("least loss {least:.3e}"))
}

/// Checks that two calls, and two loads, give identical bits, and that arguments stay as given.
///
/// Replaying a recording must reproduce the run; a task with a random number, a clock or a
/// cache inside does not.
pub(super) fn determinism(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.task;
    let x = latents(task.spec(), 3, 13);
    let before = x.copy();
    drop(task.forward(&x)?);
    same_bits("x after F", &x, &before)?;
    let (again, first) = (subject.again()?, everything(task)?);
    let (own, other) = (task.spec().fingerprint.clone(), again.spec().fingerprint.clone());
    ensure(own == other, || format!("fingerprint: {own} in the first load, {other} in the second"))?;
    for (when, second) in [("second call", everything(task)?), ("second load", everything(&*again)?)] {
        ensure(first.len() == second.len(), || format!("{when}: {} results, then {}", first.len(), second.len()))?;
        for ((what, first), (_, second)) in first.iter().zip(&second) {
            same_bits(&format!("{when}, {what}"), second, first)?;
        }
    }
    Ok(format!("{} tensors identical", first.len()))
}

/// Checks the gradient of L(F(x)) against central differences, in f64.
///
/// The engine descends this gradient and nothing else. Tried at several latents, with all
/// entries observed and with half of them, and near the truth of a camera's rays, where a task reads those.
pub(super) fn gradient(subject: &Subject<'_>) -> RuleResult {
    gradient_at(subject, 16..19)
}

/// As [`gradient`], at one latent.
pub(super) fn gradient_once(subject: &Subject<'_>) -> RuleResult {
    gradient_at(subject, 16..17)
}

fn gradient_at(subject: &Subject<'_>, seeds: std::ops::Range<u64>) -> RuleResult {
    let task = &*subject.double;
    let obs = observe(task, &latents(task.spec(), 1, 14))?;
    let half = probe::whole(task.spec(), probe::masks(&obs, 15));
    let half = probe::apply(&obs, &half, &Fill::Value(f64::NAN))?;
    let truth = latents(task.spec(), 1, 14);
    let rays = probe::before_a_camera(task, &truth)?;
    let of_rays = rays.iter().map(|obs| ("rays", obs, Some(&truth)));
    let mut worst: f64 = 0.0;
    for (mask, obs, near) in [("all observed", &obs, None), ("half observed", &half, None)].into_iter().chain(of_rays) {
        for seed in seeds.clone() {
            let x = latents(task.spec(), 1, seed);
            // Where a transform is found by a fixed number of steps, they must come to its end.
            let x = near.map_or(x.shallow_clone(), |truth| truth + x * 0.1);
            let deviation = gradient_deviation(task, &x, obs)?;
            let text = || format!("{mask}: {}", deviation_text(deviation));
            ensure(deviation <= GRADIENT_TOLERANCE, text)?;
            worst = worst.max(deviation);
        }
    }
    Ok(deviation_text(worst))
}

fn deviation_text(deviation: f64) -> String {
    format!("relative deviation {deviation:.1e} from central differences, limit {GRADIENT_TOLERANCE:.0e}")
}

/// Largest difference between gradient and differences, relative to the largest entry.
fn gradient_deviation(task: &dyn Task, x: &Tensor, obs: &Observation) -> Result<f64, Fault> {
    let descent = descend(task, x, obs)?;
    let directions = directions(task.spec());
    let exact = directions.matmul(&descent.gradient.view(-1));
    let mut error = exact.full_like(f64::INFINITY);
    // An absolute floor: where the loss is flat, differences are nothing but rounding.
    let mut scale = 1e-6_f64.max(1e-6 * descent.loss.double_value(&[0])).max(exact.abs().max().double_value(&[]));
    for step in STEPS {
        let numeric = central_differences(task, x, obs, &directions, step)?;
        scale = scale.max(numeric.abs().max().double_value(&[]));
        error = error.minimum(&(&numeric - &exact).abs());
        let worst = error.max().double_value(&[]) / scale;
        if worst <= GRADIENT_TOLERANCE {
            return Ok(worst);
        }
    }
    let error = error.max().double_value(&[]);
    Ok(if error.is_nan() { f64::INFINITY } else { error / scale })
}

/// Unit vectors in which a loss is differenced, `[D, X]`: every dimension, or, of many, some and drawn ones across all. A
/// dimension whose derivative is wrong shows in each of the latter.
fn directions(spec: &TaskSpec) -> Tensor {
    let latent = spec.latent;
    let eye = Tensor::eye(latent, (Kind::Double, spec.device));
    if latent <= MOST_DIMENSIONS {
        return eye;
    }
    let some: Vec<i64> = (0..MOST_DIMENSIONS).map(|place| place * latent / MOST_DIMENSIONS).collect();
    let across = latents(spec, ACROSS, 23).to_kind(Kind::Double).sign() / (latent as f64).sqrt();
    Tensor::cat(&[eye.index_select(0, &index(spec, &some)), across], 0)
}

/// Differentiates the loss at `x`, `[1, X]`, in `directions`, `[D, X]`, by central differences: `[D]`.
fn central_differences(
    task: &dyn Task,
    x: &Tensor,
    obs: &Observation,
    directions: &Tensor,
    step: f64,
) -> Result<Tensor, Fault> {
    let differences = directions.split(ROWS / 2, 0).into_iter().map(|directions| {
        let offsets = directions * step;
        let losses = probe::loss(task, &Tensor::cat(&[x + &offsets, x - &offsets], 0), obs)?;
        let halves = losses.chunk(2, 0);
        Ok((&halves[0] - &halves[1]) / (2.0 * step))
    });
    Ok(Tensor::cat(&differences.collect::<Result<Vec<_>, Fault>>()?, 0))
}

/// Checks that residuals come when they are announced, and that their squares sum to the loss.
///
/// Levenberg-Marquardt minimises the residuals while ranking goes by the loss; were they two
/// different functions, it would climb one while descending the other.
pub(super) fn residual(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.double;
    let obs = observe(task, &latents(task.spec(), 1, 20))?;
    let half = probe::apply(&obs, &probe::masks(&obs, 21), &Fill::Value(f64::NAN))?;
    let mut widths = Vec::new();
    for obs in [&obs, &half] {
        let x = latents(task.spec(), 3, 22).set_requires_grad(true);
        let objective = probe::score(task, &x, &task.encode(obs)?)?;
        let (announced, given) = (task.spec().residual, objective.residual.is_some());
        ensure(announced == given, || format!("spec.residual is {announced}, residuals given: {given}"))?;
        let Some(residual) = objective.residual else { continue };
        let sum = probe::sum_of_squares(&residual);
        close("sum of squared residuals against the loss", &sum, &objective.loss, TOLERANCE)?;
        let (of_sum, of_loss) = (total(&sum), total(&objective.loss));
        let (of_sum, of_loss) = (probe::gradient(&of_sum, &x)?, probe::gradient(&of_loss, &x)?);
        close("gradient through the residuals", &of_sum, &of_loss, TOLERANCE)?;
        widths.push(residual.size()[1]);
    }
    Ok(match widths[..] {
        [] => "no residuals, as announced".to_owned(),
        _ => format!("M = {widths:?} with everything and with half of it seen, squares sum to the loss"),
    })
}

fn total(losses: &Tensor) -> Tensor {
    losses.sum(losses.kind())
}

/// Checks that the loss is zero where the observation came from, and larger elsewhere.
///
/// That is what inversion means; a constant offset between F and the observation's units shows
/// here. Not asked of a task that does not render everything it observes.
pub(super) fn truth(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.double;
    let missing = probe::not_rendered(task)?;
    if !missing.is_empty() {
        return Ok(format!("not applicable: {} observed but not rendered", missing.join(", ")));
    }
    let x = latents(task.spec(), 1, 23);
    let obs = observe(task, &x)?;
    let at_truth = probe::loss(task, &x, &obs)?.double_value(&[0]);
    let elsewhere = probe::loss(task, &latents(task.spec(), 16, 24), &obs)?;
    let (mean, least) = (elsewhere.mean(Kind::Double).double_value(&[]), elsewhere.min().double_value(&[]));
    let text = format!("loss {at_truth:.1e} at the truth, {least:.1e} or more elsewhere, {mean:.1e} on average");
    ensure(at_truth < least && at_truth <= TRUTH_TOLERANCE * mean, || text.clone())?;
    Ok(text)
}
