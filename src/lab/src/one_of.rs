//! Words that a user chooses from.

/// Reads one of the words that are known.
///
/// # Errors
/// All of them, where it is none.
pub(crate) fn one_of<'a>(text: &str, known: impl Iterator<Item = &'a str> + Clone) -> Result<String, String> {
    if known.clone().any(|word| word == text) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected one of {}", known.collect::<Vec<_>>().join(", ")))
    }
}
