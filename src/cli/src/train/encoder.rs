//! `thalweg train encoder`: an amortised start that sees.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde::Serialize;
use tch::{Kind, Tensor};
use thalweg::Registry;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::pin_threads;
use thalweg_engine::start::{ImageEncoder, Start, features};
use thalweg_nn::weights::{self, Weights};
use thalweg_nn::{AdamW, AdamWConfig};
use thalweg_task::{LoadOptions, Observation, Task};
use thalweg_train::{MaskOptions, Masks, hide};

use super::device::DeviceName;
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
/// Shares of images that are whole, have a gap somewhere, or show only their middle.
const MASKS: MaskOptions = MaskOptions { whole: 0.5, joints: 0.25, end_effectors: 0.25, limbs: 0.0 };

/// Options of `thalweg train encoder`.
#[derive(Args, Serialize)]
pub(crate) struct EncoderArguments {
    /// Task that observes an image and makes one of a latent
    #[arg(long, default_value = "gan_inversion")]
    task: String,
    /// Folder of the weights of tasks
    #[arg(long, default_value = "models")]
    #[serde(skip)]
    models: PathBuf,
    /// Where the weights go [default: TASK_start.safetensors in the folder of --models]
    #[arg(long)]
    #[serde(skip)]
    output: Option<PathBuf>,
    /// Take convolutions and mean from this start, and train its deviation only
    #[arg(long, value_name = "FILE", conflicts_with = "finish")]
    #[serde(skip)]
    from: Option<PathBuf>,
    /// Gradient steps for the mean
    #[arg(long, default_value_t = 4000)]
    steps: i32,
    /// Gradient steps for the deviation, after those
    #[arg(long, default_value_t = 1000)]
    deviation_steps: i32,
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
    /// Where to compute
    #[arg(long, default_value = "cpu")]
    #[serde(skip)]
    device: DeviceName,
    /// Train the mean of a stopped training no further, but its deviation
    #[arg(long)]
    #[serde(skip)]
    finish: bool,
}

/// Where the training stands.
#[derive(Serialize)]
struct Progress {
    step: i32,
    update: f64,
    #[serde(flatten)]
    judgement: Judgement,
}

/// How held-out images fare.
#[derive(Serialize)]
struct Judgement {
    /// Mean squared error of the latents of whole images; a guess of zero has 1.
    latent: f64,
    /// Loss of the whole images that are made of the guesses.
    image: f64,
    /// Mean squared error of the latents of images with gaps.
    gaps: f64,
    /// The same in units of the deviation that the encoder gives: 1 where that is right.
    calibration: f64,
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { latent, image, gaps, calibration } = self;
        write!(f, "latent {latent:.4}, image {image:.4}, latent with gaps {gaps:.4}, calibration {calibration:.3}")
    }
}

/// Trains, or resumes, and writes the start.
pub(crate) fn run(arguments: &EncoderArguments, registry: &Registry) -> anyhow::Result<()> {
    pin_threads(1);
    let (models, device) = (arguments.models.clone(), arguments.device.resolve()?);
    let default = models.join(format!("{}_start.safetensors", arguments.task));
    let output = arguments.output.clone().unwrap_or(default);
    let task = registry.load(&arguments.task, &LoadOptions { models, device, ..LoadOptions::default() })?;
    let checkpoint = output.with_extension("checkpoint");
    theta::expect_checkpoint(arguments.finish, &checkpoint)?;
    let mut training = Training::start(arguments, task, &checkpoint)?;
    let mut job = Job::start("encoder", training.last().max(0) as u64, &output.with_extension("log"))?;
    while training.step() < training.last() {
        let update = training.descend()?;
        let step = training.step();
        if step % REPORT_EVERY == 0 || step == training.last() {
            training.save(&checkpoint)?;
            let judgement = training.judge()?;
            let text = format!("update {update:.3}, held out: {judgement}");
            if !job.report(step as u64, &text, &Progress { step, update, judgement }) {
                break;
            }
        }
    }
    job.finish(&checkpoint)?;
    let (of_mean, of_deviation) = (training.mean.steps(), training.deviation.steps());
    let figures = format!("after {of_mean} and {of_deviation} steps held out: {}", training.judge()?);
    let how =
        [("options", serde_json::to_string(arguments)?), ("from", training.from.clone()), ("figures", figures.clone())];
    let spec = training.task.spec();
    Start::of_images(training.averaged()?).save(&output, spec, &Landscape::identity(spec.latent), &how)?;
    Job::forget(&checkpoint)?;
    crate::console::print(&format!("wrote {}: {figures}\n", output.display()))
}

