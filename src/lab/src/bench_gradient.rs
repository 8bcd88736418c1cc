//! `thalweg-lab bench gradient`: what the first gradient of a descent tells of the answer.
//!
//! Where every descent begins at the same point, its first gradient is a function of the observation. One step can answer
//! only what can be read from it: this draws x, observes F(x), and asks how much of x a linear map finds in the gradient.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use plotters::style::Color;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Kind, Tensor};
use thalweg::Registry;
use thalweg_cli::console::print;
use thalweg_task::{LoadOptions, Task, TaskError, draws, numbers};

use crate::eval::plot::palette::VERMILION;
use crate::eval::plot::{Curve, Curves};

/// Observations whose gradient is taken at once.
const AT_ONCE: i64 = 32;
/// What is added to the diagonal of the whitened gradients' covariance; the one that fits a quarter of the draws best is
/// taken.
const RIDGES: [f64; 6] = [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0];

/// Options of `thalweg-lab bench gradient`.
#[derive(Args)]
pub(crate) struct GradientArguments {
    /// Task whose F and L are asked
    #[arg(long, default_value = "body_pose")]
    task: String,
    /// Folder of the weights of tasks
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Observations that are drawn: half of them fit the map, a quarter chooses, a quarter measures
    #[arg(long, default_value_t = 3000)]
    drawn: u32,
    /// Where the gradients are taken
    #[arg(long, value_enum, default_value_t = At::Zero)]
    at: At,
    /// Whose gradients are taken
    #[arg(long, value_enum, default_value_t = Compared::Task)]
    loss: Compared,
    /// Seed of the draws
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the picture of the spectrum goes
    #[arg(long, value_name = "DIR", default_value = "out/bench_gradient")]
    output: PathBuf,
}

/// The point at which gradients are taken: the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum At {
    /// x = 0, the mean of the prior
    Zero,
    /// One point that is drawn from the prior, for an F whose output at zero has no gradient
    Drawn,
}

/// How what F makes is compared with what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compared {
    /// By the task's L
    Task,
    /// By the squared difference of what F makes: of an image, its pixels
    Squares,
}

/// Latents that were drawn, and the gradients at one point towards what F makes of them, both `[N, X]`.
struct Draws {
    x: Tensor,
    slope: Tensor,
}

/// Draws, fits and tells.
///
/// # Errors
/// What the task refuses.
pub(crate) fn run(arguments: &GradientArguments) -> anyhow::Result<()> {
    thalweg_engine::pin_threads(1);
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = Registry::shipped().load(&arguments.task, &options)?;
    let draws = draw(task.as_ref(), i64::from(arguments.drawn), arguments)?;
    let is_finite = bool::try_from(draws.slope.isfinite().all())?;
    anyhow::ensure!(is_finite, "--at {:?}: expected finite gradients there, got others; try --at drawn", arguments.at);
    let (values, vectors) = (draws.slope.tr().matmul(&draws.slope) / f64::from(arguments.drawn)).linalg_eigh("L");
    // Ascending; rounding leaves the least ones a little below zero.
    let spectrum: Vec<f64> = numbers::<f64>(&values).into_iter().rev().map(|value| value.max(0.0)).collect();
    let total: f64 = spectrum.iter().sum();
    let root = (&values.clamp_min(0.0) + total / spectrum.len() as f64 * 1e-4).rsqrt();
    let white = draws.slope.matmul(&vectors) * root;
    let found = explained(&white, &draws.x);
    let share = |count: usize| 100.0 * spectrum.iter().take(count).sum::<f64>() / total;
    print(&format!(
        "{}: {} draws, gradients at one point in {} dimensions\n\
         the strongest direction has {:.1} % of their square, the first ten {:.1} %; the weakest is {:.1e} of the strongest\n\
         a linear map of the gradient finds {:.1} % of the variance of x (held-out draws)\n",
        arguments.task,
        arguments.drawn,
        spectrum.len(),
        share(1),
        share(10),
        spectrum.last().copied().unwrap_or_default() / spectrum[0],
        100.0 * found
    ))?;
    let points = spectrum.iter().enumerate().map(|(index, value)| ((index + 1) as f64, value / spectrum[0])).collect();
    let curve = Curve { name: arguments.task.clone(), color: VERMILION.to_rgba(), points };
    let picture = Curves {
        title: "Covariance of the first gradient: its eigenvalues".to_owned(),
        across: "eigenvalue".to_owned(),
        upward: "share of the largest".to_owned(),
        curves: vec![curve],
    };
    picture.draw().save(&arguments.output, &format!("spectrum_{}", arguments.task))?;
    Ok(())
}

