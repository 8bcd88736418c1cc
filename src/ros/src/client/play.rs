//! `thalweg_play`: the bundled motion on `joint_states`, a group of joints left out, as a robot would send it.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use r2r::QosProfile;
use r2r::rosgraph_msgs::msg::Clock;
use thalweg::Registry;
use thalweg::motion::Motion;
use thalweg_node::options::bound_of;
use thalweg_task::{LoadOptions, TaskSpec, lock, numbers, shipped};

use super::peer::{JOINT_STATES, JointWriter, Link};
use crate::node::process::{Exit, Signals, leave};
use crate::node::time::RosTime;

/// The node's name unless it is remapped.
const NAME: &str = "thalweg_play";

/// The task that the bundled motion was made with.
const TASK: &str = "body_pose";

/// The bundled motion, in the package's share folder and in the checkout.
const MOTION: &str = "assets/motion.safetensors";

const HELP: &str = "\
Plays the bundled motion on joint_states, again and again, until it is interrupted.

usage: thalweg_play [--rate HZ] [--hide GROUP] [--help] [--version] [--ros-args ...]

  --rate HZ        messages a second (default 30)
  --hide GROUP     joints that are left out: a group of body_pose, or none (default arms)
  --ros-args ...   as of every node: -r from:=to, -p use_sim_time:=true, --params-file FILE

Exit codes: 0 ended by a signal; 2 bad arguments; 70 internal error.
";

/// What is played, and how.
#[derive(Clone, Debug, PartialEq)]
struct PlayOptions {
    /// Messages a second.
    rate: f64,
    /// The group of joints that is left out.
    hide: String,
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
enum Request {
    Help,
    Version,
    Play(PlayOptions),
}

/// What is played: positions of the joints that are told.
struct Frames {
    names: Vec<String>,
    /// One list of positions for each frame, rad.
    positions: Vec<Vec<f64>>,
}

/// Runs `thalweg_play`: reads the command line, and ends as its exit codes say.
#[must_use]
pub fn run() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let options = match parse(&arguments) {
        Ok(Request::Play(options)) => options,
        Ok(Request::Help) => return print(HELP),
        Ok(Request::Version) => return print(concat!("thalweg_play ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(error) => return complain(&error, Exit::Usage),
    };
    match Frames::load(&options) {
        Err(error) => complain(&format!("{error:#}"), Exit::Usage),
        Ok(frames) => match play(&frames, options.rate) {
            // Not by `exit`: threads of the middleware may still be there.
            Ok(()) => leave(Exit::Done),
            Err(error) => {
                complain(&format!("{error:#}"), Exit::Internal);
                leave(Exit::Internal)
            }
        },
    }
}

/// A reader that is gone has seen enough.
fn print(text: &str) -> ExitCode {
    drop(std::io::stdout().write_all(text.as_bytes()));
    ExitCode::SUCCESS
}

fn complain(error: &str, exit: Exit) -> ExitCode {
    drop(writeln!(std::io::stderr(), "{NAME}: {error}"));
    exit.into()
}

/// Reads our own options; those after `--ros-args` up to `--` are rcl's.
fn parse(arguments: &[String]) -> Result<Request, String> {
    let mut options = PlayOptions { rate: 30.0, hide: "arms".to_owned() };
    let (mut is_ros, mut rest) = (false, arguments.iter().skip(1));
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument}: expected a value behind it"));
        match (is_ros, argument.as_str()) {
            (_, "--ros-args") => is_ros = true,
            (true, "--") => is_ros = false,
            (true, _) => {}
            (false, "--help" | "-h") => return Ok(Request::Help),
            (false, "--version") => return Ok(Request::Version),
            (false, "--hide") => options.hide.clone_from(value()?),
            (false, "--rate") => {
                let text = value()?;
                let bound = bound_of(NAME, "rate").ok_or("--rate: no bound of it is known")?;
                let refuse = |expected: String| format!("--rate {}: {expected}", text.escape_debug());
                options.rate = bound.real(text).map_err(refuse)?;
            }
            (false, other) => return Err(format!("unknown argument '{}'; see --help", other.escape_debug())),
        }
    }
    Ok(Request::Play(options))
}

