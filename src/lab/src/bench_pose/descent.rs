//! Runs one method on many poses at once.

use std::sync::{Arc, Mutex};
use thalweg_task::lock;

use crate::eval::lbfgs;
use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use thalweg_engine::{Cadence, Engine, EngineConfig, Event, Observer, Status};
use thalweg_task::{Target, Task, TaskError};

use super::arms::{ARMS, Arm, Begin, Method, THETA};
use super::cases::Case;
use super::world::{Loss, World};

/// Rows that one engine holds: what a core's cache takes. A guess.
const ROWS: usize = 512;

/// What is chosen on validation poses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Setting {
    /// Learning rate of Adam.
    pub(super) rate: f64,
    /// Weight of the prior.
    pub(super) prior_weight: f64,
    /// Steps.
    pub(super) steps: u32,
}

/// One method with its setting.
pub(super) struct Descent<'a> {
    pub(super) world: &'a World,
    pub(super) arm: &'a Arm,
    pub(super) setting: Setting,
    pub(super) loss: Loss,
    pub(super) seed: u64,
}

/// The best points of all rows after some steps.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// `[P * S, 21, 3, 3]`, pose after pose.
    pub(super) rotations: Tensor,
    /// Of each row.
    pub(super) loss: Vec<f64>,
}

/// A whole run.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Mean over rows of the best loss, from step 0 to the last.
    pub(super) curve: Vec<f64>,
    /// One for each checkpoint that was asked for.
    pub(super) snapshots: Vec<Snapshot>,
}

