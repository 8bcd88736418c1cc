//! The task under examination, loaded as the rules need it.

use tch::Kind;

use super::compare::{Fault, ensure};
use crate::{LoadOptions, Result, Task};

/// A loaded task, and the way to load it again.
pub(super) struct Subject<'a> {
    load: &'a dyn Fn(&LoadOptions) -> Result<Box<dyn Task>>,
    pub(super) options: &'a LoadOptions,
    /// The task as in service.
    pub(super) task: Box<dyn Task>,
    /// The same task computing in f64, where rounding excuses nothing.
    pub(super) double: Box<dyn Task>,
}

impl<'a> Subject<'a> {
    /// Loads the task in the element type of service and in f64.
    pub(super) fn load(
        load: &'a dyn Fn(&LoadOptions) -> Result<Box<dyn Task>>,
        options: &'a LoadOptions,
    ) -> std::result::Result<Self, Fault> {
        Self::of(load(options)?, load, options)
    }

    /// As [`Subject::load`], of a task that is loaded already as in service.
    pub(super) fn of(
        task: Box<dyn Task>,
        load: &'a dyn Fn(&LoadOptions) -> Result<Box<dyn Task>>,
        options: &'a LoadOptions,
    ) -> std::result::Result<Self, Fault> {
        let double = LoadOptions { kind: Kind::Double, ..options.clone() };
        let subject = Self { load, options, task, double: load(&double)? };
        let kind = subject.double.spec().kind;
        ensure(kind == Kind::Double, || format!("asked to compute in f64, the spec says {kind:?}"))?;
        Ok(subject)
    }

    /// Loads the task of service once more.
    pub(super) fn again(&self) -> Result<Box<dyn Task>> {
        (self.load)(self.options)
    }
}
