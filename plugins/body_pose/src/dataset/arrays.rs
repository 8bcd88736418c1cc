//! Numpy archives, read with suspicion: type and shape are checked before the values.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use npyz::npz::NpzArchive;
use npyz::{Deserialize, Order};
use thalweg_nn::files::open_regular;

use super::DatasetError;

/// An opened `.npz` file.
pub(super) struct Arrays {
    path: PathBuf,
    archive: NpzArchive<BufReader<File>>,
}

impl Arrays {
    /// Opens an archive.
    pub(super) fn open(path: &Path) -> Result<Self, DatasetError> {
        let file = open_regular(path).map_err(|source| io_error(path, source))?;
        let archive = NpzArchive::new(BufReader::new(file)).map_err(|source| io_error(path, source))?;
        Ok(Self { path: path.to_owned(), archive })
    }

    /// Reads an array whole; a size of `None` is free. Returns the number of rows too.
    pub(super) fn read<T: Deserialize>(
        &mut self,
        array: &'static str,
        shape: &[Option<u64>],
        element: &'static str,
    ) -> Result<(usize, Vec<T>), DatasetError> {
        let have = self.archive.array_names().collect::<Vec<_>>().join(", ");
        let path = self.path.clone();
        let found = self.archive.by_name(array).map_err(|source| io_error(&path, source))?;
        let Some(file) = found else {
            return Err(DatasetError::MissingArray { path, array, have });
        };
        let got = file.shape().to_vec();
        let fits =
            got.len() == shape.len() && got.iter().zip(shape).all(|(got, size)| size.is_none_or(|size| size == *got));
        if !fits || file.order() != Order::C {
            return Err(DatasetError::Shape { path, array, expected: in_words(shape), got });
        }
        let dtype = file.dtype().descr();
        let reader = file.data::<T>().map_err(|_type| DatasetError::ElementType {
            path: path.clone(),
            array,
            expected: element,
            got: dtype,
        })?;
        let values = reader.collect::<io::Result<Vec<T>>>().map_err(|source| io_error(&path, source))?;
        Ok((got.first().map_or(1, |&rows| rows as usize), values))
    }

    /// Reads rows of 32-bit floats: `lead` numbers, then three for each of `joints` joints.
    pub(super) fn joints(
        &mut self,
        array: &'static str,
        lead: usize,
        joints: usize,
    ) -> Result<(usize, Vec<f32>), DatasetError> {
        let width = (lead + 3 * joints) as u64;
        self.read(array, &[None, Some(width)], "float32").map_err(|error| match error {
            DatasetError::Shape { path, array, got, .. } if got.len() == 2 && got[1] != width => {
                DatasetError::Joints { path, array, lead, expected: joints, got: got[1] }
            }
            other => other,
        })
    }

    /// Reads names.
    pub(super) fn names(&mut self, array: &'static str) -> Result<Vec<String>, DatasetError> {
        Ok(self.read(array, &[None], "text")?.1)
    }

    /// Refuses an index that is not below `limit`.
    pub(super) fn check_index(
        &self,
        array: &'static str,
        row: usize,
        got: i64,
        limit: usize,
    ) -> Result<usize, DatasetError> {
        match usize::try_from(got) {
            Ok(index) if index < limit => Ok(index),
            _ => Err(DatasetError::Index { path: self.path.clone(), array, row, got, limit }),
        }
    }
}

fn io_error(path: &Path, source: io::Error) -> DatasetError {
    DatasetError::Io { path: path.to_owned(), source }
}

fn in_words(shape: &[Option<u64>]) -> String {
    let sizes: Vec<String> =
        shape.iter().map(|size| size.map_or_else(|| "N".to_owned(), |size| size.to_string())).collect();
    format!("[{}], row by row", sizes.join(", "))
}
