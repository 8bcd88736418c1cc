//! The classifier: a residual network without normalisation layers.

use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use thalweg_nn::NnError;
use thalweg_task::{LoadOptions, Result, TaskError};

/// Colours of an image: red, green, blue.
pub const CHANNELS: i64 = 3;
/// Rows and columns of a kernel, but for those of shortcuts, which have one.
const KERNEL: i64 = 3;
/// Most entries of one image's features.
const MOST_FEATURES: i64 = 1 << 20;

/// The first convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stem {
    /// Channels of its output.
    pub channels: i64,
    /// Pixels from one place of its kernel to the next.
    pub stride: i64,
}

/// Blocks of equal width: each two convolutions beside a shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Channels of its output.
    pub channels: i64,
    /// Blocks one after the other.
    pub blocks: i64,
    /// Stride of its first block.
    pub stride: i64,
    /// Whether the first block's shortcut is a convolution of one pixel; it must be where stride or channels change.
    pub projection: bool,
}

/// What a backbone is built of; the form kept in files of weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneConfig {
    /// Rows `H` of an image.
    pub height: i64,
    /// Columns `W` of an image.
    pub width: i64,
    /// Mean of red, green, blue that is taken off, of pixels from 0 to 1.
    pub mean: [f64; 3],
    /// Deviation of red, green, blue by which the rest is divided.
    pub std: [f64; 3],
    /// The first convolution.
    pub stem: Stem,
    /// The blocks after it.
    pub stages: Vec<Stage>,
    /// Whether the features are means over all places; otherwise they are all places one after the other.
    pub pooled: bool,
    /// Widths of dense layers between the features and the classes, each with a rectifier.
    pub hidden: Vec<i64>,
    /// Number of classes `C`.
    pub classes: i64,
}

/// One convolution or dense layer: its name in a file, and the shape of its weight.
struct Layer {
    name: String,
    shape: Vec<i64>,
}

impl BackboneConfig {
    /// The network in `cifar10_resnet2b.safetensors` of alpha-beta-CROWN (`complete_verifier/model_defs`: ResNet-2B).
    #[must_use]
    pub fn resnet2b() -> Self {
        let stage = Stage { channels: 16, blocks: 2, stride: 2, projection: true };
        Self::of_crown(8, vec![stage])
    }

    /// The network in `cifar10_resnet4b.safetensors` of alpha-beta-CROWN (ResNet-4B).
    #[must_use]
    pub fn resnet4b() -> Self {
        let stage = Stage { channels: 32, blocks: 2, stride: 2, projection: true };
        Self::of_crown(16, vec![stage, stage])
    }

    fn of_crown(channels: i64, stages: Vec<Stage>) -> Self {
        Self {
            height: 32,
            width: 32,
            mean: [0.4914, 0.4822, 0.4465],
            std: [0.2471, 0.2435, 0.2616],
            stem: Stem { channels, stride: 2 },
            stages,
            pooled: false,
            hidden: vec![100],
            classes: 10,
        }
    }

    /// Checks that every number is in its range, before any is computed with.
    ///
    /// # Errors
    /// A sentence that says which number came, and what was expected.
    pub fn check(&self) -> std::result::Result<(), String> {
        within("height", self.height, 8..=512)?;
        within("width", self.width, 8..=512)?;
        within("stem.channels", self.stem.channels, 1..=1024)?;
        within("stem.stride", self.stem.stride, 1..=4)?;
        within("the number of stages", self.stages.len() as i64, 1..=8)?;
        let mut inputs = self.stem.channels;
        for Stage { channels, blocks, stride, projection } in &self.stages {
            within("stage.channels", *channels, 1..=1024)?;
            within("stage.blocks", *blocks, 1..=16)?;
            within("stage.stride", *stride, 1..=4)?;
            if !projection && (*stride != 1 || *channels != inputs) {
                return Err("a stage that changes stride or channels needs a projection".to_owned());
            }
            inputs = *channels;
        }
        within("the number of hidden layers", self.hidden.len() as i64, 0..=4)?;
        self.hidden.iter().try_for_each(|width| within("hidden", *width, 1..=8192))?;
        within("classes", self.classes, 2..=10_000)?;
        within("the number of features", self.features(), 1..=MOST_FEATURES)?;
        let colours = self.mean.iter().all(|mean| (0.0..=1.0).contains(mean));
        let spreads = self.std.iter().all(|std| (1e-3..=10.0).contains(std));
        if colours && spreads {
            return Ok(());
        }
        Err(format!("expected means in 0..1 and deviations in 0.001..10, got {:?} and {:?}", self.mean, self.std))
    }

    /// The number of features `D`.
    #[must_use]
    pub fn features(&self) -> i64 {
        let channels = self.stages.last().map_or(self.stem.channels, |stage| stage.channels);
        if self.pooled {
            return channels;
        }
        let strides = || std::iter::once(self.stem.stride).chain(self.stages.iter().map(|stage| stage.stride));
        let side = |side: i64| strides().fold(side, |side, stride| (side - 1) / stride + 1);
        channels * side(self.height) * side(self.width)
    }

