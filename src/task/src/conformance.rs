//! Tells whether a task keeps the contract, rule by rule, with numbers.
//!
//! The engine trusts a task blindly: it runs one backward pass for all hypotheses and never looks
//! again. Whatever it trusts is a rule here. A plugin's test is one line:
//!
//! ```text
//! conformance::check(&my_task::ENTRY.load, &LoadOptions::default()).assert_passed();
//! ```
//!
//! Latents and masks are drawn from fixed seeds, so that a result is reproducible. Rules about
//! values run in f64, where a small leak is not excused by rounding; rules about bits and element
//! types run as in service.

mod arithmetic;
mod compare;
mod declaration;
mod masks;
mod probe;
mod refusal;
mod report;
mod rows;
mod subject;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use compare::{Fault, RuleResult};
use subject::Subject;

use crate::{LoadOptions, Result, Task, TaskError};

pub use report::{Outcome, Report};

/// One rule: its name and how it is checked.
type Rule = (&'static str, fn(&Subject<'_>) -> RuleResult);

/// All rules, in the order in which they are reported; the first is always `load`.
const RULES: [Rule; 18] = [
    ("spec", declaration::spec),
    ("shapes", declaration::shapes),
    ("element_type", declaration::element_type),
    ("frozen_weights", declaration::frozen_weights),
    ("refusal", refusal::refusal),
    ("finite", arithmetic::finite),
    ("loss_sign", arithmetic::loss_sign),
    ("determinism", arithmetic::determinism),
    ("gradient", arithmetic::gradient),
    ("residual", arithmetic::residual),
    ("truth", arithmetic::truth),
    ("row_independence", rows::row_independence),
    ("row_poison", rows::row_poison),
    ("row_gradient", rows::row_gradient),
    ("observation_rows", rows::observation_rows),
    ("masking", masks::masking),
    ("absent_kinds", masks::absent_kinds),
    ("hiding_everything", masks::hiding_everything),
];

/// Checks every rule of the contract against a task.
///
/// `load` is called several times: as `options` say, again to compare, and in f64. A call that
/// returns an error or panics is a failed rule, not a crash. When loading fails, the report has
/// that one rule only.
#[must_use]
pub fn check(load: &dyn Fn(&LoadOptions) -> Result<Box<dyn Task>>, options: &LoadOptions) -> Report {
    let subject = match guard(|| Subject::load(load, options)) {
        Ok(subject) => subject,
        Err(Fault(reason)) => {
            return Report { task: "?".to_owned(), outcomes: vec![Outcome::failed("load", reason)] };
        }
    };
    let mut outcomes = vec![Outcome::passed("load", "in the element type of service, and in f64".to_owned())];
    outcomes.extend(RULES.iter().map(|(rule, run)| Outcome::of(rule, guard(|| run(&subject)))));
    Report { task: subject.task.spec().name.clone(), outcomes }
}

/// Rules to which a task from outside is held whenever it is loaded: those whose breach gives wrong answers, not bad ones.
const AT_LOAD: [&str; 13] = [
    "spec",
    "finite",
    "shapes",
    "element_type",
    "frozen_weights",
    "loss_sign",
    "determinism",
    "row_independence",
    "row_poison",
    "row_gradient",
    "observation_rows",
    "gradient",
    "residual",
];

/// Loads a task from outside, and checks the rules that it must keep before it is used; `file` is where it comes from.
///
/// # Errors
/// What the task refuses by itself; [`TaskError::Contract`] about the first rule that is broken, with what may mend it.
pub fn assure(
    file: &Path,
    load: &dyn Fn(&LoadOptions) -> Result<Box<dyn Task>>,
    options: &LoadOptions,
) -> Result<Box<dyn Task>> {
    let refuse = |rule: &'static str, detail: &str| TaskError::Contract {
        file: file.display().to_string(),
        rule,
        detail: crate::first_line(detail).to_owned(),
        cure: cure(rule),
    };
    // What refuses to load at all says so itself.
    let task = load(options)?;
    tch::with_grad(|| {
        let subject = guard(|| Subject::of(task, load, options)).map_err(|Fault(reason)| refuse("load", &reason))?;
        let rules = AT_LOAD.iter().filter_map(|wanted| RULES.iter().find(|(rule, _)| rule == wanted));
        for (rule, run) in rules {
            // What a large model can do in the time that loading may take.
            let run: fn(&Subject<'_>) -> RuleResult = match *rule {
                "gradient" => arithmetic::gradient_once,
                "row_gradient" => rows::row_gradient_of_few,
                _ => *run,
            };
            guard(|| run(&subject)).map_err(|Fault(reason)| refuse(rule, &reason))?;
        }
        Ok(subject.task)
    })
}

/// What usually mends a broken rule.
#[must_use]
pub fn cure(rule: &str) -> &'static str {
    match rule {
        "load" => "it must load and run in f32 and in f64: let constants follow the type of x",
        "spec" | "shapes" => "make the description and what F gives agree",
        "element_type" => "give every result in the type and on the device of x",
        "frozen_weights" => "set requires_grad of the weights to false",
        "finite" => "F, L and the gradient must be there and finite for x drawn from N(0, 1)",
        "loss_sign" => "a loss is never below zero",
        "determinism" => "leave out dropout, random numbers and caches: put the model into evaluation mode",
        "gradient" => "do not detach, round or compute outside of libtorch between x and the loss",
        "residual" => "the squares of the residuals must sum to the loss",
        "row_independence" | "row_poison" | "row_gradient" | "observation_rows" => {
            "leave out what mixes rows of a batch: batch normalisation in training mode, sums over axis 0"
        }
        _ => "`thalweg check` tells more",
    }
}

/// Runs plugin code; a panic becomes a fault that carries its message.
fn guard<T>(run: impl FnOnce() -> std::result::Result<T, Fault>) -> std::result::Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|payload| Err(Fault(format!("panicked: {}", crate::panic_text(payload.as_ref())))))
}
