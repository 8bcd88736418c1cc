//! `thalweg train encoder`: the feed-forward rival of descents on `gan_inversion`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg::engine::pin_threads;
use thalweg::registry;
use thalweg::train::{MaskOptions, Masks, hide};
use thalweg_gan_inversion::{ENTRY, Encoder};
use thalweg_task::weights::{self, Weights};
use thalweg_task::{AdamW, AdamWConfig, LoadOptions, Observation, Task};

use super::theta;
use crate::job::Job;

/// Steps between two reports, each with a checkpoint.
const REPORT_EVERY: i32 = 50;
/// Seed of the held-out images: the same in every training.
const HELD_OUT_SEED: u64 = 0x6865_6c64;
/// Images on which it is judged.
const HELD_OUT: usize = 64;
/// Decay of the average of the weights, which is what is kept.
const AVERAGE: f64 = 0.995;

/// Options of `thalweg train encoder`.
#[derive(Args, Serialize)]
pub(crate) struct EncoderArguments {
    /// Folder of the weights of tasks
    #[arg(long, default_value = "models")]
    #[serde(skip)]
    models: PathBuf,
    /// Where the weights go
    #[arg(long, default_value = "models/gan_inversion_encoder.safetensors")]
    #[serde(skip)]
    output: PathBuf,
    /// Gradient steps
    #[arg(long, default_value_t = 4000)]
    steps: i32,
    /// Images in a step, each drawn anew
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Every so many steps the image counts, too, not the latent alone; 0 for never
    #[arg(long, default_value_t = 4)]
    image_every: i32,
    /// Weight of the image's loss against the latent's
    #[arg(long, default_value_t = 4.0)]
    image_weight: f64,
    /// Learning rate at the start; it falls to 1 % along a cosine
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Train no further: write the encoder of a stopped training
    #[arg(long)]
    #[serde(skip)]
    finish: bool,
}

/// Where the training stands.
#[derive(Serialize)]
struct Progress {
    step: i32,
    update: f64,
    /// Mean squared error of the latents of held-out images; a guess of zero has 1.
    latent: f64,
    /// Loss of those images.
    image: f64,
}

/// Trains, or resumes, and writes the encoder.
pub(crate) fn run(arguments: &EncoderArguments) -> anyhow::Result<()> {
    pin_threads(1);
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    let task = registry::load(ENTRY.name, &options)?;
    let checkpoint = arguments.output.with_extension("checkpoint");
    theta::expect_checkpoint(arguments.finish, &checkpoint)?;
    let mut training = Training::start(arguments, task, &checkpoint)?;
    let mut job = Job::start("encoder", arguments.steps.max(0) as u64, &arguments.output.with_extension("log"))?;
    while !arguments.finish && training.optimizer.steps() < arguments.steps {
        let update = training.step()?;
        let step = training.optimizer.steps();
        if step % REPORT_EVERY == 0 || step == arguments.steps {
            training.save(&checkpoint)?;
            let (latent, image) = training.judge()?;
            let text = format!("update {update:.3}, held out: latent {latent:.3}, image {image:.3}");
            if !job.report(step as u64, &text, &Progress { step, update, latent, image }) {
                break;
            }
        }
    }
    job.finish(&checkpoint)?;
    let (latent, image) = training.judge()?;
    let steps = training.optimizer.steps();
    let figures = format!("after {steps} steps held-out latent error {latent:.4}, loss {image:.4}");
    let how = [("options", serde_json::to_string(arguments)?), ("figures", figures.clone())];
    Encoder::new(training.optimizer.averaged())?.save(&arguments.output, training.task.spec(), &how)?;
    Job::forget(&checkpoint)?;
    crate::console::print(&format!("wrote {}: {figures}\n", arguments.output.display()))
}

struct Training<'a> {
    arguments: &'a EncoderArguments,
    task: Box<dyn Task>,
    masks: Masks,
    encoder: Encoder,
    optimizer: AdamW,
}