    /// Names and shapes of all weights and biases, in turn, as they are in a file.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Vec<i64>)> {
        let layers = self.convolutions().into_iter().chain(self.dense());
        let both = |Layer { name, shape }: Layer| {
            let outputs = shape[0];
            [(format!("{name}.weight"), shape), (format!("{name}.bias"), vec![outputs])]
        };
        layers.flat_map(both).collect()
    }

    /// The convolutions, in the order in which [`Backbone::forward_with`] counts them.
    fn convolutions(&self) -> Vec<Layer> {
        let mut inputs = self.stem.channels;
        let mut layers = vec![layer("conv1".to_owned(), [inputs, CHANNELS, KERNEL, KERNEL])];
        for (stage, config) in self.stages.iter().enumerate() {
            for block in 0..config.blocks {
                let (name, outputs) = (format!("layer{}.{block}", stage + 1), config.channels);
                layers.push(layer(format!("{name}.conv1"), [outputs, inputs, KERNEL, KERNEL]));
                layers.push(layer(format!("{name}.conv2"), [outputs, outputs, KERNEL, KERNEL]));
                if block == 0 && config.projection {
                    layers.push(layer(format!("{name}.shortcut.0"), [outputs, inputs, 1, 1]));
                }
                inputs = outputs;
            }
        }
        layers
    }

    fn dense(&self) -> Vec<Layer> {
        let widths: Vec<i64> =
            [self.features()].into_iter().chain(self.hidden.iter().copied()).chain([self.classes]).collect();
        let of = |(index, pair): (usize, &[i64])| layer(format!("linear{}", index + 1), [pair[1], pair[0]]);
        widths.windows(2).enumerate().map(of).collect()
    }
}

fn layer<const N: usize>(name: String, shape: [i64; N]) -> Layer {
    Layer { name, shape: shape.to_vec() }
}

/// Refuses a number outside its range, in words.
pub(crate) fn within(what: &str, got: i64, range: RangeInclusive<i64>) -> std::result::Result<(), String> {
    if range.contains(&got) {
        return Ok(());
    }
    Err(format!("{what}: expected {} to {}, got {got}", range.start(), range.end()))
}

/// Weight and bias.
#[derive(Debug)]
struct Weighted {
    weight: Tensor,
    bias: Tensor,
}

/// A residual network (He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016) of basic blocks: two
/// convolutions of 3 x 3 pixels beside a shortcut, rectifiers after the first and after the sum.
///
/// It has no normalisation layers, so rows do not interact: who trains with batch norms folds them into the
/// convolutions. Its features `D` are what leaves the last block, pooled or whole.
#[derive(Debug)]
pub struct Backbone {
    config: BackboneConfig,
    convolutions: Vec<Weighted>,
    dense: Vec<Weighted>,
    /// `[1, 3, 1, 1]`.
    mean: Tensor,
    /// `[1, 3, 1, 1]`.
    std: Tensor,
}

/// What looks at the output of each convolution, `[B, C, H, W]`, and may replace it: its number in turn comes along.
type AfterConvolution<'a> = &'a mut dyn FnMut(usize, Tensor) -> Result<Tensor>;

impl Backbone {
    /// Puts a network together of tensors that `take` gives by name and shape.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn assemble<E>(
        config: BackboneConfig,
        mut take: impl FnMut(&str, &[i64]) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<Self, E> {
        let mut of = |Layer { name, shape }: Layer| {
            let weight = take(&format!("{name}.weight"), &shape)?;
            Ok(Weighted { weight, bias: take(&format!("{name}.bias"), &shape[..1])? })
        };
        let convolutions =
            config.convolutions().into_iter().map(&mut of).collect::<std::result::Result<Vec<_>, E>>()?;
        let dense = config.dense().into_iter().map(of).collect::<std::result::Result<Vec<_>, E>>()?;
        let like = &convolutions[0].weight;
        let colours = |values: &[f64; 3]| {
            Tensor::from_slice(values).view([1, CHANNELS, 1, 1]).to_kind(like.kind()).to_device(like.device())
        };
        let (mean, std) = (colours(&config.mean), colours(&config.std));
        Ok(Self { config, convolutions, dense, mean, std })
    }

