//! Whether a new landscape takes the place of the current one.
//!
//! Both descend from the same random points, towards the same observations with the same parts hidden, with as
//! many steps as the node has time for. A landscape with steps of its own is where a node's search in x begins, so that is
//! what is compared then, examples and pull included. What counts is L of the hypothesis that fits best against all that is
//! known of an observation, its hidden parts included.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use tch::{Kind, Tensor};
use thalweg_task::{Observation, Task};

use super::descents::{DescentTargets, loss_of_rows};
use super::logged::Habits;
use super::{CollectionOptions, LoadTask, MaskOptions, Masks, TrainError};
use thalweg_engine::landscape::Landscape;
use thalweg_engine::start::Start;
use thalweg_engine::{AdamConfig, Engine, EngineConfig, EngineError, LmConfig, Optimizer};
use thalweg_task::mean;

/// Seed of gaps and starting points, the same for both landscapes.
const SEED: u64 = 0x7072_6f6d;

/// Standard errors of a mean by which a landscape must be better to count as better.
const MARGIN: f64 = 2.0;

/// On which terms landscapes are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// How the node descends.
    pub habits: Habits,
    /// Steps to which the curves go, at least those of the habits.
    pub curve: u32,
    /// Most observations of a set, spread evenly over it.
    pub rows: usize,
    /// What is hidden.
    pub masks: MaskOptions,
}

/// Both landscapes on one set of observations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Name of the set.
    pub set: String,
    /// Observations.
    pub observations: usize,
    /// Mean loss of the current landscape after 0, 1, 2, .. steps.
    pub current: Vec<f64>,
    /// The same of the new one.
    pub new: Vec<f64>,
    /// Steps at which it counts.
    pub steps: u32,
    /// Twice the standard error of the mean difference there, observation by observation.
    pub margin: f64,
}

/// What the comparison says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PromotionReport {
    /// One for each set.
    pub sets: Vec<Judged>,
}

impl Judged {
    /// Mean losses of the current and the new landscape, where it counts.
    #[must_use]
    pub fn losses(&self) -> (f64, f64) {
        let at = |curve: &[f64]| curve.get(self.steps as usize).copied().unwrap_or(f64::NAN);
        (at(&self.current), at(&self.new))
    }

    /// Whether the new landscape's mean loss is higher; a loss that is no number is worse than any.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        let (current, new) = self.losses();
        new.is_nan() || current.is_nan() || new > current
    }

    /// Whether it is lower by more than chance would have it.
    #[must_use]
    pub fn is_better(&self) -> bool {
        let (current, new) = self.losses();
        current - new > self.margin
    }
}

impl PromotionReport {
    /// Whether the new landscape is promoted: no worse on any set, and better on one.
    #[must_use]
    pub fn is_promoted(&self) -> bool {
        !self.sets.iter().any(Judged::is_worse) && self.sets.iter().any(Judged::is_better)
    }

    /// Says why in one sentence.
    #[must_use]
    pub fn reason(&self) -> String {
        let named = |fits: fn(&Judged) -> bool| {
            self.sets.iter().filter(|judged| fits(judged)).map(|judged| judged.set.as_str()).collect::<Vec<_>>()
        };
        let (worse, better) = (named(Judged::is_worse), named(Judged::is_better));
        if !worse.is_empty() {
            return format!("it is worse on {}", worse.join(" and on "));
        }
        if better.is_empty() {
            return "it is no worse, but nowhere better by more than two standard errors".to_owned();
        }
        format!("it is better on {}, and worse on none", better.join(" and on "))
    }
}

