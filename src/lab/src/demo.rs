//! `thalweg demo`: completes hidden limbs of a moving body, live, with four methods side by side.

mod arm;
mod measurement;
mod method;
mod pictures;
mod player;
mod report;
mod screen;
#[cfg(feature = "ros")]
mod stream;
mod tune;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use thalweg::motion::Motion;
use thalweg::{Plan, Registry, defaults};
use thalweg_engine::{AdamConfig, Budget, EngineConfig, pin_threads};
use thalweg_task::{LoadOptions, Task};

use arm::Arm;
use method::Method;
use pictures::Album;
use player::{Phase, Player};
use report::{Report, Settings, Way};
use screen::Screen;

/// Step size of Adam without a landscape: of .5 .1 .05 .01 .001 the one with the least hidden-joint
/// error, as `thalweg demo --tune` prints it. It and 0.1 are near each other: 13.75 and 13.72 degrees
/// with seed 0, 12.44 and 13.87 with seed 1; the next one, 0.01, has 17.8 (November 2026).
const X_RATE: f64 = 0.05;

/// Step size of Adam without a landscape when every frame starts from scratch: the least loss after
/// 10 steps of .5 .1 .05 .01 .001 on validation poses, as `thalweg bench pose` chooses it.
const X_COLD_RATE: f64 = 0.5;

/// The limbs that are hidden, one phase each.
const HIDDEN: [&str; 2] = ["arms", "legs"];

/// What `--help` says below the options.
const HELP: &str = "\
Plays a recorded motion twice, first with the arms hidden, then with the legs hidden, after a second in
which all is seen. Four methods complete each frame within the same time and with the same number of hypotheses:
  start      Levenberg-Marquardt in the latent of the forward model, from where two steps of theta lead or
             where the last frame ended: as node and solve do it
  theta      Adam on the learned landscape, from where the last frame ended
  x-descent  Adam in the latent of the forward model, from where the last frame ended
  x-cold     the same, every frame from scratch: classic inference
Each is a thalweg_node, started as launch starts it; the demo publishes partial joint_states at 100 Hz
in a ROS domain of its own and measures what comes back on ~/reconstruction. Where ROS 2 cannot be had,
and with --in-process, four engines in this process take turns instead, at 30 Hz. How far they get
within that time depends on the machine and on what else it does.

Writes demo.json, demo_error and demo_filmstrip (.png and .svg).

Examples:
  thalweg demo --output out
  thalweg demo --in-process --fast --budget-ms 5 --output out
  thalweg demo --tune      which step size completes best, for each method";

/// Options of `thalweg demo`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct DemoArguments {
    /// Folder that the pictures and demo.json go to
    #[arg(long, default_value = "out")]
    output: PathBuf,
    /// Folder of the weights of tasks
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// The motion to play
    #[arg(long, default_value = "assets/motion.safetensors")]
    motion: PathBuf,
    /// The learned landscape [default: MODELS/body_pose_theta.safetensors]
    #[arg(long)]
    landscape: Option<PathBuf>,
    /// Where the default begins: a landscape with steps, or an amortised start [default: the landscape]
    #[arg(long)]
    start: Option<PathBuf>,
    /// Time for each frame and each method, milliseconds
    #[arg(long, default_value_t = defaults::DEADLINE.as_secs_f64() * 1e3)]
    budget_ms: f64,
    /// Hypotheses that descend side by side
    #[arg(long, default_value_t = 8)]
    hypotheses: u16,
    /// Frames of the motion to play in each phase [default: all]
    #[arg(long)]
    frames: Option<u32>,
    /// Do without ROS 2: four engines in this process, 30 frames a second
    #[arg(long)]
    in_process: bool,
    /// Do not wait for the frame clock; with --in-process only
    #[arg(long, requires = "in_process")]
    fast: bool,
    /// Seed of all engines
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Step size of Adam on theta: the shipped one was trained at it; --tune finds 0.1 alike, and all others worse
    #[arg(long, default_value_t = AdamConfig::default().rate)]
    theta_rate: f64,
    /// Step size of Adam without a landscape
    #[arg(long, default_value_t = X_RATE)]
    x_rate: f64,
    /// Step size of Adam without a landscape, every frame from scratch
    #[arg(long, default_value_t = X_COLD_RATE)]
    x_cold_rate: f64,
    /// Weight of |x|^2 / X in what theta's descent minimises, and in its loss
    #[arg(long, default_value_t = EngineConfig::default().prior_weight)]
    theta_prior: f64,
    /// Weight of |x|^2 / X in what x-descent and x-cold minimise, and in their loss: stronger at 0.1
    #[arg(long, default_value_t = 0.0)]
    x_prior: f64,
    /// Compare step sizes on the first fifth of the frames, and write nothing
    #[arg(long)]
    tune: bool,
}

impl DemoArguments {
    fn task(&self) -> anyhow::Result<Box<dyn Task>> {
        let options = LoadOptions { models: self.models.clone(), ..LoadOptions::default() };
        Ok(Registry::shipped().load(thalweg_body_pose::ENTRY.name, &options)?)
    }

    fn config(&self) -> EngineConfig {
        let hypotheses = usize::from(self.hypotheses);
        let fresh = EngineConfig::default().fresh.min(hypotheses - 1);
        EngineConfig { hypotheses, fresh, seed: self.seed, ..EngineConfig::default() }
    }

    fn landscape_file(&self) -> PathBuf {
        self.landscape.clone().unwrap_or_else(|| self.models.join("body_pose_theta.safetensors"))
    }

    /// As shipped: from where the landscape's steps lead, or where the last frame ended, by Levenberg-Marquardt.
    fn started(&self) -> Method {
        let file = self.start.clone().unwrap_or_else(|| self.landscape_file());
        Method { name: "start", rate: 0.0, prior: 0.0, time: true, warm_start: true, theta: None, start: Some(file) }
    }

