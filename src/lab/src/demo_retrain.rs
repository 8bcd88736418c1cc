//! `thalweg demo-retrain`: a running node gets better from its own work.

mod curves;
mod motion;
mod stream;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use thalweg::Registry;
use thalweg_engine::pin_threads;
use thalweg_ros::client::peer::wait_until;
use thalweg_task::LoadOptions;
use thalweg_train::Preset;

use self::stream::{Session, Stretch};
use thalweg_cli::train::retrain::{REHEARSAL, RetrainArguments, Retraining, VALIDATION};

/// Frames of the stream a second.
const RATE: f64 = 30.0;
/// Share of a recording that retraining holds out, from its end: what is played before and after.
const HELD_OUT: f64 = 0.2;
/// The longest that the node may take to see its new landscape.
const RELOAD: Duration = Duration::from_secs(20);

/// What `--help` says below the options.
const HELP: &str = "\
Starts a thalweg_node on the shipped landscape and shows it motions unlike everything that was trained on:
sitting, squatting, climbing, with arms or legs hidden. The node records what it solves. Then
  1. the held-out end of the stream is played again, and what the node makes of it is measured;
  2. `thalweg train theta --from-recordings` retrains the landscape, compares it with the old one, and puts it in
     the place that the node watches when it is no worse on held-out recordings and on the shipped validation
     set, and better on one;
  3. the node, which has run all the while, takes it between two observations; the end is played once more.

Writes retrain.json and the curves of loss against steps. Exit code 5: the new landscape was not promoted.";

/// Options of `thalweg demo-retrain`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct DemoRetrainArguments {
    /// Folder that recordings, weights and pictures go to; what an earlier run left there is replaced
    #[arg(long, default_value = "out/retrain")]
    output: PathBuf,
    /// Folder of the weights of tasks
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Seconds of the stream that is recorded
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Buffers of the retraining [default: as in the preset retrain]
    #[arg(long)]
    buffers: Option<u32>,
    /// Folder with motion capture that is mixed in [default: bundled training poses]
    #[arg(long)]
    mix: Option<PathBuf>,
    /// Weight of pseudo-truth
    #[arg(long, default_value_t = 0.1)]
    pseudo_weight: f64,
    /// Seed of motion, node and training
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Records, retrains, promotes, reloads.
pub(crate) fn run(arguments: &DemoRetrainArguments) -> anyhow::Result<()> {
    pin_threads(1);
    let begin = Instant::now();
    let stretch = Stretch::new((f64::from(arguments.seconds) * RATE) as usize, RATE, arguments.seed)?;
    let held_out = stretch.end(HELD_OUT);
    let peer = crate::live::connect("thalweg_demo")?;
    let folder = fresh_folder(&arguments.output)?;
    let theta = folder.join("theta.safetensors");
    let shipped = arguments.models.join("body_pose_theta.safetensors");
    std::fs::copy(&shipped, &theta).with_context(|| format!("cannot copy {}", shipped.display()))?;
    let recordings = folder.join("recordings");

    let models = std::path::absolute(&arguments.models)?;
    let mut session = Session::start(&peer, &stream::parameters(&models, &theta, &recordings, arguments.seed))?;
    let old = session.theta().context("the node does not name its landscape")?;
    say(&format!("node on landscape {old}: recording {} s of motions it was not trained on", arguments.seconds))?;
    session.play(&stretch)?;
    let file = session.trigger("/thalweg/save_recording")?;
    session.trigger("/thalweg/stop_recording")?;
    say(&format!("recorded {file}"))?;
    let before = session.play(&held_out)?;

    let report = retrain(arguments, recordings, &theta, &folder)?;
    curves::save(&report.verdict, &folder)?;
    let new = report.new.clone();
    let promoted = report.promoted;
    report.outcome(&theta)?;
    ensure!(promoted, "it was not promoted");
    let is_taken = wait_until(RELOAD, || session.theta().as_deref() == Some(new.as_str()));
    session.check()?;
    ensure!(is_taken, "the node did not take landscape {new} within {} s", RELOAD.as_secs());
    say(&format!("the running node has taken landscape {new}"))?;
    let after = session.play(&held_out)?;
    session.end()?;
    say(&stream::table(&before, &after))?;
    say(&format!("{:.0} s in all; curves and figures are in {}", begin.elapsed().as_secs_f64(), folder.display()))
}

fn retrain(
    arguments: &DemoRetrainArguments,
    recordings: PathBuf,
    theta: &Path,
    folder: &Path,
) -> anyhow::Result<thalweg_cli::train::retrain::Report> {
    let loading = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let load = move || Registry::shipped().load(thalweg_body_pose::ENTRY.name, &loading);
    let latent = load()?.spec().latent;
    let mut options = thalweg_train::ThetaOptions { seed: arguments.seed, ..Preset::Retrain.options(latent) };
    options.buffers = arguments.buffers.unwrap_or(options.buffers);
    let told = RetrainArguments {
        from_recordings: vec![recordings],
        memory: None,
        approved: None,
        mix: arguments.mix.iter().cloned().collect(),
        pseudo_weight: arguments.pseudo_weight,
        validation: PathBuf::from(VALIDATION),
        rehearsal: PathBuf::from(REHEARSAL),
        report: Some(folder.to_owned()),
    };
    let (arguments, recordings, drawn, descent) = (&told, &told.from_recordings, None, (None, None));
    let retraining = Retraining { arguments, recordings, current: theta, output: theta, drawn, options, descent };
    retraining.run(&load)?.context("one rank reports")
}

/// Empties and makes the folder; only what this demo makes is removed.
fn fresh_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = std::path::absolute(folder)?;
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    for name in ["theta.checkpoint", "theta.log", "theta.rejected.safetensors"] {
        let path = folder.join(name);
        if path.exists() {
            std::fs::remove_file(&path)?;
        }
    }
    let recordings = folder.join("recordings");
    if recordings.exists() {
        std::fs::remove_dir_all(&recordings)?;
    }
    Ok(folder)
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