impl<'a> Training<'a> {
    fn start(arguments: &'a EncoderArguments, task: Box<dyn Task>, checkpoint: &Path) -> anyhow::Result<Self> {
        let config = AdamWConfig { average: AVERAGE, weight_decay: 1e-2, ..AdamWConfig::default() };
        let mut optimizer = AdamW::new(untrained(arguments.seed), config);
        if checkpoint.exists() {
            let file = Weights::open(checkpoint, Kind::Float, Device::Cpu)?;
            file.expect_meta("options", &serde_json::to_string(arguments)?)?;
            file.expect_meta("fingerprint", &task.spec().fingerprint)?;
            optimizer.restore(&file, "optimizer", file.meta("updates")?)?;
        }
        let encoder = Encoder::new(optimizer.parameters().iter().map(Tensor::shallow_clone).collect())?;
        let masks = Masks::new(&MaskOptions { whole: 0.5, joints: 0.25, end_effectors: 0.25, limbs: 0.0 }, task.spec());
        Ok(Self { arguments, task, masks, encoder, optimizer })
    }

    /// Descends once; the seed is that of the step, so that a resumed training draws the same.
    fn step(&mut self) -> anyhow::Result<f64> {
        let EncoderArguments { seed, batch, image_every, image_weight, .. } = *self.arguments;
        let done = self.optimizer.steps();
        let mut random = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9).wrapping_add(done as u64));
        let (x, complete) = self.draw(batch, &mut random)?;
        let guess = self.encoder.encode(&hide(&complete, &self.masks, &mut random), self.task.spec())?;
        let mut loss = (&guess - x).square().mean(Kind::Float);
        if image_every > 0 && done % image_every == 0 {
            loss += self.loss(&guess, &complete)? * image_weight;
        }
        let along = f64::from(done) / f64::from(self.arguments.steps.max(1));
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * along).cos());
        self.optimizer.descend(&loss, self.arguments.rate * (0.01 + 0.99 * cosine));
        let loss = loss.double_value(&[]);
        anyhow::ensure!(loss.is_finite(), "the loss is not finite after {done} steps; a smaller --rate may help");
        Ok(loss)
    }

    /// Draws latents and their images.
    fn draw(&self, rows: usize, random: &mut StdRng) -> anyhow::Result<(Tensor, Observation)> {
        let latent = self.task.spec().latent;
        let values: Vec<f32> = (0..rows as i64 * latent).map(|_| random.sample(StandardNormal)).collect();
        let x = Tensor::from_slice(&values).view([rows as i64, latent]);
        let y = tch::no_grad(|| self.task.forward(&x))?;
        Ok((x, Observation::of_image(&y)))
    }

    fn loss(&self, x: &Tensor, complete: &Observation) -> anyhow::Result<Tensor> {
        let target = self.task.encode(complete)?;
        Ok(self.task.objective(&self.task.forward(x)?, &target)?.loss.mean(Kind::Float))
    }

    /// Judges the averaged weights on held-out images, whole: error of latents, loss of images.
    fn judge(&self) -> anyhow::Result<(f64, f64)> {
        let _no_grad = tch::no_grad_guard();
        let averaged = Encoder::new(self.optimizer.averaged())?;
        let (x, complete) = self.draw(HELD_OUT, &mut StdRng::seed_from_u64(HELD_OUT_SEED))?;
        let guess = averaged.encode(&complete, self.task.spec())?;
        let latent = (&guess - x).square().mean(Kind::Float).double_value(&[]);
        Ok((latent, self.loss(&guess, &complete)?.double_value(&[])))
    }

    fn save(&self, checkpoint: &Path) -> anyhow::Result<()> {
        let metadata = [
            ("options", serde_json::to_string(self.arguments)?),
            ("fingerprint", self.task.spec().fingerprint.clone()),
            ("updates", self.optimizer.steps().to_string()),
        ];
        weights::save(checkpoint, &self.optimizer.named("optimizer"), &metadata)
            .with_context(|| format!("cannot write {}", checkpoint.display()))
    }
}

/// Draws weights that keep the scale of a signal through leaky rectifiers (He et al., 2015); biases are zero.
fn untrained(seed: u64) -> Vec<Tensor> {
    let mut random = StdRng::seed_from_u64(seed);
    let draw = |shape: Vec<i64>| {
        let inputs: i64 = shape[1..].iter().product();
        let bound = if shape.len() > 1 { (6.0 / (1.04 * inputs as f64)).sqrt() } else { 0.0 };
        let count = shape.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|_| (bound * random.random_range(-1.0..1.0)) as f32).collect();
        Tensor::from_slice(&values).view(shape.as_slice()).set_requires_grad(true)
    };
    Encoder::shapes().into_iter().map(draw).collect()
}
