//! From the command line to a running node, and to its end.

mod arguments;
mod clock;
mod completions;
mod description;
mod diagnostics;
mod engine_thread;
pub(crate) mod executor;
pub(crate) mod graph;
pub(crate) mod inputs;
mod lifecycle;
mod log;
pub(crate) mod names;
mod outputs;
mod parameters;
mod parts;
mod people;
pub(crate) mod process;
mod recordings;
mod reloads;
mod services;
pub(crate) mod startup;
mod state;
mod tasks;
pub(crate) mod time;
mod type_descriptions;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use r2r::rcl_interfaces::msg::Log;
use r2r::{Node, QosProfile};
use thalweg::{Registry, plugins};
use thalweg_node::lifecycle::{Pauses, State};
use thalweg_node::parameters::{Store, dump};
use tokio::sync::mpsc;

use arguments::{HELP, Request, parse};
use diagnostics::Diagnostics;
use executor::Executor;
use lifecycle::{Controller, Transitions};
use log::Rosout;
use names::Names;
use parts::{Origin, Parts};
use process::{Exit, Signals, leave, panicked, watch_panics};
use startup::{declare, prepare, with_plugins};
use state::NodeState;
use tasks::Tasks;
use time::RosTime;

/// How often the node looks whether one of its threads has ended.
const WATCH: Duration = Duration::from_millis(100);

/// The longest that the end may take before it is forced: launch waits 5 s after SIGINT.
const END: Duration = Duration::from_millis(1500);

/// Signals that come so soon after the first count as one with it.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

/// Runs `thalweg_node`: reads the command line, and ends as its exit codes say.
#[must_use]
pub fn run(registry: Registry) -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    match parse(&arguments) {
        Ok(Request::Help) => print(HELP),
        Ok(Request::Version) => print(&format!("thalweg_node {}\n", env!("CARGO_PKG_VERSION"))),
        Ok(Request::DumpParameters(task, libraries)) => {
            let (registry, refused) = registry.with_plugins(&plugins::listed(&libraries));
            match (refused.first(), dump(&registry, task.as_deref().unwrap_or("body_pose"))) {
                (_, Ok(text)) => print(&text),
                (Some(error), Err(_)) => complain(&error.to_string()),
                (None, Err(error)) => complain(&error.to_string()),
            }
        }
        Ok(Request::Run(options)) => {
            let time = Arc::new(RosTime::default());
            let rosout = log::start(&options, Arc::clone(&time));
            watch_panics();
            // The hook has told what panics; what is half done is not looked at any more.
            let ended = catch_unwind(AssertUnwindSafe(|| start(registry, &arguments, time, rosout)));
            let exit = ended.ok().filter(|_| panicked().is_none()).unwrap_or(Exit::Panic);
            // The node, its context and its threads are gone, or may not be waited for.
            leave(exit)
        }
        Err(error) => complain(&error),
    }
}

/// A reader that is gone has seen enough.
fn print(text: &str) -> ExitCode {
    drop(std::io::stdout().write_all(text.as_bytes()));
    ExitCode::SUCCESS
}

fn complain(error: &str) -> ExitCode {
    drop(writeln!(std::io::stderr(), "thalweg_node: {error}"));
    Exit::Usage.into()
}

fn start(registry: Registry, arguments: &[String], time: Arc<RosTime>, rosout: Rosout) -> Exit {
    let prepared = prepare(arguments).and_then(|node| {
        let registry = with_plugins(registry, arguments)?;
        let name = node.name()?;
        let names = Names::new(arguments, &name, &node.namespace()?);
        let store = declare(&registry, &node, &names, arguments)?;
        Ok((registry, node, names, store))
    });
    rosout.open_file(&process::log_folder().unwrap_or_else(std::env::temp_dir));
    let (registry, node, names, store) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            tracing::error!("{error:#}");
            return Exit::Usage;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let exit = runtime.block_on(live(registry, node, names, store, time, rosout));
        runtime.shutdown_timeout(Duration::from_millis(100));
        exit
    });
    result.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        Exit::Internal
    })
}

