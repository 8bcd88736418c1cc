//! What a task costs: F, and F with L and the gradient, on each backend.

use std::time::{Duration, Instant};

use anyhow::Context;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use tch::Tensor;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::{Backend, BackendChoice, Engine, EngineConfig};
use thalweg_task::{LoadOptions, Observation, Result, Task, draws, sampled};

/// Hypotheses K.
const HYPOTHESES: [i64; 3] = [1, 8, 32];
/// Time that one figure may take, and fewest repetitions of what takes longer.
const TIME: Duration = Duration::from_millis(60);
const FEWEST: usize = 5;
/// Seed of what is solved.
const SEED: u64 = 0x636f_7374;

/// What a task costs for a number of hypotheses; medians, milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cost {
    hypotheses: i64,
    /// tch or fused.
    backend: &'static str,
    /// F alone; none where it does not run alone.
    forward_ms: Option<f64>,
    /// F, L and the gradient.
    gradient_ms: f64,
}

/// Measures a task on libtorch, and natively where it runs so.
///
/// # Errors
/// What the task or the engine refuses.
pub(super) fn measure(
    load: &dyn Fn(&LoadOptions) -> Result<Box<dyn Task>>,
    options: &LoadOptions,
) -> anyhow::Result<Vec<Cost>> {
    let mut costs = Vec::new();
    for hypotheses in HYPOTHESES {
        for choice in [BackendChoice::Tch, BackendChoice::Auto] {
            let task = load(options)?;
            let latent = task.spec().latent;
            let rows = usize::try_from(hypotheses)?;
            let config = EngineConfig { hypotheses: rows, fresh: 0, backend: choice, ..EngineConfig::default() };
            let mut random = StdRng::seed_from_u64(SEED);
            let seen = sampled(task.as_ref(), 1, &mut random)?;
            let x = draws::normal(&mut random, &[hypotheses, latent]);
            let x = x.to_kind(task.spec().kind).to_device(task.spec().device);
            let forward = (choice == BackendChoice::Tch).then(|| of_forward(task.as_ref(), &x)).transpose()?;
            let engine = Engine::new(task, Landscape::identity(latent), config)?;
            if choice == BackendChoice::Auto && engine.backend() == Backend::Tch {
                continue;
            }
            let backend = engine.backend().name();
            let gradient_ms = of_gradient(engine, &seen, &x)?;
            costs.push(Cost { hypotheses, backend, forward_ms: forward, gradient_ms });
        }
    }
    Ok(costs)
}

fn of_forward(task: &dyn Task, x: &Tensor) -> anyhow::Result<f64> {
    median(|| {
        drop(tch::no_grad(|| task.forward(x))?);
        Ok(())
    })
}

fn of_gradient(mut engine: Engine, seen: &Observation, x: &Tensor) -> anyhow::Result<f64> {
    median(|| engine.begin_from(seen, x).context("the task does not run on what it makes itself"))
}

/// Median of the time that something takes, milliseconds, after a first run that does not count.
fn median(mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    run()?;
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.len() < FEWEST || begin.elapsed() < TIME {
        let from = Instant::now();
        run()?;
        times.push(from.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// Costs as lines below the report; empty where none were measured.
pub(super) fn table(costs: &[Cost]) -> String {
    if costs.is_empty() {
        return String::new();
    }
    let mut text = format!("  {:>4}  {:<7}  {:>9}  {:>20}\n", "K", "backend", "F, ms", "F, L, gradient, ms");
    for Cost { hypotheses, backend, forward_ms, gradient_ms } in costs {
        let forward = forward_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}"));
        text += &format!("  {hypotheses:>4}  {backend:<7}  {forward:>9}  {gradient_ms:>20.3}\n");
    }
    text
}
