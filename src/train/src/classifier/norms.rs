//! A backbone with batch norms behind its convolutions, as it is trained.

use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor, no_grad};
use thalweg_image_defence::{Backbone, BackboneConfig};
use thalweg_nn::NnError;
use thalweg_nn::initial::{he_bound, uniform};
use thalweg_nn::weights::Weights;

use super::Precision;
use crate::TrainError;

/// Added to a variance.
const EPSILON: f64 = 1e-5;
/// How fast running means follow.
const FOLLOWING: f64 = 0.1;

/// A convolution's batch norm: what it learns, and the running statistics of what goes in; each `[C]`.
#[derive(Debug)]
struct Norm {
    scale: Tensor,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
}

/// Weights and batch norms of a backbone; single precision.
#[derive(Debug)]
pub(super) struct Network {
    config: BackboneConfig,
    /// Weight and bias by name, in the order of [`BackboneConfig::tensors`]; biases of convolutions stay zero, for the norm
    /// behind takes them off again.
    layers: Vec<(String, Tensor)>,
    norms: Vec<Norm>,
}

/// Whether a tensor of a file belongs to a dense layer.
fn is_dense(name: &str) -> bool {
    name.starts_with("linear")
}

fn leaf(tensor: &Tensor) -> Tensor {
    tensor.detach().copy().set_requires_grad(true)
}

impl Network {
    /// Draws weights (He et al., 2015).
    pub(super) fn drawn(config: &BackboneConfig, random: &mut StdRng) -> Self {
        let place = (Kind::Float, Device::Cpu);
        let draw = |(name, shape): (String, Vec<i64>)| {
            let bound =
                if shape.len() == 1 { 0.0 } else { he_bound(&shape, 0.0) / f64::from(1 + u8::from(is_dense(&name))) };
            (name, leaf(&uniform(&shape, bound, random, place)))
        };
        let layers: Vec<_> = config.tensors().into_iter().map(draw).collect();
        let norms = weights(&layers).map(|weight| {
            let channels = weight.size()[0];
            let (zeros, ones) = (Tensor::zeros([channels], place), Tensor::ones([channels], place));
            Norm { scale: leaf(&ones), shift: leaf(&zeros), mean: zeros, variance: ones }
        });
        Self { config: config.clone(), norms: norms.collect(), layers }
    }

    /// Begins with the weights of a trained backbone: norms that change nothing at first, and find their statistics anew.
    pub(super) fn of(backbone: &Backbone, config: &BackboneConfig) -> Result<Self, TrainError> {
        if backbone.config() != config {
            return Err(TrainError::option("from", &"a backbone of another form", "one of the form that is trained"));
        }
        let named = backbone.named();
        let mut norms = Vec::new();
        let mut layers = Vec::new();
        for (name, tensor) in &named {
            let is_bias_of_convolution = !is_dense(name) && tensor.dim() == 1;
            if is_bias_of_convolution {
                let one = tensor.ones_like();
                // The deviation is one and the mean zero until batches have told better.
                let variance = &one - EPSILON;
                norms.push(Norm { scale: leaf(&one), shift: leaf(tensor), mean: tensor.zeros_like(), variance });
            }
            layers
                .push((name.clone(), leaf(&if is_bias_of_convolution { tensor.zeros_like() } else { tensor.copy() })));
        }
        Ok(Self { config: config.clone(), layers, norms })
    }

    /// What is learned: all weights, biases of dense layers, scales and shifts; whether each decays.
    pub(super) fn parameters(&self) -> Vec<(Tensor, bool)> {
        let learned = self.layers.iter().filter(|(name, tensor)| is_dense(name) || tensor.dim() > 1);
        let layers = learned.map(|(_, tensor)| (tensor.shallow_clone(), tensor.dim() > 1));
        let norms = self.norms.iter().flat_map(|norm| [&norm.scale, &norm.shift]);
        layers.chain(norms.map(|tensor| (tensor.shallow_clone(), false))).collect()
    }

