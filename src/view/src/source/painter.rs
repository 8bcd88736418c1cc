//! Images of recorded hypotheses, painted again: a recording keeps latents, not pixels.

use std::sync::Arc;

use anyhow::Context as _;
use tch::{Device, Kind, Tensor};
use thalweg::Registry;
use thalweg_engine::landscape::Landscape;
use thalweg_node::solver::Replayer;
use thalweg_record::{Setup, Solve};
use thalweg_task::Pixels;
use thalweg_task::Task;

/// A recorded forward model and its landscape.
pub(super) struct Painter {
    replayer: Replayer,
    /// Whether it was told that images cannot be painted.
    is_told: bool,
}

impl Painter {
    /// Loads what a recording of images was made with; none for tasks without images.
    pub(super) fn of(setup: &Setup) -> Option<Self> {
        let registry = Registry::shipped();
        let has_images = registry.find(&setup.task).is_ok_and(|entry| entry.observes.image);
        let replayer = has_images.then(|| Replayer::new(&registry, setup, None, &[]))?;
        match replayer {
            Ok(replayer) => Some(Self { replayer, is_told: false }),
            Err(error) => {
                tracing::warn!("images of hypotheses are not shown: {error}");
                None
            }
        }
    }

    /// Paints all hypotheses of a solve; none where it was made on another landscape.
    pub(super) fn paint(&mut self, solve: &Solve) -> Vec<Arc<Pixels>> {
        let engine = self.replayer.engine();
        let painted = if engine.landscape().id() == solve.answer.landscape {
            paint(engine.task(), engine.landscape(), &solve.z, solve.answer.losses.len())
        } else {
            Err(anyhow::anyhow!("landscape {} is not there", solve.answer.landscape))
        };
        painted.unwrap_or_else(|error| {
            if !std::mem::replace(&mut self.is_told, true) {
                tracing::warn!("images of hypotheses are not shown: {error:#}");
            }
            Vec::new()
        })
    }
}

/// Paints latents `z`, `[K, Z]` row by row.
fn paint(task: &dyn Task, landscape: &Landscape, z: &[f32], hypotheses: usize) -> anyhow::Result<Vec<Arc<Pixels>>> {
    let _no_grad = tch::no_grad_guard();
    let spec = task.spec();
    let z = Tensor::from_slice(z).view([i64::try_from(hypotheses)?, landscape.dim()]);
    let x = landscape.map(&z.to_kind(spec.kind).to_device(spec.device));
    let image = task.render(&task.forward(&x)?)?.image.context("the task renders no image")?;
    pixels(&image)
}

/// The rows of an image tensor `[K, C, H, W]`.
///
/// # Errors
/// When it has another shape.
pub fn pixels(images: &Tensor) -> anyhow::Result<Vec<Arc<Pixels>>> {
    let &[rows, channels, height, width] = images.size().as_slice() else {
        anyhow::bail!("got an image of shape {:?}; expected [K, C, H, W]", images.size());
    };
    let side = |size: i64| u32::try_from(size);
    let (channels, height, width) = (side(channels)?, side(height)?, side(width)?);
    let images = images.to_kind(Kind::Float).to_device(Device::Cpu).contiguous();
    let row = |row: i64| {
        let data = Vec::try_from(images.get(row).view(-1))?;
        Ok(Arc::new(Pixels { channels, height, width, data }))
    };
    (0..rows).map(row).collect()
}

#[cfg(test)]
mod tests {
    use thalweg_task::LoadOptions;

    use super::*;

    #[test]
    fn latents_become_the_images_that_the_task_renders() {
        let task = thalweg_tests::image::Blob::load(3, &LoadOptions::default()).expect("it has no files");
        let landscape = Landscape::identity(6);
        let z = [0.0f32, 0.0, -50.0, 50.0, 0.0, -50.0, 1.0, -1.0, 0.0, 1.0, 2.0, 3.0];
        let images = paint(task.as_ref(), &landscape, &z, 2).expect("it renders images");
        assert_eq!((images.len(), images[0].channels, images[0].height, images[0].width), (2, 3, 16, 16));
        let at = |channel: usize, row: usize, column: usize| images[0].data[(channel * 16 + row) * 16 + column];
        assert!((at(0, 7, 8) - (-0.25f32).exp()).abs() < 1e-5 && at(2, 7, 8) < 1e-5, "{} {}", at(0, 7, 8), at(2, 7, 8));
        assert!(pixels(&Tensor::zeros([2, 3], (Kind::Float, Device::Cpu))).is_err());
    }
}
