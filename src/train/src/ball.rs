//! The images that an attack may reach: a ball about an image, within the colours that there are.

use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Added to a length before it divides: an image without a gradient stays where it is.
const LEAST_LENGTH: f64 = 1e-12;

/// How the size of a change is measured, over all pixels and colours of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// The Euclidean length.
    L2,
    /// The greatest change of any pixel.
    Max,
}

/// Changes of at most `radius`, of pixels that go from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ball {
    /// How changes are measured.
    pub norm: Norm,
    /// The largest one allowed, not negative.
    pub radius: f64,
}

/// Lengths of rows, `[B, 1, 1, 1]`.
pub fn lengths(change: &Tensor) -> Tensor {
    change.square().sum_dim_intlist([1, 2, 3].as_slice(), true, change.kind()).sqrt()
}

impl Ball {
    /// Brings attacked images back into the ball about `image` and into colours from 0 to 1; both `[B, 3, H, W]`.
    ///
    /// Colours last: they can only bring an image nearer, for `image` has colours itself.
    pub fn project(&self, attacked: &Tensor, image: &Tensor) -> Tensor {
        let change = attacked - image;
        let change = match self.norm {
            Norm::Max => change.clamp(-self.radius, self.radius),
            Norm::L2 => &change * (self.radius / (lengths(&change) + LEAST_LENGTH)).clamp_max(1.0),
        };
        (image + change).clamp(0.0, 1.0)
    }

    /// The change of size one that a linear function with this gradient grows fastest by.
    pub fn steepest(&self, gradient: &Tensor) -> Tensor {
        match self.norm {
            Norm::Max => gradient.sign(),
            Norm::L2 => gradient / (lengths(gradient) + LEAST_LENGTH),
        }
    }

    /// Draws an image of the ball: for [`Norm::Max`] uniformly, for [`Norm::L2`] in a uniform direction, its length
    /// uniform from zero.
    pub fn draw(&self, image: &Tensor, random: &mut StdRng) -> Tensor {
        let count = image.numel();
        let change = match self.norm {
            Norm::Max => {
                let values: Vec<f32> = (0..count).map(|_| random.random_range(-1.0..=1.0)).collect();
                Tensor::from_slice(&values).view_as(image) * self.radius
            }
            Norm::L2 => {
                let values: Vec<f32> = (0..count).map(|_| random.sample(StandardNormal)).collect();
                let rows = image.size()[0];
                let sizes: Vec<f32> = (0..rows).map(|_| random.random_range(0.0..=1.0)).collect();
                let sizes = Tensor::from_slice(&sizes).view([-1, 1, 1, 1]) * self.radius;
                self.steepest(&Tensor::from_slice(&values).view_as(image)) * sizes
            }
        };
        self.project(&(image + change.to_kind(image.kind())), image)
    }

    /// The sizes of changes, `[B]`.
    pub fn sizes(&self, change: &Tensor) -> Tensor {
        match self.norm {
            Norm::Max => change.abs().flatten(1, -1).amax([1].as_slice(), false),
            Norm::L2 => lengths(change).view(-1),
        }
    }
}

/// The gradient of the sum of `loss`, `[B]`, in the images it was computed from.
pub fn gradient(loss: &Tensor, image: &Tensor) -> Tensor {
    let gradients = Tensor::run_backward(&[loss.sum(Kind::Float)], &[image], false, false);
    gradients.first().map_or_else(|| image.zeros_like(), Tensor::detach)
}