async fn live(
    registry: Registry,
    node: Node,
    names: Names,
    store: Store,
    time: Arc<RosTime>,
    rosout: Rosout,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::new()?;
    let tasks = Arc::new(Tasks::default());
    let (name, full_name, logger) = (node.name()?, node.fully_qualified_name()?, node.logger().to_owned());
    let (executor, ros_thread) = Executor::start(node)?;
    serve_rosout(&executor, rosout, logger, &tasks).await?;

    let (gave_up, failures) = mpsc::unbounded_channel();
    let (origin_executor, origin_tasks) = (executor.clone(), Arc::clone(&tasks));
    let origin = Origin {
        registry,
        name,
        full_name,
        names,
        store,
        executor: origin_executor,
        time,
        tasks: origin_tasks,
        gave_up,
    };
    let parts = Parts::join(origin)?;
    let publish_thread = parts.outputs.start()?;
    let settings = parts.parameters.settings();
    parts.clock.follow(settings.use_sim_time).await?;

    let transitions = Arc::new(Transitions(parts.clone()));
    let controller = Arc::new(Controller::new(Arc::clone(&transitions)).await?);
    serve(&parts, &controller, &tasks).await?;
    obey(&parts, transitions, Arc::clone(&controller), &tasks, (failures, settings.autostart));
    let recordings = Arc::clone(&parts.recordings);
    let alarm = Arc::clone(&parts.alarm);
    tasks.spawn(async move { recordings.watch(&alarm).await });
    let people = Arc::clone(&parts.people);
    tasks.spawn(async move { people.watch().await });
    executor.spin();
    let ended = || {
        let threads = [&ros_thread, &publish_thread].into_iter().find(|thread| thread.is_finished());
        let name = threads.map(|thread| thread.thread().name().unwrap_or("of the node").to_owned());
        let engine = || parts.solver.has_ended().then(|| "engine".to_owned());
        name.or_else(engine).or_else(|| parts.recordings.has_ended().then(|| "recorder".to_owned()))
    };
    let exit = wait(&parts.state, &controller, settings.autostart, &tasks, &mut signals, ended).await;
    let forced = end(parts, [publish_thread, ros_thread], &mut signals).await?;
    Ok(forced.unwrap_or(exit))
}

/// Opens services, parameters and diagnostics.
async fn serve(parts: &Parts, controller: &Arc<Controller>, tasks: &Tasks) -> anyhow::Result<()> {
    let executor = &parts.executor;
    lifecycle::serve(executor, &parts.state, controller, tasks).await?;
    recordings::serve(executor, &parts.recordings, tasks).await?;
    reloads::serve(executor, &parts.reloads, tasks).await?;
    completions::serve(parts, tasks).await?;
    type_descriptions::serve(executor, tasks).await?;
    let host = Arc::clone(&parts.parameters);
    for task in executor.with(move |node| parameters::serve(node, &host)).await?? {
        executor.attend(task);
    }
    tasks.spawn(Diagnostics::new(parts.clone()).await?.watch());
    Ok(())
}

/// Applies parameters when they change, and gives up when the solver does: for good, unless the node starts itself.
fn obey(
    parts: &Parts,
    transitions: Arc<Transitions>,
    controller: Arc<Controller>,
    tasks: &Tasks,
    (mut failures, is_started): (mpsc::UnboundedReceiver<String>, bool),
) {
    let parameters = Arc::clone(&parts.parameters);
    tasks.spawn(async move {
        loop {
            parameters.changed().await;
            if let Err(error) = transitions.apply().await {
                tracing::error!("parameters: {error:#}");
            }
        }
    });
    let state = Arc::clone(&parts.state);
    tasks.spawn(async move {
        let (mut pauses, mut started) = (Pauses::default(), Instant::now());
        while let Some(why) = failures.recv().await {
            controller.fail(&why).await;
            let mut ran = started.elapsed();
            while is_started && state.state() == State::Unconfigured {
                let pause = pauses.next(ran);
                tracing::warn!("given up: {why}; trying again in {} s", pause.as_secs());
                tokio::time::sleep(pause).await;
                // Whoever has taken the node over meanwhile knows better.
                if state.state() != State::Unconfigured || autostart(&controller).await {
                    break;
                }
                ran = Duration::ZERO;
            }
            started = Instant::now();
        }
    });
}