impl Descent<'_> {
    /// Descends for each pose from `hypotheses` starts, to the last of the checkpoints.
    ///
    /// `checkpoints` ascend and may be empty; then `last` says how far.
    pub(super) fn run(&self, case: &Case, hypotheses: usize, last: u32, checkpoints: &[u32]) -> anyhow::Result<Trace> {
        let starts = hypotheses * self.arm.starts;
        let z = self.starting_points(case, starts)?;
        let per_part = (ROWS / starts).max(1) as i64;
        let mut parts = Vec::new();
        for first in (0..case.poses.count()).step_by(per_part as usize) {
            let count = per_part.min(case.poses.count() - first);
            // Row r of the part belongs to pose r / starts.
            let rows = Tensor::arange(count * starts as i64, (Kind::Int64, tch::Device::Cpu));
            let poses = rows.divide_scalar_mode(starts as i64, "floor") + first;
            let z = z.narrow(0, first * starts as i64, count * starts as i64);
            parts.push(match self.arm.method {
                Method::Lbfgs => self.lbfgs(case, &poses, &z, last, checkpoints)?,
                _ => self.engine(case, &poses, &z, last, checkpoints)?,
            });
        }
        Ok(join(&parts, self.arm.starts))
    }

    /// Mean best loss after each step, whole observations, one hypothesis.
    ///
    /// Where theta's own steps are the start, they count as steps.
    pub(super) fn curve(&self, case: &Case, last: u32) -> anyhow::Result<Vec<f64>> {
        let curve = self.run(case, 1, last, &[])?.curve;
        if !self.arm.has_steps() {
            return Ok(curve);
        }
        let arm = ARMS.iter().find(|arm| arm.key == THETA).context("an arm of theta alone")?;
        let before = Descent { arm, ..*self }.run(case, 1, 1, &[])?.curve;
        Ok([before, curve].concat())
    }

    /// Where rows begin, `[P * starts, Z]`; with an amortised start, their codes.
    fn starting_points(&self, case: &Case, starts: usize) -> anyhow::Result<Tensor> {
        if let Some(z) = self.world.begin(self.arm, &case.observation(), starts as i64) {
            return Ok(z);
        }
        let task = self.world.task(self.loss)?;
        if self.arm.begin == Begin::Own {
            let landscape = self.world.landscape(self.arm.ground, task.as_ref())?;
            let steps = landscape.steps().context("a landscape without steps of its own")?;
            return Ok(steps.code_of_each(starts).repeat([case.poses.count(), 1]));
        }
        if self.arm.has_start() {
            // One code for each hypothesis, the same for every pose.
            let engine = self.build(starts, self.seed)?;
            let start = engine.start().context("an engine without its start")?;
            return Ok(start.codes(starts, task.spec()).repeat([case.poses.count(), 1]));
        }
        let dim = self.world.landscape(self.arm.ground, task.as_ref())?.dim();
        Ok(drawn(self.seed, case.poses.count() * starts as i64, dim))
    }

    fn engine(&self, case: &Case, poses: &Tensor, z: &Tensor, last: u32, checkpoints: &[u32]) -> anyhow::Result<Part> {
        let mut engine = self.build(z.size()[0] as usize, self.seed)?;
        let losses = Arc::new(Mutex::new(Losses::default()));
        engine.add_observer(Cadence::Always, Box::new(Arc::clone(&losses)));
        let obs = case.observation().select_rows(poses);
        match self.arm.begin {
            Begin::Amortised | Begin::Own | Begin::Steps | Begin::Examples => engine.begin_with_codes(&obs, z)?,
            Begin::Drawn | Begin::Zero | Begin::Encoder => engine.begin_from(&obs, z)?,
        }
        let mut rotations = Vec::new();
        let mut is_over = false;
        for step in 0..=last {
            if step > 0 && !is_over {
                is_over = engine.refine()? == Status::Converged;
            } else if step > 0 {
                lock(&losses).again();
            }
            if checkpoints.contains(&step) {
                rotations.extend(engine.solution().map(|solution| solution.y_hat.shallow_clone()));
            }
        }
        let losses = std::mem::take(&mut lock(&losses).0);
        Ok(Part { losses, rotations, checkpoints: checkpoints.to_vec() })
    }

    /// Makes an engine for so many rows.
    pub(super) fn build(&self, rows: usize, seed: u64) -> anyhow::Result<Engine> {
        let task = self.world.task(self.loss)?;
        let landscape = self.world.landscape(self.arm.ground, task.as_ref())?;
        let config = EngineConfig {
            hypotheses: rows,
            optimizer: self.arm.optimizer(self.setting.rate),
            warm_start: false,
            fresh: 0,
            seed,
            ..self.arm.pulled(self.setting.prior_weight)
        };
        let mut engine = Engine::new(task, landscape, config)?;
        self.world.equip(self.arm, &mut engine)?;
        Ok(engine)
    }

    fn lbfgs(&self, case: &Case, poses: &Tensor, z: &Tensor, last: u32, checkpoints: &[u32]) -> anyhow::Result<Part> {
        let task = self.world.task(self.loss)?;
        let target = task.encode(&case.observation())?;
        let mut losses = vec![Vec::new(); last as usize + 1];
        let mut points = vec![Vec::new(); checkpoints.len()];
        for row in 0..z.size()[0] {
            let target = target.rows(&poses.narrow(0, row, 1));
            let start = Vec::<f64>::try_from(z.get(row).to_kind(Kind::Double))?;
            let told = descend(task.as_ref(), &target, &start, last)?;
            let at = |step: u32| told.get(step as usize).or(told.last());
            let told_at = |step: u32| at(step).cloned().unwrap_or_else(|| (start.clone(), f64::INFINITY));
            losses.iter_mut().zip(0..).for_each(|(all, step)| all.push(told_at(step).1));
            points.iter_mut().zip(checkpoints).for_each(|(all, step)| all.extend(told_at(*step).0));
        }
        let decode = |x: &Vec<f64>| -> anyhow::Result<Tensor> {
            let x = Tensor::from_slice(x).view([-1, task.spec().latent]).to_kind(task.spec().kind);
            Ok(tch::no_grad(|| task.forward(&x))?)
        };
        let rotations = points.iter().map(decode).collect::<anyhow::Result<_>>()?;
        Ok(Part { losses, rotations, checkpoints: checkpoints.to_vec() })
    }
}

/// Draws `[rows, dim]` from the standard normal distribution.
pub(super) fn drawn(seed: u64, rows: i64, dim: i64) -> Tensor {
    let mut random = StdRng::seed_from_u64(seed);
    let values: Vec<f64> = (0..rows * dim).map(|_| random.sample(StandardNormal)).collect();
    Tensor::from_slice(&values).view([rows, dim]).to_kind(Kind::Float)
}

/// Descends in x by L-BFGS for one row; the best point and its loss after each iteration.
fn descend(task: &dyn Task, target: &Target, start: &[f64], last: u32) -> anyhow::Result<Vec<(Vec<f64>, f64)>> {
    let mut told = Vec::new();
    lbfgs::descend(&|point| evaluate(task, target, point), start, last, &mut |_, at, loss| {
        told.push((at.to_vec(), loss));
        true
    })?;
    Ok(told)
}

