//! The contrastive head, and the loss that it serves.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use thalweg_task::{Result, TaskError};

use crate::backbone::{dense, within};

/// Added to a square under a root: there a vector of zeros would have no gradient.
const LEAST_SQUARE: f64 = 1e-12;

/// What a head is built of; the form kept in files of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadConfig {
    /// Width of its hidden layer.
    pub hidden: i64,
    /// Width `P` of a projection.
    pub projection: i64,
}

impl HeadConfig {
    /// Checks that both widths are in their range.
    ///
    /// # Errors
    /// A sentence that says which number came, and what was expected.
    pub fn check(&self) -> std::result::Result<(), String> {
        within("head.hidden", self.hidden, 1..=8192)?;
        within("head.projection", self.projection, 2..=1024)
    }

    /// Names and shapes of its weights and biases for `features` inputs, in turn, as they are in a file.
    #[must_use]
    pub fn tensors(&self, features: i64) -> Vec<(String, Vec<i64>)> {
        let widths = [features, self.hidden, self.projection];
        let both = |(index, pair): (usize, &[i64])| {
            let name = format!("linear{}", index + 1);
            [(format!("{name}.weight"), vec![pair[1], pair[0]]), (format!("{name}.bias"), vec![pair[1]])]
        };
        widths.windows(2).enumerate().flat_map(both).collect()
    }
}

/// Projects features to where views of one image lie together: two dense layers, a rectifier between them, unit length
/// (Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", 2020).
#[derive(Debug)]
pub struct Head {
    config: HeadConfig,
    features: i64,
    /// Weight and bias of each layer, in turn.
    tensors: Vec<Tensor>,
}

impl Head {
    /// Puts a head for `features` inputs together of tensors that `take` gives by name and shape.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn assemble<E>(
        config: HeadConfig,
        features: i64,
        mut take: impl FnMut(&str, &[i64]) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<Self, E> {
        let tensors = config
            .tensors(features)
            .iter()
            .map(|(name, shape)| take(name, shape))
            .collect::<std::result::Result<_, E>>()?;
        Ok(Self { config, features, tensors })
    }

    /// What the head is built of.
    #[must_use]
    pub fn config(&self) -> HeadConfig {
        self.config
    }

    /// Projects features `[B, D]` to `[B, P]`, each row of unit length.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when the features have another shape.
    pub fn forward(&self, features: &Tensor) -> Result<Tensor> {
        Ok(unit(&dense(features, self.tensors.chunks_exact(2).map(|layer| (&layer[0], &layer[1])))?))
    }

    /// All weights by name, in the order of [`HeadConfig::tensors`].
    #[must_use]
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let names = self.config.tensors(self.features).into_iter().map(|(name, _)| name);
        names.zip(self.tensors.iter().map(Tensor::shallow_clone)).collect()
    }
}

/// Brings rows `[.., P]` to unit length.
pub fn unit(rows: &Tensor) -> Tensor {
    rows / (rows.square().sum_dim_intlist([-1].as_slice(), true, rows.kind()) + LEAST_SQUARE).sqrt()
}

/// The contrastive part of Liu et al. (2023), eq. 7, as Mao et al., "Adversarial Attacks are Reversible with Natural
/// Supervision", 2021, have it: how badly views of one image agree, among others' images.
///
/// `projections`: `[K, V, P]`, V views of each image, unit length; `bank`: `[N, P]`, negatives, unit length;
/// `temperature` tau. For each ordered pair of views i, j of one image, `-log(e^(cos ij / tau) / (e^(cos ij / tau) +
/// sum over n of e^(cos in / tau)))`; the mean over the pairs, `[K]`, never negative. The paper's negatives are the
/// other images of its batch; a fixed bank lets one image be defended.
///
/// # Errors
/// [`TaskError::Shape`] when widths differ, or there are fewer than two views.
pub fn contrast(projections: &Tensor, bank: &Tensor, temperature: f64) -> Result<Tensor> {
    let [_, views @ 2..=i64::MAX, width] = projections.size()[..] else {
        return Err(TaskError::shape("projections", "[K, V, P] with V >= 2", projections));
    };
    if !matches!(bank.size()[..], [1..=i64::MAX, got] if got == width) {
        return Err(TaskError::shape("bank", format!("[N, {width}]"), bank));
    }
    let pairs = projections.matmul(&projections.transpose(1, 2)) / temperature;
    let others = (projections.matmul(&bank.tr()) / temperature).f_logsumexp([-1].as_slice(), true)?;
    let each = others.f_logaddexp(&pairs)? - pairs;
    let distinct =
        Tensor::ones([views, views], (each.kind(), each.device())) - Tensor::eye(views, (each.kind(), each.device()));
    let sum = (each * distinct).f_sum_dim_intlist([1, 2].as_slice(), false, None::<Kind>)?;
    Ok(sum / (views * (views - 1)) as f64)
}
