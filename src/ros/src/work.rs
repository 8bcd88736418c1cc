//! What each transition of the lifecycle does.

use std::sync::Arc;

use anyhow::Context;

use super::core::Core;
use super::output::Publishers;
use thalweg_node::lifecycle::State;
use thalweg_node::solver::{Assignment, Solver, SolverError, Tuning};

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
pub(super) async fn ask<T: Send + 'static>(
    core: &Core,
    question: impl FnOnce(&Solver) -> Result<T, SolverError> + Send + 'static,
) -> anyhow::Result<T> {
    let solver = Arc::clone(&core.solver);
    Ok(tokio::task::spawn_blocking(move || question(&solver)).await??)
}

/// Loads task and landscape, advertises the answers.
async fn configure(core: &Arc<Core>) -> anyhow::Result<()> {
    let settings = core.settings()?;
    let assignment = Assignment::of(&settings, core.registry.clone())?;
    let tuning = assignment.tuning;
    let loaded = ask(core, |solver| solver.load(assignment)).await?;
    let spec = loaded.spec.clone();
    core.inputs.configure(&spec, &settings.input);
    core.output.set(settings.output);
    let create = move |node: &mut r2r::Node| Publishers::create(node, &spec, tuning.hypotheses);
    *core.output.publishers() = Some(core.executor.with(create).await?.context("cannot advertise the answers")?);
    tracing::info!(
        "configured: task {}, theta {} ({}), start {}, {} by {}, device {:?}, {} hypotheses",
        loaded.spec.name,
        loaded.landscape_id,
        loaded.landscape_kind,
        loaded.start_id.as_deref().unwrap_or("none"),
        loaded.optimizer,
        loaded.backend.name(),
        loaded.spec.device,
        tuning.hypotheses
    );
    if loaded.landscape_kind == "identity" && loaded.start_id.is_none() {
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
    core.recordings.follow(core, true).await?;
    ask(core, |solver| solver.run(true)).await?;
    let topics: Vec<_> = core.inputs.topics().into_iter().map(|topic| topic.request.topic).collect();
    tracing::info!("active: listening to {}", topics.join(", "));
    Ok(())
}

/// Closes the input; nothing is published afterwards.
async fn deactivate(core: &Arc<Core>) -> anyhow::Result<()> {
    core.inputs.close();
    ask(core, |solver| solver.run(false)).await?;
    core.recordings.follow(core, false).await?;
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
    core.reloads.forget();
    Ok(())
}

/// Applies what may change at any time.
pub(crate) async fn apply(core: &Arc<Core>) -> anyhow::Result<()> {
    let settings = core.settings()?;
    let tuning = Tuning::of(&settings);
    core.inputs.set(&settings.input);
    core.output.set(settings.output.clone());
    core.solver.tune(tuning);
    core.inputs.follow_clock(core, settings.use_sim_time).await?;
    core.recordings.follow(core, core.is_opened()).await?;
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