/// Compares a new landscape with the current one on named sets of observations.
///
/// # Errors
/// [`TrainError`].
pub fn promote(
    terms: &Comparison,
    load: &LoadTask,
    [current, new]: [&Landscape; 2],
    sets: &[(&str, &Observation)],
) -> Result<PromotionReport, TrainError> {
    let judge = |(set, obs): &(&str, &Observation)| {
        let steps = steps_on(terms, new).min(steps_on(terms, current));
        let (current, new) = (descend(terms, load, current, obs)?, descend(terms, load, new, obs)?);
        let differences: Vec<f64> =
            current[steps as usize].iter().zip(&new[steps as usize]).map(|(current, new)| current - new).collect();
        let means = |rows: &[Vec<f64>]| rows.iter().map(|rows| mean(rows).unwrap_or(f64::NAN)).collect();
        Ok(Judged {
            set: (*set).to_owned(),
            observations: differences.len(),
            current: means(&current),
            new: means(&new),
            steps,
            margin: MARGIN * standard_error(&differences),
        })
    };
    Ok(PromotionReport { sets: sets.iter().map(judge).collect::<Result<_, TrainError>>()? })
}

/// Shares of the way to the new landscape that are tried, the whole first.
const SHARES: [f64; 7] = [1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1];

/// Goes from the current landscape towards the new one as far as it is good: no worse than the current one on
/// what is rehearsed, and there with the least loss on what was recorded; both sets serve this choice only.
///
/// Returns the landscape and the share of the way. Where no share is good it is the least one, for the verdict to refuse.
///
/// # Errors
/// [`TrainError`].
pub fn temper(
    terms: &Comparison,
    load: &LoadTask,
    [current, new]: [&Landscape; 2],
    [recorded, rehearsed]: [&Observation; 2],
) -> Result<(Landscape, f64), TrainError> {
    let terms = Comparison { curve: 0, ..*terms };
    let loss = |landscape: &Landscape, obs: &Observation| {
        let last = descend(&terms, load, landscape, obs)?.pop().unwrap_or_default();
        Ok::<f64, TrainError>(mean(&last).unwrap_or(f64::NAN))
    };
    let limit = loss(current, rehearsed)?;
    let mut best: Option<(f64, Landscape, f64)> = None;
    for share in SHARES {
        let between = current.towards(new, share)?;
        let (here, there) = (loss(&between, recorded)?, loss(&between, rehearsed)?);
        if there <= limit && best.as_ref().is_none_or(|(least, ..)| here < *least) {
            best = Some((here, between, share));
        }
    }
    let least = SHARES[SHARES.len() - 1];
    best.map_or_else(|| Ok((current.towards(new, least)?, least)), |(_, landscape, share)| Ok((landscape, share)))
}

/// Most steps in x behind a landscape's own: Levenberg-Marquardt has settled by then.
const IN_X: u32 = 5;

/// Steps at which a landscape counts.
fn steps_on(terms: &Comparison, landscape: &Landscape) -> u32 {
    if landscape.steps().is_some() { terms.habits.steps.min(IN_X) } else { terms.habits.steps }
}

/// An engine that has begun with all rows of `targets`, of which `group` neighbours explain one observation each: on the
/// landscape, or, where that has steps of its own, behind those, as a node does by default.
fn begun(
    targets: &DescentTargets,
    (rate, group): (f64, usize),
    task: Box<dyn Task>,
    landscape: &Landscape,
) -> Result<Engine, TrainError> {
    let landscape = landscape.shallow_clone();
    let Some(steps) = landscape.steps() else {
        let options = CollectionOptions { rate_z: rate, best_of: group, ..CollectionOptions::default() };
        let mut engine = targets.engine(&options, task, landscape)?;
        engine.begin(&targets.seen)?;
        return Ok(engine);
    };
    let rows = targets.seen.rows();
    let in_x = if task.spec().residual {
        Optimizer::LevenbergMarquardt(LmConfig::default())
    } else {
        Optimizer::Adam(AdamConfig { rate, ..AdamConfig::default() })
    };
    let codes = steps.code_of_each(group).repeat([rows / group as i64, 1]);
    let config = EngineConfig {
        hypotheses: rows as usize,
        optimizer: in_x,
        warm_start: false,
        fresh: 0,
        seed: targets.seed,
        threads: usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1),
        ..EngineConfig::default()
    };
    let latent = task.spec().latent;
    let mut engine = Engine::new(task, Landscape::identity(latent), config)?;
    engine.set_start(Start::of_steps(landscape)?)?;
    engine.begin_with_codes(&targets.seen, &codes)?;
    Ok(engine)
}

