//! `thalweg bench pose`: every way to complete or invert a pose, on the same poses and masks.

mod arms;
mod budgets;
mod cases;
mod claims;
mod completions;
mod descent;
mod masks;
mod plots;
mod report;
mod solve_times;
mod steps;
pub(crate) mod store;
mod streams;
mod surface;
mod tables;
mod tuning;
mod world;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::bench_clouds::CloudArguments;
use crate::bench_defence::DefenceArguments;
use crate::bench_gan::GanArguments;
use crate::bench_gradient::GradientArguments;
use crate::bench_scaling::ScalingArguments;
use crate::bench_streams::StreamArguments;
use crate::bench_trackers::TrackerArguments;

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Completing and inverting body poses: every method on the same poses, masks and seeds
    Pose(PoseArguments),
    /// Inverting and completing images of faces: descents in X and Z, and an encoder
    Gan(GanArguments),
    /// Repairing attacked images before they are classified, under attacks that know of it and attacks that do not
    Defence(DefenceArguments),
    /// Filling the joints that drop out of a stream of real motion, by age of the dropout
    Streams(StreamArguments),
    /// Finding silent joints of a robot that a depth camera sees
    Clouds(CloudArguments),
    /// Finding body, root and size in what trackers of bodies send
    Trackers(TrackerArguments),
    /// What the first gradient of a descent tells of the answer: its spectrum, and what a linear map finds in it
    Gradient(GradientArguments),
    /// Training a landscape on several processes: what they save and what they exchange
    Scaling(ScalingArguments),
}

/// What `--help` prints below the options.
const HELP: &str = "\
Every method is tuned on validation poses and measured on held-out ones: in distribution (test
clips) and out of it (kinds of motion that neither the model nor the landscape has seen). Without
--data the bundled motion serves; what needs training poses is then left out, and nothing is out of
distribution.

The output folder gets results.json, results.md and pictures. results.json is written as it comes:
the same command goes on where it was ended.

Examples:
  thalweg bench pose --data FOLDER --landscape-paper FILE --landscape-online FILE
  thalweg bench pose --quick --output out/quick";

/// Options of `thalweg bench pose`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct PoseArguments {
    /// Folder with the motion capture [default: the bundled motion]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of the weights of tasks
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// The bundled motion, used without --data
    #[arg(long, value_name = "FILE", default_value = "assets/motion.safetensors")]
    motion: PathBuf,
    /// Landscape with steps of its own
    #[arg(long, value_name = "FILE", default_value = "models/body_pose_theta.safetensors")]
    landscape: PathBuf,
    /// Landscape trained as in the paper, on whole observations
    #[arg(long, value_name = "FILE")]
    landscape_paper: Option<PathBuf>,
    /// Landscape trained without coordinate descent and buffer
    #[arg(long, value_name = "FILE")]
    landscape_online: Option<PathBuf>,
    /// Amortised start in the latent of F
    #[arg(long, value_name = "FILE", default_value = "models/body_pose_start.safetensors")]
    start: PathBuf,
    /// Poses of each split and seed [default: 512; 12 of the bundled motion]
    #[arg(long)]
    poses: Option<u32>,
    /// Poses of each split and seed that are solved one by one against the clock
    #[arg(long)]
    timed_poses: Option<u32>,
    /// Poses on which each method is tuned
    #[arg(long)]
    validation_poses: Option<u32>,
    /// Number of seeds: of poses, masks and starting points
    #[arg(long)]
    seeds: Option<u32>,
    /// Methods to leave out, by their keys
    #[arg(long, value_name = "KEY", value_delimiter = ',', value_parser = arms::key)]
    without: Vec<String>,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    parts: Vec<Part>,
    /// Time for each frame of a stream, milliseconds
    #[arg(long, default_value_t = 8.0)]
    stream_ms: f64,
    /// Frames a second of a stream; 30 is as recorded, others are interpolated
    #[arg(long, default_value_t = 100.0)]
    stream_hz: f64,
    /// Measure little, to see that everything works
    #[arg(long)]
    quick: bool,
    /// Where the results go
    #[arg(long, value_name = "DIR", default_value = "out/bench_pose")]
    output: PathBuf,
}

/// A part of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// Loss against steps, whole observations
    Steps,
    /// Loss against milliseconds, whole observations
    Budgets,
    /// Hidden joints
    Completion,
    /// Time of a solve
    SolveTimes,
    /// Hidden joints on consecutive frames, with warm starts
    Streams,
    /// The loss around one solution, as a picture
    Surface,
}

impl Part {
    const ALL: [Self; 6] =
        [Self::Steps, Self::Budgets, Self::Completion, Self::SolveTimes, Self::Streams, Self::Surface];
}

/// The masks of a short run.
const FEW_MASKS: [&str; 3] = ["arms", "legs", masks::RANDOM];

/// How much is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sizes {
    /// Poses of each split and seed.
    poses: usize,
    /// Poses on which methods are tuned.
    validation: usize,
    /// Poses of each split and seed that are solved one by one.
    timed: usize,
    /// Hypotheses S of each pose.
    hypotheses: usize,
    /// Seeds, from 1.
    seeds: u64,
    /// Steps of the longest descent.
    last: u32,
    /// Longest time of a solve, milliseconds.
    longest_ms: f64,
    /// How often a pose is solved against the clock, to be rid of what else the machine does.
    rounds: usize,
    /// Learning rates to choose from.
    rates: Vec<f64>,
    /// Weights of the prior to choose from, in the methods that have one.
    prior_weights: Vec<f64>,
    /// Hypotheses of one solve to choose from, where time counts.
    populations: Vec<usize>,
    /// Masks, by name.
    masks: Vec<String>,
    /// Clips of each split and seed that are played.
    stream_clips: usize,
    /// Frames of each.
    stream_frames: usize,
    /// Frames a second.
    stream_hz: f64,
    /// Time for each frame, milliseconds.
    stream_ms: f64,
}

