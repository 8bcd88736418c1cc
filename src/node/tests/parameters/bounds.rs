//! Every parameter at the ends of its range, beside them, and at what breaks arithmetic: at the start and at run time.

use std::time::{Duration, Instant};

use thalweg::Registry;
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_node::solver::{Assignment, Tuning};
use thalweg_task::{PRECISION, ParameterKind, ParameterRange, ParameterSpec, ParameterValue};
use thalweg_tests::numbers::ODD;

use super::{TOPIC, text};

fn numbers(from: f64, to: f64) -> Vec<f64> {
    let near = [from, to].into_iter().flat_map(|end| [end, end.next_up(), end.next_down(), end + 1.0, end - 1.0]);
    near.chain(ODD).collect()
}

/// What is to be tried of a parameter, and whether it is to be taken: told here a second time, from the range alone.
fn tries(spec: &ParameterSpec) -> Vec<(ParameterValue, bool)> {
    let is_precise = |value: f64| value == 0.0 || value.abs() >= PRECISION;
    match &spec.range {
        ParameterRange::Any => vec![(ParameterValue::Bool(true), true), (ParameterValue::Integer(1), false)],
        ParameterRange::Integer { from, to } => {
            let near = [*from, *to].into_iter().flat_map(|end| [end, end.saturating_add(1), end.saturating_sub(1)]);
            let odd = [i64::MIN, i64::MAX, i64::from(u32::MAX), i64::from(i32::MIN), 1 << 53, -1, 0];
            near.chain(odd).map(|value| (ParameterValue::Integer(value), (*from..=*to).contains(&value))).collect()
        }
        &ParameterRange::Double { from, to } => {
            let is_taken = |value: f64| from <= value && value <= to && is_precise(value);
            numbers(from, to).into_iter().map(|value| (ParameterValue::Double(value), is_taken(value))).collect()
        }
        &ParameterRange::ZeroOr { from, to } => {
            let is_taken = |value: f64| value == 0.0 || (from <= value && value <= to);
            numbers(from, to).into_iter().map(|value| (ParameterValue::Double(value), is_taken(value))).collect()
        }
        &ParameterRange::Doubles { length, from, to } => {
            let is_taken = |value: f64| from <= value && value <= to && is_precise(value);
            let list = |length: usize, value| ParameterValue::DoubleArray(vec![value; length]);
            let mut all: Vec<_> =
                numbers(from, to).into_iter().map(|value| (list(length, value), is_taken(value))).collect();
            all.extend([0, length - 1, length + 1, 1 << 20].map(|other| (list(other, to), false)));
            all
        }
        &ParameterRange::Text { most } => {
            let long = |count| text(&"x".repeat(count));
            let is_namespace = spec.name == "output.people_namespace";
            let mut all = vec![(text(""), !is_namespace), (long(most + 1), false), (long(1 << 24), false)];
            if is_namespace {
                let names = [("/a", true), ("/a_1/b", true), ("a", false), ("/", false), ("/a/", false), ("/1", false)];
                all.extend(names.map(|(name, is_taken)| (text(name), is_taken)));
            } else if spec.name != "input.colour_key" {
                all.extend([(long(most), true), (text("κνημη"), true), (text(&"é".repeat(most / 2 + 1)), false)]);
            }
            all.extend(["a\nb", "\x1b[31m", "a\0b", "\u{9b}31m", "\u{202e}"].map(|bad| (text(bad), false)));
            all
        }
        ParameterRange::Choice(choices) => {
            let words = choices.iter().filter(|word| !word.ends_with(":N")).map(|word| (text(word), true));
            words.chain([(text(""), false), (text(&"x".repeat(1 << 24)), false), (text("a\n"), false)]).collect()
        }
    }
}

/// With a value, what has to be beside it.
fn changes(name: &str, value: &ParameterValue) -> Vec<(String, ParameterValue)> {
    let beside = match name {
        "hypotheses" => Some(("warm_start.fresh", ParameterValue::Integer(0))),
        "warm_start.fresh" => Some(("hypotheses", ParameterValue::Integer(256))),
        _ => None,
    };
    let beside = beside.map(|(name, value)| (name.to_owned(), value));
    beside.into_iter().chain([(name.to_owned(), value.clone())]).collect()
}

/// Reads what a node reads, and does its arithmetic.
fn use_all(store: &Store) {
    let settings = Settings::read(store, 7).expect("declared");
    let tuning = Tuning::of(&settings);
    let (input, record) = (&settings.input, &settings.record);
    let times = [
        tuning.period,
        tuning.budget.deadline.expect("set"),
        input.joint_timeout,
        input.stale_timeout,
        input.pairing.slop,
        record.file_duration,
        settings.diagnostics_period,
    ];
    for time in times {
        assert!(time <= Duration::from_secs(86_400) && Instant::now().checked_add(time).is_some(), "{time:?}");
    }
    tuning.budget.validate().expect("a budget");
    settings.engine.validate().expect("options of an engine");
    // A device that is not here is refused, and nothing else is.
    drop(Assignment::of(&settings, Registry::shipped()).map(Assignment::on_this_machine));
}

#[test]
fn every_parameter_is_held_to_its_range() {
    let table = full_table(&Registry::shipped(), &[TOPIC.to_owned()]);
    let mut walked = 0;
    for spec in &table {
        let mut seen = [0, 0];
        for (value, is_taken) in tries(spec) {
            let changes = changes(&spec.name, &value);
            let told = format!("{} = {:.60}", spec.name, format!("{value:?}"));
            match Store::declare(table.clone(), &changes) {
                Ok(store) => {
                    assert!(is_taken, "{told} was taken at the start");
                    use_all(&store);
                }
                Err(error) => {
                    let error = error.to_string();
                    assert!(!is_taken, "{told} was refused at the start: {error}");
                    assert!(error.len() < 500 && !error.contains(char::is_control), "{told}: {error:.600}");
                }
            }
            let mut running = Store::declare(table.clone(), &[]).expect("defaults");
            let is_same = running.get(&spec.name).is_some_and(|current| *current == value);
            let outcome = running.set(&changes, true).map_err(|error| error.to_string());
            let is_fixed = spec.change == thalweg_task::Change::ReadOnly;
            assert_eq!(outcome.is_ok(), is_taken && (!is_fixed || is_same), "{told} at run time: {outcome:?}");
            use_all(&running);
            seen[usize::from(is_taken)] += 1;
            walked += 1;
        }
        assert!(seen.iter().all(|count| *count > 0), "{}: refused and taken {seen:?}", spec.name);
    }
    assert!(walked > 500, "{walked}");
}

/// Where a number switches something off, the least of the others is one that arithmetic can bear.
#[test]
fn numbers_have_a_unit_or_none_and_a_range() {
    for spec in full_table(&Registry::shipped(), &[TOPIC.to_owned()]) {
        let is_number = matches!(
            spec.kind(),
            ParameterKind::Integer | ParameterKind::Double | ParameterKind::DoubleArray | ParameterKind::IntegerArray
        );
        let is_bounded = !matches!(spec.range, ParameterRange::Any);
        assert!(!is_number || is_bounded, "{} has no range", spec.name);
        if let ParameterRange::ZeroOr { from, .. } = spec.range {
            assert!(from.recip() <= 1e12, "{}", spec.name);
        }
    }
}