impl Frames {
    /// Reads the motion at a rate.
    fn load(options: &PlayOptions) -> anyhow::Result<Self> {
        let task = Registry::shipped().load(TASK, &LoadOptions::default())?;
        let motion = Motion::load(&shipped(MOTION), task.spec())?.resampled(options.rate);
        let told = told(task.spec(), &options.hide)?;
        let names = told.iter().map(|joint| task.spec().joints[*joint].name.clone()).collect();
        let positions = (0..motion.frames()).map(|index| positions(&motion, index, &told)).collect();
        Ok(Self { names, positions })
    }
}

/// The joints that are told when a group of them is hidden.
fn told(spec: &TaskSpec, hide: &str) -> anyhow::Result<Vec<usize>> {
    let hidden = spec.groups.iter().find(|group| group.name == hide);
    let names = || spec.groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>().join(", ");
    ensure!(hidden.is_some() || hide == "none", "--hide {hide}: no such group; expected none or one of {}", names());
    let is_hidden = |joint: &usize| hidden.is_some_and(|group| group.joints.contains(joint));
    Ok((0..spec.joints.len()).filter(|joint| !is_hidden(joint)).collect())
}

fn positions(motion: &Motion, index: i64, told: &[usize]) -> Vec<f64> {
    let all: Vec<f64> = numbers(&motion.frame(index));
    told.iter().filter_map(|joint| all.get(*joint).copied()).collect()
}

/// Publishes frame after frame until a signal comes.
fn play(frames: &Frames, rate: f64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    let link = Link::join(NAME)?;
    let (writer, time) = (link.writer(JOINT_STATES)?, follow_time(&link)?);
    runtime.block_on(async {
        tokio::select! {
            _ = signals.next() => Ok(()),
            ended = publish(frames, rate, &writer, &time) => ended,
        }
    })
}

async fn publish(frames: &Frames, rate: f64, writer: &JointWriter, time: &RosTime) -> anyhow::Result<()> {
    let mut turn = tokio::time::interval(Duration::from_secs_f64(rate.recip()));
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    for positions in frames.positions.iter().cycle() {
        turn.tick().await;
        // Before the first tick of /clock there is no time to stamp with.
        if time.is_known() {
            writer.publish(time.now_nanos(), &frames.names, positions)?;
        }
    }
    anyhow::bail!("the motion has no frames")
}

/// The time of the node: that of `/clock` where `use_sim_time` is set.
fn follow_time(link: &Link) -> anyhow::Result<Arc<RosTime>> {
    let is_simulated = link.with(|node| {
        let given = lock(&node.params);
        given.get("use_sim_time").is_some_and(|given| given.value == r2r::ParameterValue::Bool(true))
    })?;
    let time = Arc::new(RosTime::default());
    if is_simulated {
        time.simulate(true);
        let ticked = Arc::clone(&time);
        let qos = QosProfile::default().keep_last(1).best_effort();
        link.subscribe("/clock", qos, move |tick: Clock| {
            // A jump moves nothing here: each stamp is read when it is needed.
            let _jump = ticked.tick(&tick.clock);
        })
        .context("use_sim_time")?;
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_stand_beside_those_of_ros() {
        let line = "p --rate 50 --ros-args -r __node:=a_play --params-file b -- --hide legs";
        assert_eq!(read(line), Ok(Request::Play(PlayOptions { rate: 50.0, hide: "legs".to_owned() })));
        assert_eq!((read("p -h"), read("p --version")), (Ok(Request::Help), Ok(Request::Version)));
        assert_eq!(read("p --frob").expect_err("unknown"), "unknown argument '--frob'; see --help");
        assert_eq!(read("p --rate 0").expect_err("none"), "--rate 0: expected a number from 0.1 to 1000 Hz");
        assert_eq!(read("p --rate").expect_err("none"), "--rate: expected a value behind it");
    }
}
