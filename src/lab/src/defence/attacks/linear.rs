//! A linear classifier, whose worst image is known in closed form.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use tch::{Kind, Tensor};
use thalweg_train::ball::{Ball, Norm};

/// Rows and columns of its images.
const SIDE: i64 = 8;
const PIXELS: i64 = 3 * SIDE * SIDE;

/// Logits are products of pixels about the middle grey and weights `[C, 3 H W]`.
pub(super) struct Linear {
    weight: Tensor,
    seed: u64,
}

fn normal(shape: &[i64], seed: u64) -> Tensor {
    let mut random = StdRng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.sample(StandardNormal)).collect();
    Tensor::from_slice(&values).view(shape)
}

impl Linear {
    pub(super) fn drawn(classes: i64, seed: u64) -> Self {
        Self { weight: normal(&[classes, PIXELS], seed), seed }
    }

    pub(super) fn classify(&self, image: &Tensor) -> Tensor {
        (image - 0.5).flatten(1, -1).matmul(&self.weight.tr())
    }

    /// Images near the middle grey, so far from black and white that the box does not matter, and what they are taken for.
    pub(super) fn grey_images(&self, count: i64) -> (Tensor, Tensor) {
        let image = self.noise(count) * 0.05 + 0.5;
        let labels = self.classify(&image).argmax(1, false);
        (image, labels)
    }

    pub(super) fn noise(&self, count: i64) -> Tensor {
        normal(&[count, 3, SIDE, SIDE], self.seed + 100)
    }

    /// Of two classes: how the weights of the right one differ from those of the other, `[B, 3 H W]`.
    fn difference(&self, labels: &Tensor) -> Tensor {
        self.weight.index_select(0, labels) - self.weight.index_select(0, &(1 - labels))
    }

    fn margin(&self, image: &Tensor, labels: &Tensor) -> Tensor {
        super::margin(&self.classify(image), labels)
    }

    /// Of two classes: the least margin in a ball, where the box does not matter. It falls by the radius times the dual norm of
    /// the difference of weights: the sum of their sizes, or their length.
    pub(super) fn least_margin(&self, image: &Tensor, labels: &Tensor, ball: &Ball) -> Tensor {
        let difference = self.difference(labels);
        let dual = match ball.norm {
            Norm::Max => difference.abs().sum_dim_intlist([1].as_slice(), false, Kind::Float),
            Norm::L2 => difference.square().sum_dim_intlist([1].as_slice(), false, Kind::Float).sqrt(),
        };
        self.margin(image, labels) - dual * ball.radius
    }

    /// Of two classes: the least margin where each pixel may move by `radius` within colours.
    pub(super) fn least_margin_in_box(&self, image: &Tensor, labels: &Tensor, radius: f64) -> Tensor {
        let difference = self.difference(labels);
        let flat = image.flatten(1, -1);
        let worst = (&flat - difference.sign() * radius).clamp(0.0, 1.0);
        let change = ((worst - flat) * difference).sum_dim_intlist([1].as_slice(), false, Kind::Float);
        self.margin(image, labels) + change
    }
}

/// Fails where an image is outside the ball or has a colour that there is not.
pub(super) fn assert_within(ball: &Ball, attacked: &Tensor, image: &Tensor) {
    let size = ball.sizes(&(attacked - image)).max().double_value(&[]);
    assert!(size <= ball.radius * (1.0 + 1e-5) + 1e-7, "a change of {size} within {ball:?}");
    let (least, most) = (attacked.min().double_value(&[]), attacked.max().double_value(&[]));
    assert!(least >= 0.0 && most <= 1.0, "colours from {least} to {most}");
}
