//! Messages on their way in: every stream drained at once, decoded, judged, merged.
//!
//! Messages are taken as bytes and decoded here: r2r's typed streams drop in silence what does not
//! decode, and a user must hear of it.

mod decode;
mod frames;
mod topic;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use thalweg_task::lock;

use futures::StreamExt;
use futures::future::AbortHandle;
use r2r::rosgraph_msgs::msg::Clock;
use r2r::{Node, QosProfile};
use thalweg_task::{Observation, TaskSpec};
use tokio::sync::Notify;

use super::core::Core;
use super::graph::{Endpoint, Request};
use super::tasks::Tasks;
use super::time::{Jump, RosTime};
use thalweg_node::diagnostics::{Level, Status};
use thalweg_node::intake::{
    Cause, FrameQueue, Input, Intake, IntakeConfig, JointConfig, MaskUse, Provenance, Refusal, Taken,
};
use thalweg_node::parameters::{ImageTransport, InputSettings, Settings};
use thalweg_node::solver::Source;

use decode::take;
pub(super) use decode::with_cloud;
use topic::{Meter, qos};

pub(crate) use topic::type_name;

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

/// All that comes in.
#[derive(Debug)]
pub(crate) struct Inputs {
    intake: Mutex<Option<Intake>>,
    /// Images and masks that are not decoded yet.
    frames: Mutex<FrameQueue>,
    /// Rings when there is something to decode.
    bell: Notify,
    /// The task that decodes.
    decoding: Mutex<Option<tokio::task::AbortHandle>>,
    open: Mutex<Vec<Open>>,
    clock: Mutex<Option<AbortHandle>>,
    settings: Mutex<Option<InputSettings>>,
    time: Arc<RosTime>,
    tasks: Arc<Tasks>,
    /// Messages of each input that had been used when an observation was solved last.
    solved: [AtomicU64; Input::ALL.len()],
    /// Messages of each input that were followed by newer ones before they were solved.
    superseded: [AtomicU64; Input::ALL.len()],
    /// Images that were followed by newer ones before they were decoded.
    skipped: [AtomicU64; Input::ALL.len()],
    observed: AtomicUsize,
    /// Pixels of the image that were observed, and pixels that the task reads.
    pixels: [AtomicUsize; 2],
    revivals: AtomicU64,
}

impl Inputs {
    pub(crate) fn new(time: Arc<RosTime>, tasks: Arc<Tasks>) -> Self {
        Self {
            intake: Mutex::new(None),
            frames: Mutex::default(),
            bell: Notify::new(),
            decoding: Mutex::new(None),
            open: Mutex::new(Vec::new()),
            clock: Mutex::new(None),
            settings: Mutex::new(None),
            time,
            tasks,
            solved: Default::default(),
            superseded: Default::default(),
            skipped: Default::default(),
            observed: AtomicUsize::new(0),
            pixels: Default::default(),
            revivals: AtomicU64::new(0),
        }
    }

