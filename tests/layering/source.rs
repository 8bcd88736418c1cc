//! Rust source with everything blanked that is not code.

/// One file: where it is, and its code without comments and literals.
pub(crate) struct Source {
    /// Path from the repository's root, with `/`.
    pub(crate) path: String,
    /// The code; comments, strings and characters are spaces, line breaks stay.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), code: blank(text) }
    }

    pub(crate) fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// Words of the code (identifiers, keywords, numbers) with the line of each, from 1.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        let split = |(line, text): (usize, _)| words_of(text).map(move |word| (line + 1, word));
        self.code.lines().enumerate().flat_map(split)
    }

    /// The file without its test modules.
    pub(crate) fn without_tests(&self) -> Self {
        let mut code = self.code.clone();
        while let Some(start) = code.find("#[cfg(test)]") {
            let end = item_end(&code, start).unwrap_or(code.len());
            let blanked: String = code[start..end].chars().map(blank_char).collect();
            code.replace_range(start..end, &blanked);
        }
        Self { path: self.path.clone(), code }
    }

    /// Every function with a body: its name, its first line, and how many lines it has.
    pub(crate) fn functions(&self) -> Vec<(String, usize, usize)> {
        let starts = self.code.match_indices("fn ").filter(|(at, _)| !self.code[..*at].ends_with(is_word));
        let function = |(at, _): (usize, &str)| {
            let end = item_end(&self.code, at)?;
            let name = words_of(&self.code[at + 3..]).next()?.to_owned();
            let breaks = |range: &str| range.matches('\n').count() + 1;
            Some((name, breaks(&self.code[..at]), breaks(&self.code[at..end])))
        };
        starts.filter_map(function).collect()
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

fn blank_char(c: char) -> char {
    if c == '\n' { '\n' } else { ' ' }
}

/// Where the item that begins at `start` ends: after its body's closing brace, or its semicolon.
fn item_end(code: &str, start: usize) -> Option<usize> {
    let (mut braces, mut brackets) = (0, 0);
    for (at, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            '{' => braces += 1,
            '}' => braces -= 1,
            _ => continue,
        }
        if c == '}' && braces == 0 {
            return Some(start + at + 1);
        }
        // A semicolon ends an item only outside bodies and array types.
        let rest = &code[start + at + 1..];
        let next = rest.find(['(', '[', '{', '}', ']', ')']).unwrap_or(rest.len());
        if let Some(semicolon) = rest[..next].find(';').filter(|_| braces == 0 && brackets == 0) {
            return Some(start + at + 1 + semicolon + 1);
        }
    }
    None
}

/// Replaces comments, strings and characters by spaces.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(c) = rest.chars().next() {
        let length = if after_word && !c.is_ascii_punctuation() { 0 } else { literal_length(rest) };
        let (taken, blanked) = if length > 0 { (length, true) } else { (c.len_utf8(), false) };
        code.extend(rest[..taken].chars().map(|c| if blanked { blank_char(c) } else { c }));
        after_word = !blanked && is_word(c);
        rest = &rest[taken..];
    }
    code
}

/// Length of the comment or literal that `text` begins with, in bytes; 0 when there is none.
fn literal_length(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment_length(text);
    }
    let prefix = text.len() - text.trim_start_matches(['b', 'c', 'r']).len();
    let hashes = text[prefix..].len() - text[prefix..].trim_start_matches('#').len();
    if prefix <= 2 && text[prefix + hashes..].starts_with('"') && (hashes == 0 || text[..prefix].ends_with('r')) {
        return string_length(text, prefix, hashes);
    }
    character_length(text)
}

/// Length of a block comment; they nest.
fn block_comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let step = text[at..].find(['/', '*']).unwrap_or(text.len() - at);
        at += step;
        match text.get(at..at + 2) {
            Some("/*") => (depth, at) = (depth + 1, at + 2),
            Some("*/") => (depth, at) = (depth - 1, at + 2),
            _ => at = (at + 1).min(text.len()),
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Length of a string that opens after `prefix` letters and `hashes` hashes.
fn string_length(text: &str, prefix: usize, hashes: usize) -> usize {
    let open = prefix + hashes + 1;
    if text[..prefix].ends_with('r') {
        let close = format!("\"{}", "#".repeat(hashes));
        return text[open..].find(&close).map_or(text.len(), |at| open + at + close.len());
    }
    let mut escaped = false;
    for (at, c) in text[open..].char_indices() {
        if c == '"' && !escaped {
            return open + at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// Length of a character literal; a lifetime is none.
fn character_length(text: &str) -> usize {
    let Some(body) = text.strip_prefix('\'') else { return 0 };
    if let Some(escape) = body.strip_prefix('\\') {
        // The escaped character itself may be a quote.
        let skip = escape.chars().next().map_or(0, char::len_utf8);
        return escape[skip..].find('\'').map_or(0, |at| 2 + skip + at + 1);
    }
    let first = body.chars().next().map_or(0, char::len_utf8);
    if body[first..].starts_with('\'') { 1 + first + 1 } else { 0 }
}
