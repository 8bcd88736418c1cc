//! The descents of a training: towards what, and by which engine.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::{Kind, Tensor};
use thalweg_nn::Ranks;
use thalweg_task::{Observation, Result, Target, Task, TaskSpec, draws};

use super::buffer::{Trajectories, TrajectoryRecorder};
use super::observations::hide;
use super::{CollectionOptions, Masks, TrainError};
use thalweg::clock::ManualClock;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::{AdamConfig, Budget, Cadence, Engine, EngineConfig, EngineError, Optimizer};
use thalweg_task::numbers;

/// What descents start with: S of them towards each of G observations.
#[derive(Debug)]
pub(super) struct DescentTargets {
    /// Rows of the observations, `[G]`.
    pub(super) rows: Tensor,
    /// What the descents see, `G * S` rows; those towards one observation see the same of it.
    pub(super) seen: Observation,
    /// Seed of the starting points.
    pub(super) seed: u64,
}

impl DescentTargets {
    /// Draws observations, gaps and a seed.
    pub(super) fn draw(
        options: &CollectionOptions,
        observations: &Observation,
        spec: &TaskSpec,
        masks: &Masks,
        random: &mut StdRng,
    ) -> Self {
        let count = options.descents / options.best_of;
        let rows: Vec<i64> = (0..count).map(|_| random.random_range(0..observations.rows())).collect();
        Self::at(&Tensor::from_slice(&rows).to_device(spec.device), options, observations, masks, random)
    }

    /// Draws gaps and a seed for given observations.
    pub(super) fn at(
        rows: &Tensor,
        options: &CollectionOptions,
        observations: &Observation,
        masks: &Masks,
        random: &mut StdRng,
    ) -> Self {
        let seen = hide(&observations.select_rows(rows), masks, random);
        let seen = seen.select_rows(&spread(rows.size()[0], options.best_of, rows));
        Self { rows: rows.shallow_clone(), seen, seed: random.random() }
    }

    /// Joins task and landscape for these descents.
    pub(super) fn engine(
        &self,
        options: &CollectionOptions,
        task: Box<dyn Task>,
        landscape: Landscape,
    ) -> std::result::Result<Engine, EngineError> {
        let config = EngineConfig {
            hypotheses: self.seen.rows() as usize,
            optimizer: Optimizer::Adam(AdamConfig { rate: options.rate_z, ..AdamConfig::default() }),
            warm_start: false,
            fresh: 0,
            // What is learned is to explain what was seen, and nothing beside it.
            prior_weight: 0.0,
            seed: self.seed,
            // As many as the updates have; a collection is the same with any number.
            threads: usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1),
            ..EngineConfig::default()
        };
        Engine::new(task, landscape, config)
    }

    /// Descends from beginning to end, each rank its share; returns every moment of all.
    pub(super) fn descend(
        &self,
        options: &CollectionOptions,
        task: Box<dyn Task>,
        landscape: Landscape,
        ranks: &Ranks,
    ) -> std::result::Result<Trajectories, TrainError> {
        let recorder = TrajectoryRecorder::default();
        if ranks.size() == 1 {
            let mut engine = self.engine(options, task, landscape)?;
            engine.add_observer(Cadence::Always, Box::new(recorder.clone()));
            engine.solve(&self.seen, &Budget::of_steps(options.steps), &ManualClock::default())?;
            return Ok(recorder.take());
        }
        let (part, z) = self.part(&ranks.share(self.groups()), options.best_of, landscape.dim());
        let mut engine = part.engine(options, task, landscape)?;
        engine.add_observer(Cadence::Always, Box::new(recorder.clone()));
        engine.begin_from(&part.seen, &z)?;
        for _ in 0..options.steps {
            engine.refine()?;
        }
        let Trajectories { z, loss } = recorder.take();
        let join = |z: &Tensor| ranks.join(z, self.groups(), options.best_of);
        let z = z.iter().map(join).collect::<thalweg_nn::Result<_>>()?;
        Ok(Trajectories { z, loss: ranks.means(&loss, self.groups())? })
    }

    /// Number of observations.
    pub(super) fn groups(&self) -> usize {
        self.rows.size()[0] as usize
    }

    /// The descents towards some of the observations, and where they start, `[G * S, Z]`: where they would among all.
    pub(super) fn part(&self, groups: &Range<usize>, best_of: usize, dim: i64) -> (Self, Tensor) {
        let all = draws::normal(&mut first_stream(self.seed), &[self.seen.rows(), dim]);
        let rows = (groups.start * best_of) as i64..(groups.end * best_of) as i64;
        let index = Tensor::arange_start(rows.start, rows.end, (Kind::Int64, self.rows.device()));
        let part = Self {
            rows: self.rows.narrow(0, groups.start as i64, groups.len() as i64),
            seen: self.seen.select_rows(&index),
            seed: self.seed,
        };
        (part, all.narrow(0, rows.start, rows.end - rows.start))
    }
}

/// The stream that an engine of this seed draws the starting points of its first observation from.
///
/// A test compares the points; descents that were shared among ranks start where those of one process do.
fn first_stream(seed: u64) -> StdRng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = 1;
    StdRng::from_seed(key)
}