    /// Logits `[B, C]` of images `[B, 3, H, W]`, with norms over the batch; running statistics follow.
    pub(super) fn train(&self, image: &Tensor, precision: Precision) -> Result<Tensor, TrainError> {
        let backbone = assemble(&self.config, &self.layers, precision)?;
        let image = prepared(&self.config, image, precision);
        let norm = &mut |place: usize, signal: Tensor| {
            let Norm { scale, shift, mean, variance } = &self.norms[place];
            let of = |tensor: &Tensor| Some(tensor.shallow_clone());
            let statistics = (of(mean), of(variance));
            Ok(signal.f_batch_norm(
                of(scale),
                of(shift),
                statistics.0,
                statistics.1,
                true,
                FOLLOWING,
                EPSILON,
                false,
            )?)
        };
        Ok(backbone.forward_with(&image, norm)?.1)
    }

    /// The network without norms: each is folded into the convolution before it.
    pub(super) fn folded(&self, precision: Precision) -> Result<Backbone, TrainError> {
        let mut norms = self.norms.iter();
        let mut folded = Vec::with_capacity(self.layers.len());
        no_grad(|| {
            for pair in self.layers.chunks_exact(2) {
                let [(name, weight), (bias_name, bias)] = pair else { continue };
                let (weight, bias) = match norms.next().filter(|_| !is_dense(name)) {
                    Some(Norm { scale, shift, mean, variance }) => {
                        let factor = scale / (variance + EPSILON).sqrt();
                        (weight * factor.view([-1, 1, 1, 1]), shift - mean * &factor)
                    }
                    None => (weight.copy(), bias.copy()),
                };
                folded.push((name.clone(), weight.detach()));
                folded.push((bias_name.clone(), bias.detach()));
            }
        });
        if precision == Precision::Single {
            return take(self.config.clone(), &folded);
        }
        let folded: Vec<_> = folded.into_iter().map(|(name, tensor)| (name, cast(&tensor, precision))).collect();
        take(self.config.clone(), &folded)
    }

    /// Running statistics, for a checkpoint.
    pub(super) fn statistics(&self) -> Vec<(String, Tensor)> {
        let of = |(index, norm): (usize, &Norm)| {
            [(format!("norm.{index}.mean"), norm.mean.copy()), (format!("norm.{index}.variance"), norm.variance.copy())]
        };
        self.norms.iter().enumerate().flat_map(of).collect()
    }

    /// Takes them back.
    pub(super) fn restore_statistics(&mut self, file: &Weights) -> Result<(), TrainError> {
        for (index, norm) in self.norms.iter_mut().enumerate() {
            norm.mean = file.tensor(&format!("norm.{index}.mean"), &norm.mean.size())?;
            norm.variance = file.tensor(&format!("norm.{index}.variance"), &norm.variance.size())?;
        }
        Ok(())
    }
}

fn weights(layers: &[(String, Tensor)]) -> impl Iterator<Item = &Tensor> {
    layers.iter().filter(|(name, tensor)| !is_dense(name) && tensor.dim() > 1).map(|(_, tensor)| tensor)
}

/// Colours last in memory, which convolutions of few channels are fastest with.
fn colours_last(tensor: &Tensor) -> Tensor {
    tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

fn cast(tensor: &Tensor, precision: Precision) -> Tensor {
    let tensor = if tensor.dim() == 4 { colours_last(tensor) } else { tensor.shallow_clone() };
    if precision == Precision::Brain { tensor.to_kind(Kind::BFloat16) } else { tensor }
}

/// Colours are taken off their means here, in single precision, and not by the network.
fn prepared(config: &BackboneConfig, image: &Tensor, precision: Precision) -> Tensor {
    let of = |values: &[f64; 3]| Tensor::from_slice(values).view([1, -1, 1, 1]).to_kind(Kind::Float);
    cast(&((image - of(&config.mean)) / of(&config.std)), precision)
}

/// The network for images that are [`prepared`].
fn assemble(
    config: &BackboneConfig,
    layers: &[(String, Tensor)],
    precision: Precision,
) -> Result<Backbone, TrainError> {
    let config = BackboneConfig { mean: [0.0; 3], std: [1.0; 3], ..config.clone() };
    let layers: Vec<_> = layers.iter().map(|(name, tensor)| (name.clone(), cast(tensor, precision))).collect();
    take(config, &layers)
}

fn take(config: BackboneConfig, layers: &[(String, Tensor)]) -> Result<Backbone, TrainError> {
    let mut layers = layers.iter();
    Backbone::assemble(config, |name, shape| match layers.next() {
        Some((own, tensor)) if own == name && tensor.size() == shape => Ok(tensor.shallow_clone()),
        _ => Err(TrainError::Weights(NnError::shape("layers", "those of the network, in their order", &Tensor::new()))),
    })
}
