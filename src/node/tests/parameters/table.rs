//! Every row of the table is complete and consistent.

use std::collections::BTreeSet;

use thalweg::Registry;
use thalweg_node::parameters::{constraints, full_table, node_table, task_table};
use thalweg_task::{ParameterKind, ParameterRange, ParameterValue};

use super::{TOPIC, store};

#[test]
fn every_row_says_what_it_is() {
    let mut names = BTreeSet::new();
    for spec in full_table(&Registry::shipped(), &[TOPIC.to_owned()]) {
        let name = spec.name.as_ref();
        assert!(names.insert(name.to_owned()), "{name} twice");
        assert!(spec.description.ends_with('.') && spec.description.len() > 15, "{name}: {}", spec.description);
        assert!(!spec.description.contains(['\n', '|', '\0']) && !spec.description.contains("  "), "{name}");
        spec.check(&spec.default).unwrap_or_else(|error| panic!("default: {error}"));
    }
    assert!(names.len() > 30, "the table is empty");
}

#[test]
fn snake_case_and_dots() {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    for spec in node_table(&Registry::shipped()) {
        assert!(spec.name.split('.').all(is_word), "{}", spec.name);
    }
}

/// Numbers have a range, so that tools can show sliders, and the range is of their type.
#[test]
fn ranges_fit_their_types() {
    for spec in full_table(&Registry::shipped(), &[TOPIC.to_owned()]) {
        let fits = match &spec.range {
            ParameterRange::Any => spec.kind() == ParameterKind::Bool,
            ParameterRange::Text { most } => spec.kind() == ParameterKind::String && *most > 0,
            ParameterRange::ZeroOr { from, to } => spec.kind() == ParameterKind::Double && 0.0 < *from && from < to,
            ParameterRange::Integer { from, to } => spec.kind() == ParameterKind::Integer && from < to,
            ParameterRange::Double { from, to } => spec.kind() == ParameterKind::Double && from < to,
            ParameterRange::Doubles { from, to, .. } => spec.kind() == ParameterKind::DoubleArray && from < to,
            ParameterRange::Choice(choices) => spec.kind() == ParameterKind::String && choices.len() > 1,
        };
        assert!(fits, "{}: {:?}", spec.name, spec.range);
    }
}

/// A name that is a value cannot be a group of others: YAML has no form for that.
#[test]
fn no_name_is_below_another() {
    let store = store();
    for name in store.names() {
        let below = format!("{name}.");
        assert!(store.names().all(|other| !other.starts_with(&below)), "{name}");
    }
}

#[test]
fn tasks_are_below_their_names() {
    for entry in Registry::shipped().entries() {
        for spec in task_table(entry) {
            assert!(store().get(&spec.name).is_some(), "{}", spec.name);
            assert!(spec.name.starts_with(&format!("{}.", entry.name)));
        }
        let clash = node_table(&Registry::shipped()).iter().any(|spec| spec.name.split('.').next() == Some(entry.name));
        assert!(!clash, "the node has parameters of the same name as task {}", entry.name);
    }
}

#[test]
fn constraints_are_told() {
    let store = store();
    let told = |name| constraints(store.describe(name).expect("it is declared"));
    assert_eq!(
        told("device"),
        "one of cpu, cuda, cuda:N, gpu, gpu:N, gpu:NAME, auto; changes only in state unconfigured"
    );
    assert_eq!(told("planar_arm.lengths"), "3 of [0.01, 100.0]; changes only in state unconfigured");
    assert_eq!(told("warm_start.fresh"), "below hypotheses");
    assert_eq!(told("record.steps"), "");
    assert_eq!(told("budget.steps"), "");
}

#[test]
fn inputs_get_rclcpp_names() {
    let store = store();
    let depth = store.get("qos_overrides./left/joint_states.subscription.depth");
    assert_eq!(depth, Some(&ParameterValue::Integer(5)));
    for policy in ["reliability", "history", "durability"] {
        assert!(store.get(&format!("qos_overrides.{TOPIC}.subscription.{policy}")).is_some(), "{policy}");
    }
}
