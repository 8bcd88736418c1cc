//! Where a training computes.

use clap::ValueEnum;
use tch::{Cuda, Device};

use crate::failure::InputError;

/// A device, by the name of its kind.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum DeviceName {
    /// The processor
    Cpu,
    /// The graphics processor that LOCAL_RANK counts, the first one without it
    Cuda,
}

impl DeviceName {
    /// Finds the device.
    ///
    /// # Errors
    /// [`InputError::NoCuda`] when libtorch has no CUDA, or CUDA no device.
    pub(super) fn resolve(self, local_rank: usize) -> Result<Device, InputError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda if Cuda::is_available() && local_rank as i64 >= Cuda::device_count() => {
                Err(InputError::NoCuda("LOCAL_RANK counts beyond the devices that CUDA sees"))
            }
            Self::Cuda if Cuda::is_available() => Ok(Device::Cuda(local_rank)),
            Self::Cuda if tch::utils::has_cuda() => Err(InputError::NoCuda("CUDA sees no device")),
            Self::Cuda => Err(InputError::NoCuda("this libtorch is built without CUDA")),
        }
    }
}
