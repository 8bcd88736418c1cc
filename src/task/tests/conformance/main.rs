//! Every rule of the conformance kit passes a sound task and catches a broken one.

#![allow(clippy::unwrap_used)]

mod doubles;

use std::collections::BTreeSet;

use doubles::{Double, Flaw};
use thalweg_task::conformance::{Report, check};
use thalweg_task::{LoadOptions, conformance};

fn report(flaw: Flaw) -> Report {
    check(&|options| Double::load(flaw, options), &LoadOptions::default())
}

/// What needs a gradient, and so fails without one.
const NEEDS_GRADIENT: [&str; 12] = [
    "shapes",
    "element_type",
    "finite",
    "determinism",
    "gradient",
    "residual",
    "row_poison",
    "row_gradient",
    "observation_rows",
    "masking",
    "absent_kinds",
    "hiding_everything",
];

/// A flaw, the rules that it breaks in the order of the report, and the first one's sentence.
///
/// More than one rule fails only where the flaw really breaks more than one promise: a mean over
/// the batch in F, say, changes a row's value, its gradient, and spreads NaN.
type Case = (Flaw, &'static [&'static str], &'static str);

const DECLARATION: [Case; 18] = [
    (Flaw::LoadError, &["load"], "no such weights"),
    (Flaw::LoadPanic, &["load"], "panicked: the double panics while loading"),
    (Flaw::IgnoresKind, &["load"], "asked to compute in f64, the spec says Float"),
    (Flaw::LimitsSwapped, &["spec"], "joint left: limits 2 .. 1"),
    (Flaw::LooseBone, &["shapes"], "does not fit 1 rendered points and 2 joints"),
    (Flaw::JointTwice, &["spec"], "joint 'left' is empty or twice"),
    (Flaw::NoFingerprint, &["spec"], "fingerprint is empty"),
    (Flaw::ExtraColumn, &["shapes"], "F(x): expected shape [1, 9], got [1, 10]"),
    (Flaw::LossColumn, &["shapes", "gradient", "residual"], "loss: expected shape [1], got [1, 1]"),
    (Flaw::NoJointsRendered, &["shapes"], "render gives no joints"),
    (Flaw::HalfLoss, &["element_type", "gradient", "residual"], "loss: expected (Float, Cpu), got (Half, Cpu)"),
    (Flaw::TrainableWeights, &["frozen_weights"], "F(x) asks for a gradient"),
    (Flaw::AcceptsAnyWidth, &["refusal"], "accepted x [3, 4]"),
    (Flaw::PanicsOnWidth, &["refusal"], "x [3, 4]: panicked: the double panics at a wrong width"),
    (Flaw::IgnoresRows, &["refusal"], "accepted three hypotheses with two targets"),
    (Flaw::AcceptsInfinity, &["refusal"], "accepted joints with infinite values"),
    (Flaw::FreshWeights, &["determinism"], "second load, F(x): 3 of 27 values differ"),
    (Flaw::Detached, &NEEDS_GRADIENT, "the loss carries no gradient"),
];

/// Flaws of what is rendered: classes, and what needs what was seen.
const RENDERED: [Case; 6] = [
    (Flaw::ClassTwice, &["spec"], "class 'cat' is empty or twice"),
    (Flaw::NoLabelRendered, &["shapes"], "render gives no label"),
    (Flaw::LabelTooWide, &["shapes"], "rendered label: expected shape [1, 2], got [1, 3]"),
    (Flaw::NanSeen, &["finite", "row_independence"], "rendered points: 192 of 192 values"),
    (Flaw::BatchMeanSeen, &["row_independence"], "rendered points, rows [0] of 5"),
    (Flaw::AcceptsAnyWidthSeen, &["refusal"], "accepted y_hat [3, 10] to render with what was seen"),
];

const ARITHMETIC: [Case; 11] = [
    (Flaw::NanTail, &["finite", "loss_sign", "masking", "hiding_everything"], "F(x): 18 of 576 values are not finite"),
    (Flaw::NanRendered, &["finite", "row_independence", "masking"], "rendered image: 256 of 256 values"),
    (Flaw::NegativeLoss, &["loss_sign", "residual"], "least loss is -1.000e-3"),
    (Flaw::ChangesInput, &["determinism", "truth", "row_independence", "masking"], "x after F: 9 of 9 values differ"),
    (Flaw::PartlyDetached, &["gradient"], "all observed: relative deviation"),
    (Flaw::WideDetached, &["gradient"], "all observed: relative deviation"),
    (Flaw::ResidualTwice, &["residual"], "sum of squared residuals against the loss: relative deviation 7.5e-1"),
    (Flaw::ResidualMissing, &["residual"], "spec.residual is true, residuals given: false"),
    (Flaw::ResidualDetached, &["residual"], "the loss carries no gradient"),
    (Flaw::Offset, &["truth", "masking"], "loss 2.0e-4 at the truth"),
    (
        Flaw::Counts,
        &[
            "determinism",
            "row_independence",
            "row_poison",
            "row_gradient",
            "observation_rows",
            "masking",
            "absent_kinds",
        ],
        "second call, F(x): 27 of 27 values differ",
    ),
];

