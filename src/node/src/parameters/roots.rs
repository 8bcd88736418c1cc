//! Where paths may lead that somebody sets while the node runs: whoever reaches its services must not reach its disk.

use std::io;
use std::path::{Path, PathBuf};

use thalweg::{LandscapeSource, StartSource};
use thalweg_task::{ParameterValue, models_folder, printable};

use super::error::ParameterError;

/// The folder of recordings, which is below its root.
const RECORD_FOLDER: &str = "record.folder";
/// Parameters that name files to be read, which lie below theirs.
const READ: [&str; 7] = ["reload.path", "theta", "start.file", "models", MODEL, SCRIPTED, KEYPOINTS];
/// The model of task robot: a folder, or a name in the folder of weights.
const MODEL: &str = "robot.model";
/// The model of task scripted, likewise.
const SCRIPTED: &str = "scripted.task";
/// The table of keypoints of task body_pose: a file, or a name among those that come with the program.
const KEYPOINTS: &str = "body_pose.keypoints";

/// The folders that paths must lie in when they are set while the node runs; links are resolved.
///
/// What is given at the start comes from whoever starts the process, and is taken as it is unless a root is given, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    record: Vec<PathBuf>,
    read: Vec<PathBuf>,
    /// Where recordings go when `record.folder` is empty.
    recordings: PathBuf,
}

impl Roots {
    /// Reads the roots, and what stands for one that is not given.
    ///
    /// `recordings`: where recordings go when nothing says otherwise.
    ///
    /// # Errors
    /// [`ParameterError::Outside`] about a path that does not lie in the root that is given.
    pub(super) fn of<'a>(
        get: impl Fn(&str) -> Option<&'a ParameterValue>,
        recordings: &Path,
    ) -> Result<Self, ParameterError> {
        let path = |name: &str| match get(name) {
            Some(ParameterValue::String(text)) if !text.is_empty() => Some(PathBuf::from(text)),
            _ => None,
        };
        let root = |name: &str| path(name).map(|root| vec![settled(&root)]);
        let (record, read) = (root("record.root"), root("reload.root"));
        let recordings = match &record {
            Some(roots) => roots.iter().map(PathBuf::as_path).next().unwrap_or(recordings).to_owned(),
            None => recordings.to_owned(),
        };
        let given = [&record, &read].map(Option::is_some);
        let roots = Self {
            record: record.unwrap_or_else(|| vec![settled(&path(RECORD_FOLDER).unwrap_or_else(|| recordings.clone()))]),
            read: read.unwrap_or_else(|| read_folders(&path)),
            recordings,
        };
        let names = [(RECORD_FOLDER, given[0])].into_iter().chain(READ.map(|name| (name, given[1])));
        for (name, _) in names.filter(|(_, is_given)| *is_given) {
            if let Some(value) = get(name) {
                roots.check(name, value)?;
            }
        }
        Ok(roots)
    }

    /// Refuses a path that leads out of its root; other parameters pass.
    ///
    /// # Errors
    /// [`ParameterError::Outside`], in the same words whether there is something or not.
    pub(super) fn check(&self, name: &str, value: &ParameterValue) -> Result<(), ParameterError> {
        let ParameterValue::String(text) = value else { return Ok(()) };
        match path_of(name, text) {
            Some(path) => self.resolve(name, &path).map(drop),
            None => Ok(()),
        }
    }

    /// The folder of recordings, links resolved: to be asked for when it is used, for links change.
    ///
    /// # Errors
    /// [`ParameterError::Outside`].
    pub fn record_folder(&self, folder: &Path) -> Result<PathBuf, ParameterError> {
        let folder = if folder.as_os_str().is_empty() { &self.recordings } else { folder };
        self.resolve(RECORD_FOLDER, folder)
    }

    /// A file that is to be read, links resolved: to be asked for when it is used, for links change.
    ///
    /// # Errors
    /// [`ParameterError::Outside`].
    pub fn read_file(&self, path: &Path) -> Result<PathBuf, ParameterError> {
        self.resolve(READ[0], path)
    }

    fn resolve(&self, name: &str, path: &Path) -> Result<PathBuf, ParameterError> {
        let (roots, root) =
            if name == RECORD_FOLDER { (&self.record, "record.root") } else { (&self.read, "reload.root") };
        resolved(path).ok().filter(|path| roots.iter().any(|root| path.starts_with(root))).ok_or_else(|| {
            let list = roots.iter().map(|root| root.display().to_string()).collect::<Vec<_>>().join(" or ");
            let (name, got) = (name.to_owned(), printable(&path.display().to_string()).into_owned());
            ParameterError::Outside { name, roots: list, root, got }
        })
    }
}

/// The path that a value names; none where it is empty, or a word that is no path.
fn path_of(name: &str, text: &str) -> Option<PathBuf> {
    match name {
        "theta" => match LandscapeSource::from(text) {
            LandscapeSource::File(path) => Some(path),
            _ => None,
        },
        "start.file" => match StartSource::from(text) {
            StartSource::File(path) => Some(path),
            _ => None,
        },
        // A name without a folder is one in the folder of weights.
        MODEL | SCRIPTED | KEYPOINTS if !text.contains(std::path::MAIN_SEPARATOR) => None,
        _ if name == RECORD_FOLDER || READ.contains(&name) => Some(PathBuf::from(text)).filter(|_| !text.is_empty()),
        _ => None,
    }
}

/// The folders that files are read from at the start.
fn read_folders(path: &impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let folder_of = |name: &str| {
        let path = path(name)?;
        let path = path_of(name, path.to_str()?)?;
        Some(path.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf))
    };
    let weights = path("models").unwrap_or_else(models_folder);
    let mut folders: Vec<PathBuf> =
        ["theta", "start.file", "reload.path", KEYPOINTS].into_iter().filter_map(folder_of).collect();
    folders.push(weights);
    folders.extend([MODEL, SCRIPTED].into_iter().filter_map(|name| path_of(name, path(name)?.to_str()?)));
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| settled(folder)).collect();
    folders.sort();
    folders.dedup();
    folders
}

/// A root with its links resolved, as far as it is there; nothing lies in one that cannot be resolved.
fn settled(root: &Path) -> PathBuf {
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    resolved(root).unwrap_or_else(|_error| root.to_owned())
}

/// The absolute path with all links resolved; what is not there yet stays as it is written.
///
/// # Errors
/// What the operating system says; also of a link to nowhere, and of `..` behind what is not there.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut there = std::path::absolute(path)?;
    let mut rest = Vec::new();
    loop {
        match there.canonicalize() {
            Ok(real) => return Ok(rest.iter().rev().fold(real, |path, name| path.join(name))),
            Err(error) if error.kind() != io::ErrorKind::NotFound || there.symlink_metadata().is_ok() => {
                return Err(error);
            }
            Err(error) => {
                // None: it ends with `..`, which would lead out of what is not there.
                rest.push(there.file_name().ok_or(error)?.to_owned());
                there.pop();
            }
        }
    }
}
