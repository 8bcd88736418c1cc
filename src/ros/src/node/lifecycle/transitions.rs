//! What each transition of the lifecycle does, and each change of parameters.

use std::sync::Arc;

use anyhow::Context;
use thalweg::Loaded;
use thalweg_node::lifecycle::State;
use thalweg_node::solver::{Assignment, Solver, Tuning};
use thalweg_task::shipped;

use crate::node::engine_thread::ask;
use crate::node::outputs::{Home, Publishers, RootFrame, has_root};
use crate::node::parts::Parts;

/// What transitions do to the parts of a node.
#[derive(Debug)]
pub(crate) struct Transitions(pub(crate) Parts);

impl Transitions {
    /// Does the work of a passing state; other states have none.
    ///
    /// # Errors
    /// One sentence with its causes. Whatever was opened is closed in error processing.
    pub(crate) async fn perform(&self, state: State) -> anyhow::Result<()> {
        match state {
            State::Configuring => self.configure().await,
            State::Activating => self.activate().await,
            State::Deactivating => self.deactivate().await,
            State::CleaningUp => self.clean_up().await,
            State::ShuttingDown | State::ErrorProcessing => {
                self.deactivate().await?;
                self.clean_up().await
            }
            _ => Ok(()),
        }
    }

    /// Loads task and landscape, advertises the answers.
    async fn configure(&self) -> anyhow::Result<()> {
        let settings = self.0.parameters.settings();
        let assignment = Assignment::of(&settings, self.0.registry.clone())?.on_this_machine();
        let tuning = assignment.tuning;
        let loaded = ask(&self.0.solver, |solver| solver.load(assignment)).await?;
        let spec = loaded.spec.clone();
        self.0.people.open(&spec, &settings).await?;
        self.0.buffer.configure(&spec, &settings.input);
        self.0.outputs.set(settings.output.clone());
        let (names, parameters) = (self.0.names.clone(), Arc::clone(&self.0.parameters));
        let qos = move |topic: &str| parameters.qos_of(&names.resolve(topic), r2r::QosProfile::default());
        let described = loaded.robot_description.as_deref();
        let urdf = settings.output.robot_description.then(|| urdf(&spec.name, described)).transpose()?;
        let frame = Some(settings.output.root_frame.clone()).filter(|frame| !frame.is_empty() && has_root(&spec));
        let create = move |node: &mut r2r::Node| -> r2r::Result<(Publishers, Option<RootFrame>)> {
            let mut publishers = Publishers::create(node, &spec, (&Home::of_node(), tuning.hypotheses), &qos)?;
            urdf.map_or(Ok(()), |urdf| publishers.describe(node, urdf))?;
            Ok((publishers, frame.map(|frame| RootFrame::create(node, &frame)).transpose()?))
        };
        let (publishers, frame) = self.0.executor.with(create).await?.context("cannot advertise the answers")?;
        *self.0.outputs.publishers() = Some(publishers);
        *self.0.outputs.root_frame() = frame;
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
            tracing::warn!(
                "neither landscape nor start: descending in the latent of task {task}, which takes more steps"
            );
        }
        *self.0.state.loaded() = Some(loaded);
        self.0.state.clear_error();
        Ok(())
    }

    /// Opens the input.
    async fn activate(&self) -> anyhow::Result<()> {
        let of = |loaded: &Loaded| (loaded.spec.clone(), loaded.robot_description.clone());
        let (spec, described) = self.0.state.loaded().as_ref().map(of).context("nothing is loaded")?;
        let settings = self.0.parameters.settings();
        self.0.inputs.open(&spec, &settings).await?;
        if let Some(model) = described.filter(|_| settings.input.robot_description) {
            self.0.description.open(model).await?;
        }
        self.0.recordings.follow(true).await?;
        ask(&self.0.solver, |solver| solver.run(true)).await?;
        let topics: Vec<_> = self.0.inputs.topics().into_iter().map(|topic| topic.request.topic).collect();
        tracing::info!("active: listening to {}", topics.join(", "));
        Ok(())
    }

    /// Closes the input; nothing is published afterwards.
    async fn deactivate(&self) -> anyhow::Result<()> {
        self.0.inputs.close();
        self.0.description.close();
        ask(&self.0.solver, |solver| solver.run(false)).await?;
        self.0.recordings.follow(false).await?;
        self.0.outputs.clear();
        Ok(())
    }

    /// Drops what was loaded, and takes the answers from the graph.
    async fn clean_up(&self) -> anyhow::Result<()> {
        ask(&self.0.solver, Solver::unload).await?;
        self.0.people.close().await?;
        let (publishers, frame) = (self.0.outputs.publishers().take(), self.0.outputs.root_frame().take());
        let destroy = move |node: &mut r2r::Node| {
            publishers.into_iter().for_each(|publishers| publishers.destroy(node));
            frame.into_iter().for_each(|frame| frame.destroy(node));
        };
        self.0.executor.with(destroy).await?;
        *self.0.state.loaded() = None;
        self.0.reloads.forget();
        Ok(())
    }

    /// Applies what may change at any time.
    pub(crate) async fn apply(&self) -> anyhow::Result<()> {
        let settings = self.0.parameters.settings();
        let tuning = Tuning::of(&settings);
        self.0.buffer.set(&settings.input);
        self.0.outputs.set(settings.output.clone());
        self.0.solver.tune(tuning);
        self.0.clock.follow(settings.use_sim_time).await?;
        self.0.recordings.follow(self.0.state.is_opened()).await?;
        self.resize(tuning.hypotheses).await
    }

    /// Advertises as many hypotheses as there are now.
    async fn resize(&self, hypotheses: usize) -> anyhow::Result<()> {
        let outputs = Arc::clone(&self.0.outputs);
        let resize = move |node: &mut r2r::Node| {
            outputs.publishers().as_mut().map_or(Ok(()), |publishers| publishers.resize(node, hypotheses))
        };
        Ok(self.0.executor.with(resize).await??)
    }
}

/// The URDF that a task brings along, or that is shipped for it; r2r would panic on a NUL in it.
///
/// # Errors
/// The file, where it cannot be read.
fn urdf(task: &str, described: Option<&str>) -> anyhow::Result<String> {
    if let Some(described) = described {
        return Ok(described.replace('\0', ""));
    }
    let name = if task == "body_pose" { "human_21" } else { task };
    let path = shipped(&format!("urdf/{name}.urdf"));
    let text = std::fs::read_to_string(&path);
    let text = text.with_context(|| format!("output.robot_description: no URDF of task {task}: {}", path.display()))?;
    Ok(text.replace('\0', ""))
}
