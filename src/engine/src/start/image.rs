//! A start that sees: an image, gaps marked, to what latents it may have.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Kind, Tensor};
use thalweg_nn::initial;
use thalweg_nn::weights::Weights;
use thalweg_task::{ImageSpec, Kinds, Result, TaskError, TaskSpec};

/// Channels after the first convolution; each further one doubles them.
const CHANNELS: i64 = 32;
/// Rows and columns of every kernel; a convolution halves those of its input.
const KERNEL: i64 = 4;
/// Least rows and columns that the convolutions leave to the dense layers.
const LEFT: i64 = 4;
/// Slope of the rectifiers below zero.
const SLOPE: f64 = 0.2;

/// Convolutions after the discriminator of a DCGAN (Radford et al., 2016), and two dense layers, for the mean and the
/// standard deviation of each number of the latent (as the encoder of a variational autoencoder: Kingma & Welling, 2014).
///
/// The code of a hypothesis says how many standard deviations from the mean it begins: a code of zero asks for the mean,
/// and hypotheses lie as far apart as the image leaves open.
#[derive(Debug)]
pub struct ImageEncoder {
    /// Weight and bias of each layer: convolutions, mean, deviation.
    parameters: Vec<Tensor>,
    image: ImageSpec,
}

impl ImageEncoder {
    /// What is read.
    pub const READS: Kinds = Kinds { joints: false, image: true, points: false };

    /// Parameters of the deviation, the last: its weight and its bias.
    pub const OF_DEVIATION: usize = 2;

    /// Shapes of weight and bias of each layer, for the images of a task and a latent of `z` numbers: convolutions in
    /// their order, mean, deviation.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when the task reads no image, or one that cannot be halved often enough.
    pub fn shapes(spec: &TaskSpec, z: i64) -> Result<Vec<Vec<i64>>> {
        let image = image_of(spec)?;
        let halvings = halvings(&image);
        let mut shapes = Vec::new();
        // Colours, and whether they were seen.
        let mut channels = 2 * image.channels;
        for layer in 0..halvings {
            let next = CHANNELS << layer;
            shapes.extend([vec![next, channels, KERNEL, KERNEL], vec![next]]);
            channels = next;
        }
        let flat = channels * (image.height >> halvings) * (image.width >> halvings);
        shapes.extend([vec![z, flat], vec![z], vec![z, flat], vec![z]]);
        Ok(shapes)
    }

    /// Takes parameters of [`ImageEncoder::shapes`].
    ///
    /// # Errors
    /// As there, and when they have other shapes.
    pub fn new(parameters: Vec<Tensor>, spec: &TaskSpec, z: i64) -> Result<Self> {
        let shapes = Self::shapes(spec, z)?;
        for (tensor, shape) in parameters.iter().zip(&shapes) {
            if tensor.size() != *shape {
                return Err(TaskError::shape("layer of an encoder", format!("{shape:?}"), tensor));
            }
        }
        debug_assert_eq!(parameters.len(), shapes.len(), "weight and bias of each layer");
        Ok(Self { parameters, image: image_of(spec)? })
    }

    /// Reads parameters from a file; see [`ImageEncoder::named`].
    pub(super) fn load(file: &Weights, prefix: &str, spec: &TaskSpec, z: i64) -> Result<Self> {
        let shapes = Self::shapes(spec, z)?;
        let names: Vec<String> = (0..shapes.len()).map(|index| name(prefix, index)).collect();
        file.expect_names(names.iter().map(String::as_str))?;
        let tensors = names.iter().zip(&shapes).map(|(name, shape)| file.tensor(name, shape));
        Self::new(tensors.collect::<thalweg_nn::Result<_>>()?, spec, z)
    }

