//! How well a joint is told from all others, in closed form and by one more solve, on frames that choose.

use std::fmt::{self, Display};
use std::path::Path;
use std::time::Instant;

use tch::{Kind, Tensor};
use thalweg::Registry;
use thalweg_engine::time::Poses;
use thalweg_task::{Observation, Task, numbers};

use super::division::Divided;
use super::training::absolute;

/// Frames that are tried, evenly chosen.
const FRAMES: i64 = 60;
/// Steps of the one more solve in which row j does not see joint j. It begins at zero: where the solve of all joints ended,
/// it would know what joint j said.
const STEPS: u32 = 20;

/// Mean error of a joint that is left out, and what a frame costs.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut {
    /// Of the normal distribution in closed form, and of one more solve: degrees (or hundredths of a radian or metre times
    /// 57.3), milliseconds.
    gaussian: [f64; 2],
    solved: [f64; 2],
    frames: usize,
}

impl LeftOut {
    /// Leaves each joint out of each of some validation frames.
    pub(super) fn of(
        (folder, task): (&Path, &dyn Task),
        registry: &Registry,
        poses: &Poses,
        judged: &[usize],
        divided: &Divided,
    ) -> anyhow::Result<Self> {
        let _no_grad = tch::no_grad_guard();
        let path = absolute(folder).display().to_string();
        let open = |rows: usize| -> anyhow::Result<_> {
            let builder = registry.open(thalweg_robot::ENTRY.name)?.parameter("model", path.clone());
            let builder = builder.landscape("identity").start("none").warm_start(false).time(false);
            Ok(builder.hypotheses(rows).steps(1).build()?)
        };
        let mut apart = open(judged.len().max(1))?;
        let (rows, mut told) = (divided.validation.size()[0], Self::default());
        let zero = Tensor::zeros([judged.len().max(1) as i64, task.spec().latent], (Kind::Float, tch::Device::Cpu));
        let count = rows.min(FRAMES);
        for number in 0..count {
            let row = divided.validation.narrow(0, number * rows / count, 1).to_kind(Kind::Float);
            let truth: Vec<f64> = numbers(&row);
            let begin = Instant::now();
            let without = poses.left_out(judged, &truth);
            told.gaussian[1] += begin.elapsed().as_secs_f64() * 1e3;
            let hidden: Vec<f32> = judged
                .iter()
                .flat_map(|out| {
                    truth.iter().enumerate().map(move |(j, at)| if j == *out { f32::NAN } else { *at as f32 })
                })
                .collect();
            let hidden = Observation::of_joints(&Tensor::from_slice(&hidden).view([judged.len() as i64, -1]));
            let begin = Instant::now();
            let engine = apart.engine_mut();
            engine.begin_from(&hidden, &zero)?;
            (0..STEPS).try_for_each(|_| engine.refine().map(drop))?;
            let Some(y_hat) = engine.solution().map(|solution| solution.y_hat.shallow_clone()) else { continue };
            told.solved[1] += begin.elapsed().as_secs_f64() * 1e3;
            let joints: Vec<f64> = task.render(&y_hat)?.joints.as_ref().map_or_else(Vec::new, numbers);
            for (place, &joint) in judged.iter().enumerate() {
                let found = joints.get(place * truth.len() + joint).copied().unwrap_or(f64::NAN);
                told.solved[0] += (found - truth[joint]).abs().to_degrees() / judged.len() as f64;
                told.gaussian[0] += without[place].abs().to_degrees() / judged.len() as f64;
            }
            told.frames += 1;
        }
        Ok(told)
    }
}

/// One sentence.
impl Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = |sum: f64| sum / self.frames.max(1) as f64;
        let ([error, cost], [error_solved, cost_solved]) = (self.gaussian, self.solved);
        writeln!(
            f,
            "\nA joint that is told from all others, on {} validation frames: the conditional Gaussian is {:.1} degrees off \
             and takes {:.3} ms for all joints, one more solve of {} steps from zero in which row j does not see joint j {:.1} degrees \
             and {:.2} ms.",
            self.frames,
            mean(error),
            mean(cost),
            STEPS,
            mean(error_solved),
            mean(cost_solved)
        )
    }
}