/// Evaluates the loss of one row and its gradient: F forward and in reverse, in single precision.
pub(super) fn evaluate(task: &dyn Task, target: &Target, point: &[f64]) -> Result<(f64, Vec<f64>), TaskError> {
    tch::with_grad(|| {
        let x = Tensor::from_slice(point).to_kind(task.spec().kind).unsqueeze(0).set_requires_grad(true);
        let loss = task.objective(&task.forward(&x)?, target)?.loss;
        let gradient = Tensor::f_run_backward(&[&loss], &[&x], false, false)?;
        let gradient = Vec::<f64>::try_from(gradient[0].view(-1).to_kind(Kind::Double))?;
        Ok((loss.double_value(&[0]), gradient))
    })
}

/// Rows that went together.
struct Part {
    /// Best loss of each row, step by step.
    losses: Vec<Vec<f64>>,
    /// `[R, 21, 3, 3]` at each checkpoint.
    rotations: Vec<Tensor>,
    checkpoints: Vec<u32>,
}

/// Notes the best loss of each row, step by step.
#[derive(Default)]
struct Losses(Vec<Vec<f64>>);

impl Losses {
    /// Notes that nothing has changed.
    fn again(&mut self) {
        self.0.extend(self.0.last().cloned());
    }
}

impl Observer for Losses {
    fn observe(&mut self, event: &Event<'_>) {
        match event {
            Event::Begin { loss, .. } => self.0.push(loss.to_vec()),
            Event::Step { best, .. } => self.0.push(best.to_vec()),
            Event::End { .. } => {}
        }
    }
}

/// Joins parts; of each `starts` rows the one with the least loss stays.
fn join(parts: &[Part], starts: usize) -> Trace {
    let steps = parts.iter().map(|part| part.losses.len()).min().unwrap_or(0);
    let all = |step: usize| parts.iter().flat_map(move |part| least(&part.losses[step], starts)).map(|(_, loss)| loss);
    let rows = all(0).count().max(1) as f64;
    let curve = (0..steps).map(|step| all(step).sum::<f64>() / rows).collect();
    let checkpoints = parts.first().map_or(0, |part| part.checkpoints.len());
    let snapshots = (0..checkpoints).map(|index| snapshot(parts, index, starts)).collect();
    Trace { curve, snapshots }
}

fn snapshot(parts: &[Part], index: usize, starts: usize) -> Snapshot {
    let mut loss = Vec::new();
    let mut rotations = Vec::new();
    for part in parts {
        let kept: Vec<(i64, f64)> = least(&part.losses[part.checkpoints[index] as usize], starts).collect();
        let rows: Vec<i64> = kept.iter().map(|(row, _)| *row).collect();
        rotations.push(part.rotations[index].index_select(0, &Tensor::from_slice(&rows)));
        loss.extend(kept.iter().map(|(_, loss)| loss));
    }
    Snapshot { rotations: Tensor::cat(&rotations, 0), loss }
}

/// Finds in each group of `starts` rows the one with the least loss: its place and its loss.
fn least(losses: &[f64], starts: usize) -> impl Iterator<Item = (i64, f64)> {
    losses.chunks(starts).enumerate().filter_map(move |(group, losses)| {
        let best = losses.iter().enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
        best.map(|(row, loss)| ((group * starts + row) as i64, *loss))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_group_of_starts_the_best_row_stays() {
        let rotations = Tensor::arange(4, (Kind::Float, tch::Device::Cpu));
        let part = Part {
            losses: vec![vec![4.0, 3.0, 2.0, 9.0], vec![1.0, 3.0, 2.0, 0.5]],
            rotations: vec![rotations],
            checkpoints: vec![1],
        };
        let trace = join(&[part], 2);
        assert_eq!(trace.curve, [2.5, 0.75]);
        assert_eq!(trace.snapshots[0].loss, [1.0, 0.5]);
        assert_eq!(Vec::<f32>::try_from(&trace.snapshots[0].rotations).expect("two rows"), [0.0, 3.0]);
    }

    #[test]
    fn the_first_rows_do_not_depend_on_how_many_follow() {
        assert!(drawn(3, 5, 4).narrow(0, 0, 2).equal(&drawn(3, 2, 4)));
    }
}
