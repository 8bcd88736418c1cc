//! `thalweg-lab bench defence`: what repairing images is worth, under attacks that know of it and attacks that do not.

mod adaptive;
mod attacked;
mod cells;
mod costs;
mod plots;
mod report;
mod world;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use thalweg_nn::files::write_atomically;

use crate::bench_pose::store::Store;

/// What `--help` prints below the options.
const HELP: &str = "\
Each file of --defence is a classifier with its head, as `thalweg train head` writes it. Rate, bound and
lambda of the descent are chosen on validation images (a part of train), by attacked ones alone; for
what is called gentle among those that lose at most 1 % of clean ones. Test images are for the table.

static      the attack knows the classifier alone: PGD, all steps taken, the image with the most loss
ensemble    APGD-CE, then APGD-DLR, then Square on what still stands, the first image that fools
transfer    PGD on the next classifier of the list
adaptive    static, PGD through the unrolled descent, and PGD that takes the repair for a constant
            (BPDA), both for each number of steps; each image is tried on all numbers of steps, and
            what counts as right stands against all of them

The output folder gets results.json, results.md and pictures. results.json is written as it comes: the
same command goes on where it was ended.

Example:
  thalweg-lab bench defence --images cifar10-jpeg.zip --defence a.safetensors --defence b.safetensors";

/// Options of `thalweg-lab bench defence`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct DefenceArguments {
    /// Zip archive of images: train/CLASS/*.jpg and test/CLASS/*.jpg, 32 x 32 pixels
    #[arg(long, value_name = "FILE")]
    images: PathBuf,
    /// A defence; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    defence: Vec<PathBuf>,
    /// A landscape for the first defence; may be given several times
    #[arg(long, value_name = "FILE")]
    landscape: Vec<PathBuf>,
    /// Test images
    #[arg(long, default_value_t = 1000)]
    test: u32,
    /// Validation images, on which options are chosen
    #[arg(long, default_value_t = 200)]
    validation: u32,
    /// Test images of the adaptive attack
    #[arg(long, default_value_t = 100)]
    adaptive: u32,
    /// Test images of the ensemble
    #[arg(long, default_value_t = 300)]
    ensemble: u32,
    /// Steps of the static attack
    #[arg(long, default_value_t = 200)]
    steps: u32,
    /// Steps of each part of the adaptive attack
    #[arg(long, default_value_t = 40)]
    adaptive_steps: u32,
    /// Steps of each APGD
    #[arg(long, default_value_t = 100)]
    apgd_steps: u32,
    /// Queries of Square
    #[arg(long, default_value_t = 1000)]
    queries: u32,
    /// Where the results go
    #[arg(long, value_name = "DIR", default_value = "out/bench_defence")]
    output: PathBuf,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sizes {
    test: usize,
    validation: usize,
    adaptive: usize,
    ensemble: usize,
    steps: u32,
    adaptive_steps: u32,
    apgd_steps: u32,
    queries: u32,
}

/// Measures, writes results and prints the tables.
pub(crate) fn run(arguments: &DefenceArguments) -> anyhow::Result<()> {
    thalweg_engine::pin_threads(1);
    let sizes = Sizes {
        test: arguments.test as usize,
        validation: arguments.validation as usize,
        adaptive: arguments.adaptive.min(arguments.test) as usize,
        ensemble: arguments.ensemble.min(arguments.test) as usize,
        steps: arguments.steps,
        adaptive_steps: arguments.adaptive_steps,
        apgd_steps: arguments.apgd_steps,
        queries: arguments.queries,
    };
    let world = world::World::load(arguments, sizes)?;
    let mut store = Store::open("bench defence", &arguments.output, &world.options()?, world.blocks() as u64)?;
    let mut results = cells::Results::default();
    let measured = attacked::measure(&world, &mut store, &mut results);
    // What is there is shown even when the rest was not to be had.
    let text = report::text(&world, &results)?;
    write_atomically(&arguments.output.join("results.md"), text.as_bytes())?;
    plots::draw(&world, &results, &arguments.output)?;
    store.close()?;
    measured?;
    thalweg_cli::console::print(&text)
}
