//! The table for the README.

use thalweg::Registry;
use thalweg_task::ParameterSpec;

use super::constraints::{change, range};
use super::table::{clock_qos_table, full_table, publisher_qos_table, qos_table};

/// Writes all parameters as a table in Markdown; `INPUT` and `OUTPUT` stand for each of them.
#[must_use]
pub fn markdown(registry: &Registry) -> String {
    let mut text = String::from(
        "| parameter | type | default | unit | range | change | what it does |\n|---|---|---|---|---|---|---|\n",
    );
    let qos = [qos_table("INPUT"), clock_qos_table(), publisher_qos_table("OUTPUT")].concat();
    for spec in full_table(registry, &[]).iter().chain(&qos) {
        text.push_str(&row(spec));
    }
    text
}

fn row(spec: &ParameterSpec) -> String {
    let ParameterSpec { name, default, unit, description, .. } = spec;
    let (kind, range, change) = (spec.kind(), range(spec), change(spec));
    format!("| `{name}` | {kind} | `{default}` | {unit} | {range} | {change} | {description} |\n")
}
