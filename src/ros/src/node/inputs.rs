//! Messages on their way in: every stream drained at once, decoded, judged, merged.
//!
//! Messages are taken as bytes and decoded here: r2r's typed streams drop in silence what does not
//! decode, and a user must hear of it, once a second and not once a message.

mod buffer;
mod decode;
mod frames;
mod status;
mod topic;

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::StreamExt;
use futures::future::AbortHandle;
use r2r::Node;
use thalweg_node::intake::{Cause, Input, Refusal, Taken};
use thalweg_node::parameters::{ImageTransport, Settings};
use thalweg_node::solver::Solver;
use thalweg_task::{TaskSpec, guarded, lock, panic_line};
use tokio::sync::Notify;

use super::executor::Executor;
use super::graph::{Endpoint, Request};
use super::names::Names;
use super::tasks::Tasks;
use super::time::RosTime;
use decode::take;
use topic::{Meter, qos};

pub(crate) use buffer::{InputBuffer, ObservationSource};
pub(crate) use decode::{clock_of, take_joints, with_cloud};
pub(crate) use topic::{overridden, type_name};

/// Silence after which a subscription is made anew while there are publishers: after a payload of
/// no bytes Fast DDS 2.14.5 never hands a reliable reader anything of that writer again.
const REVIVAL: Duration = Duration::from_secs(3);

/// One input topic, as graph queries need it.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) input: Input,
    pub(crate) request: Request,
    /// Whether its joints contradicted each other lately.
    pub(crate) is_contradicted: bool,
}

/// A topic that is listened to.
#[derive(Debug)]
struct Open {
    topic: Topic,
    task: AbortHandle,
    meter: Arc<Mutex<Meter>>,
}

/// What the input needs of the node.
#[derive(Debug)]
pub(crate) struct Surroundings {
    names: Names,
    executor: Executor,
    time: Arc<RosTime>,
    tasks: Arc<Tasks>,
    /// Woken when there is something new.
    solver: Arc<Solver>,
    /// Wakes diagnostics when something was refused.
    alarm: Arc<Notify>,
}

/// All that comes in.
#[derive(Debug)]
pub(crate) struct Inputs {
    node: Surroundings,
    buffer: Arc<InputBuffer>,
    /// Rings when there is something to decode.
    bell: Notify,
    /// The task that decodes.
    decoding: Mutex<Option<tokio::task::AbortHandle>>,
    open: Mutex<Vec<Open>>,
    revivals: AtomicU64,
}

/// Says what stands in the way of a subscription, perhaps.
fn unknown_type(input: Input, type_name: &str) -> String {
    let package = type_name.split('/').next().unwrap_or_default();
    format!(
        "cannot read {type_name} on {}; was {package} sourced when this node was built? Source its workspace, and build \
         thalweg again",
        input.topic()
    )
}

impl Surroundings {
    pub(crate) fn new(
        names: Names,
        executor: &Executor,
        time: &Arc<RosTime>,
        (solver, alarm): (&Arc<Solver>, &Arc<Notify>),
        tasks: Arc<Tasks>,
    ) -> Self {
        let (time, solver, alarm) = (Arc::clone(time), Arc::clone(solver), Arc::clone(alarm));
        Self { names, executor: executor.clone(), time, tasks, solver, alarm }
    }
}

impl Inputs {
    pub(crate) fn new(node: Surroundings, buffer: Arc<InputBuffer>) -> Self {
        let (decoding, open) = (Mutex::new(None), Mutex::new(Vec::new()));
        Self { node, buffer, bell: Notify::new(), decoding, open, revivals: AtomicU64::new(0) }
    }

    /// Listens to what the task observes.
    ///
    /// # Errors
    /// What rcl says, or that the ROS thread has ended.
    pub(crate) async fn open(self: &Arc<Self>, spec: &TaskSpec, settings: &Settings) -> anyhow::Result<()> {
        self.close();
        let (kinds, transport) = (spec.observes(), settings.input.transport);
        for input in Input::ALL {
            let is_read = match input {
                Input::Joints => kinds.joints,
                Input::Image => kinds.image && transport != ImageTransport::Compressed,
                Input::Compressed => kinds.image && transport != ImageTransport::Raw,
                Input::Mask => kinds.image,
                Input::Points => kinds.points,
                Input::Cloud => spec.points.as_ref().is_some_and(|points| points.cloud > 0),
                Input::Camera => {
                    settings.input.points.has_camera() && spec.points.as_ref().is_some_and(|points| points.rays)
                }
            };
            if is_read {
                let full = self.node.names.of_input(input);
                let qos = qos(settings.qos_overrides.get(&full));
                let request = Request { topic: full, type_name: type_name(input, settings.input.points), qos };
                let topic = Topic { input, request, is_contradicted: false };
                let meter = Arc::new(Mutex::new(Meter::new(Instant::now())));
                let task = self.listen(&topic, &meter, None).await?;
                lock(&self.open).push(Open { topic, task, meter });
            }
        }
        if kinds.image {
            self.decode_frames();
        }
        Ok(())
    }

    /// Ends listening and forgets what was received. r2r takes the subscription from the graph
    /// with the next message that comes for it.
    pub(crate) fn close(&self) {
        for open in lock(&self.open).drain(..) {
            open.task.abort();
            lock(&open.meter).end_handover();
        }
        if let Some(decoding) = lock(&self.decoding).take() {
            decoding.abort();
        }
        self.buffer.close();
    }

