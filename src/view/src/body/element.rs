//! An XML element of a URDF, and what its attributes say.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::encoding::Decoder;
use quick_xml::events::BytesStart;

/// Greatest number, metres, radians or without unit: 10 km, or 1,600 turns. No robot is larger, and sums of such stay
/// exact to a micrometre.
const MAX_NUMBER: f64 = 1e4;

/// Longest name, bytes: it is drawn, and told in errors.
const MAX_NAME: usize = 256;

/// How much of a value an error shows, characters.
const SHOWN: usize = 40;

/// An element that begins.
pub(super) struct Element<'a> {
    pub(super) start: &'a BytesStart<'a>,
    pub(super) decoder: Decoder,
    pub(super) line: usize,
}

impl Element<'_> {
    pub(super) fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.start.name().into_inner())
    }

    /// Says why it is refused.
    pub(super) fn refuse(&self, why: &str) -> String {
        let name: String = self.name().escape_debug().take(SHOWN).collect();
        format!("line {}: <{name}> {why}", self.line)
    }

    /// The value of an attribute. There may be 80,000 of them, so that each is looked at once and nothing is kept.
    fn value(&self, key: &str) -> Result<Option<String>, String> {
        let mut found = None;
        for attribute in self.start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.refuse(&format!("is half-written: {error}")))?;
            if attribute.key.into_inner() != key.as_bytes() {
                continue;
            }
            if found.is_some() {
                return Err(self.refuse(&format!("has {key} twice")));
            }
            let value = attribute.decoded_and_normalized_value(XmlVersion::Implicit1_0, self.decoder);
            found = Some(
                value.map_err(|error| self.refuse(&format!("has a {key} that is no text: {error}")))?.into_owned(),
            );
        }
        Ok(found)
    }

    /// A name, if there is one.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, String> {
        let value = self.value(key)?.filter(|value| !value.is_empty());
        if let Some(value) = &value
            && (value.len() > MAX_NAME || value.chars().any(char::is_control))
        {
            return Err(self.refuse(&format!(
                "has the {key} {}; expected at most {MAX_NAME} bytes, none of which controls",
                shown(value)
            )));
        }
        Ok(value)
    }

    /// A name that it must have.
    pub(super) fn need(&self, key: &str) -> Result<String, String> {
        self.text(key)?.ok_or_else(|| self.refuse(&format!("has no {key}")))
    }

    /// Numbers of a moderate size; nothing where there is no such attribute, or an empty one.
    pub(super) fn numbers<const N: usize>(&self, key: &str) -> Result<Option<[f64; N]>, String> {
        let Some(value) = self.value(key)?.filter(|value| !value.trim().is_empty()) else { return Ok(None) };
        let parse = |word: &str| word.parse().ok().filter(|number: &f64| number.abs() <= MAX_NUMBER);
        let numbers: Option<Vec<f64>> = value.split_whitespace().take(N + 1).map(parse).collect();
        let numbers = numbers.and_then(|numbers| numbers.try_into().ok()).ok_or_else(|| {
            let cure =
                if value.contains("${") || value.contains("$(") { "; this is xacro: run xacro first" } else { "" };
            let numbers = if N == 1 { "a number" } else { "3 numbers" };
            self.refuse(&format!("has {key}={}; expected {numbers} within {MAX_NUMBER}{cure}", shown(&value)))
        })?;
        Ok(Some(numbers))
    }

    /// Lengths, which it must have.
    pub(super) fn size<const N: usize>(&self, key: &str) -> Result<[f64; N], String> {
        let numbers = self.numbers(key)?.ok_or_else(|| self.refuse(&format!("has no {key}")))?;
        if numbers.iter().any(|number| *number < 0.0) {
            return Err(self.refuse(&format!("has a {key} below zero")));
        }
        Ok(numbers)
    }
}

/// Shows a value from a file: short, and without what a terminal obeys.
pub(super) fn shown(value: &str) -> String {
    let mut short: String = value.chars().take(SHOWN).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    format!("{short:?}")
}
