//! Auto-PGD (Croce & Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free
//! Attacks", 2020, algorithm 1): the size of steps is halved, image by image, where they no longer help.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Kind, Tensor};
use thalweg_task::Result;
use thalweg_train::ball::{Ball, gradient};

use super::{Attacked, Classify, choose, cross_entropy, errs};

/// Share of the way to the next point that is taken; the rest goes on as before.
const MOMENTUM: f64 = 0.75;
/// Share of the steps between two checks that must raise the loss, else they become smaller.
const RISING: f64 = 0.75;
/// Place of the first check, as a share of all steps; how much shorter each following period is, and the shortest.
const FIRST_CHECK: f64 = 0.22;
const SHORTER: f64 = 0.03;
const SHORTEST: f64 = 0.06;
/// Added to a difference of logits before it divides.
const LEAST_GAP: f64 = 1e-12;

/// What is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApgdLoss {
    /// Cross entropy.
    CrossEntropy,
    /// The margin over the difference of the first and the third logit: no scale of the logits changes it. At least three
    /// classes.
    LogitRatio,
}

impl ApgdLoss {
    /// The loss of each row, `[B]`.
    fn of(self, logits: &Tensor, labels: &Tensor) -> Tensor {
        match self {
            Self::CrossEntropy => cross_entropy(logits, labels),
            Self::LogitRatio => {
                let (sorted, _) = logits.sort(1, true);
                let gap = sorted.select(1, 0) - sorted.select(1, 2) + LEAST_GAP;
                -super::margin(logits, labels) / gap
            }
        }
    }
}

/// The attack.
#[derive(Clone, Copy, Debug)]
pub struct Apgd {
    /// What may be changed.
    pub ball: Ball,
    /// Number of steps.
    pub steps: u32,
    /// What is raised.
    pub loss: ApgdLoss,
    /// Seed of the place of the ball that it begins at.
    pub seed: u64,
}

/// Steps after which sizes are looked at.
fn checks(steps: u32) -> Vec<u32> {
    let (mut places, mut before, mut place) = (Vec::new(), 0.0, FIRST_CHECK);
    while place <= 1.0 {
        // Shares are sums, and rounding must not lead to the next step.
        places.push((place * f64::from(steps) - 1e-6).ceil() as u32);
        let next = place + f64::max(place - before - SHORTER, SHORTEST);
        (before, place) = (place, next);
    }
    places.dedup();
    places
}

/// Where the search of each image stands.
struct Search {
    now: Tensor,
    before: Tensor,
    /// Sizes of steps, `[B, 1, 1, 1]`.
    size: Tensor,
    best: Tensor,
    /// `[B]`.
    best_loss: Tensor,
    /// Gradient at the best point.
    best_gradient: Tensor,
    gradient: Tensor,
    /// `[B]`: loss at the present point, and how many steps raised it since the last check.
    loss: Tensor,
    raised: Tensor,
    /// At the last check, `[B]`: the best loss, and whether sizes were halved.
    checked_loss: Tensor,
    was_halved: Tensor,
}

impl Apgd {
    /// Attacks images `[B, 3, H, W]` of classes `[B]`; gives back the first image of each that fools.
    ///
    /// # Errors
    /// Those of the classifier.
    pub fn attack(&self, classify: Classify<'_>, image: &Tensor, labels: &Tensor) -> Result<Attacked> {
        let mut attacked = Attacked::none(classify, image, labels)?;
        let places = attacked.standing();
        if places.numel() == 0 {
            return Ok(attacked);
        }
        let (clean, labels) = (image.index_select(0, &places), labels.index_select(0, &places));
        let mut is_fooled = labels.zeros_like().to_kind(Kind::Bool);
        let mut fooling = clean.copy();
        let mut look = |image: &Tensor| -> Result<(Tensor, Tensor, bool)> {
            let leaf = image.detach().set_requires_grad(true);
            let logits = classify(&leaf)?;
            let loss = self.loss.of(&logits, &labels);
            let news = errs(&logits, &labels).logical_and(&is_fooled.logical_not());
            fooling = choose(&news, image, &fooling);
            is_fooled = is_fooled.logical_or(&news);
            let is_over = is_fooled.all().int64_value(&[]) == 1;
            Ok((loss.detach(), gradient(&loss, &leaf), is_over))
        };
        let start = self.ball.draw(&clean, &mut StdRng::seed_from_u64(self.seed));
        let (loss, gradient, _) = look(&start)?;
        let mut search = Search::from(start, (loss, gradient), 2.0 * self.ball.radius);
        let checks = checks(self.steps);
        let mut last = 0;
        for step in 1..=self.steps {
            search.advance(&self.ball, &clean, step == 1);
            let (loss, gradient, is_over) = look(&search.now)?;
            if is_over {
                break;
            }
            search.learn(loss, gradient);
            if checks.contains(&step) {
                search.check(step - last);
                last = step;
            }
        }
        attacked.take(&places, &choose(&is_fooled, &fooling, &clean), &is_fooled);
        Ok(attacked)
    }
}

