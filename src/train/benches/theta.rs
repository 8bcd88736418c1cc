//! Times the training of a landscape on the processor, and on CUDA where libtorch has it.
//!
//! `cargo bench --bench theta`, then `-- --json FILE` to keep the figures, `--quick` for the least that tries everything.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench takes times and writes its figures")]
#![allow(clippy::print_stdout, missing_docs, reason = "a program")]

use std::error::Error;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tch::Device;
use thalweg_engine::pin_threads;
use thalweg_task::{LoadOptions, sampled};
use thalweg_train::{Data, Preset, ThetaOptions, train};

/// Buffers of a training; the first one is not counted.
const BUFFERS: u32 = 4;
/// Observations to learn from.
const OBSERVATIONS: usize = 1024;

/// What the command line says.
#[derive(Default)]
struct Options {
    json: Option<String>,
    is_quick: bool,
}

impl Options {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut options = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => options.json = Some(words.next().ok_or("--json: a value is missing")?),
                "--quick" => options.is_quick = true,
                // Cargo's own.
                "--bench" => {}
                other => return Err(format!("{other}: unknown").into()),
            }
        }
        Ok(options)
    }
}

/// A preset, cut to a few buffers without held-out observations.
fn shortened(preset: Preset, latent: i64, is_quick: bool) -> ThetaOptions {
    let mut options = preset.options(latent);
    options.buffers = if is_quick { 2 } else { BUFFERS };
    options.validation.every = 0;
    if is_quick {
        options.collection.descents = 32 * options.collection.best_of;
    }
    options
}

/// Seconds of a buffer, the mean of all but the first, and the loss of the last update.
fn time(preset: Preset, device: Device, is_quick: bool) -> Result<(f64, f64), Box<dyn Error>> {
    let load = move || (thalweg_body_pose::ENTRY.load)(&LoadOptions { device, ..LoadOptions::default() });
    let task = load()?;
    let training = sampled(task.as_ref(), OBSERVATIONS, &mut StdRng::seed_from_u64(1))?;
    let options = shortened(preset, task.spec().latent, is_quick);
    let (mut ends, mut loss) = (Vec::new(), f64::NAN);
    let data = Data { training, ..Data::default() };
    train(&options, &load, &data, &mut |progress| {
        loss = progress.update;
        ends.push(Instant::now());
        true
    })?;
    let (Some(first), Some(last)) = (ends.first(), ends.last()) else { return Err("no buffer was reported".into()) };
    let counted = u32::try_from(ends.len() - 1)?;
    Ok((last.duration_since(*first).as_secs_f64() / f64::from(counted), loss))
}

fn main() -> Result<(), Box<dyn Error>> {
    pin_threads(1);
    let options = Options::read()?;
    let mut devices = vec![("cpu", Device::Cpu)];
    if tch::Cuda::is_available() {
        devices.push(("cuda:0", Device::Cuda(0)));
    } else {
        println!("libtorch has no CUDA here: the processor alone, one thread");
    }
    println!("\n| preset | device | s a buffer | loss of the last update |\n|---|---|---|---|");
    let mut rows: Vec<Value> = Vec::new();
    for preset in [Preset::Quick, Preset::Steps] {
        for (name, device) in &devices {
            let (seconds, loss) = time(preset, *device, options.is_quick)?;
            println!("| {} | {name} | {seconds:.3} | {loss:.4} |", preset.name());
            rows.push(json!({ "preset": preset.name(), "device": name, "s_a_buffer": seconds, "update_loss": loss }));
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}
