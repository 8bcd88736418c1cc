//! The same descent on a GPU, where a task is dense layers: WGSL compute shaders through wgpu (Vulkan, Metal, DirectX 12).
//!
//! ```text
//! device    adapters, one opened device, one submission
//! shader    the text of a model's shader: constants and order of layers before parts that all models share
//! model     weights packed for it; what is uploaded for an observation, and what comes back
//! descent   rows on the device: the double of `native/descent`
//! ```
//!
//! Four hypotheses share a workgroup, which does all steps of a budget without waiting for another: one upload, one
//! dispatch, one download of each hypothesis' best. Weights and moments stay on the device. Rows that break are few; they
//! are drawn anew here and sent back alone, so the random numbers are those of the other backends.
//!
//! What can go wrong with a device is a [`GpuError`], never a panic: [`Engine`](crate::Engine) then goes on natively and
//! keeps the reason. Without the feature `gpu` there is no device ([`GpuError::NotBuilt`]).

#[cfg(not(feature = "gpu"))]
mod absent;
#[cfg(feature = "gpu")]
mod descent;
#[cfg(feature = "gpu")]
mod device;
#[cfg(feature = "gpu")]
mod model;
#[cfg(feature = "gpu")]
mod shader;
#[cfg(all(test, feature = "gpu"))]
mod tests;

use std::fmt;

#[cfg(not(feature = "gpu"))]
pub use absent::{Gpu, adapters, find};
#[cfg(not(feature = "gpu"))]
pub(crate) use absent::{GpuDescent, GpuModel};
#[cfg(feature = "gpu")]
pub(crate) use descent::GpuDescent;
#[cfg(feature = "gpu")]
pub use device::{Gpu, adapters, find};
#[cfg(feature = "gpu")]
pub(crate) use model::GpuModel;

/// Which adapter is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuChoice {
    /// The best one that is no software: a card of its own, then one of the processor's.
    Best,
    /// The one of this place in [`adapters`].
    Index(usize),
    /// The first whose name has this in it, in any case.
    Named(String),
}

impl fmt::Display for GpuChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("gpu"),
            Self::Index(index) => write!(f, "gpu:{index}"),
            Self::Named(name) => write!(f, "gpu:{name}"),
        }
    }
}

/// An adapter: a GPU and a driver for it, or software in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterReport {
    /// As the driver names it.
    pub name: String,
    /// The driver, with its version.
    pub driver: String,
    /// Vulkan, Metal or Dx12.
    pub interface: String,
    /// Whether it is software on the processor: used only where it is asked for by place or name.
    pub is_software: bool,
}

impl fmt::Display for AdapterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, driver, interface, is_software } = self;
        let software = if *is_software { ", software" } else { "" };
        write!(f, "{name} ({interface}, {driver}{software})")
    }
}

/// Why a GPU is not used, or not any more. The engine goes on natively.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// The program was built without it.
    #[error("this program was built without the feature gpu")]
    NotBuilt,
    /// There is no adapter, or only software where none was named.
    #[error("{wanted}: no such adapter; found: {found}; expected gpu, gpu:N or gpu:NAME of one of those")]
    NoAdapter {
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// The adapter gives no device.
    #[error("{adapter} does not open: {reason}")]
    NotOpened {
        /// The adapter.
        adapter: String,
        /// What the driver says.
        reason: String,
    },
    /// The task cannot run there.
    #[error("task {task} cannot run on a GPU: {reason}")]
    Unfit {
        /// Name of the task.
        task: String,
        /// What stands in the way.
        reason: String,
    },
    /// The device has a limit that is too low.
    #[error("{what}: {needed} needed, the device has {limit}")]
    TooLarge {
        /// What of.
        what: &'static str,
        /// How much is needed.
        needed: u64,
        /// How much there is.
        limit: u64,
    },
    /// The device has no memory left.
    #[error("the device has no memory left")]
    Memory,
    /// The device is gone: unplugged, reset, or its driver has crashed.
    #[error("the device is lost: {0}")]
    Lost(String),
    /// The device does not answer.
    #[error("the device did not answer within {seconds} s")]
    Silent {
        /// How long was waited.
        seconds: u64,
    },
    /// A shader does not compile, or the driver refuses a command.
    #[error("the driver refuses: {0}")]
    Refused(String),
}
