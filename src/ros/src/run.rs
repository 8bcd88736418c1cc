//! From the command line to a running node, and to its end.

use std::io::Write;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use thalweg_task::panic_line;

use anyhow::Context as _;
use r2r::rcl_interfaces::msg::Log;
use r2r::{Context, Node, QosProfile};
use tokio::sync::{Notify, mpsc};

use super::arguments::{HELP, Request, parse};
use super::controller::Controller;
use super::core::{Core, Notes};
use super::executor::Executor;
use super::health::Health;
use super::input::{Inputs, Newest};
use super::log::{self, Rosout};
use super::names::{Names, full_name};
use super::output::Output;
use super::parameters;
use super::process::{Exit, Signals, check_surroundings, watch_panics};
use super::recording::{self, Recordings};
use super::reload::{self, Reloads};
use super::services;
use super::tasks::Tasks;
use super::time::RosTime;
use super::work;
use thalweg::Registry;
use thalweg_engine::Answer;
use thalweg_node::intake::{Input, Provenance};
use thalweg_node::parameters::{Settings, Store, check_file, dump, full_table, parameter_files};
use thalweg_node::solver::{Sink, Solver};

/// The node's name unless it is remapped.
pub(super) const NAME: &str = "thalweg";

/// How often the node looks whether one of its threads has ended.
const WATCH: Duration = Duration::from_millis(100);

/// The longest that the end may take before it is forced: launch waits 5 s after SIGINT.
const END: Duration = Duration::from_millis(1500);

/// Runs `thalweg_node`: reads the command line, and ends as its exit codes say.
#[must_use]
pub fn run(registry: Registry) -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    match parse(&arguments) {
        Ok(Request::Help) => print(HELP),
        Ok(Request::Version) => print(&format!("thalweg_node {}\n", env!("CARGO_PKG_VERSION"))),
        Ok(Request::DumpParameters(task)) => match dump(&registry, task.as_deref().unwrap_or("body_pose")) {
            Ok(text) => print(&text),
            Err(error) => complain(&error.to_string()),
        },
        Ok(Request::Run(level)) => {
            let time = Arc::new(RosTime::default());
            let rosout = log::start(level, Arc::clone(&time));
            watch_panics();
            let exit = start(registry, &arguments, time, rosout);
            // The node, its context and its threads are gone, or may not be waited for.
            std::process::exit(i32::from(exit as u8))
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
        let name = node.name()?;
        let names = Names::new(arguments, &name, &node.namespace()?);
        let store = declare(&registry, &node, &names)?;
        Ok((node, names, store))
    });
    let (node, names, store) = match prepared {
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

/// Checks parameter files and makes the node; rcl's own refusals come as panics of r2r.
pub(super) fn prepare(arguments: &[String]) -> anyhow::Result<Node> {
    check_surroundings()?;
    let name = full_name(arguments, NAME);
    for file in parameter_files(arguments) {
        check_file(&file, &name)?;
    }
    let context = quietly(Context::create).context("bad ROS arguments")??;
    let node = quietly(move || Node::create(context, NAME, "")).context("bad name or namespace")?;
    node.with_context(|| format!("cannot create node {name}: its name or a remapping is not valid"))
}

/// Turns a panic of r2r into an error; its text is rcl's.
pub(super) fn quietly<T>(work: impl FnOnce() -> T + std::panic::UnwindSafe) -> anyhow::Result<T> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_panic| {}));
    let result = catch_unwind(work);
    std::panic::set_hook(hook);
    result.map_err(|panic| anyhow::anyhow!("{}", panic_line(panic.as_ref())))
}

pub(super) fn declare(registry: &Registry, node: &Node, names: &Names) -> anyhow::Result<Store> {
    let topics = Input::ALL.map(|input| names.of_input(input));
    Ok(Store::declare(full_table(registry, &topics), &parameters::overrides(node)?)?)
}

/// Hands answers from the engine thread to the publishing one.
struct Way {
    output: Arc<Output>,
    gave_up: mpsc::UnboundedSender<String>,
}

impl Sink for Way {
    fn answer(&mut self, answer: Answer, provenance: Provenance) {
        self.output.put(answer, provenance);
    }

    fn gave_up(&mut self, why: &str) {
        drop(self.gave_up.send(why.to_owned()));
    }
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

