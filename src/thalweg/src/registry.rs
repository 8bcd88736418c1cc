//! Which tasks exist, and how one is loaded by name.

use thalweg_task::{Entry, LoadOptions, Result, Task, TaskError, nearest};

/// The tasks that a program knows: the shipped ones, its own, or both.
///
/// ```
/// use thalweg::Registry;
///
/// let mine = Registry::empty().with(thalweg_planar_arm::ENTRY);
/// assert_eq!(mine.entries().len(), 1);
/// assert!(Registry::shipped().find("body_pose").is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Registry {
    entries: Vec<Entry>,
}

impl Registry {
    /// Knows no task.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Knows the tasks that are shipped: body_pose, planar_arm, gan_inversion, robot.
    #[must_use]
    pub fn shipped() -> Self {
        use {thalweg_body_pose as body_pose, thalweg_gan_inversion as gan_inversion};
        use {thalweg_planar_arm as planar_arm, thalweg_robot as robot};
        Self { entries: vec![body_pose::ENTRY, planar_arm::ENTRY, gan_inversion::ENTRY, robot::ENTRY] }
    }

    /// Adds a task; it takes the place of one of the same name.
    #[must_use]
    pub fn with(mut self, entry: Entry) -> Self {
        self.entries.retain(|known| known.name != entry.name);
        self.entries.push(entry);
        self
    }

    /// Lists the tasks; loads none.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Finds a task by name.
    ///
    /// # Errors
    /// [`TaskError::UnknownName`], with the nearest known name.
    pub fn find(&self, name: &str) -> Result<&Entry> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| TaskError::UnknownName {
            kind: "task",
            name: name.to_owned(),
            hint: nearest(name, self.entries.iter().map(|entry| entry.name)),
        })
    }

    /// Loads a task by name.
    ///
    /// # Errors
    /// As [`Registry::find`], and whatever the task refuses: weights, parameters.
    pub fn load(&self, name: &str, options: &LoadOptions) -> Result<Box<dyn Task>> {
        (self.find(name)?.load)(options)
    }
}
