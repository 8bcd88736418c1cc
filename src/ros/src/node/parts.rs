//! The parts of a node, joined: for those that stand above them, the lifecycle and diagnostics.

use std::sync::Arc;

use thalweg::Registry;
use thalweg_engine::Answer;
use thalweg_node::intake::Provenance;
use thalweg_node::parameters::Store;
use thalweg_node::solver::{Sink, Solver};
use tokio::sync::{Notify, mpsc};

use super::clock::{ClockFollower, Dependents};
use super::description::DescriptionCheck;
use super::executor::Executor;
use super::inputs::{InputBuffer, Inputs, ObservationSource, Surroundings};
use super::names::Names;
use super::outputs::Outputs;
use super::parameters::Parameters;
use super::people::PeopleTopics;
use super::recordings::Recordings;
use super::reloads::Reloads;
use super::state::NodeState;
use super::tasks::Tasks;
use super::time::RosTime;

/// The parts of a node; clones share them. No part knows this.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) registry: Registry,
    /// Name of the node, without its namespace.
    pub(crate) name: String,
    /// Name with namespace.
    pub(crate) full_name: String,
    pub(crate) names: Names,
    pub(crate) executor: Executor,
    pub(crate) time: Arc<RosTime>,
    pub(crate) state: Arc<NodeState>,
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) buffer: Arc<InputBuffer>,
    pub(crate) inputs: Arc<Inputs>,
    pub(crate) solver: Arc<Solver>,
    pub(crate) outputs: Arc<Outputs>,
    pub(crate) people: Arc<PeopleTopics>,
    pub(crate) clock: Arc<ClockFollower>,
    pub(crate) description: Arc<DescriptionCheck>,
    pub(crate) recordings: Arc<Recordings>,
    pub(crate) reloads: Arc<Reloads>,
    /// Asks diagnostics for a report before its time.
    pub(crate) alarm: Arc<Notify>,
}

/// What parts are made of.
pub(crate) struct Origin {
    pub(crate) registry: Registry,
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) names: Names,
    pub(crate) store: Store,
    pub(crate) executor: Executor,
    pub(crate) time: Arc<RosTime>,
    pub(crate) tasks: Arc<Tasks>,
    /// Hears why the solver has given up.
    pub(crate) gave_up: mpsc::UnboundedSender<String>,
}

impl Parts {
    /// Makes and joins the parts; starts the engine thread.
    ///
    /// # Errors
    /// What the operating system says when it has no thread left.
    pub(crate) fn join(origin: Origin) -> anyhow::Result<Self> {
        let Origin { registry, name, full_name, names, store, executor, time, tasks, gave_up } = origin;
        let alarm = Arc::new(Notify::new());
        let state = Arc::new(NodeState::new(Arc::clone(&alarm)));
        let parameters = Parameters::new(store, &full_name, &state, &time, &alarm)?;
        let parameters = Arc::new(parameters);
        let (buffer, outputs) = (Arc::new(InputBuffer::new(Arc::clone(&time))), Arc::new(Outputs::default()));
        let description = Arc::new(DescriptionCheck::new(&executor, gave_up.clone()));
        let sink = AnswerSink { outputs: Arc::clone(&outputs), gave_up };
        let source = ObservationSource(Arc::clone(&buffer));
        let solver = Arc::new(Solver::start(Box::new(source), Box::new(sink))?);
        let (executor, time, alarm) = (&executor, &time, &alarm);
        let inputs = Surroundings::new(names.clone(), executor, time, (&solver, alarm), tasks);
        let inputs = Arc::new(Inputs::new(inputs, Arc::clone(&buffer)));
        let clock_qos = parameters.settings().qos_overrides.get("/clock").copied();
        let clock = ClockFollower::new(executor, time, Dependents::new(&buffer, &solver, &outputs, alarm), clock_qos);
        let people = PeopleTopics::new((&name, &names), (executor, time, &parameters), (&buffer, &outputs, &solver));
        let recordings = Recordings::new(&parameters, &state, &solver);
        let reloads = Reloads::new(registry.clone(), &parameters, &state, &solver, alarm);
        Ok(Self {
            registry,
            name,
            full_name,
            names,
            executor: executor.clone(),
            time: Arc::clone(time),
            state,
            parameters,
            buffer,
            inputs,
            solver,
            outputs,
            people: Arc::new(people),
            clock: Arc::new(clock),
            description,
            recordings: Arc::new(recordings),
            reloads: Arc::new(reloads),
            alarm: Arc::clone(alarm),
        })
    }
}

/// Hands answers from the engine thread to the publishing one.
struct AnswerSink {
    outputs: Arc<Outputs>,
    gave_up: mpsc::UnboundedSender<String>,
}

impl Sink for AnswerSink {
    fn answer(&mut self, answer: Answer, provenance: Provenance) {
        self.outputs.put(answer, provenance);
    }

    fn gave_up(&mut self, why: &str) {
        drop(self.gave_up.send(why.to_owned()));
    }
}