/// Loss of each observation's best hypothesis after 0, 1, 2, .. steps.
fn descend(
    terms: &Comparison,
    load: &LoadTask,
    landscape: &Landscape,
    obs: &Observation,
) -> Result<Vec<Vec<f64>>, TrainError> {
    let task = load()?;
    let spec = task.spec();
    let obs = obs.to(spec.kind, spec.device);
    let (all, rows) = (obs.rows(), obs.rows().min(terms.rows as i64));
    let index: Vec<i64> = (0..rows).map(|row| row * all / rows).collect();
    let index = Tensor::from_slice(&index).to_device(spec.device);
    let (Habits { rate, hypotheses, .. }, steps) = (terms.habits, steps_on(terms, landscape));
    let options = CollectionOptions { best_of: hypotheses, ..CollectionOptions::default() };
    let masks = Masks::new(&terms.masks, spec);
    let targets = DescentTargets::at(&index, &options, &obs, &masks, &mut StdRng::seed_from_u64(SEED));
    let target = task.encode(&obs.select_rows(&index))?;
    let mut engine = begun(&targets, (rate, hypotheses), task, landscape)?;
    let last = if landscape.steps().is_some() { terms.curve.min(2 * IN_X) } else { terms.curve };
    let mut curve = Vec::new();
    for step in 0..=last.max(steps) {
        if step > 0 {
            engine.refine()?;
        }
        let solution = engine.solution().ok_or(EngineError::NotBegun)?;
        let y_hat = best_of_each(&solution.y_hat, &solution.loss, hypotheses);
        curve.push(tch::no_grad(|| loss_of_rows(engine.task(), &y_hat, &target))?);
    }
    Ok(curve)
}

/// Picks, of each `group` rows of `y_hat`, `[G * group, ..Y]`, the one with the least loss.
fn best_of_each(y_hat: &Tensor, loss: &[f64], group: usize) -> Tensor {
    let best = |(start, losses): (usize, &[f64])| {
        let least = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(place, _)| place);
        (start * group + least) as i64
    };
    let index: Vec<i64> = loss.chunks(group).enumerate().map(best).collect();
    y_hat.index_select(0, &Tensor::from_slice(&index).to_device(y_hat.device()).to_kind(Kind::Int64))
}

/// Standard error of a mean; infinite for fewer than two values, from which nothing can be told.
fn standard_error(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let Some(mean) = mean(values).filter(|_| count > 1.0) else { return f64::INFINITY };
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (count - 1.0) / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(set: &str, current: f64, new: f64) -> Judged {
        let (current, new) = (vec![9.0, current], vec![9.0, new]);
        Judged { set: set.to_owned(), observations: 10, current, new, steps: 1, margin: 0.1 }
    }

    #[test]
    fn a_landscape_is_promoted_when_it_is_no_worse_on_both_and_better_on_one() {
        let verdict = |a: f64, b: f64| PromotionReport { sets: vec![judged("here", 1.0, a), judged("there", 1.0, b)] };
        assert!(verdict(0.8, 1.0).is_promoted() && verdict(1.0, 0.5).is_promoted());
        let worse = verdict(0.2, 1.01);
        assert!(!worse.is_promoted(), "better here does not make up for worse there");
        assert_eq!(worse.reason(), "it is worse on there");
        let alike = verdict(0.95, 0.95);
        assert!(!alike.is_promoted() && alike.reason().contains("nowhere better"), "within chance");
        assert!(!verdict(f64::NAN, 0.5).is_promoted(), "no number is worse than any");
    }

    #[test]
    fn of_each_group_the_row_with_the_least_loss_is_picked() {
        let y_hat = Tensor::from_slice(&[0.0, 1.0, 2.0, 3.0]).view([4, 1]);
        let best = best_of_each(&y_hat, &[0.3, 0.1, 0.1, 0.2], 2);
        assert_eq!(Vec::<f64>::try_from(best.view(-1)).expect("numbers"), [1.0, 2.0]);
        assert_eq!(standard_error(&[1.0]), f64::INFINITY);
        assert!((standard_error(&[1.0, 3.0]) - 1.0).abs() < 1e-12);
    }
}
