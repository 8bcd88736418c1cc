//! Text from outside, as it may be shown.

use std::borrow::Cow;

/// Shows text on one line of a log, a report or a terminal: what is not printable is escaped, all else stays.
///
/// Line breaks, NUL, the escapes of terminals and marks that turn the direction of writing come out as `\n`, `\0`,
/// `\u{1b}`, `\u{202e}`: nobody forges a line or paints a terminal by a name. For the places where text goes out; whoever
/// makes a sentence need not know what is in it.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    Cow::Owned(shown)
}

/// Whether a character is shown as it is; quotes and backslashes are, for sentences have some of their own.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') || (!c.is_ascii() && c.escape_debug().len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_escapes_are_shown_and_not_obeyed() {
        assert_eq!(printable("a\n[FATAL] b\r\x1b[31m\0\x7f"), "a\\n[FATAL] b\\r\\u{1b}[31m\\0\\u{7f}");
        assert_eq!(printable("\u{9b}31m \u{202e}gnp \u{2028}"), "\\u{9b}31m \\u{202e}gnp \\u{2028}");
    }

    #[test]
    fn other_text_stays() {
        for text in ["", "it's \"so\" \\ and {more}", "κνημη, 骨盤, µm ± 3°"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
