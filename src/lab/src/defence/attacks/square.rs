//! Square attack (Andriushchenko et al., "Square Attack: a query-efficient black-box adversarial attack via random search",
//! 2020): changes squares at random and keeps what lowers the margin. It needs no gradient, so none can be hidden from it.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::{Kind, Tensor};
use thalweg_task::Result;
use thalweg_train::ball::{Ball, Norm, lengths};

use super::{Attacked, Classify, choose, margin};

/// Share of an image that a square covers at first.
const FIRST_SHARE: f64 = 0.8;
/// Of ten thousand queries, those after which the share is halved.
const HALVED_AFTER: [f64; 9] = [10.0, 50.0, 200.0, 500.0, 1000.0, 2000.0, 4000.0, 6000.0, 8000.0];
/// Squares along a side that an L2 attack begins with.
const FIRST_TILES: i64 = 5;
/// The smallest square of an L2 attack.
const LEAST_SIDE: i64 = 3;
/// Added to lengths before they divide.
const LEAST_LENGTH: f64 = 1e-12;

/// The attack.
#[derive(Clone, Copy, Debug)]
pub struct Square {
    /// What may be changed.
    pub ball: Ball,
    /// How often the classifier is asked.
    pub queries: u32,
    /// Seed of everything random.
    pub seed: u64,
}

/// A square: its upper left corner and its side.
#[derive(Clone, Copy)]
struct Window {
    top: i64,
    left: i64,
    side: i64,
}

impl Window {
    fn draw(side: i64, (height, width): (i64, i64), random: &mut StdRng) -> Self {
        Self { top: random.random_range(0..=height - side), left: random.random_range(0..=width - side), side }
    }

    /// The part of images `[B, C, H, W]` under it: a view, not a copy.
    fn of(self, image: &Tensor) -> Tensor {
        image.narrow(2, self.top, self.side).narrow(3, self.left, self.side)
    }
}

/// Numbers that are 1 or -1 by chance.
fn signs(shape: &[i64], random: &mut StdRng) -> Tensor {
    let count = shape.iter().product::<i64>();
    let values: Vec<f32> = (0..count).map(|_| if random.random_bool(0.5) { 1.0 } else { -1.0 }).collect();
    Tensor::from_slice(&values).view(shape)
}

/// Overwrites what is under a window, in a copy.
fn with(image: &Tensor, window: Window, values: &Tensor) -> Tensor {
    let copy = image.copy();
    window.of(&copy).copy_(values);
    copy
}

/// A hill that falls off from its middle, `[rows, columns]`: rings of height one over the square of their number, summed.
fn hill(rows: i64, columns: i64) -> Tensor {
    let hill = Tensor::zeros([rows, columns], (Kind::Float, tch::Device::Cpu));
    let (row, column) = (rows / 2, columns / 2);
    for ring in 0..=row.max(column) {
        let (top, left) = ((row - ring).max(0), (column - ring).max(0));
        let (bottom, right) = ((row + ring + 1).min(rows), (column + ring + 1).min(columns));
        let mut part = hill.narrow(0, top, bottom - top).narrow(1, left, right - left);
        part += 1.0 / ((ring + 1) * (ring + 1)) as f64;
    }
    hill
}

/// The change that an L2 attack adds in a square: a hill beside a valley, of length one; `[side, side]`.
fn bump(side: i64, random: &mut StdRng) -> Tensor {
    let unit = |part: Tensor| &part / part.square().sum(Kind::Float).sqrt();
    let (first, second) = (hill(side / 2, side), hill(side - side / 2, side));
    let both = unit(Tensor::cat(&[unit(first), -unit(second)], 0));
    if random.random_bool(0.5) { both.tr() } else { both }
}

impl Square {
    /// Attacks images `[B, 3, H, W]` of classes `[B]`; gives back the first image of each that fools.
    ///
    /// # Errors
    /// Those of the classifier.
    pub fn attack(&self, classify: Classify<'_>, image: &Tensor, labels: &Tensor) -> Result<Attacked> {
        let _no_grad = tch::no_grad_guard();
        let mut attacked = Attacked::none(classify, image, labels)?;
        let mut places = attacked.standing();
        if places.numel() == 0 {
            return Ok(attacked);
        }
        let mut random = StdRng::seed_from_u64(self.seed);
        let (mut clean, mut labels) = (image.index_select(0, &places), labels.index_select(0, &places));
        let mut best = self.first(&clean, &mut random);
        let mut least = margin(&classify(&best)?, &labels);
        for query in 1..self.queries {
            let standing = least.gt(0.0);
            let standing = standing.nonzero().view(-1);
            if standing.numel() < places.numel() {
                attacked.take(&places, &best, &least.le(0.0));
                let rest = |tensor: &Tensor| tensor.index_select(0, &standing);
                (places, clean, labels) = (rest(&places), rest(&clean), rest(&labels));
                (best, least) = (rest(&best), rest(&least));
            }
            if standing.numel() == 0 {
                return Ok(attacked);
            }
            let next = self.changed(&best, &clean, self.share(query), &mut random);
            let got = margin(&classify(&next)?, &labels);
            let better = got.lt_tensor(&least);
            best = choose(&better, &next, &best);
            least = choose(&better, &got, &least);
        }
        attacked.take(&places, &best, &least.le(0.0));
        Ok(attacked)
    }