    /// Prepares for a task.
    pub(crate) fn configure(&self, spec: &TaskSpec, settings: &InputSettings) {
        *lock(&self.intake) = Some(Intake::new(spec, config(settings)));
        lock(&self.frames).configure(settings.pairing);
        *lock(&self.settings) = Some(*settings);
        for counter in self.solved.iter().chain(&self.superseded).chain(&self.skipped) {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Changes how input is taken, from the next message on.
    pub(crate) fn set(&self, settings: &InputSettings) {
        if let Some(intake) = lock(&self.intake).as_mut() {
            intake.configure(config(settings));
        }
        lock(&self.frames).configure(settings.pairing);
        *lock(&self.settings) = Some(*settings);
    }

    /// Forgets what was received.
    pub(crate) fn clear(&self) {
        if let Some(intake) = lock(&self.intake).as_mut() {
            intake.clear();
        }
        lock(&self.frames).clear();
    }

    /// Listens to what the task observes.
    ///
    /// # Errors
    /// What rcl says, or that the ROS thread has ended.
    pub(crate) async fn open(
        self: &Arc<Self>,
        core: &Arc<Core>,
        spec: &TaskSpec,
        settings: &Settings,
    ) -> anyhow::Result<()> {
        self.close();
        let (kinds, transport) = (spec.observes(), settings.input.transport);
        for input in Input::ALL {
            let is_read = match input {
                Input::Joints => kinds.joints,
                Input::Image => kinds.image && transport != ImageTransport::Compressed,
                Input::Compressed => kinds.image && transport != ImageTransport::Raw,
                Input::Mask => kinds.image,
                Input::Points => kinds.points,
            };
            if is_read {
                let full = core.names.of_input(input);
                let qos = qos(settings.qos_overrides.get(&full));
                let request = Request { topic: full, type_name: type_name(input), qos };
                let topic = Topic { input, request, is_contradicted: false };
                let meter = Arc::new(Mutex::new(Meter::new(Instant::now())));
                let task = self.listen(core, &topic, &meter, None).await?;
                lock(&self.open).push(Open { topic, task, meter });
            }
        }
        if kinds.image {
            self.decode_frames(core);
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
        self.clear();
        self.observed.store(0, Ordering::Relaxed);
    }

    /// Subscribes; `predecessor`, where there is one, is heard until the new subscription is.
    async fn listen(
        self: &Arc<Self>,
        core: &Arc<Core>,
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
        let subscribe = move |node: &mut Node| node.subscribe_raw(&name, request.type_name, request.qos.clone());
        // Before there is a second subscription, for what both hear must count once.
        let generation = lock(meter).succeed(predecessor);
        let mut messages = core.executor.with(subscribe).await??;
        let (inputs, taker, meter) = (Arc::clone(self), Arc::clone(core), Arc::clone(meter));
        // On the thread that spins, after each message: r2r's channel holds ten, and in a burst it
        // is the newest message that does not fit.
        Ok(core.executor.attend_abortable(async move {
            while let Some(bytes) = messages.next().await {
                if !lock(&meter).arrive(generation, &bytes, Instant::now()) {
                    continue;
                }
                match input {
                    Input::Image | Input::Compressed | Input::Mask => inputs.keep_frame(&taker, input, bytes),
                    Input::Joints | Input::Points => inputs.receive(&taker, input, &bytes, &meter),
                }
            }
        }))
    }

    /// Does something with the intake while it is locked; none where no task is loaded.
    fn with_intake<T>(&self, work: impl FnOnce(&mut Intake) -> T) -> Option<T> {
        lock(&self.intake).as_mut().map(work)
    }

    /// Takes one message, and wakes the solver if there is something new in it.
    fn receive(&self, core: &Core, input: Input, bytes: &[u8], meter: &Mutex<Meter>) {
        if !self.time.is_known() {
            return;
        }
        let now = self.time.now_nanos();
        let taken = {
            let mut intake = lock(&self.intake);
            let Some(intake) = intake.as_mut() else {
                return;
            };
            // Unwind safe: r2r panics on error codes it does not know, before anything is touched.
            let result = catch_unwind(AssertUnwindSafe(|| take(intake, input, bytes, now)));
            result
                .unwrap_or_else(|_panic| Err(Refusal::new(Cause::Undecodable, "got bytes that do not decode")))
                .unwrap_or_else(|refusal| {
                    intake.channel_mut(input).tally.add(&refusal);
                    Taken { refusals: vec![refusal], ..Taken::default() }
                })
        };
        if taken.used > 0 {
            core.solver.wake();
        }
        self.tell(core, input, &taken, meter);
    }

    /// Logs what was refused, each cause at most once a second, and wakes diagnostics.
    fn tell(&self, core: &Core, input: Input, taken: &Taken, meter: &Mutex<Meter>) {
        for name in &taken.unknown {
            tracing::info!("{}: '{}' is no joint of the task; ignored", input.topic(), name.escape_debug());
        }
        for refusal in &taken.refusals {
            if lock(meter).may_tell(refusal.cause, Instant::now()) {
                tracing::warn!("{}: {refusal}", input.topic());
                core.alarm.notify_one();
            }
        }
    }

    /// Follows `/clock`, or no longer.
    ///
    /// # Errors
    /// What rcl says, or that the ROS thread has ended.
    pub(crate) async fn follow_clock(self: &Arc<Self>, core: &Arc<Core>, follow: bool) -> anyhow::Result<()> {
        if follow == self.time.is_simulated() {
            return Ok(());
        }
        if let Some(task) = lock(&self.clock).take() {
            task.abort();
        }
        self.time.simulate(follow);
        self.clear();
        core.solver.forget();
        if follow {
            let qos = QosProfile::default().keep_last(1).best_effort();
            let subscribe = move |node: &mut Node| node.subscribe::<Clock>("/clock", qos);
            let mut ticks = core.executor.with(subscribe).await??;
            let (inputs, core) = (Arc::clone(self), Arc::clone(core));
            let executor = core.executor.clone();
            let task = executor.attend_abortable(async move {
                while let Some(tick) = ticks.next().await {
                    inputs.tick(&core, &tick);
                }
            });
            *lock(&self.clock) = Some(task);
        }
        Ok(())
    }

    fn tick(&self, core: &Core, tick: &Clock) {
        match self.time.tick(&tick.clock) {
            Some(Jump::Back(nanos)) => {
                self.clear();
                core.solver.forget();
                core.output.clear();
                core.alarm.notify_one();
                tracing::info!("time moved backwards by {:.3} s, state reset", nanos as f64 * 1e-9);
            }
            // What was received before is too old by now and falls out by itself.
            Some(Jump::Forward(nanos)) => {
                core.alarm.notify_one();
                tracing::info!("time moved forward by {:.3} s, stale input is dropped", nanos as f64 * 1e-9);
            }
            None => {}
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
    pub(crate) async fn revive(
        self: &Arc<Self>,
        core: &Arc<Core>,
        neighbours: &[(Topic, Vec<Endpoint>)],
    ) -> anyhow::Result<()> {
        for (topic, publishers) in neighbours {
            let is_served = publishers.iter().any(|publisher| publisher.type_name == topic.request.type_name);
            let is_open = |open: &&Open| open.topic.input == topic.input;
            let open = lock(&self.open).iter().find(is_open).map(|open| (open.task.clone(), Arc::clone(&open.meter)));
            let is_due = |meter: &Mutex<Meter>| is_served && lock(meter).should_revive(REVIVAL, Instant::now());
            let Some((predecessor, meter)) = open.filter(|(_, meter)| is_due(meter)) else {
                continue;
            };
            tracing::debug!("{}: silent although published; subscribing again", topic.request.topic);
            let task = self.listen(core, topic, &meter, Some(predecessor)).await?;
            self.revivals.fetch_add(1, Ordering::Relaxed);
            match lock(&self.open).iter_mut().find(|open| Arc::ptr_eq(&open.meter, &meter)) {
                Some(open) => open.task = task,
                // Closed meanwhile.
                None => task.abort(),
            }
        }
        Ok(())
    }

    /// How a topic fares.
    pub(crate) fn status(&self, topic: &Topic, publishers: usize) -> Status {
        let now = Instant::now();
        let name = format!("Input {}", topic.input.topic());
        let stale_timeout = lock(&self.settings).map_or(Duration::from_secs(1), |settings| settings.stale_timeout);
        let is_spare = self.is_spare(topic.input, publishers, stale_timeout, now);
        let open = lock(&self.open);
        let Some(open) = open.iter().find(|open| open.topic.input == topic.input) else {
            return Status::ok(name, "Closed");
        };
        let mut meter = lock(&open.meter);
        let mut status = Status::ok(name, "Timestamps are reasonable.");
        match meter.age(now) {
            None if is_spare => status = Status::ok(status.name, "Not used."),
            None => status.worsen(Level::Error, "No events recorded."),
            Some(age) if age > stale_timeout && !is_spare => status.worsen(Level::Stale, "No data since last update."),
            Some(_) => {}
        }
        let age = meter.age(now).map_or_else(|| "never".to_owned(), |age| format!("{:.3}", age.as_secs_f64()));
        status = meter.report(now, status).with("Age (s)", age).with("Publishers", publishers);
        drop(meter);
        self.add_intake(topic.input, status)
    }

    /// Whether the node does well without an input: a mask that need not be, and the transport of images that is not
    /// used while the other one is. Where no image comes at all it is the raw topic that complains.
    fn is_spare(&self, input: Input, publishers: usize, stale: Duration, now: Instant) -> bool {
        let age = |input| self.meter(input).map(|meter| lock(&meter).age(now));
        match input {
            Input::Joints | Input::Points => false,
            Input::Mask => {
                let masks = lock(&self.settings).map_or(MaskUse::Auto, |settings| settings.pairing.masks);
                masks == MaskUse::Ignored || (masks == MaskUse::Auto && publishers == 0)
            }
            Input::Image => age(Input::Compressed).flatten().is_some_and(|age| age <= stale),
            Input::Compressed => age(Input::Image).is_some(),
        }
    }

    /// Adds what was used and what was refused.
    fn add_intake(&self, input: Input, mut status: Status) -> Status {
        let mut intake = lock(&self.intake);
        let Some(intake) = intake.as_mut() else {
            return status;
        };
        if let Some(last) = intake.channel_mut(input).tally.since_last().last {
            status.worsen(Level::Warn, last.text);
        }
        let channel = intake.channel(input);
        let superseded = self.superseded[input as usize].load(Ordering::Relaxed);
        let used = channel.used.saturating_sub(superseded);
        let skipped = self.skipped[input as usize].load(Ordering::Relaxed);
        status = status.with("Used", used).with("Superseded", superseded + skipped).with("Noticed", channel.noticed);
        for (cause, count) in channel.tally.totals() {
            status = status.with(format!("refused {cause}"), count);
        }
        for (cause, count) in channel.tally.notices() {
            status = status.with(format!("noticed {cause}"), count);
        }
        if input == Input::Joints {
            let unknown: Vec<_> = intake.unknown_names().take(UNKNOWN_SHOWN).collect();
            let observed = self.observed.load(Ordering::Relaxed);
            status = status
                .with("Joints observed", format!("{observed} of {}", intake.joints()))
                .with("Unknown joints", unknown.join(", "));
        }
        if matches!(input, Input::Image | Input::Compressed) {
            let [observed, all] = self.pixels.each_ref().map(|count| count.load(Ordering::Relaxed));
            status = status.with("Pixels observed", format!("{observed} of {all}"));
        }
        status.with("Subscriptions made anew", self.revivals.load(Ordering::Relaxed))
    }
}

/// Unknown joints that diagnostics list at most.
const UNKNOWN_SHOWN: usize = 16;

/// What the engine thread reads.
pub(crate) struct Newest {
    pub(crate) inputs: Arc<Inputs>,
}

impl Source for Newest {
    fn observation(&mut self) -> Option<(Observation, Provenance)> {
        let inputs = &self.inputs;
        let mut intake = lock(&inputs.intake);
        let intake = intake.as_mut()?;
        for input in Input::ALL {
            let used = intake.channel(input).used;
            let solved = inputs.solved[input as usize].swap(used, Ordering::Relaxed);
            let superseded = used.saturating_sub(solved).saturating_sub(1);
            inputs.superseded[input as usize].fetch_add(superseded, Ordering::Relaxed);
        }
        let newest = intake.observation(inputs.time.now_nanos());
        let count = |observed: &[bool]| observed.iter().filter(|observed| **observed).count();
        let observed = newest.as_ref().map_or(0, |(_, provenance)| count(&provenance.observed_joints));
        inputs.observed.store(observed, Ordering::Relaxed);
        inputs.count_pixels(newest.as_ref().and_then(|(obs, _)| obs.image.as_ref()));
        newest
    }

    fn now_nanos(&self) -> i64 {
        self.inputs.time.now_nanos()
    }
}

fn config(settings: &InputSettings) -> IntakeConfig {
    let InputSettings { joint_timeout, stale_timeout, max_joints, accept_zero_stamp, images, .. } = *settings;
    let joints = JointConfig { timeout: joint_timeout, max_joints, accept_zero_stamp };
    IntakeConfig { joints, images, stale_timeout }
}
