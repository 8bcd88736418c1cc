//! `thalweg_view`: a window on a node, a recording, or the demo; or pictures without a window.

mod arguments;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use thalweg_task::{panic_line, shipped};
use thalweg_view::body::Model;
use thalweg_view::headless::shoot;
use thalweg_view::source::{Demo, Recording, Stream};
use thalweg_view::window::{self, WindowOptions};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use arguments::{Arguments, Source};

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where nobody reads, there is nobody to tell.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    // Of others, errors only: winit warns about every odd screen.
    let levels = Targets::new()
        .with_default(Level::ERROR)
        .with_targets([("thalweg", Level::INFO), ("thalweg_view", Level::INFO)]);
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false).without_time();
    tracing_subscriber::registry().with(log.with_ansi(false).with_filter(levels)).init();
    if let Err(error) = thalweg_node::drivers::keep_quiet() {
        tracing::warn!("drivers may complain, for this program could not be started anew: {error}");
    }
    let ends = Arc::new(AtomicBool::new(false));
    let panicked = watch_panics(&ends);
    match run(&arguments, &ends) {
        Ok(()) if panicked.load(Ordering::Acquire) => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("thalweg_view: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ends the window when a thread beside it panics, the link to the node or the player: it would stand still for ever.
fn watch_panics(ends: &Arc<AtomicBool>) -> Arc<AtomicBool> {
    let (ends, panicked) = (Arc::clone(ends), Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&panicked);
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let thread = std::thread::current().name().unwrap_or("without a name").to_owned();
        tracing::error!("thalweg_view: thread {thread}: panic at {place}: {}", panic_line(panic.payload()));
        flag.store(true, Ordering::Release);
        ends.store(true, Ordering::Release);
    }));
    panicked
}

fn run(arguments: &Arguments, ends: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let source = arguments.source();
    let model = model(arguments, &source)?;
    if arguments.headless {
        return headless(arguments, source, model);
    }
    let flag = Arc::clone(ends);
    ctrlc::set_handler(move || flag.store(true, Ordering::Release)).context("cannot listen to signals")?;
    let title = format!("thalweg: {}", source.name());
    let options = WindowOptions { title, size: arguments.size.0, folder: arguments.pictures.clone() };
    window::run(&options, model, || stream(source), ends)
}

fn headless(arguments: &Arguments, source: Source, model: Option<Model>) -> anyhow::Result<()> {
    let shots = arguments.shots();
    match source {
        Source::Topics(_) => anyhow::bail!("--headless draws a recording or the demo: give --recording PATH or --demo"),
        Source::Recording(path) => shoot(&shots, model, Recording::open(&path)?),
        Source::Demo(options) => shoot(&shots, model, Demo::open(&options)?),
    }
}

fn stream(source: Source) -> anyhow::Result<Stream> {
    match source {
        Source::Topics(node) => Stream::of_topics(&node),
        Source::Recording(path) => Ok(Stream::of_clip(move || Recording::open(&path))?),
        Source::Demo(options) => Ok(Stream::of_clip(move || Demo::open(&options))?),
    }
}

/// The body: as asked for, else the one that is shipped for the task; none for a task without joints.
fn model(arguments: &Arguments, source: &Source) -> anyhow::Result<Option<Model>> {
    let path = match (&arguments.urdf, source) {
        (Some(path), _) => Some(path.clone()),
        (None, Source::Recording(path)) => {
            let recording = Recording::open(path)?;
            let setup = recording.setup().context("an open recording has a setup")?;
            let name = if setup.task == "body_pose" { "human_21" } else { &setup.task };
            Some(shipped(&format!("urdf/{name}.urdf"))).filter(|path| path.exists() || !setup.joints.is_empty())
        }
        (None, Source::Topics(_) | Source::Demo(_)) => Some(shipped("urdf/human_21.urdf")),
    };
    let model = path.map(|path| Model::load(&path)).transpose()?;
    for warning in model.iter().flat_map(Model::warnings) {
        tracing::warn!("{warning}");
    }
    Ok(model)
}
