//! Which tasks exist, and how one is loaded by name.

mod builtin;

use thalweg_task::{Entry, LoadOptions, Result, Task, TaskError, nearest};

/// Lists the tasks; loads none.
#[must_use]
pub fn entries() -> &'static [Entry] {
    &builtin::ENTRIES
}

/// Finds a task by name.
///
/// # Errors
/// [`TaskError::UnknownName`], with the nearest known name.
pub fn find(name: &str) -> Result<&'static Entry> {
    entries().iter().find(|entry| entry.name == name).ok_or_else(|| TaskError::UnknownName {
        kind: "task",
        name: name.to_owned(),
        hint: nearest(name, entries().iter().map(|entry| entry.name)),
    })
}

/// Loads a task by name.
///
/// # Errors
/// As [`find`], and whatever the task refuses: weights, parameters.
pub fn load(name: &str, options: &LoadOptions) -> Result<Box<dyn Task>> {
    (find(name)?.load)(options)
}
