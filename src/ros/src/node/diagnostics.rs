//! `/diagnostics`: gathers what the parts say of themselves, once a second and when trouble comes.

use std::time::{Duration, Instant};

use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus, KeyValue};
use r2r::std_msgs::msg::Header;
use r2r::{Publisher, QosProfile};

use super::graph::{self, Endpoint};
use super::inputs::Topic;
use super::parts::Parts;
use thalweg_engine::time::{Oddity, Suspect};
use thalweg_node::diagnostics::{Footprint, Level, Status};
use thalweg_node::lifecycle::State;
use thalweg_node::solver::{SolveReport, Stand};
use thalweg_task::{JointSpec, printable};

/// Least time between two reports, whatever happens: ten a second.
const LEAST_PERIOD: Duration = Duration::from_millis(100);

/// What a solve may take beyond twice its deadline before it is said to hang. A guess: no step takes so long.
const HANGS: Duration = Duration::from_secs(2);

/// Share of solves that may overrun before it is a warning: the last step before the deadline is
/// a bet. A guess.
const OVERRUNS: f64 = 0.1;

/// Time between two warnings that `/clock` is silent, as rclcpp's users know it.
const CLOCK_WARNING: Duration = Duration::from_secs(5);

/// Reports how a node fares.
pub(crate) struct Diagnostics {
    node: Parts,
    publisher: Publisher<DiagnosticArray>,
    started: Instant,
    clock_warned: Option<Instant>,
    ticks: u64,
    clock_refused: u64,
    told: Vec<String>,
}

/// Distance of points from the body that trackers do not reach, metres in the mean square: they have 0.02 to 0.04.
const MISFIT: f64 = 0.08;

/// Where the body stands, and whether that is seen.
fn root(name: &str, Stand { root, is_mirrored }: &Stand) -> Status {
    let mut status = Status::ok(name, "Seen");
    if *is_mirrored {
        let text = "left and right seem swapped, or the image is a mirror image: mirrored, the points fit poses of people \
                    better than as they are sent";
        status.worsen(Level::Warn, text.to_owned());
    }
    if !root.is_seen {
        let text =
            "too few points to tell where the body stands and how it is turned; as before, where they do not tell";
        status.worsen(Level::Warn, text.to_owned());
    }
    if root.misfit > MISFIT {
        let text = format!(
            "points are {:.2} m from where any pose has them, in the mean square; expected at most {MISFIT} m: \
             are these keypoints of another table than the tracker's?",
            root.misfit
        );
        status.worsen(Level::Warn, text);
    }
    let [x, y, z] = root.position;
    let status = status.with("Misfit (m)", format!("{:.3}", root.misfit));
    status.with("Position (m)", format!("{x:.3} {y:.3} {z:.3}")).with("Scale", format!("{:.3}", root.scale))
}

/// Which joints lie, by their names.
fn suspicion(suspects: &[Suspect], joints: &[JointSpec]) -> Status {
    let mut status = Status::ok("Joints", "All fit each other");
    let named = suspects.iter().filter_map(|suspect| Some((suspect, joints.get(suspect.joint)?)));
    for (Suspect { surprise, oddity, .. }, JointSpec { name, .. }) in named {
        let why = match oddity {
            Oddity::Misfit => "does not fit what the other joints say",
            Oddity::Restless => "moves more than the other joints let expect",
            Oddity::Still => "stands still while the other joints move",
        };
        status.worsen(Level::Warn, format!("{name} {why}"));
        status = status.with(name, format!("{surprise:.2}"));
    }
    status
}

/// What the graph says of the topics that matter.
#[derive(Default)]
struct Neighbours {
    channels: Vec<(Topic, Vec<Endpoint>)>,
    rosout: Vec<Endpoint>,
    clock: Vec<Endpoint>,
}

