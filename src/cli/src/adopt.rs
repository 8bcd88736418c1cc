//! `thalweg adopt`: a model of a robot, from its URDF and its recordings.

mod bags;
mod division;
mod error;
mod folder;
mod frames;
mod judge;
mod left_out;
mod lies;
mod motion;
mod rivals;
mod surprise;
mod tables;
mod timing;
mod training;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use thalweg::Registry;
use thalweg_engine::pin_threads;
use thalweg_robot::model::read_description;
use thalweg_robot::{Layout, Robot};

use self::division::Divided;
pub(crate) use self::error::AdoptError;
use self::frames::Frames;
use self::judge::Judgement;
use self::lies::Lies;
use crate::console::{note, print};
use crate::train::expect_one;

/// Options of `thalweg adopt`.
#[derive(Args, Serialize)]
pub(crate) struct AdoptArguments {
    /// The robot: a URDF (of xacro, what it expands to)
    urdf: PathBuf,
    /// Recordings of its joints: bags of ROS 2 (.mcap, .db3, folders), arrays (.npz), tables (.csv), or folders of them
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Folder that the model is written into; a stopped adoption goes on from what lies there
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Train for about two minutes, to see whether it works
    #[arg(long)]
    quick: bool,
    /// Topic of the joint states, where a bag has several
    #[arg(long)]
    topic: Option<String>,
    /// Names of the columns of arrays and tables that do not name them, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    joints: Vec<String>,
    /// Frames a second of arrays and tables that tell no time [default: 50]
    #[arg(long, value_name = "HZ")]
    fps: Option<f64>,
    /// Angles are in degrees
    #[arg(long)]
    degrees: bool,
    /// Angles are in radians, however far beyond limits they are
    #[arg(long, conflicts_with = "degrees")]
    radians: bool,
    /// Clips whose name has this in it are neither trained nor chosen on, but judged by; may be repeated
    #[arg(long, value_name = "TEXT")]
    hold_out: Vec<String>,
    /// Learn from what was recorded alone, not from its mirror image, even where the robot is one and it would help
    #[arg(long)]
    no_mirror: bool,
    /// Write links and joints of the URDF only, without shapes and masses
    #[arg(long)]
    skeleton: bool,
    /// Train nothing: F and theta stay as they lie in the folder; the rest is made and judged anew
    #[arg(long, conflicts_with_all = ["steps", "buffers"])]
    keep: bool,
    /// Write the motion that the model is judged by as a motion file, for demonstrations
    #[arg(long, value_name = "FILE")]
    held_out_motion: Option<PathBuf>,
    /// Gradient steps for F [default: 8000, a quarter of it with --quick]
    #[arg(long)]
    steps: Option<u32>,
    /// Buffers for theta [default: one for each 500 frames, 20 to 400, at most 60 with --quick]
    #[arg(long)]
    buffers: Option<u32>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Makes the model, and says how good it is.
pub(crate) fn run(arguments: &AdoptArguments, registry: &Registry) -> anyhow::Result<()> {
    expect_one()?;
    pin_threads(1);
    let (description, robot) = read_description(&arguments.urdf)?;
    robot.notes.iter().for_each(|text| note(text));
    let description = if arguments.skeleton { robot.skeleton() } else { description };
    std::fs::create_dir_all(&arguments.output)
        .with_context(|| format!("cannot create {}", arguments.output.display()))?;
    let frames = gather(arguments, &robot)?;
    print(&frames.summary(&robot))?;
    let divided = Divided::of(&robot, &frames, &arguments.hold_out, !arguments.no_mirror)?;
    drop(frames);
    let layout = Layout::of(&robot, &divided.training, &divided.seen)?;
    print(&motion::report(&robot, &layout, &divided))?;
    let trained = training::train(arguments, registry, description, &robot, &layout, &divided)?;
    print(&timing::fit(&arguments.output, registry, &robot, &divided)?)?;
    let (told, fit) = surprise::fit(&arguments.output, registry, &robot, &divided)?;
    print(&told)?;
    let judgement = Judgement::of(&arguments.output, registry, &divided, arguments.quick)?;
    let lies = Lies::of(&arguments.output, registry, &robot, fit.as_ref(), &divided, arguments.quick)?;
    let judgement = format!("{judgement}{lies}");
    print(&judgement)?;
    if let Some(path) = &arguments.held_out_motion {
        timing::write_held_out(path, &arguments.output, registry, &robot, &divided)?;
    }
    folder::write(arguments, &robot, &divided, &trained, &judgement)?;
    training::forget(&arguments.output)?;
    print(&folder::how_to_start(&arguments.output))
}

/// Reads every recording; the same joints may come from several.
fn gather(arguments: &AdoptArguments, robot: &Robot) -> anyhow::Result<Frames> {
    let mut frames = Frames::of(robot);
    let mut files = Vec::new();
    for path in &arguments.data {
        collect(path, 0, &mut files)?;
    }
    for path in &files {
        let is = |ending: &str| path.extension().is_some_and(|got| got.eq_ignore_ascii_case(ending));
        if is("npz") {
            tables::read_npz(path, arguments, &mut frames)?;
        } else if is("csv") {
            tables::read_csv(path, arguments, &mut frames)?;
        } else {
            bags::read(path, arguments.topic.as_deref(), &mut frames)?;
        }
    }
    frames.expect_some(&arguments.data)?;
    frames.settle_units(robot, arguments.degrees, arguments.radians)?;
    Ok(frames)
}

/// How deep folders are searched for arrays and tables.
const DEPTH: usize = 3;

/// Lists arrays and tables in a folder and those below, and the folder itself where it holds bags.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let cannot = || format!("cannot read {}", path.display());
    let entries = std::fs::read_dir(path).with_context(cannot)?;
    let mut inside =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().with_context(cannot)?;
    inside.sort();
    let ends = |path: &Path, endings: &[&str]| {
        path.extension().is_some_and(|got| endings.iter().any(|ending| got.eq_ignore_ascii_case(ending)))
    };
    let before = files.len();
    files.extend(inside.iter().filter(|path| path.is_file() && ends(path, &["npz", "csv"])).cloned());
    for folder in inside.iter().filter(|path| path.is_dir() && depth < DEPTH) {
        collect(folder, depth + 1, files)?;
    }
    let is_bag = |path: &PathBuf| path.is_file() && ends(path, &["mcap", "db3", "zstd", "zst", "lz4"]);
    if inside.iter().any(is_bag) || (depth == 0 && files.len() == before) {
        files.push(path.to_owned());
    }
    Ok(())
}