    /// Reads a file of others' that has this network's tensors by their names, and no checksum: what a head is trained
    /// for, before [`crate::Defence::save`] writes both.
    ///
    /// # Errors
    /// [`NnError`] when the file cannot be read, a tensor is missing, has another shape or is not finite.
    pub fn read_plain(path: &Path, config: BackboneConfig, options: &LoadOptions) -> thalweg_nn::Result<Self> {
        let refuse = |reason: String| NnError::Weights { path: path.to_owned(), reason };
        config.check().map_err(refuse)?;
        // Tells what is no file, too large or a pickle.
        drop(thalweg_nn::weights::read(path)?);
        let tensors = Tensor::read_safetensors(path)?;
        let expected = config.tensors().len();
        if tensors.len() != expected {
            return Err(refuse(format!("expected {expected} tensors, got {}", tensors.len())));
        }
        Self::assemble(config, |name, shape| {
            let found = tensors.iter().find(|(own, _)| own == name);
            let (_, tensor) = found.ok_or_else(|| refuse(format!("tensor {name} is missing")))?;
            if tensor.size() != shape {
                return Err(refuse(format!("tensor {name}: expected shape {shape:?}, got {:?}", tensor.size())));
            }
            if tensor.isfinite().all().int64_value(&[]) == 0 {
                return Err(refuse(format!("tensor {name}: has values that are not finite")));
            }
            Ok(tensor.to_kind(options.kind).to_device(options.device))
        })
    }

    /// What the network is built of.
    #[must_use]
    pub fn config(&self) -> &BackboneConfig {
        &self.config
    }

    /// Classifies images.
    ///
    /// `image`: `[B, 3, H, W]`, black 0, white 1. Returns features `[B, D]` and logits `[B, C]`, both differentiable in
    /// the image.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when the images have another shape.
    pub fn forward(&self, image: &Tensor) -> Result<(Tensor, Tensor)> {
        self.forward_with(image, &mut |_, signal| Ok(signal))
    }

    /// The same, but `after` is given what each convolution makes, by its number in turn: a training puts its batch norms
    /// there.
    ///
    /// # Errors
    /// As [`Backbone::forward`], and those of `after`.
    pub fn forward_with(&self, image: &Tensor, after: AfterConvolution<'_>) -> Result<(Tensor, Tensor)> {
        let features = self.features_with(image, after)?;
        let logits = self.classify(&features)?;
        Ok((features, logits))
    }

    /// Computes the features `[B, D]` of images `[B, 3, H, W]`.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    pub fn features(&self, image: &Tensor) -> Result<Tensor> {
        self.features_with(image, &mut |_, signal| Ok(signal))
    }

    fn features_with(&self, image: &Tensor, after: AfterConvolution<'_>) -> Result<Tensor> {
        let BackboneConfig { height, width, .. } = self.config;
        if image.size().get(1..) != Some(&[CHANNELS, height, width]) {
            return Err(TaskError::shape("image", format!("[B, {CHANNELS}, {height}, {width}]"), image));
        }
        let mut place = 0;
        let mut convolve = |signal: &Tensor, stride: i64| {
            let Weighted { weight, bias } = &self.convolutions[place];
            let padding = weight.size()[2] / 2;
            let signal = signal.f_conv2d(weight, Some(bias), [stride; 2], [padding; 2], [1, 1], 1)?;
            place += 1;
            after(place - 1, signal)
        };
        let mut signal = convolve(&((image - &self.mean) / &self.std), self.config.stem.stride)?.relu();
        for stage in &self.config.stages {
            for block in 0..stage.blocks {
                let stride = if block == 0 { stage.stride } else { 1 };
                let inner = convolve(&signal, stride)?.relu();
                let inner = convolve(&inner, 1)?;
                let projected = block == 0 && stage.projection;
                let shortcut = if projected { convolve(&signal, stride)? } else { signal.shallow_clone() };
                signal = (inner + shortcut).relu();
            }
        }
        Ok(if self.config.pooled {
            signal.f_mean_dim([2, 3].as_slice(), false, None::<Kind>)?
        } else {
            signal.flatten(1, -1)
        })
    }

    /// Tells the logits `[B, C]` of features `[B, D]`.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when the features have another shape.
    pub fn classify(&self, features: &Tensor) -> Result<Tensor> {
        dense(features, self.dense.iter().map(|Weighted { weight, bias }| (weight, bias)))
    }

    /// All weights by name, in the order of [`BackboneConfig::tensors`].
    #[must_use]
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let tensors = self.convolutions.iter().chain(&self.dense).flat_map(|layer| [&layer.weight, &layer.bias]);
        self.config.tensors().into_iter().zip(tensors).map(|((name, _), own)| (name, own.shallow_clone())).collect()
    }
}

/// Applies dense layers, weight `[out, in]` and bias `[out]`, with rectifiers between them.
pub(crate) fn dense<'a>(input: &Tensor, layers: impl Iterator<Item = (&'a Tensor, &'a Tensor)>) -> Result<Tensor> {
    let mut signal = input.shallow_clone();
    for (index, (weight, bias)) in layers.enumerate() {
        let inputs = weight.size()[1];
        if !matches!(signal.size()[..], [_, got] if got == inputs) {
            return Err(TaskError::shape("features", format!("[B, {inputs}]"), &signal));
        }
        signal = if index > 0 { signal.relu() } else { signal };
        signal = signal.f_linear(weight, Some(bias))?;
    }
    Ok(signal)
}
