//! `thalweg train exemplars`.

use std::path::PathBuf;

use clap::Args;
use tch::{Device, Kind};
use thalweg::Registry;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::pin_threads;
use thalweg_nn::Ranks;
use thalweg_nn::weights::Weights;
use thalweg_task::{LoadOptions, models_folder};

use super::data::{self, DataSource};
use crate::console;

/// Entries of the metadata that say how theta was trained.
const KEPT: [&str; 2] = ["options", "data"];

/// Options of `thalweg train exemplars`.
#[derive(Args)]
pub(crate) struct ExemplarArguments {
    /// Task that the landscape is for
    #[arg(long, default_value = "body_pose")]
    task: String,
    /// For body_pose: folders with motion capture (cmu_expmap.npz, asap_smpl.npz, reactidle-bvh.zip, ..), motion of one's
    /// own (BVH or AMC files, folders or zip archives of them), or patterns of names; without any, observations are drawn from the task
    #[arg(long, value_name = "MOTION", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Observations of the task: arrays as `thalweg train theta` reads them
    #[arg(long, value_name = "NPZ", num_args = 1.., conflicts_with = "data")]
    observations: Vec<PathBuf>,
    /// Folder of the weights of tasks [default: the shipped ones]
    #[arg(long, default_value_os_t = models_folder(), hide_default_value = true)]
    models: PathBuf,
    /// Landscape with steps of its own [default: TASK_theta.safetensors in the folder of --models]
    #[arg(long, value_name = "FILE")]
    landscape: Option<PathBuf>,
    /// Where it goes with its examples [default: the file of --landscape]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many examples, spread evenly over all observations
    #[arg(long, default_value_t = 16_384)]
    count: usize,
    /// Threads for libtorch
    #[arg(long, default_value_t = 1)]
    threads: u32,
}

/// Inverts training observations and writes the landscape with them.
pub(crate) fn run(arguments: &ExemplarArguments, registry: &Registry) -> anyhow::Result<()> {
    pin_threads(arguments.threads);
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let (name, registry) = (arguments.task.clone(), registry.clone());
    let load = move || registry.load(&name, &options);
    let task = load()?;
    let default = arguments.models.join(format!("{}_theta.safetensors", arguments.task));
    let file = arguments.landscape.as_ref().unwrap_or(&default);
    let landscape = Landscape::trained(file, task.spec())?;
    let (motion, observations) = (arguments.data.as_slice(), arguments.observations.as_slice());
    let source = DataSource { motion, observations, seed: 1, ..DataSource::default() };
    let data = data::load(&source, task.as_ref(), &Ranks::alone())?;
    let landscape = thalweg_train::with_exemplars(&landscape, &load, &data.training, arguments.count)?;
    let before = Weights::open(file, Kind::Float, Device::Cpu)?;
    let mut how = vec![("exemplars_data", data.fingerprint())];
    how.extend(KEPT.into_iter().filter_map(|key| Some((key, before.meta(key).ok()?))));
    let output = arguments.output.as_ref().unwrap_or(file);
    landscape.save(output, task.spec(), &how)?;
    console::print(&format!("wrote {}: {} examples\n", output.display(), arguments.count))
}