    /// Draws parameters that keep the scale of a signal through leaky rectifiers (He et al., 2015), biases zero, and a
    /// deviation of one half, whatever comes; leaves that collect gradients.
    ///
    /// # Errors
    /// As [`ImageEncoder::shapes`].
    pub fn untrained(spec: &TaskSpec, z: i64, seed: u64) -> Result<Vec<Tensor>> {
        let mut random = StdRng::seed_from_u64(seed);
        let shapes = Self::shapes(spec, z)?;
        let drawn = shapes.len() - Self::OF_DEVIATION;
        let draw = |(index, shape): (usize, Vec<i64>)| {
            let is_weight = shape.len() > 1 && index < drawn;
            let bound = if is_weight { initial::he_bound(&shape, SLOPE) } else { 0.0 };
            initial::uniform(&shape, bound, &mut random, (spec.kind, spec.device))
        };
        Ok(initial::leaves(shapes.into_iter().enumerate().map(draw).collect()))
    }

    /// Mean and standard deviation, `[O, Z]` each, of the latents of images whose features are `[O, D]`; see
    /// [`super::features`]. No deviation is above 1, that of the latent before anything is seen.
    pub fn forward(&self, features: &Tensor) -> (Tensor, Tensor) {
        let ImageSpec { channels, height, width } = self.image;
        let mut signal = features.view([-1, 2 * channels, height, width]);
        let (convolutions, dense) = self.parameters.split_at(self.parameters.len() - 4);
        for layer in convolutions.chunks(2) {
            signal = signal.conv2d(&layer[0], Some(&layer[1]), [2, 2], [1, 1], [1, 1], 1);
            signal = signal.maximum(&(&signal * SLOPE));
        }
        let signal = signal.flatten(1, -1);
        let [mean, deviation] = [0, 2].map(|at| signal.linear(&dense[at], Some(&dense[at + 1])));
        (mean, deviation.sigmoid())
    }

    /// Points `[K, Z]` for features, `[1, D]` or `[K, D]`, and codes, `[K, Z]`.
    pub(super) fn propose(&self, features: &Tensor, codes: &Tensor) -> Tensor {
        let (mean, deviation) = self.forward(features);
        mean + deviation * codes
    }

    /// Dimension `Z` of the latent, and of the code.
    #[must_use]
    pub fn dim(&self) -> i64 {
        self.parameters.last().map_or(0, |bias| bias.size()[0])
    }

    /// Weight and bias of each layer; see [`ImageEncoder::shapes`].
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    pub(super) fn named(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let named = |(index, tensor): (usize, &Tensor)| (name(prefix, index), tensor.shallow_clone());
        self.parameters.iter().enumerate().map(named).collect()
    }

    /// Negative log likelihood of latents `x`, `[O, Z]`, mean over their numbers, up to a constant: `[O]`.
    pub fn surprise(mean: &Tensor, deviation: &Tensor, x: &Tensor) -> Tensor {
        let error = (x - mean) / deviation;
        (deviation.log() + error.square() * 0.5).mean_dim([1].as_slice(), false, Kind::Float)
    }
}

/// The image that a task reads, if it can be halved down to what the dense layer reads.
fn image_of(spec: &TaskSpec) -> Result<ImageSpec> {
    let got = spec.image.map_or(Vec::new(), |ImageSpec { channels, height, width }| vec![channels, height, width]);
    let fits = |image: &ImageSpec| {
        let (count, side) = (halvings(image), 1 << halvings(image));
        count > 0 && image.height % side == 0 && image.width % side == 0
    };
    spec.image.filter(fits).ok_or_else(|| {
        let expected = format!("[C, H, W] that can be halved, and again, as long as {LEFT} rows and columns are left");
        TaskError::Shape { what: "image that a start reads", expected, got }
    })
}

/// How often an image is halved.
fn halvings(image: &ImageSpec) -> u32 {
    (image.height.min(image.width) / LEFT).max(1).ilog2()
}

