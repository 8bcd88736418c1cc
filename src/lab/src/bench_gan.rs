//! `thalweg bench gan`: every way to invert the face generator, on the same images and gaps.

mod completions;
mod curves;
mod descent;
mod pictures;
mod report;
mod world;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use thalweg_nn::files::write_atomically;

use crate::bench_pose::store::Store;

/// What `--help` prints below the options.
const HELP: &str = "\
In distribution: images that the generator makes of seeds that no training uses. Out of distribution:
animals of CIFAR-10 (images/cifar10-jpeg.zip in --data or THALWEG_DATA), enlarged; without them that
part is left out, and the report says so.

The output folder gets results.json, results.md and pictures. results.json is written as it comes:
the same command goes on where it was ended.";

/// Options of `thalweg bench gan`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct GanArguments {
    /// Folder with images/cifar10-jpeg.zip [default: THALWEG_DATA]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of the weights of tasks
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// The landscape
    #[arg(long, value_name = "FILE", default_value = "models/gan_inversion_theta.safetensors")]
    landscape: PathBuf,
    /// The encoder of images, an amortised start
    #[arg(long, value_name = "FILE", default_value = "models/gan_inversion_start.safetensors")]
    start: PathBuf,
    /// Images of each kind
    #[arg(long, default_value_t = 16)]
    images: u32,
    /// Steps of the longest descent
    #[arg(long, default_value_t = 200)]
    steps: u32,
    /// Images on which learning rates are chosen
    #[arg(long, default_value_t = 6)]
    tuning: u32,
    /// Images of each kind that are completed
    #[arg(long, default_value_t = 4)]
    completions: u32,
    /// Steps of a completion
    #[arg(long, default_value_t = 50)]
    completion_steps: u32,
    /// Leave the pictures of images out
    #[arg(long)]
    no_images: bool,
    /// Where the results go
    #[arg(long, value_name = "DIR", default_value = "out/bench_gan")]
    output: PathBuf,
}

/// How much is measured.
#[derive(Clone, Debug, Serialize)]
struct Sizes {
    images: usize,
    steps: u32,
    tuning: usize,
    /// Steps of descents that are timed, one image at a time.
    timed_steps: u32,
    completions: usize,
    completion_steps: u32,
}

/// Measures, writes results and prints the tables.
pub(crate) fn run(arguments: &GanArguments) -> anyhow::Result<()> {
    thalweg_engine::pin_threads(1);
    let sizes = Sizes {
        images: arguments.images as usize,
        steps: arguments.steps,
        tuning: arguments.tuning as usize,
        timed_steps: arguments.steps.min(100),
        completions: arguments.completions as usize,
        completion_steps: arguments.completion_steps,
    };
    let world = world::World::load(arguments, sizes)?;
    let blocks = curves::count(&world) + completions::count(&world);
    let mut store = Store::open("bench gan", &arguments.output, &world.options()?, blocks as u64)?;
    let (mut curves, mut completions) = (Vec::new(), Vec::new());
    let measured = curves::measure(&world, &mut store, &mut curves)
        .and_then(|()| completions::measure(&world, &mut store, &curves, &mut completions));
    // What is there is shown even when the rest was not to be had.
    let text = report::text(&world, &curves, &completions)?;
    write_atomically(&arguments.output.join("results.md"), text.as_bytes())?;
    pictures::curves(&world, &curves, &arguments.output)?;
    store.close()?;
    measured?;
    if !arguments.no_images {
        pictures::images(&world, &curves, &arguments.output)?;
    }
    thalweg_cli::console::print(&text)
}
