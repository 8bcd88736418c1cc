//! What each transition of the lifecycle does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use thalweg_task::LoadOptions;

use super::core::Core;
use super::output::Publishers;
use crate::lifecycle::State;
use crate::parameters::Settings;
use crate::solver::{Plan, Solver, SolverError, Tuning};

/// Does the work of a passing state; other states have none.
///
/// # Errors
/// One sentence with its causes. Whatever was opened is closed in error processing.
pub(crate) async fn of(core: &Arc<Core>, state: State) -> anyhow::Result<()> {
    match state {
        State::Configuring => configure(core).await,
        State::Activating => activate(core).await,
        State::Deactivating => deactivate(core).await,
        State::CleaningUp => clean_up(core).await,
        State::ShuttingDown | State::ErrorProcessing => {
            deactivate(core).await?;
            clean_up(core).await
        }
        _ => Ok(()),
    }
}

/// Asks the engine thread for something that takes until its present solve has ended, or longer.
async fn ask<T: Send + 'static>(
    core: &Core,
    question: impl FnOnce(&Solver) -> Result<T, SolverError> + Send + 'static,
) -> anyhow::Result<T> {
    let solver = Arc::clone(&core.solver);
    Ok(tokio::task::spawn_blocking(move || question(&solver)).await??)
}

/// Loads task and landscape, advertises the answers.
async fn configure(core: &Arc<Core>) -> anyhow::Result<()> {
    let settings = core.settings()?;
    let plan = plan(&settings)?;
    let tuning = plan.tuning;
    let loaded = ask(core, |solver| solver.load(plan)).await?;
    let spec = loaded.spec.clone();
    core.inputs.configure(&spec, &settings.input);
    core.output.set(settings.output);
    let create = move |node: &mut r2r::Node| Publishers::create(node, &spec, tuning.hypotheses);
    *core.output.publishers() = Some(core.executor.with(create).await?.context("cannot advertise the answers")?);
    tracing::info!(
        "configured: task {}, theta {} ({}), start {}, {} by {}, device {:?}, {} hypotheses",
        loaded.spec.name,
        loaded.theta_id,
        loaded.theta_kind,
        loaded.start_id.as_deref().unwrap_or("none"),
        loaded.optimizer,
        loaded.backend.name(),
        loaded.spec.device,
        tuning.hypotheses
    );
    if loaded.theta_kind == "identity" && loaded.start_id.is_none() {
        let task = &loaded.spec.name;
        tracing::warn!("neither landscape nor start: descending in the latent of task {task}, which takes more steps");
    }
    *core.loaded() = Some(loaded);
    core.clear_error();
    Ok(())
}

/// Opens the input.
async fn activate(core: &Arc<Core>) -> anyhow::Result<()> {
    let spec = core.loaded().as_ref().map(|loaded| loaded.spec.clone()).context("nothing is loaded")?;
    let settings = core.settings()?;
    core.inputs.open(core, &spec, &settings).await?;
    ask(core, |solver| solver.run(true)).await?;
    let topics: Vec<_> = core.inputs.topics().into_iter().map(|topic| topic.request.topic).collect();
    tracing::info!("active: listening to {}", topics.join(", "));
    Ok(())
}

/// Closes the input; nothing is published afterwards.
async fn deactivate(core: &Core) -> anyhow::Result<()> {
    core.inputs.close();
    ask(core, |solver| solver.run(false)).await?;
    core.output.clear();
    Ok(())
}

/// Drops what was loaded, and takes the answers from the graph.
async fn clean_up(core: &Core) -> anyhow::Result<()> {
    ask(core, Solver::unload).await?;
    let publishers = core.output.publishers().take();
    if let Some(publishers) = publishers {
        core.executor.with(move |node| publishers.destroy(node)).await?;
    }
    *core.loaded() = None;
    Ok(())
}

/// Applies what may change at any time.
pub(crate) async fn apply(core: &Arc<Core>) -> anyhow::Result<()> {
    let settings = core.settings()?;
    let tuning = tuning(&settings);
    core.inputs.set(&settings.input);
    core.output.set(settings.output.clone());
    core.solver.tune(tuning);
    core.inputs.follow_clock(core, settings.use_sim_time).await?;
    resize(core, tuning.hypotheses).await
}

/// Advertises as many hypotheses as there are now.
async fn resize(core: &Arc<Core>, hypotheses: usize) -> anyhow::Result<()> {
    let output = Arc::clone(&core.output);
    let resize = move |node: &mut r2r::Node| {
        output.publishers().as_mut().map_or(Ok(()), |publishers| publishers.resize(node, hypotheses))
    };
    Ok(core.executor.with(resize).await??)
}

fn plan(settings: &Settings) -> Result<Plan, SolverError> {
    let options = LoadOptions {
        device: settings.device.resolve().ok_or_else(|| SolverError::no_device(settings.device))?,
        models: models(&settings.models),
        parameters: settings.task_parameters.clone(),
        ..LoadOptions::default()
    };
    Ok(Plan {
        task: settings.task.clone(),
        options,
        theta: settings.theta.clone(),
        start: settings.start.clone(),
        engine: settings.engine.clone(),
        automatic_optimizer: settings.automatic_optimizer,
        threads: u32::try_from(settings.threads).unwrap_or(1),
        tuning: tuning(settings),
    })
}

fn tuning(settings: &Settings) -> Tuning {
    let rate = settings.output.rate;
    Tuning {
        hypotheses: settings.engine.hypotheses,
        fresh: settings.engine.fresh,
        budget: settings.budget,
        period: if rate > 0.0 { Duration::from_secs_f64(rate.recip()) } else { Duration::ZERO },
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
