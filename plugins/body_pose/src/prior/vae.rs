//! Encoder and decoder.

use std::path::Path;

use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{Perceptron, initial};
use thalweg_task::Result;

use crate::rotation::matrix_from_6d;
use crate::skeleton::NAMES;

/// Dimension `X` of the latent. VPoser has 32; with 48 held-out poses come back to 3.5 degrees where 32 leave 4.6 (after
/// 4,000 steps), for people also turn wrists and heads.
pub const LATENT: i64 = 48;
/// Width of the decoder's hidden layers, as in VPoser.
pub const HIDDEN: i64 = 512;
/// Width of the encoder's hidden layers.
pub const ENCODER_HIDDEN: i64 = 512;
/// Slope of the leaky rectifiers below zero, the same as theta's.
pub const SLOPE: f64 = 0.2;
/// Joints.
const JOINTS: i64 = NAMES.len() as i64;

/// A variational autoencoder of poses.
#[derive(Debug)]
pub struct Vae {
    encoder: Perceptron,
    decoder: Perceptron,
}

fn encoder_widths() -> [i64; 4] {
    [JOINTS * 6, ENCODER_HIDDEN, ENCODER_HIDDEN, 2 * LATENT]
}

/// Widths of the decoder's layers: latent, hidden, hidden, 6D rotations.
pub(crate) fn decoder_widths() -> [i64; 4] {
    [LATENT, HIDDEN, HIDDEN, JOINTS * 6]
}

impl Vae {
    /// Draws untrained weights, which require gradients.
    ///
    /// # Errors
    /// None in practice: the widths fit each other.
    pub fn untrained(random: &mut StdRng, device: Device) -> Result<Self> {
        let mut draw = |widths: &[i64]| initial::leaves(initial::linear_single(widths, random, device));
        let encoder = Perceptron::from_parameters(&draw(&encoder_widths()), SLOPE)?;
        let decoder = Perceptron::from_parameters(&draw(&decoder_widths()), SLOPE)?;
        Ok(Self { encoder, decoder })
    }

    /// Reads trained weights.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError`] about the file.
    pub fn load(path: &Path, kind: Kind, device: Device) -> thalweg_nn::Result<Self> {
        let file = Weights::open(path, kind, device)?;
        file.expect_meta("format", "thalweg-body-pose")?;
        Ok(Self {
            encoder: Perceptron::load(&file, "encoder", &encoder_widths(), SLOPE)?,
            decoder: Perceptron::load(&file, "decoder", &decoder_widths(), SLOPE)?,
        })
    }

    /// Writes the weights in `parameters` (encoder first, as [`Vae::parameters`] lists them).
    ///
    /// # Errors
    /// [`thalweg_nn::NnError::Io`].
    pub fn save(&self, path: &Path, parameters: Vec<Tensor>, metadata: &[(&str, String)]) -> thalweg_nn::Result<()> {
        let names = self.encoder.named("encoder").into_iter().chain(self.decoder.named("decoder"));
        let tensors: Vec<_> = names.zip(parameters).map(|((name, _), tensor)| (name, tensor)).collect();
        let mut all = vec![("format", "thalweg-body-pose".to_owned()), ("version", "1".to_owned())];
        all.extend_from_slice(metadata);
        weights::save(path, &tensors, &all)
    }

    /// All weights, encoder first.
    pub fn parameters(&self) -> Vec<Tensor> {
        self.encoder.parameters().into_iter().chain(self.decoder.parameters()).collect()
    }

    /// The same network with other weights, in the order of [`Vae::parameters`].
    ///
    /// # Errors
    /// [`thalweg_task::TaskError::Shape`] when they do not fit.
    pub fn with_parameters(parameters: &[Tensor]) -> Result<Self> {
        let of_encoder = (2 * (encoder_widths().len() - 1)).min(parameters.len());
        let (encoder, decoder) = parameters.split_at(of_encoder);
        let [encoder, decoder] = [encoder, decoder].map(|part| Perceptron::from_parameters(part, SLOPE));
        Ok(Self { encoder: encoder?, decoder: decoder? })
    }

    /// Maps 6D rotations `[B, 21, 6]` to mean and log variance of x, each `[B, X]`.
    pub fn encode(&self, sixd: &Tensor) -> (Tensor, Tensor) {
        let both = self.encoder.forward(&sixd.flatten(1, -1));
        (both.narrow(1, 0, LATENT), both.narrow(1, LATENT, LATENT).clamp(-12.0, 4.0))
    }

    /// Maps latents `[B, X]` to rotations `[B, 21, 3, 3]`.
    pub fn decode(&self, x: &Tensor) -> Tensor {
        rotations(&self.decoder, x)
    }
}

/// Applies a decoder: `[B, X]` to rotations `[B, 21, 3, 3]`.
pub(crate) fn rotations(decoder: &Perceptron, x: &Tensor) -> Tensor {
    matrix_from_6d(&decoder.forward(x).view([-1, JOINTS, 6]))
}
