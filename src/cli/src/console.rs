//! The way to standard output, and to standard error.

use std::borrow::Cow;
use std::io::Write;

use anyhow::Context;

/// Prints the result of a command; control characters but line breaks and tabulators are escaped.
///
/// # Errors
/// When standard output cannot be written; `println!` would panic, for a closed pipe too.
pub fn print(text: &str) -> anyhow::Result<()> {
    let text = escaped(text, &['\n', '\t']);
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).context("cannot write to standard output")
}

/// Tells on standard error what is odd and stops nothing, in one line.
#[expect(clippy::print_stderr, reason = "notes go where errors go")]
pub fn note(text: &str) {
    eprintln!("note: {}", line(text));
}

/// Text of files, on one line: no control character reaches the terminal.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, &[])
}

/// Escapes what a terminal would obey, and what turns the direction of a text; `kept` stays.
fn escaped<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let is_odd = |c: char| (c.is_control() || turns(c)) && !kept.contains(&c);
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_odd(c) { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Whether a character changes the direction in which others are shown.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(line("a\x1b[2Jb\r\nc\u{9b}31m\u{202e}d\x07"), "a\\u{1b}[2Jb\\r\\nc\\u{9b}31m\\u{202e}d\\u{7}");
        assert_eq!(escaped("a\tb\n\x1b", &['\n', '\t']), "a\tb\n\\u{1b}");
        assert!(matches!(line("κνημη 2 \\ \" ✓"), Cow::Borrowed(_)));
    }
}
