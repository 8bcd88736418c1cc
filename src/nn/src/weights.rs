//! Weights on disk: safetensors with metadata, read with suspicion and written atomically.
//!
//! tch's own reader broadcasts, converts and ignores; its writer truncates the old file first.
//! Here a file either is exactly what was asked for or is refused with the reason, and a write
//! that is cut off leaves the old file in place. A checksum in the metadata tells flipped bits and files that
//! were read while somebody wrote them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tch::{Device, Kind, Tensor};

use crate::files::{self, write_atomically};
use crate::{NnError, Result};

/// Largest weights file that is read, bytes. Ours are below 10 MB; a larger file is a mistake.
const SIZE_LIMIT: u64 = 512 << 20;
/// Longest header that is read, bytes. Ours have a few kilobytes.
const HEADER_LIMIT: u64 = 1 << 20;
/// Metadata entry that holds the checksum.
const CHECKSUM: &str = "blake3";
/// Most names of tensors that a refusal lists.
const LISTED: usize = 5;

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
    /// [`NnError::Io`] when the file cannot be read, [`NnError::Weights`] when it is no regular
    /// file, too large, of another format, damaged, without or with another checksum, or holds a tensor that is
    /// neither f16, f32 nor f64.
    pub fn open(path: &Path, kind: Kind, device: Device) -> Result<Self> {
        Self::parse(path, &read(path)?, kind, device)
    }

    /// Takes the bytes of a file that was read before, perhaps elsewhere: `path` is for messages.
    ///
    /// # Errors
    /// [`NnError::Weights`], as [`Weights::open`].
    pub fn parse(path: &Path, bytes: &[u8], kind: Kind, device: Device) -> Result<Self> {
        let bad = |reason: String| NnError::Weights { path: path.to_owned(), reason };
        let damaged = |error| bad(format!("not a whole safetensors file: {error}"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let mut tensors = HashMap::new();
        for (name, view) in file.tensors() {
            let tensor = to_tensor(&view).map_err(|reason| bad(format!("tensor {name}: {reason}")))?;
            tensors.insert(name, tensor);
        }
        let metadata = header.metadata().clone().unwrap_or_default();
        check_sum(&file, &metadata).map_err(bad)?;
        Ok(Self { path: path.to_owned(), tensors, metadata, kind, device })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A [`NnError::Weights`] about this file.
    #[must_use]
    pub fn refuse(&self, reason: impl Into<String>) -> NnError {
        NnError::Weights { path: self.path.clone(), reason: reason.into() }
    }

    /// Gives one tensor out.
    ///
    /// # Errors
    /// [`NnError::Weights`] when it is missing, has another shape or is not finite.
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

    /// Checks that the file has exactly these tensors.
    ///
    /// # Errors
    /// [`NnError::Weights`] that lists what is missing and what is too much, five names of each.
    pub fn expect_names<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let expected: BTreeSet<&str> = names.into_iter().collect();
        let have: BTreeSet<&str> = self.tensors.keys().map(String::as_str).collect();
        let list = |names: Vec<&str>| {
            let more = if names.len() > LISTED { ", .." } else { "" };
            format!("{}{more}", names[..names.len().min(LISTED)].join(", "))
        };
        let (missing, extra): (Vec<&str>, Vec<&str>) =
            (expected.difference(&have).copied().collect(), have.difference(&expected).copied().collect());
        let told = [("lacks tensors", missing), ("has tensors that nobody asked for", extra)].into_iter();
        let told: Vec<_> = told.filter(|(_, names)| !names.is_empty()).collect();
        if told.is_empty() {
            return Ok(());
        }
        let told: Vec<_> = told.into_iter().map(|(what, names)| format!("{what}: {}", list(names))).collect();
        Err(self.refuse(told.join("; ")))
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
    /// [`NnError::Weights`] when it is missing or does not parse.
    pub fn meta<T: std::str::FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Result<T> {
        let text = self.metadata.get(key).ok_or_else(|| self.refuse(format!("metadata '{key}' is missing")))?;
        text.parse().map_err(|error| self.refuse(format!("metadata '{key}': cannot read '{text}': {error}")))
    }

    /// Checks that one metadata entry has the expected text.
    ///
    /// # Errors
    /// [`NnError::Weights`] when it is missing or differs.
    pub fn expect_meta(&self, key: &str, expected: &str) -> Result<()> {
        let got: String = self.meta(key)?;
        if got == expected {
            return Ok(());
        }
        Err(self.refuse(format!("metadata '{key}': expected '{expected}', got '{got}'")))
    }
}

/// Reads a weights file whole, and refuses what cannot be one.
///
/// # Errors
/// As [`Weights::open`].
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_up_to(path, SIZE_LIMIT)
}

/// As [`read`], of at most `limit` bytes.
///
/// # Errors
/// As [`Weights::open`].
pub(crate) fn read_up_to(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let io = |source| NnError::Io { path: path.to_owned(), source };
    let refuse = |reason: String| NnError::Weights { path: path.to_owned(), reason };
    let bytes = files::read_limited(path, limit).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::FileTooLarge => refuse(error.to_string()),
        _ => io(error),
    })?;
    if let Some(kind) = pickle(&bytes) {
        let why = "a pickle in it can run any code when it is loaded";
        return Err(refuse(format!("{kind}; expected safetensors, for {why}")));
    }
    let header = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    if header > HEADER_LIMIT && header < limit {
        return Err(refuse(format!(
            "not a whole safetensors file: a header of {header} bytes; expected at most {HEADER_LIMIT}"
        )));
    }
    Ok(bytes)
}

