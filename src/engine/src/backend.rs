//! Which of the implementations of a step runs.

use serde::{Deserialize, Serialize};
use thalweg_task::Task;

use crate::error::EngineError;
use crate::native::Native;

/// What evaluates, differentiates and steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// libtorch with autograd: any task, any device.
    Tch,
    /// Native code for dense layers on a CPU, several times faster.
    Fused,
    /// Compute shaders for dense layers on a GPU ([`crate::gpu`]).
    Gpu,
}

impl Backend {
    /// Names the backend: tch, fused or gpu.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tch => "tch",
            Self::Fused => "fused",
            Self::Gpu => "gpu",
        }
    }
}

/// Which backend is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendChoice {
    /// A GPU where one was given ([`crate::Engine::use_gpu`]), native code where task, device and element type allow it,
    /// libtorch elsewhere.
    #[default]
    Auto,
    /// libtorch.
    Tch,
    /// Native code, or an error.
    Fused,
}

/// Builds native code as it is wanted.
pub(crate) fn prepare(
    choice: BackendChoice,
    task: &dyn Task,
    build: impl FnOnce() -> Result<Option<Native>, EngineError>,
) -> Result<Option<Native>, EngineError> {
    if choice == BackendChoice::Tch {
        return Ok(None);
    }
    let native = build()?;
    if native.is_none() && choice == BackendChoice::Fused {
        let reason = "it is no dense layers on a CPU";
        return Err(EngineError::NotFused { task: task.spec().name.clone(), reason });
    }
    Ok(native)
}
