//! Observations of any task, from arrays of NumPy.

use std::path::Path;

use tch::{Kind, Tensor};
use thalweg_task::{Masked, Observation, Task};

use crate::arrays::{Archive, ArrayError, Numbers};
use crate::failure::InputError;

/// Reads `joints` `[N, J]`, `points` `[N, P, 3]` and `image` `[N, C, H, W]`, whichever are there and the task reads; NaN is
/// not seen. Axes are those of the task's specification.
///
/// # Errors
/// [`InputError::Observations`] where the file is no such archive, or [`thalweg_task::TaskError`] where the task cannot
/// read what is in it.
pub(super) fn read(path: &Path, task: &dyn Task) -> anyhow::Result<Observation> {
    let spec = task.spec();
    let refuse = |why: String| InputError::Observations { path: path.to_owned(), why };
    let told = |error: ArrayError| refuse(error.to_string());
    let mut archive = Archive::open(path).map_err(told)?;
    let mut field = |name: &str| -> Result<Option<Masked>, ArrayError> {
        if !archive.has(name) {
            return Ok(None);
        }
        let Numbers { shape, values } = archive.numbers(name)?;
        let shape: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
        Ok(Some(Masked::new(&Tensor::from_slice(&values).view(shape.as_slice()).to_kind(Kind::Float))))
    };
    let [joints, points, image] = ["joints", "points", "image"].map(|name| field(name).map_err(told));
    let obs = Observation { joints: joints?, points: points?, image: image?, ..Observation::default() };
    if obs.fields().next().is_none() {
        let have = archive.names().join(", ");
        return Err(refuse(format!("expected an array joints, points or image; it has {have}")).into());
    }
    obs.validate(spec).map_err(|error| refuse(error.to_string()))?;
    Ok(obs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;
    use npyz::npz::NpzWriter;
    use thalweg::Registry;
    use thalweg_task::LoadOptions;

    fn write(path: &Path, name: &str, shape: &[u64], values: &[f32]) {
        let mut archive = NpzWriter::create(path).expect("a file");
        let array = archive.array(name, npyz::zip::write::FileOptions::default()).expect("an array");
        let mut array = array.default_dtype().shape(shape).begin_nd().expect("a header");
        array.extend(values.iter().copied()).expect("numbers");
        array.finish().expect("an end");
    }

    #[test]
    fn arrays_become_rows_and_others_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seen.npz");
        let task = Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it needs no file");
        write(&path, "joints", &[2, 3], &[0.1, f32::NAN, 0.3, 0.4, 0.5, 0.6]);
        let obs = read(&path, task.as_ref()).expect("three joints");
        assert_eq!((obs.rows(), obs.observed()), (2, 5));
        let refused = |name: &str, shape: &[u64], expected: &str| {
            write(&path, name, shape, &vec![0.1; shape.iter().product::<u64>() as usize]);
            let error = read(&path, task.as_ref()).expect_err("refused").to_string();
            assert!(error.contains("seen.npz") && error.contains(expected), "{error}");
        };
        refused("angles", &[2, 3], "expected an array joints, points or image; it has angles");
        refused("joints", &[2, 4], "[2, 3]");
        refused("joints", &[0, 3], "planar_arm");
        std::fs::write(&path, "text").expect("a file");
        let error = read(&path, task.as_ref()).expect_err("no archive").to_string();
        assert!(error.contains("no NumPy archive"), "{error}");
    }
}
