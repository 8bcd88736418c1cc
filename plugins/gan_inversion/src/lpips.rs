//! Learned perceptual distance of images.

use std::path::Path;

use tch::Tensor;
use thalweg_task::{LoadOptions, Result};

use crate::generator::CHANNELS;
use crate::provision;

/// What the file says it is, in the metadata entry `format`.
const FORMAT: &str = "thalweg-lpips";

/// A convolution of AlexNet (Krizhevsky, "One weird trick", 2014) and what comes before it.
struct Layer {
    outputs: i64,
    kernel: i64,
    stride: i64,
    padding: i64,
    /// Whether a max pooling over 3 x 3, stride 2, comes first.
    pooled: bool,
}

const LAYERS: [Layer; 5] = [
    Layer { outputs: 64, kernel: 11, stride: 4, padding: 2, pooled: false },
    Layer { outputs: 192, kernel: 5, stride: 1, padding: 2, pooled: true },
    Layer { outputs: 384, kernel: 3, stride: 1, padding: 1, pooled: true },
    Layer { outputs: 256, kernel: 3, stride: 1, padding: 1, pooled: false },
    Layer { outputs: 256, kernel: 3, stride: 1, padding: 1, pooled: false },
];

/// Features of an image of 64 x 64 pixels, all layers together.
pub const FEATURES: i64 = 64 * 15 * 15 + 192 * 7 * 7 + (384 + 256 + 256) * 3 * 3;

/// Mean of pixels from -1 to 1, as LPIPS takes it for red, green, blue.
const SHIFT: [f64; 3] = [-0.030, -0.088, -0.188];
/// Their standard deviation.
const SCALE: [f64; 3] = [0.458, 0.448, 0.450];

/// Added to a length, as LPIPS does, and under the root, squared: there a vector of zeros would have no gradient.
const LEAST_LENGTH: f64 = 1e-10;

/// LPIPS v0.1 on AlexNet (Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a
/// Perceptual Metric", 2018).
///
/// The distance of two images is the squared Euclidean distance of their features: unit length in every pixel of a
/// layer, times the root of the learned weight, over the root of the number of pixels. So features of an observation
/// are computed once.
#[derive(Debug)]
pub struct Lpips {
    /// Kernel and bias of each layer.
    convolutions: Vec<(Tensor, Tensor)>,
    /// Root of the learned weight of each channel of each layer, `[1, C, 1, 1]`.
    roots: Vec<Tensor>,
    /// `[1, 3, 1, 1]`.
    shift: Tensor,
    /// `[1, 3, 1, 1]`.
    scale: Tensor,
}

impl Lpips {
    /// Its file in the folder of weights, which `tools/setup_gan.sh` fetches.
    pub const FILE: &str = "lpips_alexnet.safetensors";
    /// Least side of an image, pixels: below that a layer has nothing left to pool.
    pub const LEAST_SIDE: i64 = 31;

    /// Reads [`Lpips::FILE`].
    ///
    /// # Errors
    /// [`thalweg_nn::NnError`] about the file.
    pub fn load(path: &Path, options: &LoadOptions) -> thalweg_nn::Result<Self> {
        let file = provision::open(path, FORMAT, options)?;
        let (mut convolutions, mut roots, mut inputs) = (Vec::new(), Vec::new(), CHANNELS);
        for (index, Layer { outputs, kernel, .. }) in LAYERS.iter().enumerate() {
            let weight = file.tensor(&format!("alexnet.{index}.weight"), &[*outputs, inputs, *kernel, *kernel])?;
            convolutions.push((weight, file.tensor(&format!("alexnet.{index}.bias"), &[*outputs])?));
            let head = file.tensor(&format!("head.{index}"), &[*outputs])?;
            if head.min().double_value(&[]) < 0.0 {
                return Err(file.refuse(format!("tensor head.{index}: has negative values")));
            }
            roots.push(head.sqrt().view([1, -1, 1, 1]));
            inputs = *outputs;
        }
        let colours = |values: &[f64; 3]| {
            Tensor::from_slice(values).view([1, CHANNELS, 1, 1]).to_kind(options.kind).to_device(options.device)
        };
        Ok(Self { convolutions, roots, shift: colours(&SHIFT), scale: colours(&SCALE) })
    }

    /// Computes the features of images, a row for each; of 64 x 64 pixels they are [`FEATURES`].
    ///
    /// `image`: `[K, 3, H, W]`, black 0, white 1, H and W at least [`Lpips::LEAST_SIDE`]; `seen`: one where a pixel counts,
    /// zero where it does not, `[1 or K, 3, H, W]`. What does not count is taken for the mean colour: two images that are hidden at the same places
    /// have the same features there, and those of a hidden image do not depend on it.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn features(&self, image: &Tensor, seen: &Tensor) -> Result<Tensor> {
        let mut signal = (image * 2.0 - 1.0 - &self.shift) / &self.scale * seen;
        let mut parts = Vec::new();
        for ((layer, (kernel, bias)), root) in LAYERS.iter().zip(&self.convolutions).zip(&self.roots) {
            if layer.pooled {
                signal = signal.f_max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false)?;
            }
            let (stride, padding) = ([layer.stride; 2], [layer.padding; 2]);
            signal = signal.f_conv2d(kernel, Some(bias), stride, padding, [1, 1], 1)?.relu();
            parts.push(unit(&signal, root).flatten(1, -1));
        }
        Ok(Tensor::f_cat(&parts, 1)?)
    }
}

/// Brings every pixel of `[K, C, H, W]` to unit length, times the root of the weights over that of the number of pixels.
fn unit(signal: &Tensor, root: &Tensor) -> Tensor {
    let square = signal.square().sum_dim_intlist([1].as_slice(), true, signal.kind());
    let length = (square + LEAST_LENGTH * LEAST_LENGTH).sqrt() + LEAST_LENGTH;
    let pixels = (signal.size()[2] * signal.size()[3]) as f64;
    signal / length * (root / pixels.sqrt())
}
