//! Images with gaps: what several hypotheses make of the hidden part.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use thalweg_gan_inversion::SIDE;
use thalweg_task::{Observation, Task};

use super::curves::Curve;
use super::descent::Descent;
use super::world::{Arm, World};
use crate::bench_pose::store::Store;

/// Hypotheses of each image.
pub(super) const HYPOTHESES: usize = 8;
/// Weight of the prior, and of the pull of a start: those of the parameter file.
const PRIOR_WEIGHT: f64 = 0.03;

/// What is hidden: a rectangle, or all but one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    pub(super) name: &'static str,
    rows: [i64; 2],
    columns: [i64; 2],
    is_shown: bool,
}

/// The regions of Liu et al. (2023), on this generator's faces.
pub(super) const REGIONS: [Region; 2] = [
    Region { name: "mouth hidden", rows: [36, 60], columns: [14, 52], is_shown: false },
    Region { name: "centre only", rows: [16, 48], columns: [16, 48], is_shown: true },
];

impl Region {
    /// Which pixels are hidden, `[1, 1, 64, 64]`, boolean.
    pub(super) fn hidden(&self) -> Tensor {
        let inside = |[from, to]: [i64; 2]| {
            let at = Tensor::arange(SIDE, (Kind::Int64, Device::Cpu));
            at.ge(from).logical_and(&at.lt(to))
        };
        let rectangle = inside(self.rows).view([SIDE, 1]).logical_and(&inside(self.columns));
        let hidden = if self.is_shown { rectangle.logical_not() } else { rectangle };
        hidden.view([1, 1, SIDE, SIDE])
    }

    /// The image with NaN where it is hidden.
    pub(super) fn seen(&self, image: &Tensor) -> Tensor {
        image.masked_fill(&self.hidden(), f64::NAN)
    }
}

/// One method on one region.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Completion {
    pub(super) arm: String,
    pub(super) test: String,
    pub(super) region: String,
    /// Loss of the whole image, the hypothesis that is handed out.
    pub(super) loss: f64,
    /// The least of all, chosen knowing the truth.
    pub(super) least_loss: f64,
    /// Root mean square error of hidden pixels, grey levels of 255, the hypothesis that is handed out.
    pub(super) hidden: f64,
    /// That of the pixels that were seen.
    pub(super) visible: f64,
    /// Root mean square difference between hypotheses, hidden pixels.
    pub(super) diversity: f64,
    /// That of the pixels that were seen.
    pub(super) visible_diversity: f64,
}

/// How many blocks there will be.
pub(super) fn count(world: &World) -> usize {
    world.arms().count() * REGIONS.len() * world.tests.len()
}

/// Measures every method on every region, at the rate that `curves` chose for 20 steps.
pub(super) fn measure(
    world: &World,
    store: &mut Store,
    curves: &[Curve],
    all: &mut Vec<Completion>,
) -> anyhow::Result<()> {
    for arm in world.arms() {
        for test in &world.tests {
            for region in REGIONS {
                let key = format!("completion/{}/{}/{}", test.name, region.name, arm.name());
                let one = || one(world, (arm, rate(curves, arm)), (test.name, &test.images), region);
                all.push(store.once(&key, one)?);
            }
        }
    }
    Ok(())
}

/// The rate of a method's completions.
pub(super) fn rate(curves: &[Curve], arm: Arm) -> f64 {
    curves.iter().find(|curve| curve.arm == arm.name()).and_then(|curve| curve.rate(20)).unwrap_or(0.1)
}

/// Completes one image, `[1, 3, 64, 64]`: hypotheses, best first, `[8, 3, 64, 64]`.
pub(super) fn complete(
    world: &World,
    (arm, rate): (Arm, f64),
    image: &Tensor,
    region: Region,
    seed: u64,
) -> anyhow::Result<Tensor> {
    let descent = Descent { world, arm, rate, prior_weight: PRIOR_WEIGHT, seed };
    let seen = Observation::of_image(&region.seen(image));
    let mut trace = descent.run(&seen, HYPOTHESES, &[world.sizes.completion_steps])?;
    Ok(trace.images.remove(0))
}

fn one(
    world: &World,
    (arm, rate): (Arm, f64),
    (test, images): (&str, &Tensor),
    region: Region,
) -> anyhow::Result<Completion> {
    let task = world.task()?;
    let count = (world.sizes.completions as i64).min(images.size()[0]);
    let mut sums = [0.0; 6];
    for index in 0..count {
        let image = images.narrow(0, index, 1);
        let hypotheses = complete(world, (arm, rate), &image, region, index as u64)?;
        let values = tch::no_grad(|| judge(task.as_ref(), &hypotheses, &image, &region.hidden()))?;
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / count as f64);
    }
    let [loss, least_loss, hidden, visible, diversity, visible_diversity] = sums;
    let (arm, test, region) = (arm.name().to_owned(), test.to_owned(), region.name.to_owned());
    Ok(Completion { arm, test, region, loss, least_loss, hidden, visible, diversity, visible_diversity })
}

/// The figures of one image, in the order of [`Completion`].
fn judge(task: &dyn Task, hypotheses: &Tensor, image: &Tensor, hidden: &Tensor) -> anyhow::Result<[f64; 6]> {
    let target = task.encode(&Observation::of_image(image))?;
    let loss = task.objective(hypotheses, &target)?.loss;
    let first = hypotheses.narrow(0, 0, 1);
    let visible = hidden.logical_not();
    // Differences to the mean: the mean over pairs of squared differences is twice that, times K / (K - 1).
    let apart = hypotheses - hypotheses.mean_dim([0].as_slice(), true, Kind::Float);
    let pairs = (2.0 * HYPOTHESES as f64 / (HYPOTHESES as f64 - 1.0)).sqrt();
    Ok([
        loss.double_value(&[0]),
        loss.min().double_value(&[]),
        levels(&(&first - image), hidden),
        levels(&(&first - image), &visible),
        pairs * levels(&apart, hidden),
        pairs * levels(&apart, &visible),
    ])
}

/// Root mean square over the chosen pixels, grey levels of 255.
fn levels(difference: &Tensor, pixels: &Tensor) -> f64 {
    let chosen = pixels.to_kind(Kind::Float).expand_as(difference);
    let square = (difference.square() * &chosen).sum(Kind::Double).double_value(&[]);
    255.0 * (square / chosen.sum(Kind::Double).double_value(&[])).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_hide_what_they_say() {
        let count = |region: &Region| region.hidden().sum(Kind::Int64).int64_value(&[]);
        assert_eq!(count(&REGIONS[0]), 24 * 38);
        assert_eq!(count(&REGIONS[1]), 64 * 64 - 32 * 32);
    }

    #[test]
    fn levels_are_root_mean_squares_of_the_chosen_pixels() {
        let pixels = Tensor::from_slice(&[true, true, false]).view([1, 1, 1, 3]);
        let difference = Tensor::from_slice(&[0.3f32, -0.4, 9.0]).view([1, 1, 1, 3]);
        assert!((levels(&difference, &pixels) - 255.0 * 0.125_f64.sqrt()).abs() < 1e-3);
    }
}
