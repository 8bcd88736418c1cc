//! Times whole solves on GPUs beside the native engine and libtorch, on CUDA where it has it, says what `device: auto` makes
//! of each, and watches their memory.
//!
//! `cargo bench --bench gpu`, then `-- --adapter NAME` for one adapter (all without), `--json FILE` to keep the figures,
//! `--rounds N` for another number of turns, `--soak N` to do so many solves and watch the memory instead, `--quick` for
//! the least that tries everything.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench takes times and writes its figures")]
#![allow(clippy::print_stdout, missing_docs, reason = "a program")]

use std::error::Error;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use thalweg::clock::SystemClock;
use thalweg::{Plan, Registry};
use thalweg_engine::gpu::{Gpu, GpuChoice, adapters};
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_engine::{AdamConfig, Backend, BackendChoice, Budget, Engine, EngineConfig, Optimizer, pin_threads};
use thalweg_task::{LoadOptions, Observation};

/// Steps of a solve.
const STEPS: u32 = 10;
/// Turns of each arm.
const ROUNDS: usize = 15;

/// What the command line says.
struct Options {
    adapter: Option<String>,
    json: Option<String>,
    rounds: usize,
    hypotheses: Vec<usize>,
    soak: Option<usize>,
}

impl Options {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut options =
            Self { adapter: None, json: None, rounds: ROUNDS, hypotheses: vec![1, 8, 32, 128], soak: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word}: a value is missing"));
            match word.as_str() {
                "--adapter" => options.adapter = Some(value()?),
                "--json" => options.json = Some(value()?),
                "--rounds" => options.rounds = value()?.parse()?,
                "--soak" => options.soak = Some(value()?.parse()?),
                "--many" => options.hypotheses.push(1024),
                "--quick" => (options.rounds, options.hypotheses) = (1, vec![1, 8]),
                // Cargo's own.
                "--bench" => {}
                other => return Err(format!("{other}: unknown").into()),
            }
        }
        Ok(options)
    }
}

/// Angles of a body of which an arm is hidden.
fn observation(pace: f32) -> Observation {
    let mut angles: Vec<f32> = (0..63u8).map(|index| 0.4 * (f32::from(index) * pace).sin()).collect();
    angles[45..57].fill(f32::NAN);
    Observation::of_joints(&Tensor::from_slice(&angles).view([1, 63]))
}

/// What computes.
#[derive(Clone, Copy)]
enum Arm<'a> {
    Native,
    Shader(&'a Gpu),
    /// libtorch, step by step, on a device.
    Eager(Device),
}

fn engine(in_z: bool, hypotheses: usize, arm: Arm<'_>) -> Result<Engine, Box<dyn Error>> {
    let (device, backend) = match arm {
        Arm::Native => (Device::Cpu, BackendChoice::Fused),
        Arm::Shader(_) => (Device::Cpu, BackendChoice::Auto),
        Arm::Eager(device) => (device, BackendChoice::Tch),
    };
    let task = (thalweg_body_pose::ENTRY.load)(&LoadOptions { device, ..LoadOptions::default() })?;
    let latent = task.spec().latent;
    let landscape = if in_z {
        Landscape::random(&LandscapeShape::for_latent(latent), 1, Kind::Float, device)?
    } else {
        Landscape::identity(latent)
    };
    let optimizer = Optimizer::Adam(AdamConfig { rate: 0.05, ..AdamConfig::default() });
    let config = EngineConfig { hypotheses, optimizer, backend, fresh: 0, warm_start: false, ..Default::default() };
    let mut engine = Engine::new(task, landscape, config)?;
    if let Arm::Shader(gpu) = arm {
        engine.use_gpu(gpu)?;
    }
    Ok(engine)
}

