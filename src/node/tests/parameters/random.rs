//! Whatever is set, no value leaves its range and no refusal leaves a trace.

use proptest::prelude::*;
use thalweg_node::parameters::Store;
use thalweg_task::ParameterValue;

use super::{store, values};

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), 0.0..1.0, 0.0..100.0]
}

/// Texts that some parameter accepts.
const WORDS: [&str; 6] = ["cuda", "cuda:1", "levenberg_marquardt", "planar_arm", "axis_angle", "identity"];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), proptest::sample::select(&WORDS[..]).prop_map(str::to_owned)]
}

fn value() -> impl Strategy<Value = ParameterValue> {
    prop_oneof![
        any::<bool>().prop_map(ParameterValue::Bool),
        any::<i64>().prop_map(ParameterValue::Integer),
        (-2..300_i64).prop_map(ParameterValue::Integer),
        number().prop_map(ParameterValue::Double),
        word().prop_map(ParameterValue::String),
        any::<Vec<u8>>().prop_map(ParameterValue::ByteArray),
        any::<Vec<bool>>().prop_map(ParameterValue::BoolArray),
        any::<Vec<i64>>().prop_map(ParameterValue::IntegerArray),
        proptest::collection::vec(number(), 0..5).prop_map(ParameterValue::DoubleArray),
        proptest::collection::vec(word(), 0..3).prop_map(ParameterValue::StringArray),
    ]
}

fn changes() -> impl Strategy<Value = Vec<(String, ParameterValue)>> {
    let names: Vec<String> = store().names().map(str::to_owned).collect();
    let name = prop_oneof![9 => proptest::sample::select(names), 1 => any::<String>()];
    proptest::collection::vec((name, value()), 0..4)
}

fn assert_sound(store: &Store) {
    for name in store.names() {
        store.describe(name).unwrap().check(store.get(name).unwrap()).expect("values lie within their ranges");
    }
    let integer = |name| match store.get(name) {
        Some(ParameterValue::Integer(value)) => *value,
        other => panic!("{name} is {other:?}"),
    };
    assert!(integer("warm_start.fresh") < integer("hypotheses"));
}

/// A value of the type and within the range of a parameter, so that changes are not all refused.
fn fitting() -> impl Strategy<Value = Vec<(String, ParameterValue)>> {
    let one = prop_oneof![
        (1..=256_i64).prop_map(|n| ("hypotheses".to_owned(), ParameterValue::Integer(n))),
        (0..=255_i64).prop_map(|n| ("warm_start.fresh".to_owned(), ParameterValue::Integer(n))),
        (0.0..1.0).prop_map(|x| ("budget.tolerance".to_owned(), ParameterValue::Double(x))),
        any::<bool>().prop_map(|on| ("output.ghosts".to_owned(), ParameterValue::Bool(on))),
    ];
    proptest::collection::vec(one, 1..4)
}

proptest! {
    #[test]
    fn a_store_stays_sound(storm in proptest::collection::vec((prop_oneof![changes(), fitting()], any::<bool>()), 1..12)) {
        let mut store = store();
        for (changes, is_unconfigured) in storm {
            let before = values(&store);
            let outcome = store.set(&changes, is_unconfigured);
            let now = values(&store);
            let differs: Vec<_> = now.iter().zip(&before).filter(|(new, old)| new != old).map(|(new, _)| new.clone()).collect();
            prop_assert_eq!(differs, outcome.unwrap_or_default(), "what is told is what has changed");
            assert_sound(&store);
        }
    }

    /// Overrides at the start are as safe as changes.
    #[test]
    fn a_start_is_sound_or_refused(overrides in changes()) {
        let table = thalweg_node::parameters::full_table(&thalweg::Registry::shipped(), &[super::TOPIC.to_owned()]);
        if let Ok(store) = Store::declare(table, &overrides) {
            assert_sound(&store);
        }
    }
}