    let inputs = Arc::new(Inputs::new(Arc::clone(&time), Arc::clone(&tasks)));
    let output = Arc::new(Output::default());
    let publish_thread = output.start()?;
    let (gave_up, failures) = mpsc::unbounded_channel();
    let sink = Way { output: Arc::clone(&output), gave_up };
    let solver = Arc::new(Solver::start(Box::new(Newest { inputs: Arc::clone(&inputs) }), Box::new(sink))?);
    let (alarm, changed) = (Arc::new(Notify::new()), Notify::new());
    let notes = Notes::new(store, u64::try_from(time.now_nanos()).unwrap_or(0));
    let (recordings, reloads) = (Recordings::default(), Reloads::default());
    let core = Core {
        name,
        full_name,
        registry,
        names,
        executor,
        time,
        inputs,
        output,
        solver,
        alarm,
        changed,
        recordings,
        reloads,
        notes,
    };
    let core = Arc::new(core);
    let settings = core.settings()?;
    core.inputs.follow_clock(&core, settings.use_sim_time).await?;

    let controller = Arc::new(Controller::new(Arc::clone(&core)).await?);
    serve(&core, &controller, &tasks, failures).await?;
    core.executor.spin();
    let threads = || ros_thread.is_finished() || publish_thread.is_finished() || core.solver.has_ended();
    let exit = wait(&core, &controller, &settings, &tasks, &mut signals, threads).await;
    let forced = end(&core, [publish_thread, ros_thread], &mut signals).await?;
    Ok(forced.unwrap_or(exit))
}

/// Opens services, parameters and diagnostics.
async fn serve(
    core: &Arc<Core>,
    controller: &Arc<Controller>,
    tasks: &Tasks,
    mut failures: mpsc::UnboundedReceiver<String>,
) -> anyhow::Result<()> {
    services::serve(core, controller, tasks).await?;
    recording::serve(core, tasks).await?;
    reload::serve(core, tasks).await?;
    let host = Arc::clone(core);
    let (changes, answers) = core.executor.with(move |node| parameters::serve(node, host)).await??;
    core.set_services(changes);
    for task in answers {
        core.executor.attend(task);
    }
    tasks.spawn(Health::new(Arc::clone(core)).await?.watch());
    let changing = Arc::clone(core);
    tasks.spawn(async move {
        loop {
            changing.changed.notified().await;
            if let Err(error) = work::apply(&changing).await {
                tracing::error!("parameters: {error:#}");
            }
        }
    });
    let controller = Arc::clone(controller);
    tasks.spawn(async move {
        while let Some(why) = failures.recv().await {
            controller.fail(&why).await;
        }
    });
    Ok(())
}

/// Starts by itself where that is asked for, and lives until something ends it.
async fn wait(
    core: &Core,
    controller: &Controller,
    settings: &Settings,
    tasks: &Tasks,
    signals: &mut Signals,
    thread_ended: impl Fn() -> bool,
) -> Exit {
    let start = async {
        if settings.autostart && !autostart(controller).await {
            return;
        }
        std::future::pending::<()>().await;
    };
    let watch = async {
        let mut watch = tokio::time::interval(WATCH);
        loop {
            watch.tick().await;
            if tasks.has_panicked() || thread_ended() {
                return;
            }
        }
    };
    tokio::select! {
        name = signals.next() => {
            tracing::info!("{name}: shutting down");
            Exit::Done
        }
        () = start => {
            tracing::error!("cannot start: {}", core.last_error().unwrap_or_else(|| "see above".to_owned()));
            Exit::Configure
        }
        () = watch => {
            tracing::error!("a part of the node has panicked; ending rather than living on by half");
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
async fn end(core: &Arc<Core>, threads: [JoinHandle<()>; 2], signals: &mut Signals) -> anyhow::Result<Option<Exit>> {
    let closing = Arc::clone(core);
    let close = tokio::task::spawn_blocking(move || {
        closing.inputs.close();
        closing.output.end();
        closing.executor.end();
        closing.solver.quit();
        closing.recordings.close();
        // A thread that has panicked has said so.
        threads.into_iter().for_each(|thread| drop(thread.join()));
    });
    tokio::select! {
        result = close => result.map(|()| None).map_err(anyhow::Error::from),
        () = tokio::time::sleep(END) => {
            tracing::warn!("the engine did not end within {} ms; leaving it behind", END.as_millis());
            Ok(None)
        }
        name = signals.next() => {
            tracing::warn!("{name} again: ending at once");
            Ok(Some(Exit::Forced))
        }
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
