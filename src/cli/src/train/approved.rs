//! Recordings that somebody has approved for training: files by their SHA-256, in a list as `sha256sum` writes it.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};
use thalweg_nn::files::{open_regular, read_text};
use thalweg_record::Damage;

/// Longest list that is read, bytes: a line for each of a hundred thousand files.
const LIST_BYTES: u64 = 16 << 20;
/// Most files that a landscape names in its metadata; of more it has the digest of the list.
const NAMED: usize = 200;

/// Why no list came of a file, or of the files of a folder none is on it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApprovalError {
    /// The list is none.
    #[error("{}, line {line}: got '{got}'; expected lines as sha256sum writes them: 64 digits, two blanks, a name", path.display())]
    Line {
        /// The list.
        path: PathBuf,
        /// From one.
        line: usize,
        /// What stands there, its beginning.
        got: String,
    },
    /// Nothing is left.
    #[error("none of {files} recordings is on {}; sha256sum writes lists of files that a person has looked at", path.display())]
    None {
        /// The list.
        path: PathBuf,
        /// Recordings that were there.
        files: usize,
    },
}

/// Which recordings may be trained on, and which were.
#[derive(Debug, Default)]
pub(crate) struct Approved {
    /// Digests; none where every recording may be trained on.
    list: Option<(PathBuf, BTreeSet<String>)>,
    /// Digest and name of each file that was taken.
    taken: Vec<(String, String)>,
    passed_over: usize,
}

impl Approved {
    /// Reads a list; without one every recording is approved, by whoever named it on the command line.
    ///
    /// # Errors
    /// [`ApprovalError::Line`], or that the file cannot be read.
    pub(crate) fn load(list: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = list else { return Ok(Self::default()) };
        let text = read_text(path, LIST_BYTES).with_context(|| format!("cannot read {}", path.display()))?;
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
        let entries = lines.map(|(line, number)| {
            let entry = entry(line).ok_or_else(|| ApprovalError::Line {
                path: path.to_owned(),
                line: number,
                got: line.chars().take(80).filter(|letter| !letter.is_control()).collect(),
            });
            Ok(entry?)
        });
        Ok(Self { list: Some((path.to_owned(), entries.collect::<anyhow::Result<_>>()?)), ..Self::default() })
    }

    /// Reads a file if it may be trained on; else it is counted.
    ///
    /// # Errors
    /// What `read` says.
    pub(crate) fn read(
        &mut self,
        file: &Path,
        read: impl FnOnce(&Path) -> anyhow::Result<Damage>,
    ) -> anyhow::Result<Damage> {
        let digest = digest(file);
        if !self.has(digest.as_deref()) {
            self.pass_over();
            return Ok(Damage::default());
        }
        let damage = read(file)?;
        self.take(digest, file);
        Ok(damage)
    }

    /// Whether a file with this digest may be trained on.
    pub(crate) fn has(&self, digest: Option<&str>) -> bool {
        self.list.as_ref().is_none_or(|(_, list)| digest.is_some_and(|digest| list.contains(digest)))
    }

    /// Counts a file that may not be trained on.
    pub(crate) fn pass_over(&mut self) {
        self.passed_over += 1;
    }

    /// Notes a file that is trained on.
    pub(crate) fn take(&mut self, digest: Option<String>, file: &Path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.taken.extend(digest.map(|digest| (digest, name)));
    }

    /// Expects that something is left.
    ///
    /// # Errors
    /// [`ApprovalError::None`].
    pub(crate) fn expect_some(&self) -> Result<(), ApprovalError> {
        match &self.list {
            Some((path, _)) if self.taken.is_empty() && self.passed_over > 0 => {
                Err(ApprovalError::None { path: path.clone(), files: self.passed_over })
            }
            _ => Ok(()),
        }
    }

    /// Files that are not on the list.
    pub(crate) fn passed_over(&self) -> usize {
        self.passed_over
    }

    /// What was trained on, as a list that `sha256sum --check` reads; of very many files the digest of that list.
    pub(crate) fn told(&self) -> String {
        let lines: Vec<String> = self.taken.iter().map(|(digest, name)| format!("{digest}  {name}")).collect();
        let list = lines.join("\n");
        if lines.len() <= NAMED {
            return list;
        }
        format!("{} files; sha256 of their list: {}", lines.len(), hex(&Sha256::digest(list.as_bytes())))
    }
}

/// The digest in a line of the list, whose name is of a file that was read as text or as binary (`*`).
fn entry(line: &str) -> Option<String> {
    let (digest, name) = line.split_once(' ')?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.strip_prefix([' ', '*']).filter(|name| !name.is_empty())?;
    is_digest.then(|| digest.to_ascii_lowercase())
}

/// The SHA-256 of a file; none where it cannot be read, which whoever reads it tells.
pub(crate) fn digest(path: &Path) -> Option<String> {
    digest_of(path).ok()
}

fn digest_of(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher) = (open_regular(path)?, Sha256::new());
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex(&hasher.finalize())),
            count => hasher.update(&block[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_sha256sum_are_read_and_others_are_not() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let taken = [format!("{digest}  a b.mcap"), format!("{} *a b.mcap", digest.to_uppercase())];
        for line in taken {
            assert_eq!(entry(&line), Some(digest.to_owned()), "{line}");
        }
        for line in ["", "a.mcap", &format!("{digest} a.mcap"), &format!("{digest}  "), &format!("{}  a", &digest[1..])]
        {
            assert_eq!(entry(line), None, "{line}");
        }
    }

    #[test]
    fn a_changed_file_is_none_that_was_approved() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, list) = (folder.path().join("a.mcap"), folder.path().join("approved"));
        std::fs::write(&file, b"").expect("a file");
        let line = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  elsewhere/a.mcap\n";
        std::fs::write(&list, line).expect("a list");
        let mut approved = Approved::load(Some(&list)).expect("a list");
        let mut reads = 0;
        let mut read = |_: &Path| {
            reads += 1;
            Ok(Damage::default())
        };
        approved.read(&file, &mut read).expect("a file");
        assert!(approved.expect_some().is_ok());
        assert_eq!(approved.told(), line.trim().replace("elsewhere/", ""));
        let mut approved = Approved::load(Some(&list)).expect("a list");
        std::fs::write(&file, b"x").expect("a file");
        approved.read(&file, &mut read).expect("a file");
        assert_eq!(reads, 1);
        assert!(matches!(approved.expect_some(), Err(ApprovalError::None { files: 1, .. })));
        std::fs::write(&list, "approved: all\n").expect("a list");
        let error = Approved::load(Some(&list)).expect_err("no list").to_string();
        assert!(error.contains("line 1: got 'approved: all'; expected lines as sha256sum"), "{error}");
    }
}
