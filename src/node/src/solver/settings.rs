//! From parameters to what the engine thread is asked to do.

use std::time::Duration;

use thalweg::{LoadError, Plan, Registry};
use thalweg_task::{LoadOptions, models_folder};

use super::plan::{Assignment, Tuning};
use crate::parameters::Settings;

impl Assignment {
    /// Reads what is to be loaded from the parameters.
    ///
    /// # Errors
    /// [`LoadError::Device`] when this machine has no such device.
    pub fn of(settings: &Settings, registry: Registry) -> Result<Self, LoadError> {
        let models = &settings.models;
        let options = LoadOptions {
            device: Plan::device(settings.device)?,
            models: if models.as_os_str().is_empty() { models_folder() } else { models.clone() },
            parameters: settings.task_parameters.clone(),
            ..LoadOptions::default()
        };
        let plan = Plan {
            registry,
            task: settings.task.clone(),
            options,
            landscape: settings.theta.clone(),
            start: settings.start.clone(),
            engine: settings.engine.clone(),
            automatic_optimizer: settings.automatic_optimizer,
            threads: u32::try_from(settings.threads).unwrap_or(1),
        };
        Ok(Self { plan, tuning: Tuning::of(settings) })
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
