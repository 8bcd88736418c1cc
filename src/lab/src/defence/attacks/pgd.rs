//! Projected gradient descent (Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", 2018).

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::Tensor;
use thalweg_task::Result;
use thalweg_train::ball::{Ball, gradient};

use super::{Attacked, Classify, choose, cross_entropy, errs};

/// Which of the images that it went through an attack gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The first that fools the classifier: the attack then ends. For images that are looked at by this classifier alone.
    FirstSuccess,
    /// Of those that fool it, or else of all, the one with the most loss: all steps are taken. A defence that moves images has
    /// a harder time with these, so they are what it is judged on.
    WorstLoss,
}

/// The attack: steps of one size towards more cross entropy.
#[derive(Clone, Copy, Debug)]
pub struct Pgd {
    /// What may be changed.
    pub ball: Ball,
    /// Number of steps.
    pub steps: u32,
    /// Size of a step, in the norm of the ball.
    pub step: f64,
    /// Seed of the place of the ball that it begins at; the image itself without.
    pub start: Option<u64>,
    /// What it gives back.
    pub keep: Keep,
}

/// The best of an attack so far, row by row.
struct Best {
    image: Tensor,
    loss: Tensor,
    is_fooled: Tensor,
}

impl Best {
    /// Takes over rows that fool where the best did not, or that have more loss and fool no less.
    fn offer(&mut self, image: &Tensor, loss: &Tensor, is_fooled: &Tensor) {
        let no_less = is_fooled.logical_or(&self.is_fooled.logical_not());
        let more = loss.gt_tensor(&self.loss).logical_or(&self.is_fooled.logical_not().logical_and(is_fooled));
        let better = no_less.logical_and(&more);
        self.image = choose(&better, image, &self.image);
        self.loss = choose(&better, loss, &self.loss);
        self.is_fooled = is_fooled.logical_or(&self.is_fooled);
    }
}

impl Pgd {
    /// Attacks images `[B, 3, H, W]` of classes `[B]`.
    ///
    /// # Errors
    /// Those of the classifier.
    pub fn attack(&self, classify: Classify<'_>, image: &Tensor, labels: &Tensor) -> Result<Attacked> {
        let mut attacked = Attacked::none(classify, image, labels)?;
        let mut places = attacked.standing();
        if places.numel() == 0 {
            return Ok(attacked);
        }
        let (mut clean, mut labels) = (image.index_select(0, &places), labels.index_select(0, &places));
        let mut random = self.start.map(StdRng::seed_from_u64);
        let mut now = random.as_mut().map_or_else(|| clean.copy(), |random| self.ball.draw(&clean, random));
        let mut best: Option<Best> = None;
        for step in 0..=self.steps {
            let leaf = now.detach().set_requires_grad(true);
            let logits = classify(&leaf)?;
            let (loss, is_fooled) = (cross_entropy(&logits, &labels), errs(&logits, &labels));
            let best = best.get_or_insert_with(|| Best {
                image: leaf.detach(),
                loss: loss.detach(),
                is_fooled: is_fooled.copy(),
            });
            best.offer(&leaf.detach(), &loss.detach(), &is_fooled);
            if step == self.steps {
                break;
            }
            now = self.stepped(&leaf, &loss, &clean);
            if self.keep == Keep::FirstSuccess {
                let standing = best.is_fooled.logical_not().nonzero().view(-1);
                if standing.numel() < places.numel() {
                    attacked.take(&places, &best.image, &best.is_fooled);
                    let rest = |tensor: &Tensor| tensor.index_select(0, &standing);
                    (places, clean, labels, now) = (rest(&places), rest(&clean), rest(&labels), rest(&now));
                    *best = Best { image: rest(&best.image), loss: rest(&best.loss), is_fooled: rest(&best.is_fooled) };
                }
                if standing.numel() == 0 {
                    return Ok(attacked);
                }
            }
        }
        if let Some(best) = best {
            attacked.take(&places, &best.image, &best.is_fooled);
        }
        Ok(attacked)
    }

