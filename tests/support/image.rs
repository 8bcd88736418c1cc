//! A task on images: one soft blob of light, its place, size and brightness unknown.

use tch::Tensor;
use thalweg_task::{
    ImageSpec, LoadOptions, Objective, Observation, Reconstruction, Result, Target, Task, TaskError, TaskSpec,
};

/// Rows and columns of the image.
const SIDE: i64 = 16;

/// Latents before the brightness of each channel: row, column, radius.
const PLACE: i64 = 3;

/// Least and greatest radius, in image widths: one and four pixels.
const RADIUS: [f64; 2] = [1.0 / 16.0, 4.0 / 16.0];

/// Error of a pixel that costs a loss of one: noise of a cheap camera.
const SIGMA: f64 = 0.05;

/// A differentiable renderer of one Gaussian blob.
#[derive(Debug)]
pub struct Blob {
    spec: TaskSpec,
    channels: i64,
    /// Centres of the pixels along one side, `[1, SIDE]`, in image widths.
    centres: Tensor,
}

impl Blob {
    /// Builds the task for images of `channels` channels.
    pub fn load(channels: i64, options: &LoadOptions) -> Result<Box<dyn Task>> {
        let centres: Vec<f64> = (0..SIDE).map(|pixel| (pixel as f64 + 0.5) / SIDE as f64).collect();
        let centres = Tensor::from_slice(&centres).view([1, SIDE]).to_kind(options.kind).to_device(options.device);
        Ok(Box::new(Self { spec: describe(channels, options), channels, centres }))
    }

    /// Refuses a tensor that is not `[K, C, H, W]`.
    fn check(&self, what: &'static str, image: &Tensor) -> Result<()> {
        let fits = image.size().get(1..) == Some(&self.spec.output);
        if fits {
            Ok(())
        } else {
            Err(TaskError::shape(what, format!("[K, {}, {SIDE}, {SIDE}]", self.channels), image))
        }
    }

    /// A bell along one side, `[K, SIDE]`, centred at `centre`, `[K, 1]`.
    fn bell(&self, centre: &Tensor, radius: &Tensor) -> Tensor {
        (((&self.centres - centre) / radius).square() * -0.5).exp()
    }
}

fn describe(channels: i64, options: &LoadOptions) -> TaskSpec {
    TaskSpec {
        name: "blob".to_owned(),
        latent: PLACE + channels,
        output: vec![channels, SIDE, SIDE],
        joints: Vec::new(),
        groups: Vec::new(),
        reads_joints: false,
        image: Some(ImageSpec { channels, height: SIDE, width: SIDE }),
        points: None,
        skeleton: None,
        classes: Vec::new(),
        convention: None,
        residual: true,
        fingerprint: format!("blob-1 channels {channels}"),
        device: options.device,
        kind: options.kind,
    }
}

impl Task for Blob {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// Renders blobs: `[K, 3 + C]` to `[K, C, 16, 16]`, black 0, white 1.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.dim() != 2 || x.size()[1] != self.spec.latent {
            return Err(TaskError::shape("x", format!("[K, {}]", self.spec.latent), x));
        }
        let unit = x.sigmoid();
        let radius = unit.narrow(1, 2, 1) * (RADIUS[1] - RADIUS[0]) + RADIUS[0];
        let rows = self.bell(&unit.narrow(1, 0, 1), &radius).view([-1, 1, SIDE, 1]);
        let columns = self.bell(&unit.narrow(1, 1, 1), &radius).view([-1, 1, 1, SIDE]);
        let brightness = unit.narrow(1, PLACE, self.channels).unsqueeze(-1).unsqueeze(-1);
        Ok(brightness * rows * columns)
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let obs = obs.to(self.spec.kind, self.spec.device);
        obs.validate(&self.spec)?;
        let image = obs.image.as_ref().ok_or_else(|| TaskError::EmptyObservation {
            task: self.spec.name.clone(),
            observes: self.spec.observes().to_string(),
        })?;
        let weight = image.observed().to_kind(self.spec.kind) / SIGMA;
        Ok(Target { value: image.value().shallow_clone(), weight })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        self.check("y_hat", y_hat)?;
        let (rows, targets) = (y_hat.size()[0], target.value.size()[0]);
        if targets != 1 && targets != rows {
            return Err(TaskError::shape("target", format!("1 or {rows} rows"), &target.value));
        }
        Ok(Objective::of_residual(((y_hat - &target.value) * &target.weight).flatten(1, -1)))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.check("y_hat", y_hat)?;
        Ok(Reconstruction { image: Some(y_hat.shallow_clone()), ..Reconstruction::default() })
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn a_blob_lies_where_it_is_put() {
        let task =
            Blob::load(3, &LoadOptions { kind: Kind::Double, ..LoadOptions::default() }).expect("it has no files");
        // sigmoid(0) = 0.5: the middle; the smallest radius; red bright, green half, blue dark.
        let x = Tensor::from_slice(&[0.0, 0.0, -50.0, 50.0, 0.0, -50.0]).view([1, 6]);
        let image = task.forward(&x).expect("the latent has six entries");
        let at = |channel, row, column| image.double_value(&[0, channel, row, column]);
        // The four middle pixels are half a pixel off in both axes: exp(-1/8) in each.
        let middle = (-0.25_f64).exp();
        for (channel, brightness) in [(0, 1.0), (1, 0.5), (2, 0.0)] {
            assert!((at(channel, 7, 8) - brightness * middle).abs() < 1e-9, "channel {channel}: {}", at(channel, 7, 8));
        }
        assert!(at(0, 0, 0) < 1e-20 && at(0, 8, 12) < 1e-3, "it fades within a few pixels");
    }
}
