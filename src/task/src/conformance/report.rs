//! The result on a task.

use std::fmt;

use serde::Serialize;

use super::compare::RuleResult;

/// Longest detail that is printed, characters; the outcome keeps the whole text.
const DETAIL_WIDTH: usize = 240;

/// What became of one rule.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Name of the rule.
    pub rule: &'static str,
    /// Whether the task keeps it.
    pub passed: bool,
    /// The numbers: what was measured and the limit, or what is wrong.
    pub detail: String,
}

impl Outcome {
    pub(super) fn passed(rule: &'static str, detail: String) -> Self {
        Self { rule, passed: true, detail }
    }

    pub(super) fn failed(rule: &'static str, detail: String) -> Self {
        Self { rule, passed: false, detail }
    }

    pub(super) fn of(rule: &'static str, result: RuleResult) -> Self {
        result.map_or_else(|fault| Self::failed(rule, fault.0), |detail| Self::passed(rule, detail))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = if self.passed { "ok" } else { "FAILED" };
        write!(f, "{:<18} {result:<6} {}", self.rule, one_line(&self.detail))
    }
}

/// Cuts a text to one line of bounded length.
///
/// libtorch's messages carry a C++ stack of many lines, escaped when they come out of a panic.
fn one_line(text: &str) -> String {
    let end = text.find("\\n").unwrap_or(text.len());
    let line = text[..end].lines().next().unwrap_or_default();
    line.chars().take(DETAIL_WIDTH).collect()
}

/// What became of every rule.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the task, `?` when it could not be loaded.
    pub task: String,
    /// One outcome for each rule.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// Whether the task keeps every rule.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.passed)
    }

    /// Names of the rules that the task breaks.
    #[must_use]
    pub fn failures(&self) -> Vec<&'static str> {
        self.outcomes.iter().filter(|outcome| !outcome.passed).map(|outcome| outcome.rule).collect()
    }

    /// Ends a test unless every rule passed.
    ///
    /// # Panics
    /// With the whole report, when a rule failed.
    pub fn assert_passed(&self) {
        assert!(self.passed(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.outcomes.iter().filter(|outcome| outcome.passed).count();
        writeln!(f, "{}: {passed} of {} rules kept", self.task, self.outcomes.len())?;
        self.outcomes.iter().try_for_each(|outcome| writeln!(f, "  {outcome}"))
    }
}