impl Search {
    fn from(start: Tensor, (loss, gradient): (Tensor, Tensor), size: f64) -> Self {
        Self {
            before: start.copy(),
            size: loss.ones_like().view([-1, 1, 1, 1]) * size,
            best: start.copy(),
            best_loss: loss.copy(),
            best_gradient: gradient.copy(),
            raised: loss.zeros_like(),
            checked_loss: loss.copy(),
            // No period lies before the first check.
            was_halved: loss.ones_like().to_kind(Kind::Bool),
            now: start,
            gradient,
            loss,
        }
    }

    /// Goes one step, part of it along the last one; the first has none before it.
    fn advance(&mut self, ball: &Ball, clean: &Tensor, is_first: bool) {
        let ahead = ball.project(&(&self.now + ball.steepest(&self.gradient) * &self.size), clean);
        let momentum = if is_first { 1.0 } else { MOMENTUM };
        let next = &self.now + (ahead - &self.now) * momentum + (&self.now - &self.before) * (1.0 - momentum);
        self.before = std::mem::replace(&mut self.now, ball.project(&next, clean));
    }

    fn learn(&mut self, loss: Tensor, gradient: Tensor) {
        self.raised = &self.raised + loss.gt_tensor(&self.loss).to_kind(Kind::Float);
        let better = loss.gt_tensor(&self.best_loss);
        self.best = choose(&better, &self.now, &self.best);
        self.best_gradient = choose(&better, &gradient, &self.best_gradient);
        self.best_loss = choose(&better, &loss, &self.best_loss);
        (self.loss, self.gradient) = (loss, gradient);
    }

    /// Halves sizes where steps rarely raised the loss, or where neither size nor best loss changed; goes on from the best point
    /// there.
    fn check(&mut self, period: u32) {
        let rarely = self.raised.lt(RISING * f64::from(period));
        let stuck = self.was_halved.logical_not().logical_and(&self.best_loss.le_tensor(&self.checked_loss));
        let halved = rarely.logical_or(&stuck);
        self.size = choose(&halved, &(&self.size * 0.5), &self.size);
        self.now = choose(&halved, &self.best, &self.now);
        self.before = choose(&halved, &self.best, &self.before);
        self.gradient = choose(&halved, &self.best_gradient, &self.gradient);
        self.loss = choose(&halved, &self.best_loss, &self.loss);
        self.raised = self.raised.zeros_like();
        self.checked_loss = self.best_loss.copy();
        self.was_halved = halved;
    }
}

#[cfg(test)]
mod tests {
    use thalweg_train::ball::Norm;

    use super::super::linear::{Linear, assert_within};
    use super::*;

    /// The least radius at which a linear classifier of two classes errs on each image is its margin over the dual norm.
    #[test]
    fn it_fools_a_linear_classifier_just_where_that_can_be_fooled() {
        let linear = Linear::drawn(2, 1);
        let (image, labels) = linear.grey_images(64);
        for norm in [Norm::Max, Norm::L2] {
            let needed = |radius: f64| linear.least_margin(&image, &labels, &Ball { norm, radius });
            let fall = needed(0.0) - needed(1.0);
            let (median, _) = (needed(0.0) / fall).median_dim(0, false);
            let ball = Ball { norm, radius: median.double_value(&[]) };
            let attack = Apgd { ball, steps: 50, loss: ApgdLoss::CrossEntropy, seed: 1 };
            let attacked = attack.attack(&|image| Ok(linear.classify(image)), &image, &labels).expect("it attacks");
            let least = needed(ball.radius);
            // Those within a thousandth of the border may fall to either side.
            let clear = least.abs().gt_tensor(&(needed(0.0).abs() * 1e-2));
            let wrong = attacked.is_fooled.ne_tensor(&least.lt(0.0)).logical_and(&clear);
            assert_eq!(wrong.sum(Kind::Int64).int64_value(&[]), 0, "{norm:?}");
            assert!((0.3..0.7).contains(&attacked.robust()), "{}", attacked.robust());
            assert_within(&ball, &attacked.image, &image);
        }
    }

    #[test]
    fn the_ratio_of_logits_does_not_see_their_scale() {
        let linear = Linear::drawn(10, 3);
        let (image, labels) = linear.grey_images(32);
        let ball = Ball { norm: Norm::L2, radius: 0.05 };
        let attack = Apgd { ball, steps: 30, loss: ApgdLoss::LogitRatio, seed: 1 };
        let run = |scale: f64| {
            attack.attack(&|image| Ok(linear.classify(image) * scale), &image, &labels).expect("it attacks")
        };
        // At this scale, which is exact, cross entropy has no gradient left.
        let (plain, scaled) = (run(1.0), run(1024.0));
        assert!(plain.is_fooled.equal(&scaled.is_fooled) && plain.robust() < 1.0);
        assert!(run(1.0).image.equal(&plain.image));
    }

    #[test]
    fn checks_are_those_of_the_paper() {
        // Shares .22, .41, .57, .70, .80, .87, then every .06.
        assert_eq!(checks(100), [22, 41, 57, 70, 80, 87, 93, 99]);
    }
}
