//! Which files a bag, or a folder of bags, is made of.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use thalweg_nn::files::read_text;

use super::bag::NAME as LIST;
use super::error::RecordError;

/// How deep folders are searched: a folder of recordings has one level, bags in groups have two.
const DEPTH: usize = 3;
/// Largest list of files that is read, bytes: a hundred thousand files take 20 MB.
const LIST_BYTES: u64 = 32 << 20;
/// Endings of files of bags.
const STORAGE: [&str; 2] = ["mcap", "db3"];
/// Endings of what is compressed as a whole.
const PACKED: [&str; 3] = ["zstd", "zst", "lz4"];

/// The files of a recording, of a bag, or of all in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files in the order in which they are read: as `metadata.yaml` lists them, bag after bag, the oldest first.
    pub files: Vec<PathBuf>,
    /// What is odd, each in a sentence.
    pub notes: Vec<String>,
    /// Files that are listed but not there.
    pub missing: u64,
    /// Whether the path was a folder: then what is none of ours is passed over.
    pub is_folder: bool,
}

/// `metadata.yaml` of rosbag2, as far as it tells files.
#[derive(Deserialize)]
struct List {
    rosbag2_bagfile_information: Information,
}

#[derive(Deserialize)]
struct Information {
    #[serde(default)]
    relative_file_paths: Vec<String>,
}

impl Listing {
    /// Lists the files of a path: itself, or what is in a folder and the folders below it.
    ///
    /// # Errors
    /// [`RecordError::Io`] when a folder cannot be read; [`RecordError::Empty`] when there is no file of a bag in it.
    pub fn of(path: &Path) -> Result<Self, RecordError> {
        let is_list = path.file_name() == Some(OsStr::new(LIST));
        let path = if is_list {
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
        } else {
            path
        };
        if !path.is_dir() {
            return Ok(Self { files: vec![path.to_owned()], ..Self::default() });
        }
        let (mut listing, mut bags) = (Self { is_folder: true, ..Self::default() }, Vec::new());
        listing.search(path, DEPTH, &mut bags)?;
        bags.sort();
        listing.files = bags.into_iter().flat_map(|(_, files)| files).collect();
        if listing.files.is_empty() && listing.missing == 0 {
            return Err(RecordError::Empty { path: path.to_owned() });
        }
        Ok(listing)
    }

    /// Adds the bags in a folder, each with the time of its first file.
    fn search(
        &mut self,
        folder: &Path,
        depth: usize,
        bags: &mut Vec<(SystemTime, Vec<PathBuf>)>,
    ) -> Result<(), RecordError> {
        let (mut found, mut folders) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(folder).map_err(RecordError::io(folder))?.flatten() {
            // Whatever vanishes meanwhile is not there. Links are not followed.
            let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else { continue };
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() && is_storage(&path) {
                found.push((modified(&metadata), path));
            }
        }
        found.sort();
        let listed = self.listed(folder);
        if listed.is_empty() {
            // Recordings without a list are each a bag.
            bags.extend(found.into_iter().map(|(time, path)| (time, vec![path])));
        } else {
            let mut files = listed;
            for (_, path) in found {
                if !files.contains(&path) {
                    self.notes.push(format!("{}: not in {LIST}, read all the same", path.display()));
                    files.push(path);
                }
            }
            let time = fs::metadata(&files[0]).map_or(SystemTime::UNIX_EPOCH, |metadata| modified(&metadata));
            bags.push((time, files));
        }
        folders.sort();
        for below in folders.into_iter().filter(|_| depth > 1) {
            if let Err(error) = self.search(&below, depth - 1, bags) {
                self.notes.push(format!("{error}; passed over"));
            }
        }
        Ok(())
    }

    /// The files that the list of a folder names and that are there; none where there is no list, or none to be read.
    fn listed(&mut self, folder: &Path) -> Vec<PathBuf> {
        let path = folder.join(LIST);
        let text = match read_text(&path, LIST_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.notes.push(format!("{}: {error}; files are read by their names", path.display()));
                return Vec::new();
            }
        };
        let names = match serde_saphyr::from_str::<List>(&text) {
            Ok(list) => list.rosbag2_bagfile_information.relative_file_paths,
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().next().unwrap_or_default();
                self.notes
                    .push(format!("{}: no list of rosbag2 ({why}); files are read by their names", path.display()));
                return Vec::new();
            }
        };
        let mut files = Vec::new();
        for name in names {
            match find(folder, Path::new(&name)) {
                Some(file) if !files.contains(&file) => files.push(file),
                Some(_) => {}
                None => {
                    self.missing += 1;
                    self.notes.push(format!("{}: is in {LIST}, but not there", folder.join(name).display()));
                }
            }
        }
        files
    }
}

/// A listed file: below the folder, compressed or not; old lists put the folder's own name before it.
fn find(folder: &Path, name: &Path) -> Option<PathBuf> {
    let is_below = name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let plain = folder.join(name.file_name()?);
    let packed = |path: &Path| {
        let with = |ending: &&str| {
            let mut path = path.as_os_str().to_owned();
            path.push(".");
            path.push(ending);
            PathBuf::from(path)
        };
        PACKED.iter().map(with).collect::<Vec<_>>()
    };
    let whole = is_below.then(|| folder.join(name.components().collect::<PathBuf>()));
    let names = whole.into_iter().chain([plain]);
    let all = names.flat_map(|path| [vec![path.clone()], packed(&path)].concat());
    all.into_iter().find(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()))
}

fn modified(metadata: &Metadata) -> SystemTime {
    metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn is_storage(path: &Path) -> bool {
    let ending = |path: &Path| path.extension().and_then(OsStr::to_str).unwrap_or_default().to_owned();
    let own = ending(path);
    let own = if PACKED.contains(&own.as_str()) { ending(&path.with_extension("")) } else { own };
    STORAGE.contains(&own.as_str())
}

/// Lists complete recordings in a folder and the folders below it, oldest first.
///
/// # Errors
/// [`RecordError::Io`] when the folder cannot be read.
pub fn recordings(folder: &Path) -> Result<Vec<PathBuf>, RecordError> {
    match Listing::of(folder) {
        Err(RecordError::Empty { .. }) => Ok(Vec::new()),
        listing => Ok(listing?.files),
    }
}
