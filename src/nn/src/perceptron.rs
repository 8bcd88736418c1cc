//! Dense layers with leaky rectifiers between them: theta, decoders, encoders.

use tch::Tensor;

use crate::weights::Weights;
use crate::{NnError, Result};

/// One dense layer: `y = x W^T + b`.
#[derive(Debug)]
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

/// A multi-layer perceptron with frozen weights, and, where there is one, a linear map beside it: `y = mlp(x) + S x`.
///
/// Differentiable in its input; its weights carry no gradient unless they were built with one.
#[derive(Debug)]
pub struct Perceptron {
    layers: Vec<Dense>,
    slope: f64,
    /// S, `[out, in]`.
    skip: Option<Tensor>,
}

impl Perceptron {
    /// Assembles a perceptron from `(weight [out, in], bias [out])` pairs.
    ///
    /// `slope` in `[0, 1)` is the rectifier's slope below zero (LeakyReLU; Maas et al., 2013).
    ///
    /// # Errors
    /// [`NnError::Shape`] when a layer does not fit the one before it.
    pub fn new(layers: Vec<(Tensor, Tensor)>, slope: f64) -> Result<Self> {
        let mut width: Option<i64> = None;
        for (weight, bias) in &layers {
            let size = weight.size();
            let fits = size.len() == 2 && width.is_none_or(|width| width == size[1]);
            if !fits {
                let expected = format!("[out, {}]", width.map_or_else(|| "in".to_owned(), |w| w.to_string()));
                return Err(NnError::shape("layer weight", expected, weight));
            }
            if bias.size() != [size[0]] {
                return Err(NnError::shape("layer bias", format!("[{}]", size[0]), bias));
            }
            width = Some(size[0]);
        }
        let layers = layers.into_iter().map(|(weight, bias)| Dense { weight, bias }).collect();
        Ok(Self { layers, slope, skip: None })
    }

    /// Puts a linear map, `[out, in]`, beside the layers.
    ///
    /// # Errors
    /// [`NnError::Shape`] when it does not fit input and output.
    pub fn with_skip(self, skip: Tensor) -> Result<Self> {
        let (Some(first), Some(last)) = (self.layers.first(), self.layers.last()) else {
            return Err(NnError::shape("skip", "layers beside it", &skip));
        };
        let expected = [last.weight.size()[0], first.weight.size()[1]];
        if skip.size() != expected {
            return Err(NnError::shape("skip", format!("{expected:?}"), &skip));
        }
        Ok(Self { skip: Some(skip), ..self })
    }

    /// The linear map beside the layers, `[out, in]`.
    #[must_use]
    pub fn skip(&self) -> Option<&Tensor> {
        self.skip.as_ref()
    }

    /// A second handle on the same weights.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let copy =
            |Dense { weight, bias }: &Dense| Dense { weight: weight.shallow_clone(), bias: bias.shallow_clone() };
        let layers = self.layers.iter().map(copy).collect();
        Self { layers, slope: self.slope, skip: self.skip.as_ref().map(Tensor::shallow_clone) }
    }

    /// Assembles a perceptron from weight and bias of each layer in turn, as [`Perceptron::parameters`] lists them.
    ///
    /// The tensors are shared, so that an optimiser that moves them moves the perceptron.
    ///
    /// # Errors
    /// As [`Perceptron::new`], and [`NnError::Shape`] when the last weight lacks its bias.
    pub fn from_parameters(parameters: &[Tensor], slope: f64) -> Result<Self> {
        let pair = |pair: &[Tensor]| match pair {
            [weight, bias] => Ok((weight.shallow_clone(), bias.shallow_clone())),
            alone => Err(NnError::shape("layer bias", "one for each weight", &alone[0])),
        };
        Self::new(parameters.chunks(2).map(pair).collect::<Result<_>>()?, slope)
    }

    /// Reads layers `{prefix}.{0, 1, ..}.weight` and `.bias` of the given widths.
    ///
    /// `widths`: input, hidden widths, output.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a tensor is missing, has another shape, is not finite, or is a matrix of zeros.
    pub fn load(weights: &Weights, prefix: &str, widths: &[i64], slope: f64) -> Result<Self> {
        let layer = |(index, width): (usize, &[i64])| {
            let weight = weights.tensor(&format!("{prefix}.{index}.weight"), &[width[1], width[0]])?;
            if weight.count_nonzero(None::<i64>).int64_value(&[]) == 0 {
                return Err(weights.refuse(format!("tensor {prefix}.{index}.weight: all its values are zero")));
            }
            let bias = weights.tensor(&format!("{prefix}.{index}.bias"), &[width[1]])?;
            Ok((weight, bias))
        };
        Self::new(widths.windows(2).enumerate().map(layer).collect::<Result<_>>()?, slope)
    }

    /// Name of the tensor of a linear map beside the layers.
    #[must_use]
    pub fn name_of_skip(prefix: &str) -> String {
        format!("{prefix}.skip")
    }

    /// Names of the tensors that [`Perceptron::load`] reads for `layers` layers.
    pub fn names(prefix: &str, layers: usize) -> impl Iterator<Item = String> {
        (0..layers).flat_map(move |index| ["weight", "bias"].map(|part| format!("{prefix}.{index}.{part}")))
    }

    /// Names the weights as [`Perceptron::load`] reads them.
    #[must_use]
    pub fn named(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let pair = |(index, layer): (usize, &Dense)| {
            [
                (format!("{prefix}.{index}.weight"), layer.weight.shallow_clone()),
                (format!("{prefix}.{index}.bias"), layer.bias.shallow_clone()),
            ]
        };
        let skip = self.skip.iter().map(|skip| (Self::name_of_skip(prefix), skip.shallow_clone()));
        self.layers.iter().enumerate().flat_map(pair).chain(skip).collect()
    }

    /// All weights and biases, layer by layer, for an optimiser; without the linear map beside them.
    #[must_use]
    pub fn parameters(&self) -> Vec<Tensor> {
        self.layers.iter().flat_map(|layer| [layer.weight.shallow_clone(), layer.bias.shallow_clone()]).collect()
    }

    /// Slope of the rectifiers below zero.
    #[must_use]
    pub fn slope(&self) -> f64 {
        self.slope
    }

    /// Maps `[K, in]` to `[K, out]`.
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let mut value = input.shallow_clone();
        for (index, layer) in self.layers.iter().enumerate() {
            value = value.linear(&layer.weight, Some(&layer.bias));
            if index + 1 < self.layers.len() {
                // tch's leaky_relu takes no slope; for slopes below one this is the same function.
                value = value.maximum(&(&value * self.slope));
            }
        }
        match &self.skip {
            Some(skip) => value + input.linear::<&Tensor>(skip, None),
            None => value,
        }
    }
}
