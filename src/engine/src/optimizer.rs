//! How `z` moves: pure steps over explicit states.

pub(crate) mod adam;
mod levenberg_marquardt;

use serde::{Deserialize, Serialize};
use tch::Tensor;

pub use adam::{AdamConfig, AdamState};
pub use levenberg_marquardt::{LmConfig, LmState};

use super::budget::Patience;
use super::error::EngineError;
use super::evaluation::{Evaluation, Problem};

/// The method by which `z` descends, with its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// First order; works with every task.
    Adam(AdamConfig),
    /// Second order; needs a task that gives residuals.
    LevenbergMarquardt(LmConfig),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

impl Optimizer {
    /// Names the method, as in the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Adam(_) => "adam",
            Self::LevenbergMarquardt(_) => "levenberg_marquardt",
        }
    }

    pub(crate) fn validate(&self) -> Result<(), EngineError> {
        match self {
            Self::Adam(config) => config.validate(),
            Self::LevenbergMarquardt(config) => config.validate(),
        }
    }

    pub(crate) fn needs_residual(&self) -> bool {
        matches!(self, Self::LevenbergMarquardt(_))
    }

    /// How many steps a tolerance looks back on.
    pub(crate) fn patience(&self) -> Patience {
        match self {
            Self::Adam(_) => Patience::Steps(50),
            Self::LevenbergMarquardt(_) => Patience::Accepted,
        }
    }

    /// Makes the state in which a descent from `z`, `[K, Z]`, starts.
    pub(crate) fn start(&self, z: &Tensor) -> State {
        match self {
            Self::Adam(config) => State::Adam(*config, AdamState::new(z)),
            Self::LevenbergMarquardt(config) => {
                State::LevenbergMarquardt(*config, LmState::new(config, z.size()[0] as usize))
            }
        }
    }
}

/// What a method remembers between steps, with its options.
///
/// Tensors in it are never changed in place, so a clone is a snapshot.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Adam(AdamConfig, AdamState),
    LevenbergMarquardt(LmConfig, LmState),
}

impl State {
    /// Proposes the next points, `[K, Z]`, and the state that goes with them.
    pub(crate) fn propose(&self, problem: &Problem<'_>, at: &Evaluation) -> Result<(Self, Tensor), EngineError> {
        match self {
            Self::Adam(config, state) => {
                let (state, z) = state.step(config, &at.point.z, &at.gradient);
                Ok((Self::Adam(*config, state), z))
            }
            Self::LevenbergMarquardt(config, state) => {
                let (state, z) = propose_damped(state, problem, at)?;
                Ok((Self::LevenbergMarquardt(*config, state), z))
            }
        }
    }

    /// Decides row by row whether the proposed points are taken.
    pub(crate) fn judge(&mut self, before: &Evaluation, after: &Evaluation) -> Vec<bool> {
        let rows = 0..after.slope.len();
        match self {
            Self::Adam(..) => rows.map(|_| true).collect(),
            Self::LevenbergMarquardt(config, state) => {
                let better = |row| after.is_finite(row) && after.point.loss[row] < before.point.loss[row];
                let accepted: Vec<bool> = rows.map(better).collect();
                state.adapt(config, &accepted);
                accepted
            }
        }
    }

    /// Starts marked rows afresh.
    pub(crate) fn reset(&mut self, rows: &[bool]) {
        match self {
            Self::Adam(_, state) => state.reset(rows),
            Self::LevenbergMarquardt(config, state) => state.reset(config, rows),
        }
    }

    /// Whether the method has no step left for a row.
    pub(crate) fn is_exhausted(&self, row: usize) -> bool {
        match self {
            Self::Adam(..) => false,
            Self::LevenbergMarquardt(config, state) => state.is_exhausted(config, row),
        }
    }
}

fn propose_damped(state: &LmState, problem: &Problem<'_>, at: &Evaluation) -> Result<(LmState, Tensor), EngineError> {
    let Some(residual) = &at.residual else {
        return Err(EngineError::NoResidual { task: problem.task.spec().name.clone() });
    };
    let (state, step) = state.step(residual, || problem.jacobian(at))?;
    Ok((state, &at.point.z + step))
}