impl Sizes {
    /// The protocol of the paper's supplement for rates (Liu et al., 2023); the other lists are ours.
    fn new(arguments: &PoseArguments) -> Self {
        let is_small = arguments.data.is_none();
        let or = |given: Option<u32>, default: usize| given.map_or(default, |count| count as usize);
        let masks = if is_small { FEW_MASKS.as_slice() } else { masks::NAMES.as_slice() };
        let sizes = Self {
            poses: or(arguments.poses, if is_small { 12 } else { 512 }),
            validation: or(arguments.validation_poses, if is_small { 16 } else { 128 }),
            timed: or(arguments.timed_poses, if is_small { 12 } else { 64 }),
            hypotheses: if is_small { 5 } else { 10 },
            seeds: or(arguments.seeds, 3) as u64,
            last: 200,
            longest_ms: 20.0,
            rounds: 3,
            rates: vec![0.5, 0.1, 0.05, 0.01, 0.001],
            prior_weights: vec![0.03, 0.1, 0.3, 1.0],
            populations: vec![1, 4, 8],
            masks: masks.iter().map(|name| (*name).to_owned()).collect(),
            stream_clips: if is_small { 1 } else { 4 },
            stream_frames: 200,
            stream_hz: arguments.stream_hz,
            stream_ms: arguments.stream_ms,
        };
        if arguments.quick { sizes.quick(arguments) } else { sizes }
    }

    fn quick(self, arguments: &PoseArguments) -> Self {
        let or = |given: Option<u32>, default: usize| given.map_or(default, |count| count as usize);
        Self {
            poses: or(arguments.poses, 3),
            validation: or(arguments.validation_poses, 2),
            timed: or(arguments.timed_poses, 2),
            hypotheses: 5,
            seeds: or(arguments.seeds, 1) as u64,
            last: 20,
            longest_ms: 5.0,
            rounds: 1,
            rates: vec![0.5, 0.1],
            prior_weights: vec![0.1],
            populations: vec![1, 4],
            masks: FEW_MASKS.map(str::to_owned).to_vec(),
            stream_clips: 1,
            stream_frames: 6,
            ..self
        }
    }

    /// The seeds, of poses, masks and starting points alike.
    fn all_seeds(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.seeds
    }
}

/// Measures, writes results and prints the main table.
///
/// # Errors
/// What the measurements refuse.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Pose(arguments) => run_pose(arguments),
        Bench::Defence(arguments) => crate::bench_defence::run(arguments),
        Bench::Gan(arguments) => crate::bench_gan::run(arguments),
        Bench::Streams(arguments) => crate::bench_streams::run(arguments),
        Bench::Clouds(arguments) => crate::bench_clouds::run(arguments),
        Bench::Trackers(arguments) => crate::bench_trackers::run(arguments),
        Bench::Gradient(arguments) => crate::bench_gradient::run(arguments),
        Bench::Scaling(arguments) => crate::bench_scaling::run(arguments),
    }
}

fn run_pose(arguments: &PoseArguments) -> anyhow::Result<()> {
    thalweg_engine::pin_threads(1);
    let world = world::World::load(arguments, Sizes::new(arguments))?;
    let mut store =
        store::Store::open("bench pose", &arguments.output, &world.options()?, count(&world, &arguments.parts))?;
    let mut report = report::Report::new(&world);
    let result = measure(&world, &arguments.parts, &mut store, &mut report);
    // What is there is shown even when the rest was not to be had.
    let text = report.write(&world, &arguments.output)?;
    store.close()?;
    result?;
    thalweg_cli::console::print(&text)
}

fn measure(
    world: &world::World,
    parts: &[Part],
    store: &mut store::Store,
    report: &mut report::Report,
) -> anyhow::Result<()> {
    let has = |part| parts.contains(&part);
    if has(Part::Steps) {
        steps::measure(world, store, &mut report.steps)?;
    }
    if has(Part::Budgets) {
        budgets::measure(world, store, &mut report.budgets)?;
    }
    if has(Part::Completion) {
        completions::measure(world, store, &mut report.completions)?;
    }
    if has(Part::SolveTimes) {
        report.solve_times = solve_times::measure(world, store)?;
    }
    if has(Part::Streams) {
        streams::measure(world, store, &mut report.streams)?;
    }
    if has(Part::Surface) {
        report.surfaces = surface::measure(world, store)?;
    }
    Ok(())
}

/// How many blocks of results there will be.
fn count(world: &world::World, parts: &[Part]) -> u64 {
    let of = |part: &Part| match part {
        Part::Steps => steps::count(world),
        Part::Budgets => budgets::count(world),
        Part::Completion => completions::count(world),
        Part::SolveTimes => solve_times::count(world),
        Part::Streams => streams::count(world),
        Part::Surface => surface::count(world),
    };
    parts.iter().map(of).sum::<usize>() as u64
}