fn draw(task: &dyn Task, count: i64, arguments: &GradientArguments) -> anyhow::Result<Draws> {
    let spec = task.spec();
    let mut random = StdRng::seed_from_u64(arguments.seed);
    let mut draw =
        |rows: i64| draws::normal(&mut random, &[rows, spec.latent]).to_kind(spec.kind).to_device(spec.device);
    let (x, point) = (draw(count), draw(1));
    let point = if arguments.at == At::Zero { point.zeros_like() } else { point };
    let mut slopes = Vec::new();
    for part in x.split(AT_ONCE, 0) {
        let made = tch::no_grad(|| task.forward(&part))?;
        let leaf = point.repeat([part.size()[0], 1]).set_requires_grad(true);
        let loss = match arguments.loss {
            Compared::Task => {
                let target = task.encode(&task.render(&made)?.as_observation(spec))?;
                task.objective(&task.forward(&leaf)?, &target)?.loss.sum(spec.kind)
            }
            Compared::Squares => (task.forward(&leaf)? - made).square().sum(spec.kind),
        };
        let slope = Tensor::f_run_backward(&[loss], &[&leaf], false, false).map_err(TaskError::from)?;
        slopes.extend(slope);
    }
    let double = |tensor: Tensor| tensor.to_kind(Kind::Double).to_device(tch::Device::Cpu);
    Ok(Draws { x: double(x), slope: double(Tensor::cat(&slopes, 0)) })
}

/// The share of the variance of `x`, `[N, X]`, that a linear map of `seen`, `[N, S]`, explains on the last quarter.
fn explained(seen: &Tensor, x: &Tensor) -> f64 {
    let rows = x.size()[0];
    let parts = [(0, rows / 2), (rows / 2, rows / 4), (rows / 2 + rows / 4, rows / 4)];
    let ones = Tensor::ones([rows, 1], (Kind::Double, tch::Device::Cpu));
    let [fit, choose, measure] = parts.map(|(from, count)| {
        let seen = Tensor::cat(&[seen, &ones], 1).narrow(0, from, count);
        (seen, x.narrow(0, from, count))
    });
    let mean = fit.1.mean_dim(0, true, Kind::Double);
    let lacking = |map: &Tensor, (seen, x): &(Tensor, Tensor)| {
        let rest = (seen.matmul(map) - x).square().sum(Kind::Double).double_value(&[]);
        rest / (x - &mean).square().sum(Kind::Double).double_value(&[])
    };
    let square = fit.0.tr().matmul(&fit.0) / fit.0.size()[0] as f64;
    let moment = fit.0.tr().matmul(&fit.1) / fit.0.size()[0] as f64;
    let maps = RIDGES.map(|ridge| {
        let damped = &square + Tensor::eye(square.size()[0], (Kind::Double, tch::Device::Cpu)) * ridge;
        Tensor::linalg_solve(&damped, &moment, true)
    });
    let best = maps.iter().min_by(|a, b| lacking(a, &choose).total_cmp(&lacking(b, &choose)));
    best.map_or(0.0, |map| 1.0 - lacking(map, &measure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_map_is_found_and_noise_is_not() {
        thalweg_engine::pin_threads(1);
        let mut random = StdRng::seed_from_u64(3);
        let mut draw = |size: [i64; 2]| draws::normal(&mut random, &size);
        let (x, map) = (draw([400, 3]), draw([3, 5]));
        let found = explained(&(x.matmul(&map) + 0.7), &x);
        assert!(found > 0.99, "{found}");
        let found = explained(&draw([400, 5]), &x);
        assert!(found < 0.1, "{found}");
    }
}