impl Diagnostics {
    /// Advertises `/diagnostics`.
    ///
    /// # Errors
    /// What rcl says, or that the ROS thread has ended.
    pub(crate) async fn new(node: Parts) -> anyhow::Result<Self> {
        let qos = node.parameters.qos_of("/diagnostics", QosProfile::default());
        let create = move |node: &mut r2r::Node| node.create_publisher("/diagnostics", qos);
        let publisher = node.executor.with(create).await??;
        Ok(Self {
            node,
            publisher,
            started: Instant::now(),
            clock_warned: None,
            ticks: 0,
            clock_refused: 0,
            told: Vec::new(),
        })
    }

    /// Reports until the node ends.
    pub(crate) async fn watch(mut self) {
        loop {
            let begin = tokio::time::Instant::now();
            if let Err(error) = self.report().await {
                tracing::debug!("diagnostics: {error:#}");
            }
            let period = self.node.parameters.settings().diagnostics_period;
            tokio::time::sleep_until(begin + LEAST_PERIOD.min(period)).await;
            // Whichever comes first: the time of the next report, or trouble of a new kind.
            drop(tokio::time::timeout_at(begin + period, self.node.alarm.notified()).await);
        }
    }

    async fn report(&mut self) -> anyhow::Result<()> {
        // Even when the thread that could look around is gone: that is what must be told.
        let neighbours = look_around(&self.node).await.unwrap_or_default();
        self.node.clock.watch_system();
        let report = self.node.solver.report();
        let mut statuses = vec![self.lifecycle()];
        if self.node.state.state() == State::Active {
            for (channel, publishers) in &neighbours.channels {
                statuses.push(self.node.inputs.status(channel, publishers.len()));
            }
        }
        statuses.extend(report.root.as_ref().map(|found| root("Root", found)));
        statuses.extend(self.node.people.status(&report));
        statuses.extend(report.roots.iter().map(|(person, found)| root(&format!("Root of {}", person.id), found)));
        let joints = self.node.state.loaded().as_ref().map_or_else(Vec::new, |loaded| loaded.spec.joints.clone());
        statuses.extend(report.suspects.as_ref().map(|suspects| suspicion(suspects, &joints)));
        statuses.push(self.process());
        let device = self.device(report.gpu_trouble.as_deref());
        statuses.extend([self.optimizer(report), self.output(), self.theta(), device, self.node.recordings.status()]);
        statuses.extend([self.graph(&neighbours), self.clock(&neighbours.clock), self.parameters()]);
        self.tell(&statuses);
        self.publisher.publish(&self.message(statuses))?;
        self.node.inputs.revive(&neighbours.channels).await
    }

    /// What the process takes: a task of others may leak memory and threads, which only its end gives back.
    fn process(&self) -> Status {
        let limit = self.node.parameters.settings().memory_limit;
        Footprint::read().map_or_else(|| Status::ok("Process", "Unknown"), |footprint| footprint.status(limit))
    }

    fn lifecycle(&self) -> Status {
        let state = self.node.state.state();
        let mut status = Status::ok("Lifecycle", format!("Node is {state}"));
        if let Some(error) = self.node.state.last_error() {
            status.worsen(Level::Error, error);
        }
        status.with("State", state).with("Uptime (s)", self.started.elapsed().as_secs())
    }

    fn optimizer(&self, report: SolveReport) -> Status {
        let settings = self.node.parameters.settings();
        let (hypotheses, budget) = (settings.engine.hypotheses, settings.budget.deadline.unwrap_or_default());
        let mut status = Status::ok("Optimizer", if report.recent_solves > 0 { "Running" } else { "Idle" });
        if report.recent_overruns as f64 > OVERRUNS * report.recent_solves as f64 {
            let (late, all) = (report.recent_overruns, report.recent_solves);
            let text = format!(
                "Overrun: {late} of {all} solves took longer than budget.deadline, {} ms",
                budget.as_secs_f64() * 1e3
            );
            status.worsen(Level::Warn, text);
        }
        if report.solving > 2 * budget + HANGS {
            let text = format!(
                "a solve has been going on for {:.0} s: task {} hangs; no thread can be ended, so start the node again",
                report.solving.as_secs_f64(),
                settings.task
            );
            status.worsen(Level::Error, text);
        }
        if let Some(refusal) = report.last_refusal {
            status.worsen(Level::Warn, format!("observation refused: {refusal}"));
        }
        if let Some(failure) = report.last_failure {
            status.worsen(Level::Error, failure);
        }
        status
            .with("Solves", report.solves)
            .with("Steps mean", format!("{:.2}", report.steps_mean))
            .with("Solve mean (us)", format!("{:.0}", report.mean_us))
            .with("Solve max (us)", format!("{:.0}", report.max_us))
            .with("Solve sigma (us)", format!("{:.0}", report.sigma_us))
            .with("Overruns", report.overruns)
            .with("Age of data max (s)", format!("{:.6}", report.age_max.as_secs_f64()))
            .with("Diverged", report.diverged)
            .with("Hypotheses", hypotheses)
            .with("Refused", report.refusals)
            .with("Failures", report.failures)
    }

