//! Parameters as they travel.

use r2r::rcl_interfaces::msg::{
    FloatingPointRange, IntegerRange, Parameter, ParameterDescriptor, ParameterValue as Message,
};
use thalweg_task::{Change, ParameterKind, ParameterRange, ParameterSpec, ParameterValue};

use thalweg_node::parameters::{ParameterError, constraints};

/// Drops the character that ends a string in C; r2r would panic on it.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "")
}

/// Reads a value from a request.
///
/// # Errors
/// [`ParameterError::NoValue`] when it has none, or a type that does not exist.
pub(super) fn from_message(given: &Parameter) -> Result<ParameterValue, ParameterError> {
    let message = &given.value;
    Ok(match message.type_ {
        1 => ParameterValue::Bool(message.bool_value),
        2 => ParameterValue::Integer(message.integer_value),
        3 => ParameterValue::Double(message.double_value),
        4 => ParameterValue::String(message.string_value.clone()),
        5 => ParameterValue::ByteArray(message.byte_array_value.clone()),
        6 => ParameterValue::BoolArray(message.bool_array_value.clone()),
        7 => ParameterValue::IntegerArray(message.integer_array_value.clone()),
        8 => ParameterValue::DoubleArray(message.double_array_value.clone()),
        9 => ParameterValue::StringArray(message.string_array_value.clone()),
        0 => return Err(ParameterError::no_value(&given.name, "none")),
        unknown => return Err(ParameterError::no_value(&given.name, &format!("the unknown type {unknown}"))),
    })
}

/// The number of a type in `rcl_interfaces/ParameterType`.
pub(super) fn code(kind: ParameterKind) -> u8 {
    match kind {
        ParameterKind::Bool => 1,
        ParameterKind::Integer => 2,
        ParameterKind::Double => 3,
        ParameterKind::String => 4,
        ParameterKind::ByteArray => 5,
        ParameterKind::BoolArray => 6,
        ParameterKind::IntegerArray => 7,
        ParameterKind::DoubleArray => 8,
        ParameterKind::StringArray => 9,
    }
}

/// Gives a value as it travels.
pub(super) fn to_message(value: &ParameterValue) -> Message {
    let mut message = Message { type_: code(value.kind()), ..Message::default() };
    match value {
        ParameterValue::Bool(value) => message.bool_value = *value,
        ParameterValue::Integer(value) => message.integer_value = *value,
        ParameterValue::Double(value) => message.double_value = *value,
        ParameterValue::String(value) => message.string_value = clean(value),
        ParameterValue::ByteArray(values) => message.byte_array_value.clone_from(values),
        ParameterValue::BoolArray(values) => message.bool_array_value.clone_from(values),
        ParameterValue::IntegerArray(values) => message.integer_array_value.clone_from(values),
        ParameterValue::DoubleArray(values) => message.double_array_value.clone_from(values),
        ParameterValue::StringArray(values) => {
            message.string_array_value = values.iter().map(|value| clean(value)).collect();
        }
    }
    message
}

/// Gives a name and a value as they travel.
pub(super) fn parameter(name: &str, value: &ParameterValue) -> Parameter {
    Parameter { name: clean(name), value: to_message(value) }
}

/// Describes a parameter for tools as rqt_reconfigure.
pub(super) fn descriptor(spec: &ParameterSpec) -> ParameterDescriptor {
    let unit = if spec.unit.is_empty() { String::new() } else { format!(" Unit: {}.", spec.unit) };
    let mut descriptor = ParameterDescriptor {
        name: clean(&spec.name),
        type_: code(spec.kind()),
        description: clean(&format!("{}{unit}", spec.description)),
        additional_constraints: clean(&constraints(spec)),
        read_only: spec.change == Change::ReadOnly,
        ..ParameterDescriptor::default()
    };
    match spec.range {
        ParameterRange::Integer { from, to } => {
            descriptor.integer_range = vec![IntegerRange { from_value: from, to_value: to, step: 0 }];
        }
        ParameterRange::Double { from, to } => {
            descriptor.floating_point_range = vec![FloatingPointRange { from_value: from, to_value: to, step: 0.0 }];
        }
        ParameterRange::ZeroOr { to, .. } => {
            descriptor.floating_point_range = vec![FloatingPointRange { from_value: 0.0, to_value: to, step: 0.0 }];
        }
        ParameterRange::Any
        | ParameterRange::Doubles { .. }
        | ParameterRange::Text { .. }
        | ParameterRange::Choice(_) => {}
    }
    descriptor
}

#[cfg(test)]
mod tests {
    use super::*;
    use thalweg::Registry;
    use thalweg_node::parameters::full_table;

    #[test]
    fn values_survive_the_journey() {
        let strange = [
            ParameterValue::ByteArray(vec![0, 255]),
            ParameterValue::BoolArray(vec![true, false]),
            ParameterValue::IntegerArray(vec![i64::MIN]),
            ParameterValue::StringArray(vec!["a".to_owned(), String::new()]),
        ];
        let table = full_table(&Registry::shipped(), &["/a".to_owned()]);
        for value in table.iter().map(|spec| &spec.default).chain(&strange) {
            assert_eq!(from_message(&parameter("a", value)).ok().as_ref(), Some(value));
        }
    }

    #[test]
    fn a_value_that_is_none_is_refused() {
        let refusal = |type_| {
            let value = Message { type_, ..Message::default() };
            from_message(&Parameter { name: "a".to_owned(), value }).map_err(|error| error.to_string())
        };
        assert_eq!(refusal(0), Err("a must have a value, got none".to_owned()));
        assert_eq!(refusal(77), Err("a must have a value, got the unknown type 77".to_owned()));
    }

    /// r2r panics on a NUL.
    #[test]
    fn no_text_ends_early() {
        let value = to_message(&ParameterValue::String("a\0b".to_owned()));
        assert_eq!(value.string_value, "ab");
        assert_eq!(parameter("\0", &ParameterValue::Bool(true)).name, "");
    }

    #[test]
    fn numbers_have_sliders() {
        for spec in full_table(&Registry::shipped(), &[]) {
            let described = descriptor(&spec);
            assert_eq!(described.integer_range.len(), usize::from(spec.kind() == ParameterKind::Integer));
            assert_eq!(described.floating_point_range.len(), usize::from(spec.kind() == ParameterKind::Double));
            assert_eq!(described.read_only, spec.change == Change::ReadOnly);
            assert_eq!(described.description.ends_with(&format!(" Unit: {}.", spec.unit)), !spec.unit.is_empty());
        }
    }
}
