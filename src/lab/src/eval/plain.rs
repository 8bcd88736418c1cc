//! The rival without a learned prior: the same descent in what a task's poses are made of.

use thalweg_engine::landscape::Landscape;
use thalweg_engine::{Engine, EngineConfig, EngineError, LmConfig, Optimizer};
use thalweg_task::Task;

/// The pull to the mean pose of a rival that has none to likely poses. A guess.
const PULL: f64 = 0.1;
/// As the default has.
pub const HYPOTHESES: usize = 8;

/// An engine that searches by Levenberg-Marquardt in x, pulled a little to zero.
///
/// # Errors
/// What [`Engine::new`] says.
pub fn plain_engine(task: Box<dyn Task>) -> Result<Engine, EngineError> {
    let config = EngineConfig {
        hypotheses: HYPOTHESES,
        fresh: 1,
        prior_weight: PULL,
        optimizer: Optimizer::LevenbergMarquardt(LmConfig::default()),
        ..EngineConfig::default()
    };
    let landscape = Landscape::identity(task.spec().latent);
    Engine::new(task, landscape, config)
}
