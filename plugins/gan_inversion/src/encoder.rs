//! The feed-forward rival: an image, gaps marked, to its latent in one pass.

use std::path::Path;

use tch::Tensor;
use thalweg_task::weights::{self, Weights};
use thalweg_task::{Observation, Result, TaskError, TaskSpec};

use crate::generator::{CHANNELS, LATENT};

/// What the file says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-gan-encoder";
/// Version of that format.
const VERSION: &str = "1";
/// Channels before the first convolution (colours, and whether they were seen) and after each.
const WIDTHS: [i64; 5] = [2 * CHANNELS, 32, 64, 128, 256];
/// Rows and columns of every kernel; a convolution halves those of its input.
const KERNEL: i64 = 4;
/// Numbers that the dense layer reads: four halvings leave 4 x 4 pixels.
const FLAT: i64 = 256 * 4 * 4;
/// Slope of the rectifiers below zero.
const SLOPE: f64 = 0.2;

/// Four convolutions and a dense layer, after the discriminator of a DCGAN (Radford et al., 2016).
#[derive(Debug)]
pub struct Encoder {
    /// Weight and bias of each layer, the dense one last.
    parameters: Vec<Tensor>,
    id: String,
}

impl Encoder {
    /// Shapes of weight and bias of each layer, in their order.
    #[must_use]
    pub fn shapes() -> Vec<Vec<i64>> {
        let layer = |pair: &[i64]| [vec![pair[1], pair[0], KERNEL, KERNEL], vec![pair[1]]];
        WIDTHS.windows(2).flat_map(layer).chain([vec![LATENT, FLAT], vec![LATENT]]).collect()
    }

    /// Takes parameters of [`Encoder::shapes`].
    ///
    /// # Errors
    /// [`TaskError::Shape`] when they have others.
    pub fn new(parameters: Vec<Tensor>) -> Result<Self> {
        let shapes = Self::shapes();
        for (tensor, shape) in parameters.iter().zip(&shapes) {
            if tensor.size() != *shape {
                return Err(TaskError::shape("layer of the encoder", format!("{shape:?}"), tensor));
            }
        }
        debug_assert_eq!(parameters.len(), shapes.len(), "weight and bias of each layer");
        let id = weights::fingerprint(&named(&parameters));
        Ok(Self { parameters, id })
    }

    /// Reads an encoder that was trained for this generator.
    ///
    /// # Errors
    /// [`TaskError::Io`] or [`TaskError::Weights`], saying what was expected and what came.
    pub fn trained(path: &Path, spec: &TaskSpec) -> Result<Self> {
        let file = Weights::open(path, spec.kind, spec.device)?;
        for (key, expected) in bond(spec) {
            file.expect_meta(key, &expected)?;
        }
        let shapes = Self::shapes();
        let names: Vec<String> = (0..shapes.len()).map(name).collect();
        file.expect_names(names.iter().map(String::as_str))?;
        let tensors = names.iter().zip(&shapes).map(|(name, shape)| file.tensor(name, shape));
        Self::new(tensors.collect::<Result<_>>()?)
    }

    /// Writes the weights, bound to the generator, atomically; `extra` is added to the metadata.
    ///
    /// # Errors
    /// [`TaskError::Io`].
    pub fn save(&self, path: &Path, spec: &TaskSpec, extra: &[(&str, String)]) -> Result<()> {
        weights::save(path, &named(&self.parameters), &[extra, &bond(spec)].concat())
    }

    /// Guesses the latents of images, `[O, 100]`.
    ///
    /// # Errors
    /// As [`Observation::validate`].
    pub fn encode(&self, obs: &Observation, spec: &TaskSpec) -> Result<Tensor> {
        let obs = obs.to(spec.kind, spec.device);
        obs.validate(spec)?;
        let image = obs.image.as_ref().ok_or_else(|| TaskError::EmptyObservation {
            task: spec.name.clone(),
            observes: spec.observes().to_string(),
        })?;
        let seen = image.observed().to_kind(spec.kind);
        let mut signal = Tensor::f_cat(&[&((image.value() * 2.0 - 1.0) * &seen), &seen], 1)?;
        let (convolutions, dense) = self.parameters.split_at(self.parameters.len() - 2);
        for layer in convolutions.chunks(2) {
            signal = signal.f_conv2d(&layer[0], Some(&layer[1]), [2, 2], [1, 1], [1, 1], 1)?;
            signal = signal.maximum(&(&signal * SLOPE));
        }
        Ok(signal.flatten(1, -1).f_linear(&dense[0], Some(&dense[1]))?)
    }

    /// Fingerprint of the weights.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Weight and bias of each layer, in their order.
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }
}

fn named(parameters: &[Tensor]) -> Vec<(String, Tensor)> {
    parameters.iter().enumerate().map(|(at, tensor)| (name(at), tensor.shallow_clone())).collect()
}

fn name(index: usize) -> String {
    let part = if index.is_multiple_of(2) { "weight" } else { "bias" };
    format!("encoder.{}.{part}", index / 2)
}

/// What an encoder is bound to.
fn bond(spec: &TaskSpec) -> [(&'static str, String); 4] {
    [
        ("format", FORMAT.to_owned()),
        ("version", VERSION.to_owned()),
        ("task", spec.name.clone()),
        ("fingerprint", spec.fingerprint.clone()),
    ]
}
