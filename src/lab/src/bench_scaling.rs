//! `thalweg-lab bench scaling`: what ranks cost and save, measured on one and two of them here, and a model for more.
//!
//! Ranks are threads of this process, each with a process group of its own on loopback: the same code and the same sockets
//! as between processes. What a rank computes is told by its thread's own clock, which stands still while it waits for
//! others, or for a core.

mod meter;
mod model;

use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustix::time::{ClockId, clock_gettime};
use tch::{Device, Kind, Tensor};
use thalweg::Registry;
use thalweg_cli::console::print;
use thalweg_distributed::{ProcessGroup, Rendezvous};
use thalweg_engine::pin_threads;
use thalweg_nn::Ranks;
use thalweg_task::{LoadOptions, Task};
use thalweg_train::{Data, Preset, ThetaOptions, UpdateOptions, ValidationOptions};

use self::meter::{Meter, Metered, Reading};
use self::model::{Exchange, Measured, Model};

/// Most that a rank waits for another one.
const PATIENCE: Duration = Duration::from_secs(300);
/// Observations that are drawn to train on.
const DRAWN: usize = 4096;
/// Buffers before those that are timed.
const WARM: usize = 1;
/// All-reduces that are timed, of each size.
const REPEATS: usize = 200;

/// Options of `thalweg-lab bench scaling`.
#[derive(Args)]
pub(crate) struct ScalingArguments {
    /// Task whose landscape is trained
    #[arg(long, default_value = "body_pose")]
    task: String,
    /// Folder of the weights of tasks
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Buffers that are timed
    #[arg(long, default_value_t = 8)]
    buffers: u32,
}

/// Measures and tells.
///
/// # Errors
/// What the training meets.
pub(crate) fn run(arguments: &ScalingArguments) -> anyhow::Result<()> {
    pin_threads(1);
    let (one, alone) = measured(arguments, 1)?;
    let (two, both) = measured(arguments, 2)?;
    let model = Model::of(one, two, exchange(both.reading.largest)?, both.reading);
    print(&model.table(&arguments.task, arguments.buffers))?;
    let (alone, both) = (alone.wall, both.wall);
    print(&format!("On the clock of this machine a buffer took {alone:.3} s on one rank and {both:.3} s on two.\n"))
}

/// Collection and update of a buffer on some ranks: an update more or less is the difference of two trainings.
fn measured(arguments: &ScalingArguments, size: usize) -> anyhow::Result<(Measured, Buffer)> {
    let once = buffer(arguments, size, 1)?;
    let update = (buffer(arguments, size, 3)?.compute - once.compute) / 2.0;
    Ok((Measured { collection: once.compute - update, update }, once))
}

/// A buffer on rank 0: medians of seconds, means of what is exchanged.
struct Buffer {
    /// What it computed.
    compute: f64,
    /// How long it took.
    wall: f64,
    reading: Reading,
}

fn buffer(arguments: &ScalingArguments, size: usize, epochs: u32) -> anyhow::Result<Buffer> {
    let all = together(size, |ranks, meter| train(arguments, ranks, meter, epochs))?;
    all.into_iter().next().context("no rank has measured")
}

fn train(arguments: &ScalingArguments, ranks: &Ranks, meter: &Meter, epochs: u32) -> anyhow::Result<Buffer> {
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let name = arguments.task.clone();
    let load = move || Registry::shipped().load(&name, &options);
    let task = load()?;
    let training = thalweg_task::sampled(task.as_ref(), DRAWN, &mut StdRng::seed_from_u64(1))?;
    let data = Data { training, ..Data::default() };
    let options = theta_options(task.as_ref(), arguments.buffers, epochs, ranks.clone());
    let (mut compute, mut wall) = (Vec::new(), Vec::new());
    let mut last = (thread_seconds(), Instant::now());
    thalweg_train::train(&options, &load, &data, &mut |_progress| {
        compute.push(thread_seconds() - last.0);
        wall.push(last.1.elapsed().as_secs_f64());
        last = (thread_seconds(), Instant::now());
        true
    })?;
    Ok(Buffer { compute: median(compute)?, wall: median(wall)?, reading: meter.reading(options.buffers) })
}

/// Seconds for which this thread has had a core.
fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The median of what was timed after the first buffers.
fn median(mut times: Vec<f64>) -> anyhow::Result<f64> {
    let mut timed = times.split_off(WARM.min(times.len()));
    timed.sort_by(f64::total_cmp);
    timed.get(timed.len() / 2).copied().context("no buffer was timed")
}

fn theta_options(task: &dyn Task, buffers: u32, epochs: u32, ranks: Ranks) -> ThetaOptions {
    let preset = Preset::default().options(task.spec().latent);
    ThetaOptions {
        buffers: buffers + WARM as u32,
        update: UpdateOptions { epochs, ..preset.update },
        // A report, and so a time, after every buffer; nothing is held out.
        validation: ValidationOptions { every: 0, ..preset.validation },
        ranks,
        ..preset
    }
}

/// Median seconds of an all-reduce between two ranks: of one number, and of as many bytes as gradients have.
fn exchange(bytes: u64) -> anyhow::Result<Exchange> {
    let all = together(2, |ranks, _meter| {
        let time = |count: i64| -> anyhow::Result<f64> {
            let tensor = Tensor::zeros([count], (Kind::Float, Device::Cpu));
            let mut times = Vec::new();
            for _ in 0..REPEATS {
                let begun = Instant::now();
                drop(ranks.sum(&tensor)?);
                times.push(begun.elapsed().as_secs_f64());
            }
            times.sort_by(f64::total_cmp);
            Ok(times[REPEATS / 2])
        };
        Ok(Exchange { small: time(1)?, large: time((bytes / 4).max(1) as i64)? })
    })?;
    all.into_iter().next().context("no rank has measured")
}

/// Runs the same on each rank.
fn together<T: Send>(size: usize, work: impl Fn(&Ranks, &Meter) -> anyhow::Result<T> + Sync) -> anyhow::Result<Vec<T>> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let on = |rank: usize| {
        let address = "127.0.0.1".to_owned();
        let place = Rendezvous { rank, size, local_rank: 0, address, port, agent_holds_store: false, restart: 0 };
        let meter = Meter::default();
        if size == 1 {
            return work(&Ranks::alone(), &meter);
        }
        let collectives = Box::new(ProcessGroup::join(&place, PATIENCE)?);
        let ranks = Ranks::of(Box::new(Metered { collectives, meter: meter.clone() }));
        let done = work(&ranks, &meter);
        ranks.leave();
        done
    };
    let on = &on;
    thread::scope(|scope| {
        let ranks: Vec<_> = (0..size).map(|rank| scope.spawn(move || on(rank))).collect();
        ranks.into_iter().map(|rank| rank.join().map_err(|_panic| anyhow!("a rank panicked"))?).collect()
    })
}