/// The time for the last words on /diagnostics before a process ends that has panicked.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Starts by itself where that is asked for, and lives until something ends it.
async fn wait(
    state: &NodeState,
    controller: &Controller,
    is_started: bool,
    tasks: &Tasks,
    signals: &mut Signals,
    ended: impl Fn() -> Option<String>,
) -> Exit {
    let start = async {
        if is_started && !autostart(controller).await {
            return;
        }
        std::future::pending::<()>().await;
    };
    let watch = async {
        let mut watch = tokio::time::interval(WATCH);
        loop {
            watch.tick().await;
            if let Some(panic) = panicked() {
                return panic.to_owned();
            }
            if tasks.has_panicked() {
                return "a task of the node has panicked".to_owned();
            }
            if let Some(name) = ended() {
                return format!("the thread '{name}' has ended");
            }
        }
    };
    tokio::select! {
        name = signals.next() => {
            tracing::info!("{name}: shutting down");
            Exit::Done
        }
        () = start => {
            tracing::error!("cannot start: {}", state.last_error().unwrap_or_else(|| "see above".to_owned()));
            Exit::Configure
        }
        why = watch => {
            let text = format!("{why}; ending with {} rather than living on by half", Exit::Panic as u8);
            tracing::error!("{text}");
            state.note_error(&text);
            tokio::time::sleep(LAST_WORDS).await;
            Exit::Panic
        }
    }
}

async fn autostart(controller: &Controller) -> bool {
    for label in ["configure", "activate"] {
        if !controller.request(0, label).await.unwrap_or(false) {
            return false;
        }
    }
    true
}

/// Closes everything in order; says so when it had to be forced.
async fn end(parts: Parts, threads: [JoinHandle<()>; 2], signals: &mut Signals) -> anyhow::Result<Option<Exit>> {
    let begin = tokio::time::Instant::now();
    let close = tokio::task::spawn_blocking(move || {
        parts.inputs.close();
        parts.outputs.end();
        parts.executor.end();
        parts.solver.quit();
        parts.recordings.close();
        // A thread that has panicked has said so.
        threads.into_iter().for_each(|thread| drop(thread.join()));
    });
    tokio::select! {
        result = close => result.map(|()| None).map_err(anyhow::Error::from),
        () = tokio::time::sleep(END) => {
            tracing::warn!("the engine did not end within {} ms; leaving it behind", END.as_millis());
            Ok(None)
        }
        name = impatient(signals, begin) => {
            tracing::warn!("{name} again: ending at once");
            Ok(Some(Exit::Forced))
        }
    }
}

/// Waits for a signal that is meant as a second one: service managers and terminals send the same to a whole group, and
/// whoever forwards it sends it twice.
async fn impatient(signals: &mut Signals, begin: tokio::time::Instant) -> &'static str {
    loop {
        let name = signals.next().await;
        if begin.elapsed() >= ONE_SIGNAL {
            return name;
        }
        tracing::debug!("{name} again within a second: it is ending already");
    }
}

/// Publishes log lines as every node of ROS 2 does (rclcpp's `rosout` quality of service).
async fn serve_rosout(executor: &Executor, mut rosout: Rosout, logger: String, tasks: &Tasks) -> anyhow::Result<()> {
    let qos = QosProfile::default().keep_last(1000).transient_local().lifespan(Duration::from_secs(10));
    let publisher = executor.with(move |node| node.create_publisher::<Log>("/rosout", qos)).await??;
    // Set once: this is the only place.
    drop(rosout.logger.set(logger.clone()));
    tasks.spawn(async move {
        while let Some(line) = rosout.lines.recv().await {
            // A line about a lost line would be lost, too.
            drop(publisher.publish(&line.message(&logger)));
        }
    });
    Ok(())
}
