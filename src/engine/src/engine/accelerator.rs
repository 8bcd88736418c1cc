//! The engine on a GPU.

use std::sync::Arc;

use super::Engine;
use crate::backend::BackendChoice;
use crate::error::EngineError;
use crate::gpu::{Gpu, GpuChoice, GpuError, GpuModel};

/// A device, and what of the engine runs on it.
#[derive(Debug, Default)]
pub(super) struct Accelerator {
    /// None where it could not be had.
    gpu: Option<Gpu>,
    model: Option<Arc<GpuModel>>,
    /// Why there is no device, or no model.
    trouble: Option<GpuError>,
}

impl Accelerator {
    /// What runs there; none where it is of no use any more.
    pub(super) fn model(&self) -> Option<&Arc<GpuModel>> {
        self.model.as_ref().filter(|model| model.gpu().trouble().is_none())
    }
}

impl Engine {
    /// Runs on a GPU from the next observation on, with plain steps and with Adam: Levenberg-Marquardt stays where it is, and
    /// so does what a target has that a GPU does not compare. The present solution ends.
    ///
    /// Where the device fails later, the engine goes on natively, in the same solve, and keeps why ([`Engine::gpu_trouble`]).
    ///
    /// # Errors
    /// [`EngineError::Gpu`] where the task is none for a GPU, or the device does not compile the shader; the engine then
    /// stays as it is.
    pub fn use_gpu(&mut self, gpu: &Gpu) -> Result<(), EngineError> {
        let model = GpuModel::new(gpu, self.task.as_ref(), &self.landscape)?;
        self.end_session();
        self.pace = super::Pace::default();
        self.accelerator = Some(Accelerator { gpu: Some(gpu.clone()), model: Some(Arc::new(model)), trouble: None });
        self.accelerate_start();
        Ok(())
    }

    /// As [`Engine::use_gpu`], with a device that is opened; where either fails, the engine stays native and keeps why.
    pub fn try_gpu(&mut self, choice: &GpuChoice) {
        let used = Gpu::open(choice).map_err(EngineError::Gpu).and_then(|gpu| self.use_gpu(&gpu));
        if let Err(EngineError::Gpu(error)) = used {
            self.accelerator = Some(Accelerator { trouble: Some(error), ..Accelerator::default() });
        }
    }

    /// The GPU that was given.
    #[must_use]
    pub fn gpu(&self) -> Option<&Gpu> {
        self.accelerator.as_ref()?.gpu.as_ref()
    }

    /// Why a GPU that was given is not used any more.
    #[must_use]
    pub fn gpu_trouble(&self) -> Option<GpuError> {
        let accelerator = self.accelerator.as_ref()?;
        accelerator.gpu.as_ref().and_then(Gpu::trouble).or_else(|| accelerator.trouble.clone())
    }

    /// What runs on the GPU, where one was given and is of use.
    pub(super) fn gpu_model(&self) -> Option<&Arc<GpuModel>> {
        let is_wanted = self.config.backend == BackendChoice::Auto && !self.config.optimizer.needs_residual();
        self.accelerator.as_ref().and_then(Accelerator::model).filter(|_| is_wanted)
    }

    /// Brings landscape and start to the GPU, where one was given, after either has changed.
    pub(super) fn accelerate(&mut self) {
        let Some(Accelerator { gpu: Some(gpu), .. }) = self.accelerator.take_if(|one| one.gpu.is_some()) else {
            return;
        };
        let (model, trouble) = match GpuModel::new(&gpu, self.task.as_ref(), &self.landscape) {
            Ok(model) => (Some(Arc::new(model)), None),
            Err(error) => (None, Some(error)),
        };
        self.accelerator = Some(Accelerator { gpu: Some(gpu), model, trouble });
        self.accelerate_start();
    }

    fn accelerate_start(&mut self) {
        let Self { accelerator: Some(accelerator), start, proposer: Some(proposer), task, .. } = self else { return };
        let Some(theta) = start.as_ref().and_then(|start| start.landscape()) else { return };
        let Some(gpu) = &accelerator.gpu else { return };
        match GpuModel::new(gpu, task.as_ref(), theta) {
            Ok(model) => proposer.accelerate(Some(Arc::new(model))),
            Err(error) => {
                proposer.accelerate(None);
                accelerator.trouble = Some(error);
            }
        }
    }
}