    /// Descends on the learned landscape.
    fn theta(&self, rate: f64) -> Method {
        let file = self.landscape_file();
        Method {
            name: "theta",
            rate,
            prior: self.theta_prior,
            time: false,
            warm_start: true,
            theta: Some(file),
            start: None,
        }
    }

    /// Descends without a landscape, from where the last frame ended.
    fn x_descent(&self, rate: f64) -> Method {
        Method { name: "x-descent", rate, prior: self.x_prior, time: false, warm_start: true, theta: None, start: None }
    }

    /// Classic inference: without a landscape, every frame from scratch.
    fn x_cold(&self) -> Method {
        Method {
            name: "x-cold",
            rate: self.x_cold_rate,
            prior: self.x_prior,
            time: false,
            warm_start: false,
            theta: None,
            start: None,
        }
    }

    fn methods(&self) -> Vec<Method> {
        vec![self.started(), self.theta(self.theta_rate), self.x_descent(self.x_rate), self.x_cold()]
    }

    fn arm(&self, method: &Method) -> anyhow::Result<Arm> {
        let mut plan = Plan::of(Registry::shipped(), thalweg_body_pose::ENTRY.name);
        (plan.options.models, plan.time) = (self.models.clone(), method.time);
        let task = self.task()?;
        let timeline = plan.timeline(task.as_ref())?;
        Arm::new(method, task, &self.config(), timeline)
    }

    /// Plays the motion as it is, or as often a second as asked for.
    fn player(&self, rate: Option<f64>) -> anyhow::Result<Player> {
        let task = self.task()?;
        let motion = Motion::load(&self.motion, task.spec())?;
        let motion = match rate {
            Some(rate) => motion.resampled(rate),
            None => motion,
        };
        let budget = Budget::of_deadline(Duration::from_secs_f64(self.budget_ms / 1e3));
        Ok(Player::new(task, motion, budget))
    }

    fn frames(&self, player: &Player) -> i64 {
        self.frames.map_or(player.frames(), |frames| player.frames().min(i64::from(frames)))
    }
}

/// Plays, measures, and writes what was measured.
pub(crate) fn run(arguments: &DemoArguments) -> anyhow::Result<()> {
    pin_threads(1);
    if arguments.tune {
        return tune::run(arguments);
    }
    prepare(&arguments.output)?;
    if arguments.in_process {
        return in_process(arguments);
    }
    let Some(why) = over_ros(arguments)? else { return Ok(()) };
    writeln!(std::io::stdout(), "no ROS 2 here: playing within this process instead")?;
    in_process(arguments)?;
    let how = "`THALWEG_ROS=1 make demo` fetches it, without root, or says what it lacks";
    Ok(writeln!(std::io::stdout(), "Left out: the node in ROS 2 ({why}); {how}.")?)
}

/// Plays to nodes over the middleware; says why where that cannot be.
#[cfg(feature = "ros")]
fn over_ros(arguments: &DemoArguments) -> anyhow::Result<Option<String>> {
    // Before anything is started: what is wrong with the files is no matter of ROS.
    let player = arguments.player(Some(stream::RATE))?;
    let (methods, frames) = (arguments.methods(), arguments.frames(&player));
    let settings = Settings::new(arguments, &player, frames, &methods, stream::WAY)?;
    let peer = match crate::live::connect("thalweg_demo") {
        Ok(peer) => peer,
        Err(error) => return Ok(Some(format!("{error:#}"))),
    };
    stream::run(arguments, &player, &methods, settings, &peer)?;
    Ok(None)
}

/// This build knows no middleware.
#[cfg(not(feature = "ros"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
fn over_ros(_arguments: &DemoArguments) -> anyhow::Result<Option<String>> {
    Ok(Some("this program was built without the feature ros".to_owned()))
}

/// Plays to the engines of this process, which take turns.
fn in_process(arguments: &DemoArguments) -> anyhow::Result<()> {
    let player = arguments.player(None)?;
    let methods = arguments.methods();
    let mut arms = methods.iter().map(|method| arguments.arm(method)).collect::<anyhow::Result<Vec<_>>>()?;
    let frames = arguments.frames(&player);
    let names: Vec<_> = arms.iter().map(Arm::name).collect();
    let mut screen = Screen::new(names, frames, player.fps(), arguments.budget_ms);
    let mut album = Album::new(frames, player.fps());
    for phase in &phases(player.shown(frames))? {
        album.open(phase, arms.len());
        player.play(phase, &mut arms, frames, !arguments.fast, &mut |moment| {
            album.add(moment);
            screen.show(moment)
        })?;
        screen.end_phase()?;
    }
    let way = Way { over: "within one process", limit_ms: arguments.budget_ms };
    let settings = Settings::new(arguments, &player, frames, &methods, way)?;
    let report = Report::new(settings, &album.phases, screen.late(), Vec::new());
    write(arguments, &album, &report)
}

/// The passes over the motion, whose first `shown` frames hide nothing.
fn phases(shown: i64) -> anyhow::Result<Vec<Phase>> {
    HIDDEN.into_iter().map(|group| Phase::hiding(group, shown)).collect()
}

/// Prints the report, writes it and the pictures.
fn write(arguments: &DemoArguments, album: &Album, report: &Report) -> anyhow::Result<()> {
    let folder = &arguments.output;
    report.save(&folder.join("demo.json"))?;
    let names: Vec<_> = arguments.methods().iter().map(|method| method.name).collect();
    album.save(folder, &names, arguments.budget_ms)?;
    Ok(std::io::stdout().write_all(report.summary(folder)?.as_bytes())?)
}

/// Makes sure that the results will have a place, before the time is spent.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))
}