/// First the mean learns, by its error and by the images that are made of it; then, with that fixed, how far it is off.
struct Training<'a> {
    arguments: &'a EncoderArguments,
    task: Box<dyn Task>,
    masks: Masks,
    /// Identity of the start whose mean was taken; empty where it was learned here.
    from: String,
    /// Convolutions and mean.
    mean: AdamW,
    deviation: AdamW,
}

impl<'a> Training<'a> {
    fn start(arguments: &'a EncoderArguments, task: Box<dyn Task>, checkpoint: &Path) -> anyhow::Result<Self> {
        let spec = task.spec();
        let mut parameters = ImageEncoder::untrained(spec, spec.latent, arguments.seed)?;
        let deviation = parameters.split_off(parameters.len() - ImageEncoder::OF_DEVIATION);
        let mut from = String::new();
        if let Some(path) = &arguments.from {
            let start = Start::trained(path, spec, &Landscape::identity(spec.latent))?;
            let encoder = start.encoder().with_context(|| format!("{}: reads no image", path.display()))?;
            parameters = encoder.parameters()[..parameters.len()].iter().map(Tensor::shallow_clone).collect();
            from = start.id().to_owned();
        }
        let config = AdamWConfig { average: AVERAGE, weight_decay: 1e-2, ..AdamWConfig::default() };
        let [mut mean, mut deviation] = [parameters, deviation].map(|parameters| AdamW::new(parameters, config));
        if checkpoint.exists() {
            let file = Weights::open(checkpoint, spec.kind, spec.device)?;
            file.expect_meta("options", &serde_json::to_string(arguments)?)?;
            file.expect_meta("fingerprint", &spec.fingerprint)?;
            file.expect_meta("from", &from)?;
            mean.restore(&file, "mean", file.meta("mean_steps")?)?;
            deviation.restore(&file, "deviation", file.meta("deviation_steps")?)?;
        }
        let masks = Masks::new(&MASKS, spec);
        Ok(Self { arguments, task, masks, from, mean, deviation })
    }

    /// Steps done of both kinds.
    fn step(&self) -> i32 {
        self.mean.steps() + self.deviation.steps()
    }

    /// Steps when it ends.
    fn last(&self) -> i32 {
        let of_mean = if self.is_mean_fixed() { self.mean.steps() } else { self.arguments.steps };
        of_mean + self.arguments.deviation_steps
    }

    fn is_mean_fixed(&self) -> bool {
        let is_told = self.arguments.finish || !self.from.is_empty();
        is_told || self.deviation.steps() > 0 || self.mean.steps() >= self.arguments.steps
    }

