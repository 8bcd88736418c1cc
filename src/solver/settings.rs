//! From parameters to what the engine thread is asked to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use thalweg_task::LoadOptions;

use super::plan::{Plan, SolverError, Tuning};
use crate::parameters::Settings;

impl Plan {
    /// Reads what is to be loaded from the parameters.
    ///
    /// # Errors
    /// [`SolverError::Device`] when this machine has no such device.
    pub fn of(settings: &Settings) -> Result<Self, SolverError> {
        let options = LoadOptions {
            device: settings.device.resolve().ok_or_else(|| SolverError::no_device(settings.device))?,
            models: models(&settings.models),
            parameters: settings.task_parameters.clone(),
            ..LoadOptions::default()
        };
        Ok(Self {
            task: settings.task.clone(),
            options,
            theta: settings.theta.clone(),
            start: settings.start.clone(),
            engine: settings.engine.clone(),
            automatic_optimizer: settings.automatic_optimizer,
            threads: u32::try_from(settings.threads).unwrap_or(1),
            tuning: Tuning::of(settings),
        })
    }
}

impl Tuning {
    /// Reads what may change between two solves from the parameters.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let rate = settings.output.rate;
        Self {
            hypotheses: settings.engine.hypotheses,
            fresh: settings.engine.fresh,
            budget: settings.budget,
            period: if rate > 0.0 { Duration::from_secs_f64(rate.recip()) } else { Duration::ZERO },
        }
    }
}

/// The folder of weights: as given, else that of the installed package, else that of the checkout.
fn models(given: &Path) -> PathBuf {
    if !given.as_os_str().is_empty() {
        return given.to_owned();
    }
    let prefixes = std::env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    let installed = std::env::split_paths(&prefixes).map(|prefix| prefix.join("share/thalweg/models"));
    installed.into_iter().find(|folder| folder.is_dir()).unwrap_or_else(|| PathBuf::from("models"))
}