    /// Share of the image that a square covers at a query.
    fn share(&self, query: u32) -> f64 {
        let of_ten_thousand = f64::from(query) * 1e4 / f64::from(self.queries.max(1));
        let halved = HALVED_AFTER.iter().filter(|after| of_ten_thousand > **after).count();
        FIRST_SHARE / f64::from(1_u32 << halved.min(31))
    }

    /// Stripes of columns, or tiles.
    fn first(&self, clean: &Tensor, random: &mut StdRng) -> Tensor {
        let [rows, colours, height, width] = clean.size()[..] else { return clean.copy() };
        if self.ball.norm == Norm::Max {
            let change = signs(&[rows, colours, 1, width], random) * self.ball.radius;
            return self.ball.project(&(clean + change), clean);
        }
        let side = (height.min(width) / FIRST_TILES).max(1);
        let change = clean.zeros_like();
        for (row, column) in (0..height / side).flat_map(|row| (0..width / side).map(move |column| (row, column))) {
            let window = Window { top: row * side, left: column * side, side };
            let bump = if side > 1 { bump(side, random) } else { Tensor::from(1.0_f32).view([1, 1]) };
            window.of(&change).copy_(&(bump * signs(&[rows, colours, 1, 1], random)));
        }
        self.filled(&change, clean)
    }

    /// An image as far from `clean` as the ball allows, in the direction of `change`, within colours.
    fn filled(&self, change: &Tensor, clean: &Tensor) -> Tensor {
        self.ball.project(&(clean + change / (lengths(change) + LEAST_LENGTH) * self.ball.radius), clean)
    }

    /// The best image so far with one square of it changed.
    fn changed(&self, best: &Tensor, clean: &Tensor, share: f64, random: &mut StdRng) -> Tensor {
        let [rows, colours, height, width] = clean.size()[..] else { return best.copy() };
        let side = (share * (height * width) as f64).sqrt().round() as i64;
        let most = height.min(width);
        if self.ball.norm == Norm::Max {
            let window = Window::draw(side.clamp(1, most), (height, width), random);
            let change = signs(&[rows, colours, 1, 1], random) * self.ball.radius;
            return self.ball.project(&with(best, window, &(window.of(clean) + change)), clean);
        }
        // The length that a second window gives up, and what was not used, goes into the first.
        let side = (side.max(LEAST_SIDE) | 1).min(most - 1 + most % 2);
        let (to, from) = (Window::draw(side, (height, width), random), Window::draw(side, (height, width), random));
        let change = best - clean;
        let zeros = to.of(&change).zeros_like();
        let left = with(&with(&change, to, &zeros), from, &zeros);
        let budget = self.ball.radius * self.ball.radius - lengths(&left).square();
        let budget = (budget.clamp_min(0.0) / colours as f64).sqrt();
        let unit = |part: &Tensor| {
            let length = part.square().sum_dim_intlist([2, 3].as_slice(), true, Kind::Float).sqrt();
            part / (length + LEAST_LENGTH)
        };
        let bump = bump(side, random) * signs(&[rows, colours, 1, 1], random);
        let added = unit(&(bump + unit(&to.of(&change)))) * budget;
        let changed = with(&with(&change, from, &zeros), to, &added);
        self.filled(&changed, clean)
    }
}

#[cfg(test)]
mod tests {
    use super::super::linear::{Linear, assert_within};
    use super::*;

    #[test]
    fn it_lowers_the_margin_of_a_linear_classifier_towards_the_closed_form() {
        let linear = Linear::drawn(2, 7);
        let (image, labels) = linear.grey_images(8);
        for (norm, radius, share) in [(Norm::Max, 0.003, 0.5), (Norm::L2, 0.02, 0.25)] {
            let attack = Square { ball: Ball { norm, radius }, queries: 400, seed: 1 };
            let attacked = attack.attack(&|image| Ok(linear.classify(image)), &image, &labels).expect("it attacks");
            assert_within(&attack.ball, &attacked.image, &image);
            let margins = |image: &Tensor| margin(&linear.classify(image), &labels);
            let (before, after) = (margins(&image), margins(&attacked.image));
            let most = &before - linear.least_margin(&image, &labels, &attack.ball);
            let reached = ((before - &after) / most).where_self(&after.gt(0.0), &after.ones_like());
            assert!(reached.min().double_value(&[]) > share, "{norm:?}: shares {reached} of what is possible");
            assert!(reached.max().double_value(&[]) < 1.0 + 1e-3, "{norm:?}: shares {reached} of what is possible");
        }
    }

    #[test]
    fn a_seed_repeats_it_and_what_is_wrong_stays_as_it_is() {
        let linear = Linear::drawn(10, 2);
        let (image, labels) = linear.grey_images(6);
        let wrong = (&labels + 1).remainder(10);
        let run = |seed, labels: &Tensor| {
            let attack = Square { ball: Ball { norm: Norm::L2, radius: 0.3 }, queries: 20, seed };
            attack.attack(&|image| Ok(linear.classify(image)), &image, labels).expect("it attacks").image
        };
        assert!(run(1, &labels).equal(&run(1, &labels)) && !run(1, &labels).equal(&run(2, &labels)));
        assert!(run(1, &wrong).equal(&image));
    }

    #[test]
    fn a_bump_is_a_hill_beside_a_valley_of_length_one() {
        let bump = bump(7, &mut StdRng::seed_from_u64(0));
        assert!((bump.square().sum(Kind::Float).double_value(&[]) - 1.0).abs() < 1e-5);
        assert!(bump.max().double_value(&[]) > 0.1 && bump.min().double_value(&[]) < -0.1);
    }
}
