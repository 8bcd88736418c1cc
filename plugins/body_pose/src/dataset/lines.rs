//! Lines of a text that may be long, read one at a time.

use std::io::{BufRead, Read};

use super::DatasetError;

/// Longest line that is read, bytes: a frame of a thousand joints has some 60,000.
const LINE_LIMIT: u64 = 1 << 20;

/// Longest text that is read, bytes: a day at 120 frames a second has some 5 GB.
const TEXT_LIMIT: u64 = 8 << 30;

/// Largest length or angle in a skeleton, in any unit.
const SIZE_LIMIT: f64 = 1e6;

/// The lines of a text that are not blank, with their numbers.
pub(super) struct Lines<'a, R> {
    name: &'a str,
    reader: R,
    number: usize,
    read: u64,
}

impl<'a, R: BufRead> Lines<'a, R> {
    /// Reads from the beginning; `name` is for error messages.
    pub(super) fn new(name: &'a str, reader: R) -> Self {
        Self { name, reader, number: 0, read: 0 }
    }

    /// The next line that is not blank, without blanks around it; `None` at the end.
    pub(super) fn next_if_any(&mut self) -> Result<Option<String>, DatasetError> {
        loop {
            self.number += 1;
            let mut bytes = Vec::new();
            let got = self.reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut bytes);
            let got = got.map_err(|error| self.error(error.to_string()))? as u64;
            self.read += got;
            if got == LINE_LIMIT {
                return Err(self.error(format!("expected lines of at most {} MiB, the limit", LINE_LIMIT >> 20)));
            }
            if self.read > TEXT_LIMIT {
                return Err(self.error(format!("expected a text of at most {} GiB, the limit", TEXT_LIMIT >> 30)));
            }
            if got == 0 {
                return Ok(None);
            }
            let text = String::from_utf8_lossy(&bytes);
            let line = text.trim_start_matches('\u{feff}').trim();
            if !line.is_empty() {
                return Ok(Some(line.to_owned()));
            }
        }
    }

    /// The next line that is not blank.
    pub(super) fn next(&mut self, expected: &str) -> Result<String, DatasetError> {
        self.next_if_any()?.ok_or_else(|| self.error(format!("expected {expected}, got the end of the text")))
    }

    /// An error about the line that came last.
    pub(super) fn error(&self, reason: String) -> DatasetError {
        DatasetError::Bvh { name: self.name.to_owned(), line: self.number.max(1), reason }
    }

    /// An error about something else than what was expected.
    pub(super) fn unexpected(&self, expected: &str, got: &str) -> DatasetError {
        self.error(format!("expected {expected}, got '{}'", shortened(got)))
    }

    /// Reads numbers of a skeleton: finite, and no further than a building.
    pub(super) fn bounded(&self, words: &str, width: usize, what: &str) -> Result<Vec<f64>, DatasetError> {
        let values = self.numbers(words, width, what)?;
        match values.iter().find(|value| value.is_nan() || value.abs() > SIZE_LIMIT) {
            Some(value) => Err(self.error(format!("{what}: expected at most {SIZE_LIMIT}, got {value}"))),
            None => Ok(values),
        }
    }

    /// Reads the numbers of a frame: exactly `width`.
    pub(super) fn numbers(&self, words: &str, width: usize, what: &str) -> Result<Vec<f64>, DatasetError> {
        let mut values = Vec::with_capacity(width);
        for word in words.split_whitespace() {
            values.push(
                word.parse()
                    .map_err(|_error| self.error(format!("{what}: expected a number, got '{}'", shortened(word))))?,
            );
        }
        if values.len() != width {
            return Err(self.error(format!("{what}: expected {width} values, got {}", values.len())));
        }
        Ok(values)
    }
}

/// What fits into a message, without letters that would move the terminal's cursor.
fn shortened(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(60).collect()
}
