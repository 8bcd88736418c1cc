//! Recordings of a training of several processes: each file is read by one, and what it holds then reaches all.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use thalweg_nn::Ranks;
use thalweg_record::Damage;
use thalweg_train::{Logbook, Page, Room};

use super::approved::{Approved, digest};
use crate::recordings::{self, Gathered};

/// Reads recordings into a book, those that are approved: the same whatever the number of ranks, for files are taken in
/// the same order, and of each what one process alone would take. `files` are those that `paths` name.
///
/// # Errors
/// What [`recordings::each_of`] says, on all ranks.
pub(super) fn read(
    (paths, files): (&[PathBuf], &[PathBuf]),
    approved: &mut Approved,
    book: &mut Logbook<'_>,
    ranks: &Ranks,
) -> anyhow::Result<Gathered> {
    if ranks.size() == 1 {
        return recordings::each_of(paths, |file| approved.read(file, |file| Ok(book.add(file)?)));
    }
    let sizes: Vec<u64> = files.iter().map(|file| file.metadata().map_or(0, |metadata| metadata.len())).collect();
    let owners: BTreeMap<&PathBuf, usize> = files.iter().zip(owners(&sizes, ranks.size())).collect();
    let mut room = book.room();
    let own = files.iter().filter(|file| owners[file] == ranks.rank());
    let mut sheets: BTreeMap<&PathBuf, Sheet> =
        own.map(|file| (file, Sheet::of(file, approved, book, &mut room))).collect();
    recordings::each_of(paths, |file| {
        let Some((file, owner)) = owners.get_key_value(&file.to_owned()) else {
            bail!("{} came while recordings were read; expected the same files throughout", file.display())
        };
        let sheet = Sheet::shared(sheets.remove(file), *owner, ranks)?;
        sheet.into_book(file, approved, book)
    })
}

/// Which rank reads each file: the largest first, each by the rank that has least so far (Graham, 1969), so that all read
/// about as much.
fn owners(sizes: &[u64], ranks: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&file| Reverse(sizes[file]));
    let (mut owners, mut loads) = (vec![0; sizes.len()], vec![(0_u64, 0_usize); ranks]);
    for file in order {
        let least = (0..ranks).min_by_key(|&rank| loads[rank]).unwrap_or_default();
        owners[file] = least;
        loads[least] = (loads[least].0.saturating_add(sizes[file]), loads[least].1 + 1);
    }
    owners
}

/// What a rank has found in a file.
enum Sheet {
    /// It is not approved.
    PassedOver,
    /// Its digest, and what it holds.
    Read(Option<String>, Page),
    /// It cannot be read.
    Failed,
}

impl Sheet {
    fn of(file: &Path, approved: &Approved, book: &Logbook<'_>, room: &mut Room) -> Self {
        let digest = digest(file);
        if !approved.has(digest.as_deref()) {
            return Self::PassedOver;
        }
        book.read(file, room).map_or(Self::Failed, |page| Self::Read(digest, page))
    }

    /// Sends what the owner has, which is `own` there, to all. What is damaged in a file only its owner knows.
    fn shared(own: Option<Self>, owner: usize, ranks: &Ranks) -> anyhow::Result<Self> {
        let (head, page, damage) = match own {
            None | Some(Self::Failed) => (b"failed".to_vec(), None, None),
            Some(Self::PassedOver) => (b"passed over".to_vec(), None, None),
            Some(Self::Read(digest, page)) => {
                let head = [b"read ", digest.unwrap_or_default().as_bytes()].concat();
                let damage = page.damage;
                (head, Some(page.to_bytes()?), Some(damage))
            }
        };
        let head = ranks.bytes_of(owner, Some(head))?.unwrap_or_default();
        if let Some(digest) = head.strip_prefix(b"read ") {
            let digest = String::from_utf8_lossy(digest).into_owned();
            let bytes = ranks.bytes_of(owner, page)?.unwrap_or_default();
            let mut page = Page::of_bytes(&bytes)?;
            page.damage = damage.unwrap_or_default();
            return Ok(Self::Read((!digest.is_empty()).then_some(digest), page));
        }
        Ok(if head == b"passed over" { Self::PassedOver } else { Self::Failed })
    }

    /// Takes it; of a file that cannot be read every rank finds the error itself, so that all say the same.
    fn into_book(self, file: &Path, approved: &mut Approved, book: &mut Logbook<'_>) -> anyhow::Result<Damage> {
        match self {
            Self::PassedOver => {
                approved.pass_over();
                Ok(Damage::default())
            }
            Self::Read(digest, page) => {
                let damage = page.damage;
                book.take(page);
                approved.take(digest, file);
                Ok(damage)
            }
            Self::Failed => {
                book.read(file, &mut book.room())?;
                bail!("another rank could not read it, and this one can; expected the same file on all ranks")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::owners;

    #[test]
    fn ranks_read_about_as_much_each() {
        assert_eq!(owners(&[5, 9, 4, 1, 3], 2), [1, 0, 1, 1, 0]);
        assert_eq!(owners(&[0, 0, 0, 0], 3), [0, 1, 2, 0], "sizes that are not known are shared by number");
        assert_eq!(owners(&[7], 3), [0]);
        assert!(owners(&[], 3).is_empty());
    }
}
