//! What a descriptor has no field for, in words.

use thalweg_task::{Change, ParameterRange, ParameterSpec};

/// Tells what a value must keep beyond its type and the range of one number; empty when nothing.
#[must_use]
pub fn constraints(spec: &ParameterSpec) -> String {
    let range = match spec.range {
        ParameterRange::Choice(_) => Some(format!("one of {}", spec.range)),
        ParameterRange::Doubles { .. } | ParameterRange::ZeroOr { .. } | ParameterRange::Text { .. } => {
            Some(spec.range.to_string())
        }
        _ => None,
    };
    let cross = match spec.name.as_ref() {
        "warm_start.fresh" => Some("below hypotheses".to_owned()),
        "hypotheses" => Some("above warm_start.fresh".to_owned()),
        "output.people_namespace" => Some("a namespace, as /humans/bodies".to_owned()),
        "input.colour_key" => Some("empty, or a colour as #rrggbb".to_owned()),
        _ => None,
    };
    let change = (spec.change == Change::Unconfigured).then(|| "changes only in state unconfigured".to_owned());
    [range, cross, change].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Tells the range in a table or a comment; empty when every value is accepted.
pub(super) fn range(spec: &ParameterSpec) -> String {
    match &spec.range {
        ParameterRange::Any => String::new(),
        range => range.to_string(),
    }
}

/// Tells when a parameter can be changed, in two words.
pub(super) fn change(spec: &ParameterSpec) -> &'static str {
    match spec.change {
        Change::ReadOnly => "read-only",
        Change::Unconfigured => "unconfigured",
        Change::AnyTime => "any time",
    }
}
