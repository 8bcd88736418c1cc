//! `thalweg train encoder`: an amortised start that sees.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde::Serialize;
use tch::{Device, Kind, Tensor};
use thalweg::Registry;
use thalweg_engine::landscape::Landscape;
use thalweg_engine::pin_threads;
use thalweg_engine::start::{ImageEncoder, Start, features};
use thalweg_nn::weights::Weights;
use thalweg_nn::{AdamW, AdamWConfig, Checkpoint, CosineRate, Learner, Ranks, State, Training};
use thalweg_task::{LoadOptions, Observation, Task, models_folder};
use thalweg_train::{MaskOptions, Masks, hide};

use super::device::DeviceName;
use super::theta;
use crate::job::Job;

/// Steps between two reports, each with a checkpoint.
const REPORT_EVERY: u64 = 50;
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
    /// Folder of the weights of tasks [default: the shipped ones]
    #[arg(long, default_value_os_t = models_folder(), hide_default_value = true)]
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
    let (models, device) = (arguments.models.clone(), arguments.device.resolve(0)?);
    let default = models.join(format!("{}_start.safetensors", arguments.task));
    let output = arguments.output.clone().unwrap_or(default);
    let task = registry.load(&arguments.task, &LoadOptions { models, device, ..LoadOptions::default() })?;
    let checkpoint = output.with_extension("checkpoint");
    theta::expect_checkpoint(arguments.finish, &checkpoint)?;
    let mut learner = EncoderLearner::untrained(arguments, task)?;
    let rounds = learner.training(&checkpoint)?;
    rounds.resume(&mut learner)?;
    let mut job = Job::start("encoder", learner.last().max(0) as u64, &output.with_extension("log"))?;
    rounds.run(&mut learner, &mut |progress| {
        let text = format!("update {:.3}, held out: {}", progress.update, progress.judgement);
        job.report(progress.step as u64, &text, progress)
    })?;
    job.finish(&checkpoint)?;
    let (of_mean, of_deviation) = (learner.mean.steps(), learner.deviation.steps());
    let figures = format!("after {of_mean} and {of_deviation} steps held out: {}", learner.judgement()?);
    let how =
        [("options", serde_json::to_string(arguments)?), ("from", learner.from.clone()), ("figures", figures.clone())];
    let spec = learner.task.spec();
    Start::of_images(learner.averaged()?).save(&output, spec, &Landscape::identity(spec.latent), &how)?;
    Job::forget(&checkpoint)?;
    crate::console::print(&format!("wrote {}: {figures}\n", output.display()))
}

/// First the mean learns, by its error and by the images that are made of it; then, with that fixed, how far it is off.
struct EncoderLearner<'a> {
    arguments: &'a EncoderArguments,
    task: Box<dyn Task>,
    masks: Masks,
    /// Identity of the start whose mean was taken; empty where it was learned here.
    from: String,
    /// Convolutions and mean.
    mean: AdamW,
    deviation: AdamW,
}

impl<'a> EncoderLearner<'a> {
    fn untrained(arguments: &'a EncoderArguments, task: Box<dyn Task>) -> anyhow::Result<Self> {
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
        let [mean, deviation] = [parameters, deviation].map(|parameters| AdamW::new(parameters, config));
        let masks = Masks::new(&MASKS, spec);
        Ok(Self { arguments, task, masks, from, mean, deviation })
    }

    fn training(&self, checkpoint: &Path) -> anyhow::Result<Training> {
        let binding = vec![
            ("options", serde_json::to_string(self.arguments)?),
            ("fingerprint", self.task.spec().fingerprint.clone()),
            ("from", self.from.clone()),
        ];
        let checkpoint = Some(Checkpoint::new(checkpoint, binding));
        Ok(Training { seed: self.arguments.seed, report_every: REPORT_EVERY, checkpoint, ranks: Ranks::alone() })
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
    fn judgement(&self) -> anyhow::Result<Judgement> {
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
}

impl Learner for EncoderLearner<'_> {
    type Progress = Progress;
    type Error = anyhow::Error;

    fn place(&self) -> (Kind, Device) {
        (self.task.spec().kind, self.task.spec().device)
    }

    fn rounds(&self) -> u64 {
        self.step() as u64
    }

    fn is_over(&self) -> bool {
        self.step() >= self.last()
    }

    /// Descends once, for the mean or for the deviation.
    fn round(&mut self, random: &mut StdRng) -> anyhow::Result<f64> {
        let EncoderArguments { batch, steps, deviation_steps, rate, .. } = *self.arguments;
        let (x, complete) = self.draw(batch, random)?;
        let seen = hide(&complete, &self.masks, random);
        let is_for_mean = !self.is_mean_fixed();
        let loss = if is_for_mean { self.of_mean(&x, &complete, &seen)? } else { self.of_deviation(&x, &seen)? };
        let (optimizer, steps) =
            if is_for_mean { (&mut self.mean, steps) } else { (&mut self.deviation, deviation_steps) };
        let steps = u64::try_from(steps).unwrap_or_default();
        let rate = CosineRate { peak: rate, end: 0.01, warm_up: 0, steps }.at(optimizer.steps() as u64);
        optimizer.descend(&loss, rate);
        Ok(loss.double_value(&[]))
    }

    fn judge(&mut self, update: f64) -> anyhow::Result<Progress> {
        Ok(Progress { step: self.step(), update, judgement: self.judgement()? })
    }

    fn diverged(&self, _loss: f64) -> anyhow::Error {
        anyhow::anyhow!("the loss is not finite after {} steps; a smaller --rate may help", self.step() - 1)
    }

    fn state(&self) -> State {
        let metadata = vec![
            ("mean_steps", self.mean.steps().to_string()),
            ("deviation_steps", self.deviation.steps().to_string()),
        ];
        let tensors = self.mean.named("mean").into_iter().chain(self.deviation.named("deviation")).collect();
        State { tensors, metadata }
    }

    fn restore(&mut self, file: &Weights) -> anyhow::Result<()> {
        self.mean.restore(file, "mean", file.meta("mean_steps")?)?;
        Ok(self.deviation.restore(file, "deviation", file.meta("deviation_steps")?)?)
    }
}
