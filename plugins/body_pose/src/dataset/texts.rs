//! Texts in a folder, in a zip archive, or alone.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use thalweg_nn::files::open_regular;
use zip::ZipArchive;

use super::DatasetError;

/// Most files that are looked at.
const FILE_LIMIT: usize = 100_000;

/// Folders within folders that are looked into.
const DEPTH_LIMIT: usize = 8;

/// Where texts come from.
pub(super) struct Texts {
    path: PathBuf,
    /// Names within, sorted.
    names: Vec<String>,
    archive: Option<ZipArchive<BufReader<File>>>,
}

impl Texts {
    /// Looks into a folder or a zip archive; any other file is the one text.
    pub(super) fn open(path: &Path) -> Result<Self, DatasetError> {
        let io_error = |source| DatasetError::Io { path: path.to_owned(), source };
        let kind = fs::metadata(path).map_err(io_error)?;
        let mut texts = Self { path: path.to_owned(), names: Vec::new(), archive: None };
        if kind.is_dir() {
            texts.walk("", 0).map_err(io_error)?;
        } else if !kind.is_file() {
            return Err(io_error(io::Error::other("expected a file or a folder, got something else")));
        } else if ends_in(&path.to_string_lossy(), "zip") {
            let archive_error = |source| DatasetError::Archive { path: path.to_owned(), source };
            let file = BufReader::new(open_regular(path).map_err(io_error)?);
            let archive = ZipArchive::new(file).map_err(archive_error)?;
            texts.names = archive.file_names().take(FILE_LIMIT + 1).map(str::to_owned).collect();
            texts.archive = Some(archive);
        } else {
            texts.names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
            texts.path = path.parent().unwrap_or(Path::new("")).to_owned();
        }
        if texts.names.len() > FILE_LIMIT {
            return Err(io_error(io::Error::other(format!("expected at most {FILE_LIMIT} files, the limit"))));
        }
        texts.names.sort();
        Ok(texts)
    }

    fn walk(&mut self, folder: &str, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(self.path.join(folder))? {
            let entry = entry?;
            let (kind, file) = (entry.file_type()?, entry.file_name().to_string_lossy().into_owned());
            let name = if folder.is_empty() { file } else { format!("{folder}/{file}") };
            if kind.is_dir() && depth < DEPTH_LIMIT {
                self.walk(&name, depth + 1)?;
            } else if kind.is_file() && self.names.len() <= FILE_LIMIT {
                self.names.push(name);
            }
        }
        Ok(())
    }

    /// Names with an ending, capitals or not; what macOS adds beside files is none of them.
    pub(super) fn names(&self, ending: &str) -> Vec<String> {
        let added = |name: &str| name.split('/').any(|part| part == "__MACOSX" || part.starts_with("._"));
        self.names.iter().filter(|name| ends_in(name, ending) && !added(name)).cloned().collect()
    }

    /// Reads one of them.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&mut dyn BufRead) -> Result<T, DatasetError>,
    ) -> Result<T, DatasetError> {
        if let Some(archive) = &mut self.archive {
            let path = self.path.clone();
            let entry = archive.by_name(name).map_err(|source| DatasetError::Archive { path, source })?;
            return parse(&mut BufReader::new(entry));
        }
        let path = self.path.join(name);
        let file = open_regular(&path).map_err(|source| DatasetError::Io { path, source })?;
        parse(&mut BufReader::new(file))
    }
}

fn ends_in(name: &str, ending: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, got)| got.eq_ignore_ascii_case(ending))
}