fn name(prefix: &str, index: usize) -> String {
    let part = if index.is_multiple_of(2) { "weight" } else { "bias" };
    format!("{prefix}.{}.{part}", index / 2)
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use thalweg_task::Observation;

    use super::super::tests::codes;
    use super::super::{Start, features};
    use super::*;
    use crate::landscape::Landscape;

    fn spec(side: i64) -> TaskSpec {
        let image = ImageSpec { channels: 3, height: side, width: 2 * side };
        TaskSpec { image: Some(image), joints: Vec::new(), reads_joints: false, ..super::super::tests::spec() }
    }

    fn encoder(spec: &TaskSpec) -> ImageEncoder {
        let parameters = ImageEncoder::untrained(spec, 2, 5).expect("shapes").into_iter();
        let varied = parameters.enumerate().map(|(index, tensor)| (tensor + 0.01 * index as f64).detach());
        ImageEncoder::new(varied.collect(), spec, 2).expect("shapes")
    }

    fn picture() -> Tensor {
        Tensor::linspace(0.0, 1.0, 3 * 16 * 32, (Kind::Double, Device::Cpu)).view([1, 3, 16, 32])
    }

    #[test]
    fn codes_ask_for_points_as_far_apart_as_the_image_leaves_open() {
        let _no_grad = tch::no_grad_guard();
        let spec = spec(16);
        let (encoder, obs) = (encoder(&spec), Observation::of_image(&picture()));
        let (mean, deviation) = encoder.forward(&features(&obs, &spec, ImageEncoder::READS));
        let codes = codes(3, 2, 1);
        let got = Start::of_images(encoder).propose(&obs, &spec, &codes).expect("a network");
        let apart = (&got - (&mean + &deviation * &codes)).abs().max().double_value(&[]);
        assert!(got.size() == [3, 2] && apart < 1e-12, "{apart}");
        assert!((got.get(0) - mean.get(0)).abs().max().double_value(&[]) < 1e-12, "code zero asks for the mean");
    }

    #[test]
    fn what_is_not_seen_is_not_gray() {
        let _no_grad = tch::no_grad_guard();
        let spec = spec(16);
        let start = Start::of_images(encoder(&spec));
        let hide = |values: f64| {
            let picture = picture();
            drop(picture.narrow(3, 0, 16).fill_(values));
            Observation::of_image(&picture)
        };
        let propose = |obs: &Observation| start.propose(obs, &spec, &codes(1, 2, 0)).expect("a network");
        let [hidden, shown] = [f64::NAN, 0.5].map(|values| propose(&hide(values)));
        assert!(hidden.isfinite().all().int64_value(&[]) == 1);
        assert!((hidden - shown).abs().max().double_value(&[]) > 1e-6);
    }

    #[test]
    fn a_saved_encoder_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("start.safetensors");
        let (spec, landscape) = (spec(16), Landscape::identity(2));
        let start = Start::of_images(encoder(&spec));
        start.save(&path, &spec, &landscape, &[]).expect("saved");
        let back = Start::trained(&path, &spec, &landscape).expect("read");
        assert_eq!((back.id(), back.reads(&spec), back.code(), back.dim()), (start.id(), ImageEncoder::READS, 2, 2));
        let wide = TaskSpec { image: Some(ImageSpec { channels: 3, height: 32, width: 32 }), ..spec };
        let message = Start::trained(&path, &wide, &landscape).expect_err("another image").to_string();
        assert!(message.contains("lacks tensors: start.4.bias"), "{message}");
    }

    #[test]
    fn images_that_cannot_be_halved_are_refused() {
        for (side, fits) in [(4, false), (8, true), (9, false), (12, true), (18, false), (64, true)] {
            assert_eq!(ImageEncoder::shapes(&spec(side), 2).is_ok(), fits, "{side}");
        }
        let message = ImageEncoder::shapes(&spec(9), 2).expect_err("9 rows").to_string();
        assert!(message.contains("[3, 9, 18]") && message.contains("halved"), "{message}");
        let none = TaskSpec { image: None, ..spec(16) };
        assert!(ImageEncoder::shapes(&none, 2).is_err());
    }

    #[test]
    fn surprise_is_least_where_the_deviation_is_that_of_the_error() {
        let row = |value: f64| Tensor::from_slice(&[value]).view([1, 1]);
        let of = |deviation: f64| ImageEncoder::surprise(&row(0.2), &row(deviation), &row(0.7)).double_value(&[0]);
        assert!(of(0.5) < of(0.45) && of(0.5) < of(0.55));
    }
}
