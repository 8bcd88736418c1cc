//! `thalweg solve`.

mod answer;
mod choice;
mod problem;
mod report;
mod search;
mod values;

use std::path::PathBuf;

use anyhow::Context;
use clap::{ArgGroup, Args};
use thalweg::Registry;
use thalweg_engine::pin_threads;
use thalweg_nn::weights::write_atomically;

use crate::console;
use crate::task_options::TaskOptions;
use answer::Answer;
use problem::Problem;
use report::Report;
use search::SearchOptions;

/// Options of `thalweg solve`.
#[derive(Args)]
#[command(group(ArgGroup::new("source").required(true).args(["observation", "recording"])))]
#[command(
    after_help = r#"An observation is a JSON object with any of these entries; what is null or not named is unobserved:
  "joints": {"left_elbow_y": 1.2, "neck_x": null}           radians, or metres
  "joints": {"name": ["left_elbow_y"], "position": [1.2]}   the same, as in sensor_msgs/JointState
  "points": {"tip_3": [0.4, 0.2, 0.0]}                      metres in the task's frame
  "image": {"height": 1, "width": 2, "channels": 1,         0 black to 1 white; rows from the top,
            "pixels": [0.5, null]}                          channels last
  "stamp_nanos": 0                                          copied into the solution

Examples:
  echo '{"points": {"tip_3": [0.4, 0.2, 0.0]}}' | thalweg solve --task planar_arm --optimizer lm --steps 50 -
  thalweg solve --recording assets/motion.safetensors --frame 60 --hide left_arm,head
  thalweg solve seen.json --budget-ms 5 --hypotheses 16 --output solution.json"#
)]
pub(crate) struct SolveArguments {
    /// Observation, JSON; - is standard input
    #[arg(value_name = "OBSERVATION")]
    observation: Option<PathBuf>,
    /// Motion whose frame is observed whole (see --hide); its truth is known, so errors are printed
    #[arg(long, value_name = "MOTION", requires = "frame")]
    recording: Option<PathBuf>,
    /// Frame of the recording, from 0
    #[arg(long, requires = "recording", conflicts_with = "observation")]
    frame: Option<u32>,
    /// Task to invert; `thalweg tasks` lists them
    #[arg(long, default_value = "body_pose")]
    task: String,
    #[command(flatten)]
    task_options: TaskOptions,
    /// Groups, joints or points to treat as unobserved, separated by commas; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    hide: Vec<String>,
    /// Weights of a landscape, or identity, or random [default: what DIR/TASK_start.safetensors was
    /// made for, else DIR/TASK_theta.safetensors where it exists, else identity]
    #[arg(long, value_name = "PATH")]
    landscape: Option<PathBuf>,
    /// Weights of an amortised start, or none [default: DIR/TASK_start.safetensors where it exists and
    /// was made for the landscape]
    #[arg(long, value_name = "PATH")]
    start: Option<PathBuf>,
    #[command(flatten)]
    search: SearchOptions,
    /// List all joints and points of the best hypothesis, not only those that were not seen
    #[arg(long)]
    all: bool,
    /// Also write all hypotheses as JSON; it holds no times, so that the same seed and --steps give
    /// the same bytes
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Solves one observation and prints what was found.
pub(crate) fn run(arguments: &SolveArguments) -> anyhow::Result<()> {
    pin_threads(1);
    let config = arguments.search.engine_config()?;
    let options = arguments.task_options.load_options()?;
    let task = Registry::shipped().load(&arguments.task, &options)?;
    let wanted = (arguments.landscape.as_deref(), arguments.start.as_deref());
    let (choice, words) = choice::choose(wanted, task.spec(), &options.models, config.seed)?;
    let problem = Problem::load(arguments, task.as_ref())?;
    let spec = task.spec().clone();
    let answer = arguments.search.solve(task, choice, config, &problem.obs)?;
    let report = Report { spec: &spec, problem: &problem, answer: &answer, all: arguments.all };
    console::print(&report.text(&words, &arguments.search)?)?;
    if let Some(path) = &arguments.output {
        write(path, &answer, &spec)?;
    }
    Ok(())
}

fn write(path: &std::path::Path, answer: &Answer, spec: &thalweg_task::TaskSpec) -> anyhow::Result<()> {
    let text = answer.to_json(spec)?;
    // As text: what cannot be written is a failure, but no weights file.
    write_atomically(path, text.as_bytes())
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("cannot write the solution")
}
