//! Values as YAML shows them, and what a description of a parameter accepts.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use thalweg_task::ParameterValue::{self, Bool, Double, DoubleArray, Integer, StringArray};
use thalweg_task::{Change, ParameterRange, ParameterSpec};

fn text(value: &str) -> ParameterValue {
    ParameterValue::String(value.to_owned())
}

fn spec(default: ParameterValue, range: ParameterRange) -> ParameterSpec {
    ParameterSpec {
        name: "a".into(),
        default,
        unit: "",
        range,
        change: Change::AnyTime,
        description: "A parameter of a test.".into(),
    }
}

fn refusal(spec: &ParameterSpec, value: &ParameterValue) -> String {
    spec.check(value).expect_err("it must be refused").to_string()
}

/// YAML 1.1 knows a double by its dot, and by the sign of its exponent.
#[test]
fn doubles_stay_doubles() {
    let shown = |value| Double(value).to_string();
    assert_eq!([shown(1.0), shown(-0.25), shown(0.0)], ["1.0", "-0.25", "0.0"]);
    assert_eq!([shown(1e-6), shown(1e300), shown(2.5e-9)], ["1.0e-6", "1.0e+300", "2.5e-9"]);
    assert_eq!([shown(f64::NAN), shown(f64::INFINITY), shown(f64::NEG_INFINITY)], [".nan", ".inf", "-.inf"]);
    assert_eq!(DoubleArray(vec![1.0, 1e20]).to_string(), "[1.0, 1.0e+20]");
}

#[test]
fn texts_stay_texts() {
    for plain in ["adam", "base_link", "h0", "yesterday"] {
        assert_eq!(text(plain).to_string(), plain);
    }
    for other in ["", "1", "true", "No", "on", "Y", "null", "NaN", "inf", "a b", "cuda:0", "/a/b", "-", "~", "#a"] {
        assert_eq!(text(other).to_string(), format!("\"{other}\""));
    }
    assert_eq!(text("a\"b\\c\nd\te\0").to_string(), r#""a\"b\\c\nd\te\u0000""#);
    assert_eq!(StringArray(vec!["a".to_owned(), "1".to_owned()]).to_string(), "[a, \"1\"]");
}

#[test]
fn values_become_json() {
    assert_eq!(Bool(true).to_json(), json!(true));
    assert_eq!(Integer(-3).to_json(), json!(-3));
    assert_eq!(text("a").to_json(), json!("a"));
    assert_eq!(DoubleArray(vec![0.5, 1.0]).to_json(), json!([0.5, 1.0]));
    assert_eq!(ParameterValue::ByteArray(vec![1, 255]).to_json(), json!([1, 255]));
}

#[test]
fn ends_of_a_range_are_accepted() {
    let spec = spec(Integer(3), ParameterRange::Integer { from: -1, to: 5 });
    for value in [-1, 5] {
        spec.check(&Integer(value)).expect("the ends belong to it");
    }
    assert_eq!(refusal(&spec, &Integer(-2)), "a must be in [-1, 5], got -2");
    assert_eq!(refusal(&spec, &Integer(i64::MAX)), "a must be in [-1, 5], got 9223372036854775807");
}

#[test]
fn elements_are_checked_one_by_one() {
    let integers = spec(ParameterValue::IntegerArray(vec![1]), ParameterRange::Integer { from: 0, to: 9 });
    assert_eq!(refusal(&integers, &ParameterValue::IntegerArray(vec![1, 10])), "a[1] must be in [0, 9], got 10");
    let doubles = spec(DoubleArray(vec![]), ParameterRange::Any);
    doubles.check(&DoubleArray(vec![1e300; 9])).expect("any length, any number");
    assert_eq!(refusal(&doubles, &DoubleArray(vec![0.0, f64::NAN])), "a[1] must be finite, got .nan");
}

#[test]
fn a_choice_may_hold_a_number() {
    let spec = spec(text("b"), ParameterRange::Choice(vec!["b", "c:N"]));
    for good in ["b", "c:0", "c:12"] {
        spec.check(&text(good)).expect(good);
    }
    for bad in ["c", "c:", "c:N", "c:-1", "c:+1", "c:1 ", "c:999", "d:1", "B"] {
        assert!(refusal(&spec, &text(bad)).starts_with("a must be one of b, c:N, got "), "{bad}");
    }
}

/// A hint is given only where what it says would be accepted as that type.
#[test]
fn hints_tell_what_to_write() {
    let hint = |default, value| {
        let refusal = refusal(&spec(default, ParameterRange::Any), &value);
        refusal.split_once("(write ").map(|(_, hint)| hint.trim_end_matches(')').to_owned())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(hint(Double(0.0), Integer(-2)), some("-2.0"));
    assert_eq!(hint(Double(0.0), text("1e3")), some("1000.0"));
    assert_eq!(hint(Double(0.0), text("nan")), None);
    assert_eq!(hint(Integer(0), Double(4.0)), some("4"));
    assert_eq!(hint(Integer(0), Double(4.5)), None);
    assert_eq!(hint(Integer(0), Double(1e300)), None);
    assert_eq!(hint(Bool(false), text("True")), some("true"));
    assert_eq!(hint(Bool(false), Integer(1)), some("true"));
    assert_eq!(hint(Bool(false), Integer(2)), None);
    assert_eq!(hint(text(""), Bool(true)), some("\"true\""));
    assert_eq!(hint(text(""), DoubleArray(vec![])), None);
}

/// What almost is zero is none of our numbers, and what is long or cannot be printed none of our texts.
#[test]
fn precision_and_length_are_held() {
    let weight = spec(Double(1.0), ParameterRange::Double { from: -1.0, to: 1.0 });
    for taken in [0.0, -0.0, thalweg_task::PRECISION, -thalweg_task::PRECISION] {
        weight.check(&Double(taken)).unwrap();
    }
    for value in [5e-324, -1e-300, thalweg_task::PRECISION.next_down()] {
        assert!(
            refusal(&weight, &Double(value)).starts_with("a must be zero, or no nearer to it than 1.17"),
            "{value}"
        );
    }
    let rate = spec(Double(0.0), ParameterRange::ZeroOr { from: 0.5, to: 2.0 });
    assert_eq!(refusal(&rate, &Double(0.25)), "a must be in 0.0 or [0.5, 2.0], got 0.25");
    let name = spec(text(""), ParameterRange::Text { most: 4 });
    name.check(&text("abcd")).unwrap();
    assert_eq!(refusal(&name, &text("abcde")), "a must be at most 4 bytes of printable text, got 5 bytes");
    assert_eq!(refusal(&name, &text("a\n")), "a must be at most 4 bytes of printable text, got \"a\\\\n\"");
}
