//! `thalweg-lab demo-robot`: a Unitree G1 whose left arm falls silent, and whose right knee then lies.

mod scenes;
#[cfg(feature = "ros")]
mod stream;
mod summary;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use thalweg::motion::Motion;
use thalweg::{Builder, Registry};
use thalweg_engine::pin_threads;
use thalweg_engine::time::Watch;
use thalweg_task::{Observation, TaskSpec};

use scenes::{Scene, Scenes};
use summary::Summary;
use thalweg_cli::console::print;

/// Readings a second.
const RATE: f64 = 50.0;

/// Steps of a solve without ROS 2: about what the node's 8 ms give.
const STEPS: u32 = 10;

/// What `--help` says below the options.
const HELP: &str = "\
Plays motion that the shipped model of the Unitree G1 has not learned from to a thalweg_node, 50 readings a second:
for 20 s all joints, then 15 s without those of the left arm, then 40 s in which the right knee says 20 degrees more
than it is. Where ROS 2 cannot be had, and with --in-process, an engine in this process takes the node's place.

Writes demo_robot.png and .svg.";

/// Options of `thalweg-lab demo-robot`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct DemoRobotArguments {
    /// Folder that the picture goes to
    #[arg(long, value_name = "DIR", default_value = "out")]
    output: PathBuf,
    /// Folder of the weights of tasks
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// The motion to play
    #[arg(long, value_name = "FILE", default_value = "assets/robot_motion.safetensors")]
    motion: PathBuf,
    /// Do without ROS 2, and do not wait for the frame clock
    #[arg(long)]
    in_process: bool,
}

/// What came of one reading; none where nothing did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// Positions of all joints, `[J]`, rad.
    positions: Option<Vec<f64>>,
    /// How surprising the knee is.
    surprise: Option<f64>,
    /// What is said of joints that lie; empty where none does.
    warning: String,
}

impl DemoRobotArguments {
    fn open(&self) -> anyhow::Result<Builder> {
        Ok(Registry::shipped().open(thalweg_robot::ENTRY.name)?.models(&self.models))
    }
}

/// Plays, measures, and writes what was measured.
pub(crate) fn run(arguments: &DemoRobotArguments) -> anyhow::Result<()> {
    pin_threads(1);
    std::fs::create_dir_all(&arguments.output)
        .with_context(|| format!("cannot create the folder {}", arguments.output.display()))?;
    let engine = arguments.open()?.build()?;
    let spec = engine.spec().clone();
    drop(engine);
    let motion = Motion::load(&arguments.motion, &spec)?.resampled(RATE);
    let scenes = Scenes::of(&motion, &spec)?;
    let (answers, way) = play(arguments, &scenes, &spec)?;
    let summary = Summary::of(&scenes, &answers, way);
    let picture = summary.draw(&scenes).save(&arguments.output, "demo_robot")?;
    let shown = picture.first().map_or_else(String::new, |path| path.display().to_string());
    print(&summary.text(&spec.name, &shown)?)
}

fn play(
    arguments: &DemoRobotArguments,
    scenes: &Scenes,
    spec: &TaskSpec,
) -> anyhow::Result<(Vec<Answer>, &'static str)> {
    #[cfg(feature = "ros")]
    if !arguments.in_process {
        match crate::live::connect("thalweg_demo_robot") {
            Ok(peer) => return Ok((stream::play(arguments, scenes, spec, &peer)?, "over ROS 2, by a node of its own")),
            Err(error) => print(&format!("no ROS 2 here ({error:#}): playing within this process instead\n"))?,
        }
    }
    Ok((in_process(arguments, scenes, spec)?, "within one process"))
}

/// An engine of this process takes the node's place.
fn in_process(arguments: &DemoRobotArguments, scenes: &Scenes, spec: &TaskSpec) -> anyhow::Result<Vec<Answer>> {
    let mut engine = arguments.open()?.steps(STEPS).build()?;
    let mut answers = Vec::new();
    for Scene { nanos, sent, .. } in &scenes.frames {
        let row: Vec<f32> = sent.iter().map(|position| *position as f32).collect();
        let obs = Observation::of_joints(&thalweg::tch::Tensor::from_slice(&row).view([1, -1]));
        let solved = engine.solve_observation(&Observation { stamp_nanos: *nanos, ..obs })?;
        let positions = Some(solved.best().joints().to_vec());
        let watch = engine.joint_watch();
        let surprise = watch.and_then(|watch| watch.surprise().get(scenes.knee).copied()).filter(|s| s.is_finite());
        answers.push(Answer { positions, surprise, warning: warning(watch, spec) });
    }
    Ok(answers)
}

/// The joints that are told to lie.
fn warning(watch: Option<&Watch>, spec: &TaskSpec) -> String {
    let suspects = watch.map(Watch::suspects).unwrap_or_default();
    let names = suspects.iter().filter_map(|suspect| spec.joints.get(suspect.joint)).map(|joint| joint.name.as_str());
    names.collect::<Vec<_>>().join("; ")
}
