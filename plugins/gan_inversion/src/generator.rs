//! The forward model: a DCGAN generator.

use std::path::Path;

use tch::Tensor;
use thalweg_task::{LoadOptions, Result, TaskError};

use crate::provision;

/// Dimension `X` of the latent.
pub const LATENT: i64 = 100;
/// Rows and columns of an image.
pub const SIDE: i64 = 64;
/// Colours of an image.
pub(crate) const CHANNELS: i64 = 3;

/// What the file says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-face-generator";
/// Channels before the first layer and after each.
const WIDTHS: [i64; 6] = [LATENT, 512, 256, 128, 64, CHANNELS];
/// Rows and columns of every kernel.
const KERNEL: i64 = 4;

/// Five transposed convolutions from a latent to an image (Radford, Metz & Chintala, "Unsupervised Representation
/// Learning with Deep Convolutional Generative Adversarial Networks", 2016).
///
/// The batch norms between them are those of evaluation, means and variances fixed, so rows do not interact; they are
/// folded into the kernels when the file is made.
#[derive(Debug)]
pub struct Generator {
    /// The first layer as a dense one, `[512 * 4 * 4, 100]`: its input has one pixel.
    first: Tensor,
    /// Kernels of the others, `[in, out, 4, 4]`.
    kernels: Vec<Tensor>,
    /// Biases of all layers but the last, which has none.
    biases: Vec<Tensor>,
}

impl Generator {
    /// Reads `gan_inversion.safetensors`.
    ///
    /// # Errors
    /// [`thalweg_nn::NnError`] about the file.
    pub fn load(path: &Path, options: &LoadOptions) -> thalweg_nn::Result<Self> {
        let file = provision::open(path, FORMAT, options)?;
        let layers = WIDTHS.len() - 1;
        let names: Vec<String> = (0..layers).map(weight_name).chain((0..layers - 1).map(bias_name)).collect();
        file.expect_names(names.iter().map(String::as_str))?;
        let kernel = |layer: usize| file.tensor(&names[layer], &[WIDTHS[layer], WIDTHS[layer + 1], KERNEL, KERNEL]);
        let kernels = (1..layers).map(kernel).collect::<thalweg_nn::Result<Vec<_>>>()?;
        let first = kernel(0)?.view([LATENT, -1]).tr().contiguous();
        let bias = |layer: usize| file.tensor(&bias_name(layer), &[WIDTHS[layer + 1]]);
        Ok(Self { first, kernels, biases: (0..layers - 1).map(bias).collect::<thalweg_nn::Result<_>>()? })
    }

    /// Makes images of latents.
    ///
    /// `x`: `[K, 100]`. Returns `[K, 3, 64, 64]`, red, green, blue, black 0, white 1.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when `x` is not `[K, 100]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if !matches!(x.size()[..], [_, LATENT]) {
            return Err(TaskError::shape("x", format!("[K, {LATENT}]"), x));
        }
        let mut image = x.matmul(&self.first.tr()).view([-1, WIDTHS[1], KERNEL, KERNEL]);
        image = (image + self.biases[0].view([1, -1, 1, 1])).relu();
        for (layer, kernel) in self.kernels.iter().enumerate() {
            let bias = self.biases.get(layer + 1);
            image = image.f_conv_transpose2d(kernel, bias, [2, 2], [1, 1], [0, 0], 1, [1, 1])?;
            image = if bias.is_some() { image.relu() } else { image };
        }
        Ok(image.tanh() * 0.5 + 0.5)
    }

    /// Names all weights, for a fingerprint.
    pub(crate) fn named(&self) -> Vec<(String, Tensor)> {
        let kernels = std::iter::once(&self.first).chain(&self.kernels).enumerate();
        let kernels = kernels.map(|(layer, kernel)| (weight_name(layer), kernel.shallow_clone()));
        let biases = self.biases.iter().enumerate().map(|(layer, bias)| (bias_name(layer), bias.shallow_clone()));
        kernels.chain(biases).collect()
    }
}

fn weight_name(layer: usize) -> String {
    format!("generator.{layer}.weight")
}

fn bias_name(layer: usize) -> String {
    format!("generator.{layer}.bias")
}
