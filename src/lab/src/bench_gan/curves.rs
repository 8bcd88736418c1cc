//! Whole images: loss against steps and against time.

use serde::{Deserialize, Serialize};
use tch::Tensor;
use thalweg_task::Observation;

use super::descent::Descent;
use super::world::{Arm, World};
use crate::bench_pose::store::Store;

/// Learning rates to choose from.
const RATES: [f64; 4] = [1.0, 0.3, 0.1, 0.03];
/// Steps after which a rate is chosen, beside the last: what the claims of the paper ask for.
const EARLY: [u32; 2] = [2, 20];
/// Images that are solved one by one, against the clock.
const TIMED: i64 = 3;
/// Seed of the starting points.
const SEED: u64 = 1;

/// One method on one test set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Curve {
    pub(super) arm: String,
    pub(super) test: String,
    /// Steps at which rates were chosen, and the rates.
    pub(super) chosen: Vec<(u32, f64)>,
    /// For each choice: mean loss after each step from 0, the least so far.
    pub(super) losses: Vec<Vec<f64>>,
    /// Standard errors of these means over images.
    pub(super) errors: Vec<Vec<f64>>,
    /// With the last choice, one image at a time: seconds and mean loss after each step.
    pub(super) timed: Vec<(f64, f64)>,
}

impl Curve {
    /// Loss after so many steps, at the rate that was chosen for them.
    pub(super) fn at(&self, steps: u32) -> Option<f64> {
        self.losses.get(self.choice(steps)?)?.get(steps as usize).copied()
    }

    /// Its standard error over images.
    pub(super) fn error_at(&self, steps: u32) -> Option<f64> {
        self.errors.get(self.choice(steps)?)?.get(steps as usize).copied()
    }

    fn choice(&self, steps: u32) -> Option<usize> {
        self.chosen.iter().position(|(tuned, _)| steps <= *tuned)
    }

    /// The rate that was chosen for so many steps.
    pub(super) fn rate(&self, steps: u32) -> Option<f64> {
        Some(self.chosen.get(self.choice(steps)?)?.1)
    }

    /// Milliseconds of one core that a step takes, one image at a time.
    pub(super) fn step_ms(&self) -> f64 {
        let (first, last) = (self.timed.first(), self.timed.last());
        let (Some((from, _)), Some((to, _))) = (first, last) else { return f64::NAN };
        (to - from) / (self.timed.len() - 1).max(1) as f64 * 1e3
    }
}

/// Steps at which rates are chosen.
fn tuned_at(world: &World) -> [u32; 3] {
    [EARLY[0], EARLY[1].min(world.sizes.steps), world.sizes.steps]
}

/// How many blocks there will be.
pub(super) fn count(world: &World) -> usize {
    world.arms().count() * (1 + world.tests.len())
}

/// Measures every method on every test set.
pub(super) fn measure(world: &World, store: &mut Store, all: &mut Vec<Curve>) -> anyhow::Result<()> {
    for arm in world.arms() {
        let chosen = store.once(&format!("rates/{}", arm.name()), || tune(world, arm))?;
        for test in &world.tests {
            let key = format!("curve/{}/{}", test.name, arm.name());
            all.push(store.once(&key, || one(world, arm, test.name, &test.images, &chosen))?);
        }
    }
    Ok(())
}

fn descent(world: &World, arm: Arm, rate: f64) -> Descent<'_> {
    Descent { world, arm, rate, prior_weight: 0.0, seed: SEED }
}

/// The best rate at each of [`tuned_at`].
pub(super) fn tune(world: &World, arm: Arm) -> anyhow::Result<Vec<(u32, f64)>> {
    let seen = Observation::of_image(&world.tuning);
    let run = |rate: f64| -> anyhow::Result<Vec<f64>> {
        Ok(descent(world, arm, rate).run(&seen, world.tuning.size()[0] as usize, &[world.sizes.steps])?.losses)
    };
    let losses: Vec<Vec<f64>> = RATES.iter().map(|rate| run(*rate)).collect::<anyhow::Result<_>>()?;
    let best = |steps: u32| {
        let at = |rate: &usize| losses[*rate][steps as usize];
        let best = (0..RATES.len()).min_by(|a, b| at(a).total_cmp(&at(b)));
        (steps, RATES[best.unwrap_or(0)])
    };
    Ok(tuned_at(world).map(best).to_vec())
}

fn one(world: &World, arm: Arm, test: &str, images: &Tensor, chosen: &[(u32, f64)]) -> anyhow::Result<Curve> {
    let seen = Observation::of_image(images);
    let (mut losses, mut errors): (Vec<Vec<f64>>, Vec<Vec<f64>>) = Default::default();
    for (index, (_, rate)) in chosen.iter().enumerate() {
        // The same rate at a later choice goes through the same points.
        let steps = chosen[index..].iter().filter(|(_, other)| other == rate).map(|(steps, _)| *steps).max();
        let steps = steps.unwrap_or(world.sizes.steps);
        let same = chosen[..index].iter().position(|(_, other)| other == rate);
        match same {
            Some(same) => {
                losses.push(losses[same].clone());
                errors.push(errors[same].clone());
            }
            None => {
                let trace = descent(world, arm, *rate).run(&seen, images.size()[0] as usize, &[steps])?;
                losses.push(trace.losses);
                errors.push(trace.errors);
            }
        }
    }
    let timed = timed(world, arm, images, chosen.last().map_or(0.1, |(_, rate)| *rate))?;
    Ok(Curve { arm: arm.name().to_owned(), test: test.to_owned(), chosen: chosen.to_vec(), losses, errors, timed })
}

/// Solves a few images one by one; returns mean seconds and loss after each step.
fn timed(world: &World, arm: Arm, images: &Tensor, rate: f64) -> anyhow::Result<Vec<(f64, f64)>> {
    let count = TIMED.min(images.size()[0]);
    let mut sum = vec![(0.0, 0.0); world.sizes.timed_steps as usize + 1];
    for image in 0..count {
        let seen = Observation::of_image(&images.narrow(0, image, 1));
        let trace = descent(world, arm, rate).run(&seen, 1, &[world.sizes.timed_steps])?;
        for ((seconds, loss), (s, l)) in sum.iter_mut().zip(trace.seconds.iter().zip(&trace.losses)) {
            (*seconds, *loss) = (*seconds + s / count as f64, *loss + l / count as f64);
        }
    }
    Ok(sum)
}
