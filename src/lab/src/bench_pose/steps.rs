//! Loss against steps: whole observations, many poses side by side.

use serde::{Deserialize, Serialize};

use super::arms::Arm;
use super::cases::Case;
use super::descent::{Descent, Setting};
use super::masks::NOTHING;
use super::store::Store;
use super::tuning::{self, Chosen};
use super::world::{Loss, World};

/// Steps after which rates are chosen: what the claims of the paper ask for.
pub(super) const TUNED_AT: [u32; 3] = [2, 20, 200];

/// One method on one set of poses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StepCurves {
    /// Key of the method.
    pub(super) arm: String,
    /// Name of the test set.
    pub(super) test: String,
    /// The choice for each of [`TUNED_AT`].
    pub(super) chosen: Vec<Chosen>,
    /// For each choice, for each seed: mean loss from step 0.
    pub(super) curves: Vec<Vec<Vec<f64>>>,
}

impl StepCurves {
    /// Losses after so many steps, one for each seed, at the rate that was chosen for them.
    ///
    /// Columns up to 2, 20 and 200 steps come from the rates chosen there. None where the method
    /// was not followed so far.
    pub(super) fn at(&self, steps: u32) -> Option<Vec<f64>> {
        let choice = TUNED_AT.iter().position(|tuned| steps <= *tuned)?;
        self.curves.get(choice)?.iter().map(|curve| curve.get(steps as usize).copied()).collect()
    }

    /// The same; where a descent was over sooner, what it ended with.
    pub(super) fn at_most(&self, steps: u32) -> Option<Vec<f64>> {
        let choice = TUNED_AT.iter().position(|tuned| steps <= *tuned)?;
        let value = |curve: &Vec<f64>| curve.get(steps as usize).or(curve.last()).copied();
        self.curves.get(choice)?.iter().map(value).collect()
    }
}

fn arms(world: &World) -> Vec<&'static Arm> {
    world.arms(Arm::is_curve)
}

/// How many blocks there will be, at most.
pub(super) fn count(world: &World) -> usize {
    let tests = world.tests.len() * world.sizes.seeds as usize;
    arms(world).len() * (1 + tests * TUNED_AT.len())
}

/// Measures every method on every test set; `all` keeps what there is, should it end early.
pub(super) fn measure(world: &World, store: &mut Store, all: &mut Vec<StepCurves>) -> anyhow::Result<()> {
    for arm in arms(world) {
        let chosen = tuning::for_loss(world, store, arm, &TUNED_AT)?;
        for test in 0..world.tests.len() {
            let curves = chosen.iter().map(|chosen| seeds(world, store, arm, chosen.setting, test));
            let curves = curves.collect::<anyhow::Result<Vec<_>>>()?;
            let test = world.tests[test].name.to_owned();
            all.push(StepCurves { arm: arm.key.to_owned(), test, chosen: chosen.clone(), curves });
        }
    }
    Ok(())
}

fn seeds(world: &World, store: &mut Store, arm: &Arm, setting: Setting, test: usize) -> anyhow::Result<Vec<Vec<f64>>> {
    let one = |seed: u64| {
        // The same rate may be chosen at several steps; its block is measured once.
        let key = format!("steps/{}/{}/rate {}/seed {seed}", world.tests[test].name, arm.key, setting.rate);
        store.once(&key, || {
            let case = Case::new(world.tests[test].poses.sample(world.sizes.poses, seed), NOTHING, seed)?;
            let descent = Descent { world, arm, setting, loss: Loss::AxisAngle, seed };
            descent.curve(&case, arm.curve_steps(world.sizes.last))
        })
    };
    world.sizes.all_seeds().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_from_the_rate_that_was_chosen_for_them() {
        let curve = |value: f64| vec![(0..=50).map(|step| value + f64::from(step)).collect::<Vec<f64>>()];
        let curves = vec![curve(1000.0), curve(2000.0), curve(3000.0)];
        let rows = StepCurves { arm: "a".to_owned(), test: "t".to_owned(), chosen: Vec::new(), curves };
        assert_eq!(rows.at(2), Some(vec![1002.0]));
        assert_eq!(rows.at(5), Some(vec![2005.0]));
        assert_eq!(rows.at(50), Some(vec![3050.0]));
        assert_eq!((rows.at(51), rows.at(201)), (None, None));
    }
}