    /// Descends once; the seed is that of the step, so that a resumed training draws the same.
    fn descend(&mut self) -> anyhow::Result<f64> {
        let EncoderArguments { seed, batch, deviation_steps, .. } = *self.arguments;
        let step = self.step();
        let mut random = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9).wrapping_add(step as u64));
        let (x, complete) = self.draw(batch, &mut random)?;
        let seen = hide(&complete, &self.masks, &mut random);
        let is_for_mean = !self.is_mean_fixed();
        let loss = if is_for_mean { self.of_mean(&x, &complete, &seen)? } else { self.of_deviation(&x, &seen)? };
        let optimizer = if is_for_mean { &mut self.mean } else { &mut self.deviation };
        let last = if is_for_mean { self.arguments.steps } else { deviation_steps };
        let along = f64::from(optimizer.steps()) / f64::from(last.max(1));
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * along).cos());
        optimizer.descend(&loss, self.arguments.rate * (0.01 + 0.99 * cosine));
        let loss = loss.double_value(&[]);
        anyhow::ensure!(loss.is_finite(), "the loss is not finite after {step} steps; a smaller --rate may help");
        Ok(loss)
    }

    /// Error of the mean, now and then with that of the image made of it.
    fn of_mean(&self, x: &Tensor, complete: &Observation, seen: &Observation) -> anyhow::Result<Tensor> {
        let EncoderArguments { image_every, image_weight, .. } = *self.arguments;
        let (mean, _) = self.look(&self.encoder([self.mean.parameters(), self.deviation.parameters()])?, seen);
        let loss = (&mean - x).square().mean(Kind::Float);
        if image_every > 0 && self.mean.steps() % image_every == 0 {
            return Ok(loss + self.loss(&mean, complete)? * image_weight);
        }
        Ok(loss)
    }

    /// What the deviation says of the error of the mean, which is fixed.
    fn of_deviation(&self, x: &Tensor, seen: &Observation) -> anyhow::Result<Tensor> {
        let fixed = self.mean.averaged();
        let (mean, deviation) = self.look(&self.encoder([&fixed, self.deviation.parameters()])?, seen);
        Ok(ImageEncoder::surprise(&mean, &deviation, x).mean(Kind::Float))
    }

    fn encoder(&self, parameters: [&[Tensor]; 2]) -> anyhow::Result<ImageEncoder> {
        let parameters = parameters.into_iter().flatten().map(Tensor::shallow_clone).collect();
        let spec = self.task.spec();
        Ok(ImageEncoder::new(parameters, spec, spec.latent)?)
    }

    fn averaged(&self) -> anyhow::Result<ImageEncoder> {
        self.encoder([&self.mean.averaged(), &self.deviation.averaged()])
    }

    /// Mean and deviation of the latents of images.
    fn look(&self, encoder: &ImageEncoder, obs: &Observation) -> (Tensor, Tensor) {
        encoder.forward(&features(obs, self.task.spec(), ImageEncoder::READS))
    }

    /// Draws latents and their images.
    fn draw(&self, rows: usize, random: &mut StdRng) -> anyhow::Result<(Tensor, Observation)> {
        let spec = self.task.spec();
        let values: Vec<f32> = (0..rows as i64 * spec.latent).map(|_| random.sample(StandardNormal)).collect();
        let x = Tensor::from_slice(&values).view([rows as i64, spec.latent]).to_kind(spec.kind).to_device(spec.device);
        let y = tch::no_grad(|| self.task.forward(&x))?;
        Ok((x, Observation::of_image(&y)))
    }

    fn loss(&self, x: &Tensor, complete: &Observation) -> anyhow::Result<Tensor> {
        let target = self.task.encode(complete)?;
        Ok(self.task.objective(&self.task.forward(x)?, &target)?.loss.mean(Kind::Float))
    }

    /// Judges the averaged weights on held-out images, always with the same gaps.
    fn judge(&self) -> anyhow::Result<Judgement> {
        let _no_grad = tch::no_grad_guard();
        let spec = self.task.spec();
        let averaged = self.averaged()?;
        let mut random = StdRng::seed_from_u64(HELD_OUT_SEED);
        let (x, complete) = self.draw(HELD_OUT, &mut random)?;
        let mean_square = |tensor: Tensor| tensor.square().mean(Kind::Double).double_value(&[]);
        let (guess, _) = self.look(&averaged, &complete);
        let gaps = Masks::new(&MaskOptions { whole: 0.0, ..MASKS }, spec);
        let (hidden, deviation) = self.look(&averaged, &hide(&complete, &gaps, &mut random));
        Ok(Judgement {
            latent: mean_square(&guess - &x),
            image: self.loss(&guess, &complete)?.double_value(&[]),
            gaps: mean_square(&hidden - &x),
            calibration: mean_square((&hidden - &x) / deviation),
        })
    }

    fn save(&self, checkpoint: &Path) -> anyhow::Result<()> {
        let metadata = [
            ("options", serde_json::to_string(self.arguments)?),
            ("fingerprint", self.task.spec().fingerprint.clone()),
            ("from", self.from.clone()),
            ("mean_steps", self.mean.steps().to_string()),
            ("deviation_steps", self.deviation.steps().to_string()),
        ];
        let tensors: Vec<_> = self.mean.named("mean").into_iter().chain(self.deviation.named("deviation")).collect();
        weights::save(checkpoint, &tensors, &metadata).with_context(|| format!("cannot write {}", checkpoint.display()))
    }
}