    /// Subscribes; `predecessor`, where there is one, is heard until the new subscription is.
    async fn listen(
        self: &Arc<Self>,
        topic: &Topic,
        meter: &Arc<Mutex<Meter>>,
        predecessor: Option<AbortHandle>,
    ) -> anyhow::Result<AbortHandle> {
        let Topic { input, request, .. } = topic.clone();
        let name = match input {
            // Below the raw one, wherever that is.
            Input::Compressed => request.topic.clone(),
            _ => input.topic().to_owned(),
        };
        let type_name = request.type_name;
        let subscribe = move |node: &mut Node| node.subscribe_raw(&name, type_name, request.qos.clone());
        // Before there is a second subscription, for what both hear must count once.
        let generation = lock(meter).succeed(predecessor);
        let subscribed = self.node.executor.with(subscribe).await?;
        let mut messages = subscribed.with_context(|| unknown_type(input, type_name))?;
        let (inputs, meter) = (Arc::clone(self), Arc::clone(meter));
        // On the thread that spins, after each message: r2r's channel holds ten, and in a burst it
        // is the newest message that does not fit.
        Ok(self.node.executor.attend_abortable(async move {
            while let Some(bytes) = messages.next().await {
                if !lock(&meter).arrive(generation, &bytes, Instant::now()) {
                    continue;
                }
                match input {
                    Input::Image | Input::Compressed | Input::Mask => inputs.keep_frame(input, bytes),
                    Input::Joints | Input::Points | Input::Cloud | Input::Camera => {
                        inputs.receive((input, type_name), &bytes, &meter);
                    }
                }
            }
        }))
    }

    /// Takes one message, and wakes the solver if there is something new in it.
    fn receive(&self, (input, type_name): (Input, &str), bytes: &[u8], meter: &Mutex<Meter>) {
        if !self.node.time.is_known() {
            return;
        }
        let now = self.node.time.now_nanos();
        let taken = self.buffer.with_intake(|intake| {
            // A message that our own code stumbles over is one message less, and told.
            let stumbled = |panic: Box<dyn Any + Send>| {
                let text = format!("got a message that cannot be read: {}", panic_line(panic.as_ref()));
                Err(Refusal::new(Cause::Undecodable, text))
            };
            guarded(|| take(intake, (input, type_name), bytes, now)).unwrap_or_else(stumbled).unwrap_or_else(
                |refusal| {
                    intake.channel_mut(input).tally.add(&refusal);
                    Taken { refusals: vec![refusal], ..Taken::default() }
                },
            )
        });
        let Some(taken) = taken else { return };
        if taken.used > 0 {
            self.node.solver.wake();
        }
        self.tell(input, &taken, meter);
    }

    /// Logs what was refused, each cause at most once a second, and wakes diagnostics.
    fn tell(&self, input: Input, taken: &Taken, meter: &Mutex<Meter>) {
        let is_foreign = |refusal: &&Refusal| refusal.cause == Cause::UnknownJoint;
        match (taken.unknown.as_slice(), taken.refusals.iter().find(is_foreign)) {
            ([], _) => {}
            // Once for each list of names, and no warning: it may be the robot's own.
            (_, Some(refusal)) => tracing::info!("{}: not for this task: {}", input.topic(), refusal.text),
            ([first, rest @ ..], None) => {
                let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
                let first = first.escape_debug();
                tracing::info!("{}: '{first}'{more} are no joints of the task; ignored", input.topic());
            }
        }
        for refusal in taken.refusals.iter().filter(|refusal| !is_foreign(refusal)) {
            if lock(meter).may_tell(refusal.cause, Instant::now()) {
                tracing::warn!("{}: {refusal}", input.topic());
                self.node.alarm.notify_one();
            }
        }
    }

    /// The topics that are listened to.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        let now = Instant::now();
        let topic = |open: &Open| {
            let is_contradicted = lock(&open.meter).was_told(Cause::Contradiction, now);
            Topic { is_contradicted, ..open.topic.clone() }
        };
        lock(&self.open).iter().map(topic).collect()
    }

    /// Makes subscriptions anew that hear nothing although somebody publishes.
    ///
    /// # Errors
    /// What rcl says, or that the ROS thread has ended.
    pub(crate) async fn revive(self: &Arc<Self>, neighbours: &[(Topic, Vec<Endpoint>)]) -> anyhow::Result<()> {
        for (topic, publishers) in neighbours {
            let is_served = publishers.iter().any(|publisher| publisher.type_name == topic.request.type_name);
            let is_open = |open: &&Open| open.topic.input == topic.input;
            let open = lock(&self.open).iter().find(is_open).map(|open| (open.task.clone(), Arc::clone(&open.meter)));
            let is_due = |meter: &Mutex<Meter>| is_served && lock(meter).should_revive(REVIVAL, Instant::now());
            let Some((predecessor, meter)) = open.filter(|(_, meter)| is_due(meter)) else {
                continue;
            };
            tracing::debug!("{}: silent although published; subscribing again", topic.request.topic);
            let task = self.listen(topic, &meter, Some(predecessor)).await?;
            self.revivals.fetch_add(1, Ordering::Relaxed);
            match lock(&self.open).iter_mut().find(|open| Arc::ptr_eq(&open.meter, &meter)) {
                Some(open) => open.task = task,
                // Closed meanwhile.
                None => task.abort(),
            }
        }
        Ok(())
    }
}
