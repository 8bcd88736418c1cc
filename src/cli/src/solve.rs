//! `thalweg solve`.

mod answer;
mod problem;
mod report;
mod search;
mod values;

use std::path::PathBuf;

use anyhow::Context;
use clap::{ArgGroup, Args};
use thalweg::{Builder, LandscapeSource, Loaded, Registry, StartSource, defaults};
use thalweg_nn::files::write_atomically;
use thalweg_task::LoadOptions;

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
  "cloud": [[0.4, 0.2, 0.0], [0.5, 0.2, 0.0]]               the same, of points without names, for tasks that observe some
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
    #[arg(long, default_value = defaults::TASK)]
    task: String,
    #[command(flatten)]
    task_options: TaskOptions,
    /// Groups, joints or points to treat as unobserved, separated by commas; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    hide: Vec<String>,
    /// Weights of a landscape, or identity, or random [default: what DIR/TASK_start.safetensors was
    /// made for, else DIR/TASK_theta.safetensors where it exists, else identity]
    #[arg(long, value_name = "FILE")]
    landscape: Option<LandscapeSource>,
    /// Weights of an amortised start, or none [default: DIR/TASK_start.safetensors where it exists and
    /// was made for the landscape]
    #[arg(long, value_name = "FILE")]
    start: Option<StartSource>,
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
pub(crate) fn run(arguments: &SolveArguments, registry: &Registry) -> anyhow::Result<()> {
    let mut inverter = arguments.builder(registry)?.build()?;
    let problem = Problem::load(arguments, inverter.engine().task())?;
    let answer = search::solve(&mut inverter, &problem.obs)?;
    let words = words(inverter.loaded(), arguments.search.seed());
    let report = Report { spec: inverter.spec(), problem: &problem, answer: &answer, all: arguments.all };
    console::print(&report.text(&words, &arguments.search)?)?;
    if let Some(path) = &arguments.output {
        write(path, &answer, inverter.spec())?;
    }
    Ok(())
}

impl SolveArguments {
    /// What is to be loaded, and how to search.
    fn builder(&self, registry: &Registry) -> anyhow::Result<Builder> {
        // Usage first: it is told before anything is looked for.
        let LoadOptions { models, parameters, .. } = self.task_options.load_options()?;
        let mut builder = self.search.tell(registry.open(&self.task)?.models(models))?;
        for (name, value) in parameters {
            builder = builder.parameter(&name, value);
        }
        if let Some(landscape) = &self.landscape {
            builder = builder.landscape(landscape.clone());
        }
        Ok(match &self.start {
            Some(start) => builder.start(start.clone()),
            None => builder,
        })
    }
}

/// Says what was loaded: landscape and start.
fn words(loaded: &Loaded, seed: u64) -> [String; 2] {
    let landscape = match (&loaded.landscape_file, loaded.landscape_kind) {
        (Some(path), _) => format!("trained, {} ({})", loaded.landscape_id, path.display()),
        (None, "random") => format!("random, untrained, seed {seed}"),
        (None, kind) => kind.to_owned(),
    };
    let start = match (&loaded.start_id, &loaded.start_file) {
        (Some(start), Some(path)) => format!("{start} ({})", path.display()),
        _ => "drawn".to_owned(),
    };
    [landscape, start]
}

fn write(path: &std::path::Path, answer: &Answer, spec: &thalweg_task::TaskSpec) -> anyhow::Result<()> {
    let text = answer.to_json(spec)?;
    // As text: what cannot be written is a failure, but no weights file.
    write_atomically(path, text.as_bytes())
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("cannot write the solution")
}
