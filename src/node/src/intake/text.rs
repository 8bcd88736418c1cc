//! Text that came from outside: which names are taken, and how the rest is shown.

/// Longest name that is taken, bytes. ROS names are at most 255 characters long.
pub const NAME_BYTES: usize = 256;

/// Longest piece of foreign text in a log line, characters.
const SHOWN_CHARACTERS: usize = 64;

/// Tells whether a joint or frame may have this name.
///
/// U+FFFD stands where a middleware layer replaced bytes that are no UTF-8.
#[must_use]
pub fn is_acceptable_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES && !name.chars().any(|c| c.is_control() || c == '\u{FFFD}')
}

/// Shows foreign text on one line of a log: escaped, and cut at 64 characters.
///
/// Line breaks, NUL, ANSI escapes and characters that are not printable come out as `\n`, `\0`,
/// `\u{1b}`; a cut is marked by `…`.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut shown = String::new();
    let mut characters = 0;
    for c in text.chars() {
        let escape = c.escape_debug();
        characters += escape.len();
        if characters > SHOWN_CHARACTERS {
            shown.push('…');
            break;
        }
        shown.extend(escape);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_and_refuses_what_is_none() {
        for good in ["shoulder_pan_joint", "κνημη", "left knee", "a/b.c", &"x".repeat(256)] {
            assert!(is_acceptable_name(good), "{good}");
        }
        for bad in ["", "a\0b", "a\nb", "\u{1b}[31m", "a\u{FFFD}", "\u{9b}31m", &"x".repeat(257)] {
            assert!(!is_acceptable_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn shows_control_characters_escaped() {
        assert_eq!(escaped("a\nb\0c\u{1b}[31m"), "a\\nb\\0c\\u{1b}[31m");
        assert_eq!(escaped("\u{202e}gnp"), "\\u{202e}gnp");
        assert_eq!(escaped("κνημη"), "κνημη");
    }

    #[test]
    fn cuts_long_text() {
        assert_eq!(escaped(&"x".repeat(64)), "x".repeat(64));
        assert_eq!(escaped(&"x".repeat(10_000)), format!("{}…", "x".repeat(64)));
        assert!(escaped(&"\u{1b}".repeat(10_000)).chars().count() <= 65);
    }
}