    fn output(&self) -> Status {
        let report = self.node.outputs.report();
        let mut status = Status::ok("Output", "Alive");
        if let Some(failure) = report.last_failure {
            status.worsen(Level::Error, failure);
        }
        status.with("Published", report.published).with("Superseded", report.replaced).with("Failures", report.failures)
    }

    fn theta(&self) -> Status {
        let report = self.node.reloads.report();
        let mut status = self.landscape().with("Reloads", report.taken).with("Reloads refused", report.refused);
        if let Some(refusal) = report.refusal {
            status.worsen(Level::Error, format!("the landscape stays, a new one was refused: {refusal}"));
        }
        status
    }

    fn landscape(&self) -> Status {
        match self.node.state.loaded().as_ref() {
            None => Status::ok("Theta", "Not loaded"),
            Some(loaded) => {
                let file = loaded.landscape_file.as_ref().map_or_else(String::new, |file| file.display().to_string());
                Status::ok("Theta", "Loaded")
                    .with("Id", &loaded.landscape_id)
                    .with("Kind", loaded.landscape_kind)
                    .with("File", file)
                    .with("Start", loaded.start_id.as_deref().unwrap_or("none"))
                    .with("Optimizer", loaded.optimizer)
                    .with("Backend", loaded.backend.name())
                    .with("Task", &loaded.spec.name)
                    .with("Model", &loaded.spec.fingerprint)
            }
        }
    }

    fn device(&self, gpu_trouble: Option<&str>) -> Status {
        let device = self.device_name();
        let mut status = Status::ok("Device", "Alive");
        if let Some(trouble) = gpu_trouble {
            status.worsen(Level::Warn, format!("going on without a GPU: {trouble}"));
        }
        let (gpu, trial) = {
            let loaded = self.node.state.loaded();
            let text = |found: Option<&dyn std::fmt::Display>| found.map(ToString::to_string);
            let gpu = loaded.as_ref().and_then(|loaded| text(loaded.gpu.as_ref().map(|gpu| gpu as _)));
            (gpu, loaded.as_ref().and_then(|loaded| text(loaded.gpu_trial.as_ref().map(|trial| trial as _))))
        };
        let gpu = gpu.filter(|_| gpu_trouble.is_none()).unwrap_or_else(|| "none".to_owned());
        let status = status.with("Device", device).with("GPU", gpu).with("CUDA devices", tch::Cuda::device_count());
        match trial {
            Some(trial) => status.with("Auto", trial),
            None => status,
        }
    }

    fn device_name(&self) -> String {
        let loaded = self.node.state.loaded();
        loaded.as_ref().map_or_else(
            || "none".to_owned(),
            |loaded| match loaded.spec.device {
                tch::Device::Cuda(index) => format!("cuda:{index}"),
                device => format!("{device:?}").to_lowercase(),
            },
        )
    }

