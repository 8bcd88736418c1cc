//! Weights on disk: safetensors with metadata, read with suspicion and written atomically.
//!
//! tch's own reader broadcasts, converts and ignores; its writer truncates the old file first.
//! Here a file either is exactly what was asked for or is refused with the reason, and a write
//! that is cut off leaves the old file in place.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tch::{Device, Kind, Tensor};

use crate::{Result, TaskError};

/// Largest weights file that is read, bytes. Ours are below 10 MB; a larger file is a mistake.
const SIZE_LIMIT: u64 = 512 << 20;

/// An opened weights file: named tensors and metadata.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    tensors: HashMap<String, Tensor>,
    metadata: HashMap<String, String>,
    kind: Kind,
    device: Device,
}

impl Weights {
    /// Reads a safetensors file whole.
    ///
    /// Tensors are given out as `kind` on `device`.
    ///
    /// # Errors
    /// [`TaskError::Io`] when the file cannot be read, [`TaskError::Weights`] when it is too
    /// large, damaged, or holds a tensor that is neither f16, f32 nor f64.
    pub fn open(path: &Path, kind: Kind, device: Device) -> Result<Self> {
        let bytes = read_limited(path)?;
        let bad = |reason: String| TaskError::Weights { path: path.to_owned(), reason };
        let damaged = |error| bad(format!("not a whole safetensors file: {error}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
        let mut tensors = HashMap::new();
        for (name, view) in file.tensors() {
            let tensor = to_tensor(&view).map_err(|reason| bad(format!("tensor {name}: {reason}")))?;
            tensors.insert(name, tensor);
        }
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(Self { path: path.to_owned(), tensors, metadata, kind, device })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A [`TaskError::Weights`] about this file.
    #[must_use]
    pub fn refuse(&self, reason: impl Into<String>) -> TaskError {
        TaskError::Weights { path: self.path.clone(), reason: reason.into() }
    }

    /// Gives one tensor out.
    ///
    /// # Errors
    /// [`TaskError::Weights`] when it is missing, has another shape or is not finite.
    pub fn tensor(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let tensor = self.tensors.get(name).ok_or_else(|| {
            let have: BTreeSet<_> = self.tensors.keys().map(String::as_str).collect();
            let have = have.into_iter().collect::<Vec<_>>().join(", ");
            self.refuse(format!("tensor {name} is missing; the file has {have}"))
        })?;
        if tensor.size() != shape {
            return Err(self.refuse(format!("tensor {name}: expected shape {shape:?}, got {:?}", tensor.size())));
        }
        if tensor.isfinite().all().int64_value(&[]) == 0 {
            return Err(self.refuse(format!("tensor {name}: has values that are not finite")));
        }
        Ok(tensor.to_kind(self.kind).to_device(self.device))
    }

    /// Gives a matrix out whose number of rows is free.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn rows(&self, name: &str, width: i64) -> Result<Tensor> {
        let rows = self.tensors.get(name).and_then(|tensor| tensor.size().first().copied()).unwrap_or(0);
        self.tensor(name, &[rows, width])
    }

    /// Reads one metadata entry.
    ///
    /// # Errors
    /// [`TaskError::Weights`] when it is missing or does not parse.
    pub fn meta<T: std::str::FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Result<T> {
        let text = self.metadata.get(key).ok_or_else(|| self.refuse(format!("metadata '{key}' is missing")))?;
        text.parse().map_err(|error| self.refuse(format!("metadata '{key}': cannot read '{text}': {error}")))
    }

    /// Checks that one metadata entry has the expected text.
    ///
    /// # Errors
    /// [`TaskError::Weights`] when it is missing or differs.
    pub fn expect_meta(&self, key: &str, expected: &str) -> Result<()> {
        let got: String = self.meta(key)?;
        if got == expected {
            return Ok(());
        }
        Err(self.refuse(format!("metadata '{key}': expected '{expected}', got '{got}'")))
    }
}

fn read_limited(path: &Path) -> Result<Vec<u8>> {
    let io = |source| TaskError::Io { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(io)?.len();
    if size > SIZE_LIMIT {
        let reason = format!("{size} bytes; expected at most {SIZE_LIMIT}");
        return Err(TaskError::Weights { path: path.to_owned(), reason });
    }
    fs::read(path).map_err(io)
}

fn to_tensor(view: &TensorView<'_>) -> std::result::Result<Tensor, String> {
    let kind = match view.dtype() {
        Dtype::F16 => Kind::Half,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        other => return Err(format!("expected f16, f32 or f64, got {other:?}")),
    };
    let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
    Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|error| error.to_string())
}

/// Writes named tensors and metadata, atomically: into a file beside it, synced, then renamed.
///
/// Tensors are stored as f32, in the order of their names.
///
/// # Errors
/// [`TaskError::Io`] when the file cannot be written; the old file is then still whole.
pub fn save(path: &Path, tensors: &[(String, Tensor)], metadata: &[(&str, String)]) -> Result<()> {
    let data: Vec<(&str, Vec<usize>, Vec<u8>)> =
        tensors.iter().map(|(name, tensor)| to_bytes(name, tensor)).collect::<Result<_>>()?;
    let bad =
        |error: safetensors::SafeTensorError| TaskError::Weights { path: path.to_owned(), reason: error.to_string() };
    let views = data
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(bad)?)))
        .collect::<Result<Vec<_>>>()?;
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    write_atomically(path, &safetensors::serialize(views, Some(metadata)).map_err(bad)?)
}

fn to_bytes<'a>(name: &'a str, tensor: &Tensor) -> Result<(&'a str, Vec<usize>, Vec<u8>)> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view(-1);
    let values = Vec::<f32>::try_from(&flat)?;
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Ok((name, tensor.size().iter().map(|&size| size as usize).collect(), bytes))
}

/// Replaces a file so that a reader, or a crash, sees the old or the new one whole.
///
/// # Errors
/// [`TaskError::Io`].
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |source| TaskError::Io { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(io)?;
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    let mut file = File::create(&partial).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&partial, path).map_err(io)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

/// Hashes named tensors into a short text that changes when any value, name or shape does.
///
/// FNV-1a, 64 bit: tells versions apart; no defence against forgery.
#[must_use]
pub fn fingerprint(tensors: &[(String, Tensor)]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for (name, tensor) in tensors {
        feed(name.as_bytes());
        if let Ok((_, shape, bytes)) = to_bytes(name, tensor) {
            shape.iter().for_each(|size| feed(&size.to_le_bytes()));
            feed(&bytes);
        }
    }
    format!("{hash:016x}")
}