/// Row numbers `0, 0, .., 1, 1, ..`: each of `count` rows `times` times, where `like` is.
fn spread(count: i64, times: usize, like: &Tensor) -> Tensor {
    Tensor::arange(count, (Kind::Int64, like.device())).repeat_interleave_self_int(times as i64, None, None)
}

/// Mean over G observations of the least loss that one of their S points has.
///
/// `y_hat`: `[G * S, ..Y]`; `target`: G rows. The gradient reaches the best points only.
pub(super) fn loss_of_best(task: &dyn Task, y_hat: &Tensor, target: &Target, best_of: usize) -> Result<Tensor> {
    let index = spread(target.value.size()[0], best_of, y_hat);
    let loss = task.objective(y_hat, &target.rows(&index))?.loss;
    Ok(loss.view([-1, best_of as i64]).min_dim(1, false).0.mean(loss.kind()))
}

/// Loss of each row of `y_hat`, `[G, ..Y]`, against its row of `target`.
pub(super) fn loss_of_rows(task: &dyn Task, y_hat: &Tensor, target: &Target) -> Result<Vec<f64>> {
    Ok(numbers(&task.objective(y_hat, target)?.loss))
}

#[cfg(test)]
mod tests {
    use thalweg_task::LoadOptions;

    use super::*;
    use thalweg::Registry;

    /// What a rank does is what one process would do with the same rows: where it starts, and where it comes to.
    #[test]
    fn a_share_of_the_descents_starts_and_ends_where_it_would_among_all() {
        tch::set_num_threads(1);
        let load = || Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it needs no file");
        let task = load();
        let options = CollectionOptions { descents: 12, steps: 3, best_of: 2, ..CollectionOptions::default() };
        let mut random = thalweg_nn::generator(3, 0);
        let arms = thalweg_task::sampled(task.as_ref(), 40, &mut random).expect("arms");
        let masks = Masks::new(&super::super::MaskOptions::default(), task.spec());
        let all = DescentTargets::draw(&options, &arms, task.spec(), &masks, &mut random);
        let theta = || {
            let shape = thalweg_engine::landscape::LandscapeShape { z: 16, x: task.spec().latent, hidden: 16 };
            Landscape::random(&shape, 1, Kind::Float, tch::Device::Cpu).expect("a small one")
        };
        let whole = all.descend(&options, load(), theta(), &Ranks::alone()).expect("they descend");
        let (part, z) = all.part(&(2..5), options.best_of, 16);
        assert!(z.to_kind(Kind::Float).equal(&whole.z[0].narrow(0, 4, 6)), "they start elsewhere");
        let mut engine = part.engine(&options, load(), theta()).expect("it fits");
        engine.begin_from(&part.seen, &z).expect("six rows");
        let recorder = TrajectoryRecorder::default();
        engine.add_observer(Cadence::Always, Box::new(recorder.clone()));
        for _ in 0..options.steps {
            engine.refine().expect("a step");
        }
        let apart = (&recorder.take().z[2] - whole.z[3].narrow(0, 4, 6)).abs().max().double_value(&[]);
        assert!(apart < 1e-5, "{apart}");
    }

    /// Three angles of two arms, twice each: the second guess of the first arm is right, the first of the second is
    /// nearer.
    #[test]
    fn only_the_best_of_an_observation_bears_its_loss() {
        tch::set_num_threads(1);
        let task = Registry::shipped().load("planar_arm", &LoadOptions::default()).expect("it needs no file");
        let truth = Tensor::from_slice(&[0.1f32, 0.2, 0.3, -0.5, 0.4, 0.0]).view([2, 3]);
        let target = task.encode(&Observation::of_joints(&truth)).expect("two arms");
        let guess = [0.2f32, 0.2, 0.3, 0.1, 0.2, 0.3, -0.5, 0.4, 0.1, -0.5, 0.6, 0.0];
        let joints = Tensor::from_slice(&guess).view([4, 3]).set_requires_grad(true);
        let tips = Tensor::zeros([4, 9], (Kind::Float, tch::Device::Cpu));
        let y_hat = Tensor::cat(&[&joints, &tips], 1);
        let loss = loss_of_best(task.as_ref(), &y_hat, &target, 2).expect("rows fit");
        let each = task.objective(&y_hat, &target.rows(&spread(2, 2, &y_hat))).expect("rows fit").loss;
        let each = Vec::<f64>::try_from(each).expect("four losses");
        assert!((loss.double_value(&[]) - 0.5 * (each[1] + each[2])).abs() < 1e-6, "{loss:?} of {each:?}");
        loss.backward();
        let moved = joints.grad().abs().sum_dim_intlist(1, false, Kind::Double);
        let moved = Vec::<f64>::try_from(moved).expect("four rows");
        assert_eq!((moved[0], moved[1], moved[3]), (0.0, 0.0, 0.0), "row 1 is exact, rows 0 and 3 are not the best");
        assert!(moved[2] > 0.0, "{moved:?}");
    }
}