    fn stepped(&self, leaf: &Tensor, loss: &Tensor, clean: &Tensor) -> Tensor {
        let direction = self.ball.steepest(&gradient(loss, leaf));
        self.ball.project(&(leaf.detach() + direction * self.step), clean)
    }
}

#[cfg(test)]
mod tests {
    use thalweg_train::ball::Norm;

    use super::super::linear::{Linear, assert_within};
    use super::super::margin;
    use super::*;

    fn pgd(norm: Norm, radius: f64) -> Pgd {
        let ball = Ball { norm, radius };
        Pgd { ball, steps: 20, step: radius / 4.0, start: Some(3), keep: Keep::WorstLoss }
    }

    #[test]
    fn on_a_linear_classifier_the_margin_falls_as_far_as_it_can() {
        let linear = Linear::drawn(2, 1);
        let (image, labels) = linear.grey_images(8);
        for norm in [Norm::Max, Norm::L2] {
            let attack = pgd(norm, 0.02);
            let attacked = attack.attack(&|image| Ok(linear.classify(image)), &image, &labels).expect("it attacks");
            let expected = linear.least_margin(&image, &labels, &attack.ball);
            let got = margin(&linear.classify(&attacked.image), &labels);
            let off = (&got - &expected).abs().max().double_value(&[]);
            assert!(off < 2e-3, "{norm:?}: {got} against {expected}");
            assert_within(&attack.ball, &attacked.image, &image);
        }
    }

    #[test]
    fn the_box_holds_at_black_and_white() {
        let linear = Linear::drawn(2, 5);
        let (grey, _) = linear.grey_images(6);
        // All pixels are at one end or the other: only half of each change is open.
        let image = (grey + linear.noise(6)).gt(0.5).to_kind(tch::Kind::Float);
        let labels = linear.classify(&image).argmax(1, false);
        let attack = pgd(Norm::Max, 0.1);
        let attacked = attack.attack(&|image| Ok(linear.classify(image)), &image, &labels).expect("it attacks");
        assert_within(&attack.ball, &attacked.image, &image);
        let expected = linear.least_margin_in_box(&image, &labels, 0.1);
        let got = margin(&linear.classify(&attacked.image), &labels);
        assert!((&got - &expected).abs().max().double_value(&[]) < 5e-3, "{got} against {expected}");
    }

    #[test]
    fn a_seed_repeats_an_attack_and_what_is_wrong_stays_as_it_is() {
        let linear = Linear::drawn(10, 2);
        let (image, mut labels) = linear.grey_images(8);
        let _first = labels.get(0).fill_((labels.int64_value(&[0]) + 1) % 10);
        labels = labels.copy();
        let attack = |seed| Pgd { start: Some(seed), steps: 2, ..pgd(Norm::L2, 0.3) };
        let run =
            |seed| attack(seed).attack(&|image| Ok(linear.classify(image)), &image, &labels).expect("it attacks").image;
        assert!(run(1).equal(&run(1)) && !run(1).equal(&run(2)));
        assert!(run(1).get(0).equal(&image.get(0)));
    }

    #[test]
    fn the_first_success_is_kept_where_that_is_asked_for() {
        let linear = Linear::drawn(10, 4);
        let (image, labels) = linear.grey_images(16);
        let attack = Pgd { step: 0.02, start: None, steps: 200, ..pgd(Norm::L2, 3.0) };
        let first = Pgd { keep: Keep::FirstSuccess, ..attack };
        let [worst, first] = [attack, first]
            .map(|attack| attack.attack(&|image| Ok(linear.classify(image)), &image, &labels).expect("it attacks"));
        assert!(worst.is_fooled.equal(&first.is_fooled) && worst.robust() < 0.1);
        let margin = |attacked: &Attacked| margin(&linear.classify(&attacked.image), &labels).mean(tch::Kind::Float);
        assert!(margin(&first).double_value(&[]) > margin(&worst).double_value(&[]) + 0.1);
    }
}