/// Time of a solve of so many steps, and the best loss.
fn solve(engine: &mut Engine, steps: u32) -> Result<(Duration, f64), Box<dyn Error>> {
    let (obs, clock) = (observation(1.3), SystemClock::default());
    // The same random numbers each time.
    engine.recall(thalweg_engine::Memory::default())?;
    let begin = Instant::now();
    let least = engine.solve(&obs, &Budget::of_steps(steps), &clock)?.loss[0];
    Ok((begin.elapsed(), least))
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// Median milliseconds of a solve of none, and of [`STEPS`], by each engine in turn, and the losses after them.
fn turns(engines: &mut [Engine], rounds: usize) -> Result<Vec<[f64; 3]>, Box<dyn Error>> {
    let mut times = vec![[Vec::new(), Vec::new()]; engines.len()];
    let mut losses = vec![0.0; engines.len()];
    for engine in &mut *engines {
        // Drivers compile at the first call.
        solve(engine, 1)?;
    }
    for _ in 0..rounds {
        for ((engine, times), least) in engines.iter_mut().zip(&mut times).zip(&mut losses) {
            times[0].push(solve(engine, 0)?.0);
            let (time, loss) = solve(engine, STEPS)?;
            times[1].push(time);
            *least = loss;
        }
    }
    let one = |([none, all], least): ([Vec<Duration>; 2], f64)| [median(none), median(all), least];
    Ok(times.into_iter().zip(losses).map(one).collect())
}

fn compare(gpu: &Gpu, options: &Options) -> Result<Vec<Value>, Box<dyn Error>> {
    let (device, eager) = match Device::cuda_if_available() {
        Device::Cpu => (Device::Cpu, "tch (cpu)"),
        device => (device, "tch (cuda:0)"),
    };
    println!("\n{}\n", gpu.report());
    println!(
        "| descent | K | native, ms | gpu, ms | {eager}, ms | native, us a step | gpu, us a step | {eager}, us a step | gpu, ms beside steps | losses apart, gpu | losses apart, {eager} |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for in_z in [true, false] {
        for &hypotheses in &options.hypotheses {
            let arms = [Arm::Native, Arm::Shader(gpu), Arm::Eager(device)];
            let mut engines = Vec::new();
            for arm in arms {
                engines.push(engine(in_z, hypotheses, arm)?);
            }
            let figures = turns(&mut engines, options.rounds)?;
            let [native, on_gpu, by_tch] = figures[..] else { return Err("three engines give three rows".into()) };
            let backends: Vec<Backend> = engines.iter().map(Engine::backend).collect();
            if backends != [Backend::Fused, Backend::Gpu, Backend::Tch] {
                return Err(format!("{backends:?} did it: {:?}", engines[1].gpu_trouble()).into());
            }
            let step = |[none, all, _]: [f64; 3]| (all - none) / f64::from(STEPS) * 1e3;
            // A solve without steps evaluates once.
            let beside = |row: [f64; 3]| (row[0] - step(row) / 1e3).max(0.0);
            let descent = if in_z { "Adam in z" } else { "Adam in x" };
            let apart = |row: [f64; 3]| (native[2] - row[2]).abs() / native[2].max(1e-9);
            println!(
                "| {descent} | {hypotheses} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {:.2} | {:.1e} | {:.1e} |",
                native[1],
                on_gpu[1],
                by_tch[1],
                step(native),
                step(on_gpu),
                step(by_tch),
                beside(on_gpu),
                apart(on_gpu),
                apart(by_tch),
            );
            rows.push(json!({
                "adapter": gpu.report().to_string(), "descent": descent, "hypotheses": hypotheses, "steps": STEPS,
                "native_ms": native[1], "gpu_ms": on_gpu[1], "native_step_us": step(native),
                "gpu_step_us": step(on_gpu), "gpu_beside_ms": beside(on_gpu), "losses_apart": apart(on_gpu),
                "eager": eager, "eager_ms": by_tch[1], "eager_step_us": step(by_tch), "eager_losses_apart": apart(by_tch),
            }));
        }
    }
    Ok(rows)
}

/// What `device: auto` finds of the shipped body, with its start, at each number of hypotheses.
fn automatic(index: usize, options: &Options) -> Vec<Value> {
    let mut rows = Vec::new();
    println!();
    for &hypotheses in &options.hypotheses {
        let mut plan = Plan::of(Registry::shipped(), thalweg_body_pose::ENTRY.name);
        let fresh = plan.engine.fresh.min(hypotheses - 1);
        (plan.engine.hypotheses, plan.engine.fresh) = (hypotheses, fresh);
        let begin = Instant::now();
        let trial = plan.compare_gpu(&GpuChoice::Index(index));
        let seconds = begin.elapsed().as_secs_f64();
        println!("device auto, in {seconds:.1} s: {trial}");
        rows.push(json!({ "auto": trial.to_string(), "is_faster": trial.is_faster(), "hypotheses": hypotheses, "seconds": seconds }));
    }
    rows
}

/// Resident memory of this process, MiB.
fn resident() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: f64 = text.split_whitespace().nth(1).ok_or("no second number in statm")?.parse()?;
    Ok(pages * 4096.0 / f64::from(1 << 20))
}

fn soak(gpu: &Gpu, solves: usize) -> Result<Value, Box<dyn Error>> {
    let mut engine = engine(false, 4, Arm::Shader(gpu))?;
    let mut samples = Vec::new();
    for index in 0..=solves {
        solve(&mut engine, 1)?;
        if index % (solves / 10).max(1) == 0 {
            let now = resident()?;
            println!("after {index} solves: {now:.1} MiB");
            samples.push(json!({ "solves": index, "mib": now }));
        }
    }
    Ok(json!({ "adapter": gpu.report().to_string(), "soak": samples }))
}

fn main() -> Result<(), Box<dyn Error>> {
    pin_threads(1);
    let options = Options::read()?;
    let all = adapters().into_iter().enumerate();
    let wanted = |name: &str| options.adapter.as_ref().is_none_or(|wanted| name.contains(wanted.as_str()));
    let chosen: Vec<usize> = all.filter(|(_, adapter)| wanted(&adapter.name)).map(|(index, _)| index).collect();
    if chosen.is_empty() {
        println!("no adapter; tools/setup_graphics.sh --compute installs one in software");
    }
    let mut figures = Vec::new();
    for index in chosen {
        let gpu = Gpu::open(&GpuChoice::Index(index))?;
        match options.soak {
            Some(solves) => figures.push(soak(&gpu, solves)?),
            None => {
                figures.extend(compare(&gpu, &options)?);
                figures.extend(automatic(index, &options));
            }
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&figures)?)?;
    }
    Ok(())
}