    fn graph(&self, neighbours: &Neighbours) -> Status {
        let mut status = Status::ok("Graph", "All interfaces match");
        let namesakes = graph::namesakes(&neighbours.rosout, &self.node.full_name);
        if namesakes > 1 {
            status.worsen(Level::Error, format!("{namesakes} nodes are named {}", self.node.full_name));
        }
        for (channel, publishers) in &neighbours.channels {
            for mismatch in graph::mismatches(&channel.request, publishers) {
                status.worsen(Level::Warn, mismatch);
            }
            if channel.is_contradicted && publishers.len() > 1 {
                let names = graph::names(publishers).join(" and ");
                status.worsen(Level::Warn, format!("{}: {names} contradict each other", channel.request.topic));
            }
            status = status.with(format!("Publishers of {}", channel.request.topic), publishers.len());
        }
        status.with("Nodes of this name", namesakes)
    }

    fn clock(&mut self, publishers: &[Endpoint]) -> Status {
        let time = &self.node.time;
        let mut status = Status::ok("Clock", if time.is_simulated() { "Simulated time" } else { "System time" });
        if time.is_simulated() {
            if !time.is_known() || time.ticks() == self.ticks {
                let text = "use_sim_time is set but nothing published on /clock";
                status.worsen(Level::Warn, text);
                if self.clock_warned.is_none_or(|warned| warned.elapsed() >= CLOCK_WARNING) {
                    self.clock_warned = Some(Instant::now());
                    tracing::warn!("{text}");
                }
            }
            if publishers.len() > 1 {
                let names = graph::names(publishers).join(" and ");
                status.worsen(Level::Warn, format!("/clock has {} publishers: {names}", publishers.len()));
            }
        }
        self.ticks = time.ticks();
        let refused = time.refused();
        let new = refused.saturating_sub(std::mem::replace(&mut self.clock_refused, refused));
        if new > 0 {
            status.worsen(Level::Warn, format!("{new} messages on /clock are no time and were refused"));
        }
        status.with("Ticks", time.ticks()).with("Refused", refused).with("Time jumps", time.jumps())
    }

    fn parameters(&self) -> Status {
        let mut status = Status::ok("Parameters", "Alive");
        if let Some(refusal) = self.node.parameters.take_refusal() {
            status.worsen(Level::Warn, refusal);
        }
        let [refused, changes] = self.node.parameters.counts();
        status.with("Refused", refused).with("Changes", changes)
    }

    /// Logs what the graph says when it changes; inputs log their own refusals as they come.
    fn tell(&mut self, statuses: &[Status]) {
        let bad = |status: &&Status| {
            status.level > Level::Ok && ["Graph", "Optimizer", "Joints", "Process"].contains(&status.name.as_str())
        };
        let told: Vec<String> = statuses.iter().filter(bad).map(|status| status.message.clone()).collect();
        for text in told.iter().filter(|text| !self.told.contains(text)) {
            tracing::warn!("{text}");
        }
        self.told = told;
    }

    fn message(&self, statuses: Vec<Status>) -> DiagnosticArray {
        let use_fqn = self.node.parameters.settings().use_fqn;
        let node = if use_fqn { &self.node.full_name } else { &self.node.name };
        let hardware = self.device_name();
        let header = Header { stamp: self.node.time.stamp(), frame_id: String::new() };
        let status = |status: Status| DiagnosticStatus {
            level: status.level as u8,
            name: format!("{node}: {}", status.name),
            message: printable(&status.message).into_owned(),
            hardware_id: hardware.clone(),
            values: status
                .values
                .into_iter()
                .map(|(key, value)| KeyValue {
                    key: printable(&key).into_owned(),
                    value: printable(&value).into_owned(),
                })
                .collect(),
        };
        DiagnosticArray { header, status: statuses.into_iter().map(status).collect() }
    }
}

async fn look_around(node: &Parts) -> anyhow::Result<Neighbours> {
    let channels = node.inputs.topics();
    let work = move |node: &mut r2r::Node| -> r2r::Result<Neighbours> {
        let publishers = |topic: &str| graph::publishers(node, topic);
        let channels = channels
            .into_iter()
            .map(|channel| publishers(&channel.request.topic).map(|found| (channel, found)))
            .collect::<r2r::Result<Vec<_>>>()?;
        Ok(Neighbours { channels, rosout: publishers("/rosout")?, clock: publishers("/clock")? })
    };
    Ok(node.executor.with(work).await??)
}
