//! What a check has found.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// All is well.
    Ok,
    /// It works, but not as it could.
    Warn,
    /// It does not work.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What was looked at.
    pub(super) what: &'static str,
    found: String,
    cure: String,
}

impl Finding {
    pub(super) fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { level: Level::Ok, what, found: found.into(), cure: String::new() }
    }

    pub(super) fn warn(what: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { level: Level::Warn, what, found: found.into(), cure: cure.into() }
    }

    pub(super) fn fail(what: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { level: Level::Fail, what, found: found.into(), cure: cure.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        // Errors of others may have many lines; the first one says it.
        let found = self.found.lines().next().unwrap_or_default();
        write!(f, "{level:<4}  {}: {found}", self.what)?;
        if self.cure.is_empty() { Ok(()) } else { write!(f, "; {}", self.cure) }
    }
}

#[cfg(test)]
mod tests {
    use super::Finding;

    #[test]
    fn a_finding_is_one_line() {
        assert_eq!(Finding::ok("device", "cpu").to_string(), "ok    device: cpu");
        assert_eq!(Finding::fail("task", "gone\n#1", "fetch it").to_string(), "FAIL  task: gone; fetch it");
        assert_eq!(Finding::warn("disk", "full", "tidy up").to_string(), "warn  disk: full; tidy up");
    }
}