/// What PyTorch writes itself, by its first bytes.
fn pickle(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'P', b'K', 3, 4, ..] => Some("a zip archive, as PyTorch's own files and TorchScript are"),
        [0x80, 2..=5, b'c' | b'}' | b'(' | b']' | 0x8a | 0x95, ..] => {
            Some("a Python pickle, as PyTorch's own old files are")
        }
        _ => None,
    }
}

/// Compares the checksum in the metadata with that of the tensors.
fn check_sum(file: &SafeTensors<'_>, metadata: &HashMap<String, String>) -> std::result::Result<(), String> {
    let got = metadata.get(CHECKSUM);
    let got = got.ok_or_else(|| format!("metadata '{CHECKSUM}' is missing: there is no checksum"))?;
    let views: BTreeMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
    let expected = checksum(metadata, views.iter().map(|(name, view)| (name.as_str(), view)));
    if *got == expected {
        return Ok(());
    }
    Err(format!("damaged: its checksum is {expected}, it says {got}"))
}

/// BLAKE3 over the other metadata, then name, element type, shape and bytes of each tensor, both in the order of names.
fn checksum<'a, 'b: 'a>(
    metadata: &HashMap<String, String>,
    views: impl Iterator<Item = (&'a str, &'a TensorView<'b>)>,
) -> String {
    let mut hasher = blake3::Hasher::new();
    // Lengths first, so that nothing can move from one text to the next.
    let feed = |hasher: &mut blake3::Hasher, text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    let metadata: BTreeMap<_, _> = metadata.iter().filter(|(key, _)| *key != CHECKSUM).collect();
    for (key, value) in metadata {
        [key, value].into_iter().for_each(|text| feed(&mut hasher, text));
    }
    for (name, view) in views {
        let shape: Vec<String> = view.shape().iter().map(ToString::to_string).collect();
        let texts = [name, &format!("{:?}", view.dtype()), &shape.join(",")];
        texts.into_iter().for_each(|text| feed(&mut hasher, text));
        hasher.update(view.data());
    }
    hasher.finalize().to_hex().to_string()
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

/// Writes named tensors, metadata and a checksum, atomically: into a file beside it, synced, then renamed.
///
/// Tensors of half precision are stored as f16, all others as f32, in the order of their names.
///
/// # Errors
/// [`NnError::Io`] when the file cannot be written; the old file is then still whole.
pub fn save(path: &Path, tensors: &[(String, Tensor)], metadata: &[(&str, String)]) -> Result<()> {
    let data: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> =
        tensors.iter().map(|(name, tensor)| to_bytes(name, tensor)).collect::<Result<_>>()?;
    let bad =
        |error: safetensors::SafeTensorError| NnError::Weights { path: path.to_owned(), reason: error.to_string() };
    let views = data
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes).map_err(bad)?)))
        .collect::<Result<Vec<_>>>()?;
    let sorted: BTreeMap<&str, &TensorView<'_>> = views.iter().map(|(name, view)| (*name, view)).collect();
    let mut metadata: HashMap<_, _> = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    metadata.insert(CHECKSUM.to_owned(), checksum(&metadata, sorted.into_iter()));
    write_atomically(path, &safetensors::serialize(views, Some(metadata)).map_err(bad)?)
}

fn to_bytes<'a>(name: &'a str, tensor: &Tensor) -> Result<(&'a str, Dtype, Vec<usize>, Vec<u8>)> {
    let flat = tensor.detach().to_device(Device::Cpu).contiguous().view(-1);
    let shape = tensor.size().iter().map(|&size| size as usize).collect();
    if tensor.kind() == Kind::Half {
        // The processors that this runs on are little endian, as the format is.
        let mut bytes = vec![0; 2 * flat.numel()];
        flat.f_copy_data_u8(&mut bytes, flat.numel())?;
        return Ok((name, Dtype::F16, shape, bytes));
    }
    let values = Vec::<f32>::try_from(&flat.to_kind(Kind::Float))?;
    Ok((name, Dtype::F32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
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
        if let Ok((_, _, shape, bytes)) = to_bytes(name, tensor) {
            shape.iter().for_each(|size| feed(&size.to_le_bytes()));
            feed(&bytes);
        }
    }
    format!("{hash:016x}")
}
