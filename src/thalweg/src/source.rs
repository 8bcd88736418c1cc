//! Where weights come from, and what computes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tch::Device;
use thalweg_engine::gpu::GpuChoice;

/// Where the landscape comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LandscapeSource {
    /// What `TASK_start.safetensors` beside the task's weights was made for; without it
    /// `TASK_theta.safetensors` there; else the identity.
    BesideModels,
    /// The identity.
    Identity,
    /// An untrained one, drawn with the engine's seed; without a start, for none was made for it.
    Random,
    /// A file.
    File(PathBuf),
}

/// Where the amortised start comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartSource {
    /// `TASK_start.safetensors` beside the task's weights when it is there and made for the landscape.
    BesideModels,
    /// There is none: hypotheses are drawn.
    None,
    /// A file.
    File(PathBuf),
}

/// Device that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The processor.
    Cpu,
    /// The CUDA device of this index.
    Cuda(usize),
    /// A GPU by compute shaders, for tasks that are dense layers and for Adam; the processor does the rest, and all of it
    /// where there is no such GPU.
    Gpu(GpuChoice),
    /// The first CUDA device when there is one, else a GPU by compute shaders where it is measured to be faster
    /// ([`crate::Plan::compare_gpu`]), else the processor.
    Auto,
}

impl DeviceChoice {
    /// Chooses libtorch's device among what there is: `None` when a CUDA device is asked for that does not exist.
    #[must_use]
    pub fn resolve(&self) -> Option<Device> {
        let devices = || usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
        match self {
            Self::Cpu | Self::Gpu(_) => Some(Device::Cpu),
            Self::Cuda(index) => (*index < devices()).then_some(Device::Cuda(*index)),
            Self::Auto => Some(Device::cuda_if_available()),
        }
    }

    /// The GPU for compute shaders that is asked for; with [`DeviceChoice::Auto`], the one to be measured first.
    #[must_use]
    pub fn gpu(&self) -> Option<&GpuChoice> {
        match self {
            Self::Gpu(choice) => Some(choice),
            Self::Auto => Some(&GpuChoice::Best),
            Self::Cpu | Self::Cuda(_) => None,
        }
    }
}

/// A word that is no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected cpu, cuda, cuda:N, gpu, gpu:N, gpu:NAME or auto")]
pub struct NoDevice;

impl FromStr for DeviceChoice {
    type Err = NoDevice;

    fn from_str(text: &str) -> Result<Self, NoDevice> {
        let gpu = |name: &str| name.parse().map_or_else(|_name| GpuChoice::Named(name.to_owned()), GpuChoice::Index);
        match (text, text.split_once(':')) {
            ("cpu", _) => Ok(Self::Cpu),
            ("auto", _) => Ok(Self::Auto),
            ("cuda", _) => Ok(Self::Cuda(0)),
            ("gpu", _) => Ok(Self::Gpu(GpuChoice::Best)),
            (_, Some(("cuda", index))) => index.parse().map(Self::Cuda).map_err(|_unparsed| NoDevice),
            (_, Some(("gpu", name))) if !name.is_empty() => Ok(Self::Gpu(gpu(name))),
            _ => Err(NoDevice),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Gpu(choice) => choice.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl From<&str> for LandscapeSource {
    /// Empty is what lies beside the weights, `identity` and `random` are what they say, all else is a path.
    fn from(text: &str) -> Self {
        match text {
            "" => Self::BesideModels,
            "identity" => Self::Identity,
            "random" => Self::Random,
            path => Self::File(PathBuf::from(path)),
        }
    }
}

impl From<&str> for StartSource {
    /// Empty is what lies beside the weights, `none` none, all else a path.
    fn from(text: &str) -> Self {
        match text {
            "" => Self::BesideModels,
            "none" => Self::None,
            path => Self::File(PathBuf::from(path)),
        }
    }
}

impl From<&Path> for LandscapeSource {
    fn from(path: &Path) -> Self {
        path.to_str().map_or_else(|| Self::File(path.to_owned()), Self::from)
    }
}

impl From<&Path> for StartSource {
    fn from(path: &Path) -> Self {
        path.to_str().map_or_else(|| Self::File(path.to_owned()), Self::from)
    }
}
