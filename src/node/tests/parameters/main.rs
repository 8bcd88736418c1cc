//! Parameters: the table, what is refused, and the files that are made from the table.
#![allow(clippy::unwrap_used, missing_docs)]

mod bounds;
mod files;
mod given;
mod random;
mod refusals;
mod roots;
mod settings;
mod table;

use thalweg::Registry;
use thalweg_node::parameters::{Store, full_table};
use thalweg_task::ParameterValue;

/// The input that all these tests have.
const TOPIC: &str = "/left/joint_states";

fn store_with(overrides: &[(&str, ParameterValue)]) -> Result<Store, String> {
    let overrides: Vec<_> = overrides.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Store::declare(full_table(&Registry::shipped(), &[TOPIC.to_owned()]), &overrides).map_err(|error| error.to_string())
}

fn store() -> Store {
    store_with(&[]).expect("defaults pass their own checks")
}

fn text(value: &str) -> ParameterValue {
    ParameterValue::String(value.to_owned())
}

fn values(store: &Store) -> Vec<(String, ParameterValue)> {
    store.names().map(|name| (name.to_owned(), store.get(name).unwrap().clone())).collect()
}
