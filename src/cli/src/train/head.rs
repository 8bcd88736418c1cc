//! `thalweg train head`: the contrastive head of a defence, and the file that a node loads.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use thalweg_engine::pin_threads;
use thalweg_image_defence::{Backbone, BackboneConfig, HeadConfig, ViewsConfig};
use thalweg_task::LoadOptions;
use thalweg_train::{Classifier, HeadOptions, HeadProgress, ImageSplit, LabelledImages, train_head};

use crate::job::Job;

/// Options of `thalweg train head`.
#[derive(Args)]
pub(crate) struct HeadArguments {
    /// Zip archive of images: train/CLASS/*.jpg and test/CLASS/*.jpg, 32 x 32 pixels
    #[arg(long, value_name = "FILE")]
    images: PathBuf,
    /// The classifier to defend: a file of `thalweg train classifier`, or, with --form, plain safetensors
    #[arg(long, value_name = "FILE")]
    backbone: PathBuf,
    /// The form of a classifier whose file does not tell it
    #[arg(long)]
    form: Option<Form>,
    /// Where the defence goes
    #[arg(long, value_name = "FILE", default_value = "models/image_defence.safetensors")]
    output: PathBuf,
    /// Gradient steps
    #[arg(long, default_value_t = HeadOptions::default().steps)]
    steps: i32,
    /// Images in a step
    #[arg(long, default_value_t = HeadOptions::default().batch)]
    batch: usize,
    /// Learning rate at its highest
    #[arg(long, default_value_t = HeadOptions::default().rate)]
    rate: f64,
    /// Width of the hidden layer
    #[arg(long, default_value_t = HeadOptions::default().head.hidden)]
    hidden: i64,
    /// Width of a projection
    #[arg(long, default_value_t = HeadOptions::default().head.projection)]
    projection: i64,
    /// Negatives in the bank
    #[arg(long, default_value_t = HeadOptions::default().bank)]
    bank: usize,
    /// Views of an image that the defence compares
    #[arg(long, default_value_t = ViewsConfig::default().count)]
    views: i64,
    /// Temperature tau of the contrast
    #[arg(long, default_value_t = HeadOptions::default().temperature)]
    temperature: f64,
    /// Weight lambda of the squared length of a correction
    #[arg(long, default_value_t = HeadOptions::default().shrinkage)]
    shrinkage: f64,
    /// Write the weights in half precision
    #[arg(long)]
    half: bool,
    /// Seed of everything random
    #[arg(long, default_value_t = HeadOptions::default().seed)]
    seed: u64,
    /// Threads for libtorch
    #[arg(long, default_value_t = 1)]
    threads: u32,
}

/// Networks of others.
#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// ResNet-2B of alpha-beta-CROWN
    Resnet2b,
    /// ResNet-4B of alpha-beta-CROWN
    Resnet4b,
}

impl Form {
    fn config(self) -> BackboneConfig {
        match self {
            Self::Resnet2b => BackboneConfig::resnet2b(),
            Self::Resnet4b => BackboneConfig::resnet4b(),
        }
    }
}

/// Trains, or resumes, and writes the defence.
pub(crate) fn run(arguments: &HeadArguments) -> anyhow::Result<()> {
    pin_threads(arguments.threads);
    let training = LabelledImages::read(&arguments.images, ImageSplit::Training, None)?;
    let validation = LabelledImages::read(&arguments.images, ImageSplit::Validation, Some((512, 0)))?;
    let classifier = classifier(arguments, &training.classes)?;
    let options = options(arguments);
    let checkpoint = checkpoint(&arguments.output);
    let length = u64::try_from(options.steps).context("--steps: expected a number that is not negative")?;
    let mut job = Job::start("head", length, &arguments.output.with_extension("log"))?;
    let mut last = None;
    let defence = train_head(&options, classifier, (&training, &validation), &mut |progress| {
        let HeadProgress { step, update, held_out, found } = *progress;
        let told = format!("update {update:.3}, held out {held_out:.3}, views found {:.1} %", found * 100.0);
        last = Some(told.clone());
        job.report(step as u64, &told, progress)
    })?;
    job.finish(&checkpoint)?;
    defence.save(&arguments.output, arguments.half)?;
    Job::forget(&checkpoint)?;
    let figures = last.unwrap_or_else(|| "nothing was left to do".to_owned());
    crate::console::print(&format!("wrote {}: {figures}\n", arguments.output.display()))
}

fn classifier(arguments: &HeadArguments, classes: &[String]) -> anyhow::Result<Classifier> {
    let path = &arguments.backbone;
    let Some(form) = arguments.form else { return Ok(Classifier::load(path)?) };
    let backbone = Backbone::read_plain(path, form.config(), &LoadOptions::default())?;
    let expected = backbone.config().classes;
    anyhow::ensure!(
        classes.len() as i64 == expected,
        "{}: images of {} classes, expected {expected}",
        arguments.images.display(),
        classes.len()
    );
    Ok(Classifier { backbone, classes: classes.to_vec() })
}

fn checkpoint(output: &Path) -> PathBuf {
    output.with_extension("checkpoint")
}

fn options(arguments: &HeadArguments) -> HeadOptions {
    let HeadArguments { steps, batch, rate, hidden, projection, bank, views, temperature, shrinkage, seed, .. } =
        *arguments;
    HeadOptions {
        head: HeadConfig { hidden, projection },
        views: ViewsConfig { count: views, ..ViewsConfig::default() },
        temperature,
        shrinkage,
        steps,
        batch,
        rate,
        bank,
        seed,
        checkpoint: Some(checkpoint(&arguments.output)),
        ..HeadOptions::default()
    }
}
