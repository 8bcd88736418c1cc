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

use compare::{Fault, RuleResult};
use subject::Subject;

use crate::{LoadOptions, Result, Task};

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

/// Runs plugin code; a panic becomes a fault that carries its message.
fn guard<T>(run: impl FnOnce() -> std::result::Result<T, Fault>) -> std::result::Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|payload| Err(Fault(format!("panicked: {}", crate::panic_text(payload.as_ref())))))
}
