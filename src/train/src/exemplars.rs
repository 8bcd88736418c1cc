//! Examples of x that a landscape's steps may look up: training observations, inverted.

use tch::Tensor;
use thalweg_engine::landscape::{Landscape, MOST_EXEMPLARS};
use thalweg_engine::start::Start;
use thalweg_engine::{Engine, EngineConfig, LmConfig, Optimizer, Status};
use thalweg_task::Observation;

use super::{LoadTask, TrainError};

/// Observations that are inverted at once.
const ROWS: i64 = 512;
/// Iterations after the landscape's own steps; whole observations have converged by then.
const ITERATIONS: usize = 8;

/// Inverts `count` of the observations, spread evenly over all, and gives them to the landscape as its examples.
///
/// Observations lie clip by clip, so that each clip has its share.
///
/// # Errors
/// [`TrainError`] about a number out of range or a landscape without steps, or what the task meets.
pub fn with_exemplars(
    landscape: &Landscape,
    load: &LoadTask,
    observations: &Observation,
    count: usize,
) -> Result<Landscape, TrainError> {
    let most = observations.rows().min(MOST_EXEMPLARS);
    if count < 1 || count as i64 > most {
        return Err(TrainError::option("exemplars", &count, format!("1 to {most}")));
    }
    let _no_grad = tch::no_grad_guard();
    let all = count as i64;
    let rows: Vec<i64> = (0..all).map(|index| index * observations.rows() / all).collect();
    let mut found = Vec::new();
    for rows in rows.chunks(ROWS as usize) {
        found.push(invert(landscape, load, &observations.select_rows(&Tensor::from_slice(rows)))?);
    }
    let steps = landscape.steps().map(|steps| steps.shallow_clone().with_exemplars(Some(Tensor::cat(&found, 0))));
    Ok(landscape.shallow_clone().with_steps(steps.ok_or_else(|| no_steps(landscape))?)?)
}

/// Finds the x of each observation, `[O, X]`.
fn invert(landscape: &Landscape, load: &LoadTask, observations: &Observation) -> Result<Tensor, TrainError> {
    let task = load()?;
    let identity = Landscape::identity(task.spec().latent);
    let config = EngineConfig {
        hypotheses: observations.rows() as usize,
        optimizer: Optimizer::LevenbergMarquardt(LmConfig::default()),
        warm_start: false,
        fresh: 0,
        ..EngineConfig::default()
    };
    let mut engine = Engine::new(task, identity, config)?;
    engine.set_start(Start::of_steps(landscape.shallow_clone())?)?;
    engine.begin(observations)?;
    for _ in 0..ITERATIONS {
        if engine.refine()? == Status::Converged {
            break;
        }
    }
    let x = engine.solution().map(|solution| solution.x.shallow_clone());
    x.ok_or_else(|| no_steps(landscape))
}

fn no_steps(landscape: &Landscape) -> TrainError {
    thalweg_engine::landscape::LandscapeError::NoSteps { id: landscape.id().to_owned() }.into()
}
