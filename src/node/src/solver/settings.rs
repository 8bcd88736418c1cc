//! From parameters to what the engine thread is asked to do.

use std::time::Duration;

use thalweg::{DeviceChoice, LoadError, Plan, Registry};
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
            device: Plan::device(&settings.device)?,
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
            gpu: settings.device.gpu().cloned(),
            automatic_gpu: settings.device == DeviceChoice::Auto,
            budget: settings.budget,
            threads: u32::try_from(settings.threads).unwrap_or(1),
            time: settings.time,
            load_timeout: settings.load_timeout,
        };
        Ok(Self { plan, tuning: Tuning::of(settings) })
    }

    /// Takes no more threads than this process has processors for. A replay takes those that were recorded.
    #[must_use]
    pub fn on_this_machine(mut self) -> Self {
        let (asked, used) = (self.plan.threads, available(self.plan.threads));
        if asked > used {
            tracing::warn!("threads: {asked} asked for, {used} used: this process has no more processors");
        }
        (self.plan.threads, self.plan.engine.threads) = (used, usize::try_from(used).unwrap_or(1));
        self
    }
}

impl Tuning {
    /// Reads what may change between two solves from the parameters.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self {
            hypotheses: settings.engine.hypotheses,
            fresh: settings.engine.fresh,
            budget: settings.budget,
            period: period(settings.output.rate),
        }
    }
}

/// As many threads as asked for, or as this process has processors for: further ones only wait for each other, and
/// libtorch keeps its own for as long as the process lives.
pub(super) fn available(asked: u32) -> u32 {
    let most = std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    asked.min(most)
}

/// Longest time between two publications: that of the least rate that the parameter takes. Nothing overflows by it.
const LONGEST_PERIOD: Duration = Duration::from_secs(1000);

/// Time between two of so many a second; none for zero, and for a rate that is none.
fn period(rate: f64) -> Duration {
    if rate > 0.0 {
        Duration::try_from_secs_f64(rate.recip()).map_or(LONGEST_PERIOD, |period| period.min(LONGEST_PERIOD))
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_rate_has_a_period() {
        assert_eq!(period(50.0), Duration::from_millis(20));
        for none in [0.0, -0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(period(none), Duration::ZERO, "{none}");
        }
        for rare in [f64::MIN_POSITIVE, 5e-324, 1e-300, 5e-20] {
            assert_eq!(period(rare), LONGEST_PERIOD, "{rare}");
        }
        assert_eq!(period(f64::INFINITY), Duration::ZERO);
    }
}
