//! One line of `/diagnostics`.

use std::fmt::Display;

/// How bad it is, as in `diagnostic_msgs/DiagnosticStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// All is well.
    Ok = 0,
    /// Somebody should look.
    Warn = 1,
    /// It does not work.
    Error = 2,
    /// Nothing has come for too long.
    Stale = 3,
}

/// One part of the node, how it fares, and its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which part; the node's name is put before it.
    pub name: String,
    /// How bad it is.
    pub level: Level,
    /// One sentence.
    pub message: String,
    /// Numbers and names, in the order in which they are shown.
    pub values: Vec<(String, String)>,
}

impl Status {
    /// Starts with level OK.
    #[must_use]
    pub fn ok(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { name: name.into(), level: Level::Ok, message: message.into(), values: Vec::new() }
    }

    /// Adds a number or a name.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Display) -> Self {
        self.values.push((key.into(), value.to_string()));
        self
    }

    /// Replaces the summary when this is worse; of two alike the first stays (`mergeSummary`).
    pub fn worsen(&mut self, level: Level, message: impl Into<String>) {
        if level > self.level {
            (self.level, self.message) = (level, message.into());
        } else if level == self.level && level > Level::Ok {
            self.message = format!("{}; {}", self.message, message.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_told() {
        let mut status = Status::ok("Optimizer", "Running").with("Solves", 3);
        status.worsen(Level::Warn, "Overrun");
        status.worsen(Level::Warn, "Diverged");
        assert_eq!((status.level, status.message.as_str()), (Level::Warn, "Overrun; Diverged"));
        status.worsen(Level::Error, "broken");
        status.worsen(Level::Warn, "late");
        assert_eq!((status.level, status.message.as_str()), (Level::Error, "broken"));
        assert_eq!(status.values, [("Solves".to_owned(), "3".to_owned())]);
    }
}
