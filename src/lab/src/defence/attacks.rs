//! Attacks on classifiers of images: they change an image within a ball, so that the classifier errs.
//!
//! A classifier is any function from images `[B, 3, H, W]`, black 0 and white 1, to logits `[B, C]`: one with a defence in
//! it is attacked like one without. Its rows must not depend on each other. All attacks stay in the ball and within
//! colours, leave what is misclassified anyway as it is, and draw all random numbers from a seed.

mod apgd;
#[cfg(test)]
mod linear;
mod pgd;
mod square;

pub use apgd::{Apgd, ApgdLoss};
pub use pgd::{Keep, Pgd};
pub use square::Square;

use tch::{Kind, Reduction, Tensor};
use thalweg_task::Result;

/// A classifier: images `[B, 3, H, W]` to logits `[B, C]`.
pub type Classify<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;

/// What an attack has come to.
#[derive(Debug)]
pub struct Attacked {
    /// `[B, 3, H, W]`.
    pub image: Tensor,
    /// `[B]`: whether the classifier errs on it.
    pub is_fooled: Tensor,
}

impl Attacked {
    /// Images as they are, and whether the classifier errs on them.
    ///
    /// # Errors
    /// Those of the classifier.
    pub fn none(classify: Classify<'_>, image: &Tensor, labels: &Tensor) -> Result<Self> {
        let logits = tch::no_grad(|| classify(image))?;
        Ok(Self { image: image.copy(), is_fooled: errs(&logits, labels) })
    }

    /// Places of the images on which the classifier does not err yet, `[n]`.
    pub(super) fn standing(&self) -> Tensor {
        self.is_fooled.logical_not().nonzero().view(-1)
    }

    /// Takes over what became of the images at `places`: those that now fool, or all of them.
    pub(super) fn take(&mut self, places: &Tensor, image: &Tensor, is_fooled: &Tensor) {
        self.image = self.image.index_copy(0, places, image);
        self.is_fooled = self.is_fooled.index_copy(0, places, is_fooled);
    }

    /// Share of the images on which the classifier still is right.
    #[must_use]
    pub fn robust(&self) -> f64 {
        1.0 - self.is_fooled.to_kind(Kind::Double).mean(Kind::Double).double_value(&[])
    }
}

/// Whether a classifier errs: `[B]`.
pub fn errs(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.argmax(1, false).ne_tensor(labels)
}

/// Cross entropy of each row, `[B]`.
pub(super) fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.cross_entropy_loss::<Tensor>(labels, None, Reduction::None, -100, 0.0)
}

/// How far the right class lies above the best other one, `[B]`: negative where the classifier errs.
pub(super) fn margin(logits: &Tensor, labels: &Tensor) -> Tensor {
    let labels = labels.view([-1, 1]);
    let own = logits.gather(1, &labels, false).squeeze_dim(1);
    let others = logits.scatter_value(1, &labels, f64::NEG_INFINITY);
    own - others.amax([1].as_slice(), false)
}

/// Chooses rows of `a` where `which`, `[B]`, is true, else those of `b`.
pub(super) fn choose(which: &Tensor, a: &Tensor, b: &Tensor) -> Tensor {
    let shape: Vec<i64> = std::iter::once(-1).chain(a.size().iter().skip(1).map(|_| 1)).collect();
    a.where_self(&which.view(&shape[..]), b)
}
