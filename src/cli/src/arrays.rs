//! Arrays of NumPy, as archives (`.npz`) hold them.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use npyz::npz::NpzArchive;
use npyz::{DType, Order, TypeChar};
use thalweg_nn::files::open_regular;

/// Most numbers of an array: 4 GB as they are read.
const MOST_NUMBERS: u64 = 1 << 29;

/// What is wrong with an archive, to be told after its path.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ArrayError(pub(crate) String);

/// An archive that is read array by array.
pub(crate) struct Archive(NpzArchive<BufReader<File>>);

/// Numbers and their shape, the last axis running fastest.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) shape: Vec<u64>,
    pub(crate) values: Vec<f64>,
}

impl Archive {
    pub(crate) fn open(path: &Path) -> Result<Self, ArrayError> {
        let file = open_regular(path).map_err(|error| ArrayError(error.to_string()))?;
        let archive = NpzArchive::new(BufReader::new(file));
        Ok(Self(archive.map_err(|error| ArrayError(format!("no NumPy archive: {error}")))?))
    }

    /// The names of all arrays.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.array_names().map(str::to_owned).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.array_names().any(|known| known == name)
    }

    /// Reads numbers of any real type.
    pub(crate) fn numbers(&mut self, name: &str) -> Result<Numbers, ArrayError> {
        let refuse = |why: String| ArrayError(format!("array {name}: {why}"));
        let found = self.0.by_name(name).map_err(|error| refuse(error.to_string()))?;
        let Some(file) = found else { return Err(refuse("is not there".to_owned())) };
        let (shape, dtype) = (file.shape().to_vec(), file.dtype().descr());
        if shape.iter().fold(1, |all: u64, size| all.saturating_mul(*size)) > MOST_NUMBERS {
            return Err(refuse(format!("expected at most {MOST_NUMBERS} numbers, got {shape:?}")));
        }
        let is_by_column = file.order() == Order::Fortran;
        let DType::Plain(kind) = file.dtype() else { return Err(refuse(format!("expected numbers, got {dtype}"))) };
        let bad = |_type| refuse(format!("expected numbers, got {dtype}"));
        let io = |error: std::io::Error| refuse(error.to_string());
        let values: Vec<f64> = match (kind.type_char(), kind.size_field()) {
            (TypeChar::Float, 4) => collect(file.data::<f32>().map_err(bad)?, f64::from).map_err(io)?,
            (TypeChar::Float, 8) => collect(file.data::<f64>().map_err(bad)?, |value| value).map_err(io)?,
            (TypeChar::Int, 4) => collect(file.data::<i32>().map_err(bad)?, f64::from).map_err(io)?,
            (TypeChar::Int, 8) => collect(file.data::<i64>().map_err(bad)?, |value| value as f64).map_err(io)?,
            _ => return Err(refuse(format!("expected float32, float64, int32 or int64, got {dtype}"))),
        };
        let values = if is_by_column { by_row(&shape, &values) } else { values };
        Ok(Numbers { shape, values })
    }

    /// Reads texts; none where the array has something else.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let file = self.0.by_name(name).ok().flatten()?;
        if file.shape().len() != 1 || file.shape()[0] > MOST_NUMBERS {
            return None;
        }
        file.data::<String>().ok()?.collect::<std::io::Result<Vec<_>>>().ok()
    }
}

fn collect<T>(values: impl Iterator<Item = std::io::Result<T>>, turn: impl Fn(T) -> f64) -> std::io::Result<Vec<f64>> {
    values.map(|value| value.map(&turn)).collect()
}

/// From the first axis running fastest to the last one.
fn by_row(shape: &[u64], values: &[f64]) -> Vec<f64> {
    let place = |mut number: usize| {
        let (mut place, mut stride) = (0, values.len());
        for size in shape.iter().rev().map(|size| *size as usize) {
            stride /= size;
            place += number % size * stride;
            number /= size;
        }
        place
    };
    (0..values.len()).map(|number| values[place(number)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_axis_may_run_fastest() {
        // Of [2, 3, 2], each number its own row-major place.
        let by_column = [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11].map(f64::from);
        let expected: Vec<f64> = (0..12).map(f64::from).collect();
        assert_eq!(by_row(&[2, 3, 2], &by_column), expected);
        assert!(by_row(&[0, 3], &[]).is_empty());
    }
}
