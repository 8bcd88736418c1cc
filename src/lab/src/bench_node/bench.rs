//! What all measurements share: the peer, the echo, the motion, and how a node is started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::Context;
use thalweg::Registry;
use thalweg_engine::pin_threads;
use thalweg_node::parameters::{Settings, Store, full_table};
use thalweg_ros::client::bench::{ECHO_INPUT, ECHO_OUTPUT, Route, Turn};
use thalweg_ros::client::peer::{JointWriter, NodeProcess, Peer, Received, wait_until};

use super::BenchNodeArguments;
use super::track::Track;

/// The longest that discovery and loading may take. A guess, for a busy machine.
const START: Duration = Duration::from_secs(30);

/// What is sent before anything is measured: libtorch allocates, the engine learns how long a step
/// takes. A guess.
const WARM_UP: Duration = Duration::from_secs(2);

/// Exit code of a program ended by an interrupt, as shells have it.
const INTERRUPTED: i32 = 130;

/// A benchmark that is set up.
pub(super) struct Bench {
    pub(super) peer: Peer,
    pub(super) answers: Receiver<Received>,
    /// Time for each solve.
    pub(super) budget: Duration,
    pub(super) hypotheses: u16,
    /// Length of each measurement.
    pub(super) seconds: u32,
    fresh: usize,
    models: String,
    track: Track,
    echo: Echo,
    stopped: Arc<AtomicBool>,
}

struct Echo {
    /// Ends with this.
    _process: NodeProcess,
    writer: JointWriter,
    answers: Receiver<Received>,
}

impl Bench {
    /// Renders the motion, joins the graph and starts the echo.
    pub(super) fn start(arguments: &BenchNodeArguments) -> anyhow::Result<Self> {
        pin_threads(1);
        let track = Track::load(&arguments.models, &arguments.motion)?;
        let stopped = watch_for_stop()?;
        let defaults = Settings::read(&Store::declare(full_table(&Registry::shipped(), &[]), &[])?, 0)?;
        let budget = arguments.budget_ms.map(|budget| Duration::from_secs_f64(budget / 1e3));
        let budget = budget.or(defaults.budget.deadline).context("the node has no default budget")?;
        let hypotheses = usize::from(arguments.hypotheses);
        let peer = Peer::connect("thalweg_bench")?;
        Ok(Self {
            echo: Echo::start(&peer)?,
            answers: peer.reconstructions()?,
            peer,
            budget,
            hypotheses: arguments.hypotheses,
            seconds: arguments.seconds,
            fresh: defaults.engine.fresh.min(hypotheses - 1),
            models: arguments.models.canonicalize().unwrap_or_default().to_string_lossy().into_owned(),
            track,
            stopped,
        })
    }

    /// Starts a node and waits until it listens.
    pub(super) fn node(&self, budget: Duration) -> anyhow::Result<NodeProcess> {
        let parameters = [
            "task:=body_pose".to_owned(),
            format!("models:={}", self.models),
            format!("hypotheses:={}", self.hypotheses),
            format!("warm_start.fresh:={}", self.fresh),
            format!("budget.deadline:={:.6}", budget.as_secs_f64()),
        ];
        let flags = parameters.into_iter().flat_map(|parameter| ["-p".to_owned(), parameter]);
        let arguments: Vec<String> = ["--ros-args".to_owned()].into_iter().chain(flags).collect();
        // One that has just ended leaves the graph first.
        let is_alone = wait_until(START, || self.peer.subscribers() == 0);
        anyhow::ensure!(is_alone, "another node listens to joint_states in this ROS domain");
        let mut node = NodeProcess::start(&arguments)?;
        let ready = wait_until(START, || self.peer.subscribers() > 0 || self.is_stopped() || node.check().is_err());
        self.check()?;
        node.check()?;
        anyhow::ensure!(ready, "thalweg_node did not listen within {} s", START.as_secs());
        Ok(node)
    }

    /// The way through the node.
    pub(super) fn through_node(&self) -> Route<'_> {
        Route::new(self.peer.joints(), &self.answers)
    }

    /// The way through the echo.
    pub(super) fn through_echo(&self) -> Route<'_> {
        Route::new(&self.echo.writer, &self.echo.answers)
    }

    /// Hands the motion to `use_turn`, so many messages a second for so long.
    pub(super) fn turn<T>(&self, rate: f64, length: Duration, use_turn: impl FnOnce(&Turn<'_>) -> T) -> T {
        let period = Duration::from_secs_f64(rate.recip());
        let (positions, is_stopped) = (|time: Duration| self.track.at(time), || self.is_stopped());
        use_turn(&Turn { period, length, names: &self.track.names, positions: &positions, is_stopped: &is_stopped })
    }

    /// Sends until answers come, and forgets them.
    pub(super) fn warm_up(&self, route: &mut Route<'_>, rate: f64, who: &str) -> anyhow::Result<()> {
        self.turn(rate, WARM_UP, |turn| route.send(turn))?;
        anyhow::ensure!(route.wait_for_answer(START), "the {who} does not answer");
        self.check()
    }

    /// Whether the user has asked for the end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Ends everything when the user has asked for it.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.is_stopped(), "stopped");
        Ok(())
    }
}

impl Echo {
    fn start(peer: &Peer) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut process = NodeProcess::start_program(&program, &["ros-echo"])?;
        let (writer, answers) = (peer.writer(ECHO_INPUT)?, peer.listen(ECHO_OUTPUT)?);
        let ready = wait_until(START, || writer.subscribers() > 0 || process.check().is_err());
        process.check()?;
        anyhow::ensure!(ready, "the echo did not listen within {} s", START.as_secs());
        Ok(Self { _process: process, writer, answers })
    }
}

/// Notes Ctrl-C; the second time the program ends at once.
fn watch_for_stop() -> anyhow::Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    let note = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
    };
    ctrlc::set_handler(note).context("cannot catch Ctrl-C")?;
    Ok(stopped)
}
