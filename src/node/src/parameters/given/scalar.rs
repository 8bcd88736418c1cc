//! Scalars of YAML in the types that rcl gives them.

use saphyr_parser::{ScalarStyle, Tag};
use thalweg_task::ParameterValue;

/// Gives a scalar its type: bool, integer, double or text, by how it is written.
pub(super) fn typed(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> ParameterValue {
    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    let is_quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
    if is_text || is_quoted {
        return ParameterValue::String(text.to_owned());
    }
    let truth = truth(text).map(ParameterValue::Bool);
    let integer = || integer(text).map(ParameterValue::Integer);
    let double = || double(text).map(ParameterValue::Double);
    truth.or_else(integer).or_else(double).unwrap_or_else(|| ParameterValue::String(text.to_owned()))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "Y" | "y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "N" | "n" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// As C's `strtol` with base 0: `0x` begins a hexadecimal number, `0` an octal one.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = signed(text);
    let (radix, digits) = match digits.strip_prefix('0') {
        Some(rest) if rest.starts_with(['x', 'X']) => (16, &rest[1..]),
        Some(rest) if !rest.is_empty() => (8, rest),
        _ => (10, digits),
    };
    // No second sign, which Rust would take.
    let is_number = digits.chars().all(|digit| digit.is_digit(radix));
    is_number.then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok())?
}

/// As C's `strtod`, and the words of YAML. What overflows or underflows is none, as rcl has it.
fn double(text: &str) -> Option<f64> {
    let text = match text {
        ".nan" | ".NaN" | ".NAN" => "nan",
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => "inf",
        "-.inf" | "-.Inf" | "-.INF" => "-inf",
        other => other,
    };
    let (sign, digits) = signed(text);
    if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return hexadecimal(digits).map(|value| if sign == "-" { -value } else { value });
    }
    let value: f64 = text.parse().ok()?;
    let is_word = digits.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    let is_zero = !mantissa.contains(|digit: char| matches!(digit, '1'..='9'));
    (is_word || value.is_normal() || is_zero).then_some(value)
}

/// A hexadecimal number with a point or a binary exponent, as `1.8p3`.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // 13 digits are all that a double holds; longer ones are nobody's parameters.
    let is_number = !digits.is_empty() && digits.len() <= 13 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
    let value = is_number.then(|| u64::from_str_radix(&digits, 16).ok())??;
    let shift = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    let value = value as f64 * 2f64.powi(shift);
    (value.is_normal() || digits.chars().all(|digit| digit == '0')).then_some(value)
}

/// Parts a number from its sign.
fn signed(text: &str) -> (&str, &str) {
    match text.as_bytes().first() {
        Some(b'+' | b'-') => text.split_at(1),
        _ => ("", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> ParameterValue {
        typed(text, ScalarStyle::Plain, None)
    }

    #[test]
    fn numbers_are_what_c_takes_for_them() {
        let integers =
            [("+5", 5), ("0x1f", 31), ("-0X1F", -31), ("010", 8), ("-0", 0), ("9223372036854775807", i64::MAX)];
        for (text, value) in integers {
            assert_eq!(plain(text), ParameterValue::Integer(value), "{text}");
        }
        let doubles = [
            ("1e3", 1000.0),
            ("08", 8.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e20", 1e20),
            ("0x1p3", 8.0),
            ("0e9", 0.0),
            ("99999999999999999999", 1e20),
            ("-.INF", f64::NEG_INFINITY),
            ("infinity", f64::INFINITY),
        ];
        for (text, value) in doubles {
            assert_eq!(plain(text), ParameterValue::Double(value), "{text}");
        }
        assert!(matches!(plain(".NaN"), ParameterValue::Double(value) if value.is_nan()));
    }

    #[test]
    fn the_rest_is_text() {
        for text in ["", "~", "null", "1_000", "1e400", "1e-320", "+-5", "0x", "0b1", "1 2", ".", "e5", "tRUE", "--1"] {
            assert_eq!(plain(text), ParameterValue::String(text.to_owned()), "{text}");
        }
        assert_eq!(typed("1", ScalarStyle::DoubleQuoted, None), ParameterValue::String("1".to_owned()));
        assert_eq!(typed("yes", ScalarStyle::Literal, None), ParameterValue::Bool(true));
    }
}