const ROWS_AND_MASKS: [Case; 10] = [
    (
        Flaw::BatchMean,
        &["gradient", "row_independence", "row_poison", "row_gradient", "observation_rows"],
        "all observed: relative deviation 1.0e-3",
    ),
    (
        Flaw::BatchMeanInLoss,
        &["gradient", "residual", "row_independence", "row_poison", "row_gradient", "observation_rows"],
        "all observed: relative deviation 1.0e-3",
    ),
    (Flaw::NanSum, &["row_poison"], "F(x) beside a row of NaN: 36 of 36 values differ"),
    (
        Flaw::GradientOfNeighbour,
        &["gradient", "row_poison", "row_gradient", "observation_rows"],
        "all observed: relative deviation 1.0e-3",
    ),
    (Flaw::FirstTarget, &["observation_rows"], "loss of row 1, own observation against the shared one"),
    (
        Flaw::TakesHiddenForZero,
        &["masking", "absent_kinds", "hiding_everything"],
        "at the truth with half of it hidden",
    ),
    (
        Flaw::HiddenIsNan,
        &["loss_sign", "gradient", "residual", "observation_rows", "masking", "absent_kinds", "hiding_everything"],
        "least loss is NaN",
    ),
    (Flaw::HiddenPrior, &["hiding_everything"], "loss varies between"),
    (Flaw::RefusesAbsentKinds, &["absent_kinds"], "observation is empty"),
    (Flaw::AbsentIsOrigin, &["absent_kinds"], "loss without joints: 3 of 3 values differ"),
];

/// Fails unless each flaw breaks exactly its rules, with the sentence that says what is wrong.
fn assert_caught(cases: &[Case]) {
    for (flaw, rules, text) in cases {
        let report = report(*flaw);
        assert_eq!(report.failures(), *rules, "{flaw:?}\n{report}");
        let first = report.outcomes.iter().find(|outcome| !outcome.passed).unwrap();
        assert!(first.detail.contains(text), "{flaw:?}: {}", first.detail);
    }
}

#[test]
fn a_sound_task_passes() {
    report(Flaw::None).assert_passed();
    report(Flaw::LossOnly).assert_passed();
    report(Flaw::Wide).assert_passed();
}

#[test]
fn a_sound_task_passes_in_f64() {
    let options = LoadOptions { kind: tch::Kind::Double, ..LoadOptions::default() };
    check(&|options| Double::load(Flaw::None, options), &options).assert_passed();
}

#[test]
fn flawed_declarations_are_caught() {
    assert_caught(&DECLARATION);
}

#[test]
fn flaws_of_what_is_rendered_are_caught() {
    assert_caught(&RENDERED);
}

#[test]
fn flawed_arithmetic_is_caught() {
    assert_caught(&ARITHMETIC);
}

#[test]
fn flawed_rows_and_masks_are_caught() {
    assert_caught(&ROWS_AND_MASKS);
}

#[test]
fn a_task_that_observes_nothing_is_caught() {
    let report = report(Flaw::ObservesNothing);
    assert!(report.outcomes[1].detail.contains("observes nothing"), "{report}");
}

#[test]
fn a_panic_fails_its_rules_and_no_more() {
    let report = report(Flaw::PanicsInObjective);
    let shapes = report.outcomes.iter().find(|outcome| outcome.rule == "shapes").unwrap();
    assert_eq!(shapes.detail, "panicked: the double panics in the objective");
    assert!(report.outcomes.iter().any(|outcome| outcome.passed && outcome.rule == "spec"), "{report}");
}

#[test]
fn every_rule_has_a_flaw_that_it_catches() {
    let rules: BTreeSet<_> = report(Flaw::None).outcomes.iter().map(|outcome| outcome.rule).collect();
    let cases = DECLARATION.iter().chain(&ARITHMETIC).chain(&ROWS_AND_MASKS);
    let first: BTreeSet<_> = cases.map(|(_, rules, _)| rules[0]).collect();
    // Rows that see each other are found by the gradient first; their own rule comes later.
    let never_first: Vec<_> = rules.difference(&first).copied().collect();
    assert_eq!(never_first, ["row_gradient", "row_independence"]);
    let listed = |rule| ROWS_AND_MASKS.iter().any(|(_, rules, _)| rules.contains(&rule));
    assert!(never_first.into_iter().all(listed));
}

#[test]
fn the_report_has_one_line_per_rule() {
    let text = report(Flaw::LimitsSwapped).to_string();
    assert!(text.starts_with("double: 18 of 19 rules kept\n"), "{text}");
    assert!(text.contains("\n  spec               FAILED joint left: limits 2 .. 1\n"), "{text}");
    assert!(text.contains("\n  shapes             ok     for K = 1 and K = 3\n"), "{text}");
    assert_eq!(text.lines().count(), 20, "{text}");
}

#[test]
#[should_panic(expected = "FAILED joint left")]
fn assert_passed_ends_the_test_of_a_broken_task() {
    report(Flaw::LimitsSwapped).assert_passed();
}

#[test]
fn a_long_detail_is_one_short_line() {
    let detail = format!("panicked: {}\\nframe #0\nframe #1", "x".repeat(400));
    let outcome = conformance::Outcome { rule: "shapes", passed: false, detail };
    let text = outcome.to_string();
    assert!(text.lines().count() == 1 && !text.contains("frame") && text.len() < 300, "{text}");
}
