//! Which tasks exist, and how one is loaded by name.

use std::collections::BTreeMap;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use crate::plugins::kept;
use thalweg_task::{Entry, LoadOptions, Result, Task, TaskError, conformance, nearest};

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
    /// The libraries that brought some of them.
    libraries: BTreeMap<&'static str, PathBuf>,
}

impl Registry {
    /// Knows no task.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Knows the tasks that are shipped: body_pose, planar_arm, gan_inversion, image_defence, robot, scripted.
    #[must_use]
    pub fn shipped() -> Self {
        use {thalweg_body_pose as body_pose, thalweg_gan_inversion as gan_inversion};
        use {thalweg_planar_arm as planar_arm, thalweg_robot as robot, thalweg_scripted as scripted};
        let entries = vec![
            body_pose::ENTRY,
            planar_arm::ENTRY,
            gan_inversion::ENTRY,
            thalweg_image_defence::ENTRY,
            robot::ENTRY,
            scripted::ENTRY,
        ];
        Self { entries, ..Self::default() }
    }

    /// Adds a task; it takes the place of one of the same name.
    #[must_use]
    pub fn with(mut self, entry: Entry) -> Self {
        self.entries.retain(|known| known.name != entry.name);
        self.libraries.remove(entry.name);
        self.entries.push(entry);
        self
    }

    /// Adds a task of a library; it takes nobody's place.
    pub(crate) fn add_of_library(&mut self, entry: Entry, library: PathBuf) {
        self.libraries.insert(entry.name, library);
        self.entries.push(entry);
    }

    /// Lists the tasks; loads none.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The library that brought a task; none for what the program has itself.
    #[must_use]
    pub fn library_of(&self, name: &str) -> Option<&PathBuf> {
        self.libraries.get(name)
    }

    /// Finds a task by name; the path of a folder is that of a scripted task.
    ///
    /// # Errors
    /// [`TaskError::UnknownName`], with the nearest known name.
    pub fn find(&self, name: &str) -> Result<&Entry> {
        let wanted = if self.is_folder(name) { thalweg_scripted::ENTRY.name } else { name };
        self.entries.iter().find(|entry| entry.name == wanted).ok_or_else(|| TaskError::UnknownName {
            kind: "task",
            name: name.to_owned(),
            hint: nearest(name, self.entries.iter().map(|entry| entry.name)),
        })
    }

    /// Loads a task by name; the path of a folder is that of a scripted task.
    ///
    /// What a library brings is held to the rules that [`conformance::assure`] checks; what it changes of the process
    /// meanwhile, such as the working folder, is put back and told in a warning.
    ///
    /// # Errors
    /// As [`Registry::find`], and whatever the task refuses: weights, parameters.
    pub fn load(&self, name: &str, options: &LoadOptions) -> Result<Box<dyn Task>> {
        let entry = self.find(name)?;
        if self.is_folder(name) {
            let mut options = options.clone();
            options.parameters.insert(thalweg_scripted::PARAMETER.to_owned(), name.into());
            return (entry.load)(&options);
        }
        let Some(library) = self.library_of(name) else { return (entry.load)(options) };
        kept(library, || conformance::assure(library, &entry.load, options))
    }

    /// Whether the name of a task is the path of a folder that describes one.
    fn is_folder(&self, name: &str) -> bool {
        let is_known = || self.entries.iter().any(|entry| entry.name == name);
        name.contains(MAIN_SEPARATOR) || (!is_known() && Path::new(name).join(thalweg_scripted::FILE).is_file())
    }
}
