//! `thalweg train classifier`: the backbone of a defence.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use thalweg_engine::pin_threads;
use thalweg_train::{
    Adversary, Classifier, ClassifierOptions, ClassifierProgress, ImageSplit, LabelledImages, Precision, accuracy,
    train_classifier,
};

use crate::job::Job;

/// Options of `thalweg train classifier`.
#[derive(Args)]
pub(crate) struct ClassifierArguments {
    /// Zip archive of images: train/CLASS/*.jpg and test/CLASS/*.jpg, 32 x 32 pixels
    #[arg(long, value_name = "FILE")]
    images: PathBuf,
    /// Where the classifier goes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Attack each batch before learning from it: PGD, 7 steps, within an L2 ball of 128/255
    #[arg(long)]
    adversarial: bool,
    /// Begin with the weights of this classifier
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// How often each image is seen
    #[arg(long, default_value_t = ClassifierOptions::default().epochs)]
    epochs: u32,
    /// Images in a step
    #[arg(long, default_value_t = ClassifierOptions::default().batch)]
    batch: usize,
    /// Learning rate at its highest
    #[arg(long, default_value_t = ClassifierOptions::default().rate)]
    rate: f64,
    /// Weight decay
    #[arg(long, default_value_t = ClassifierOptions::default().weight_decay)]
    weight_decay: f64,
    /// Share of the labels that is spread over all classes
    #[arg(long, default_value_t = ClassifierOptions::default().smoothing)]
    smoothing: f64,
    /// Precision of convolutions while training
    #[arg(long, default_value = "single")]
    precision: PrecisionName,
    /// Steps between two judgements, each with a checkpoint
    #[arg(long, default_value_t = ClassifierOptions::default().validate_every)]
    validate_every: u64,
    /// Seed of everything random
    #[arg(long, default_value_t = ClassifierOptions::default().seed)]
    seed: u64,
    /// Threads for libtorch
    #[arg(long, default_value_t = 1)]
    threads: u32,
}

/// A precision, by its name.
#[derive(Clone, Copy, ValueEnum)]
enum PrecisionName {
    /// 32 bit
    Single,
    /// 16 bit with the exponent of 32: faster where the processor has AVX512-BF16, slower elsewhere
    Brain,
}

/// Trains, or resumes, and writes the classifier.
pub(crate) fn run(arguments: &ClassifierArguments) -> anyhow::Result<()> {
    pin_threads(arguments.threads);
    let training = LabelledImages::read(&arguments.images, ImageSplit::Training, None)?;
    let validation = LabelledImages::read(&arguments.images, ImageSplit::Validation, None)?;
    let from = arguments.from.as_deref().map(Classifier::load).transpose()?;
    let options = options(arguments);
    let steps = training.len() as u64 / options.batch.max(1) as u64 * u64::from(options.epochs);
    let checkpoint = checkpoint(&arguments.output);
    let mut job = Job::start("classifier", steps, &arguments.output.with_extension("log"))?;
    let from = from.as_ref().map(|classifier| &classifier.backbone);
    let classifier = train_classifier(&options, (&training, &validation), from, &mut |progress| {
        let ClassifierProgress { step, loss, clean, attacked } = progress;
        let attacked = attacked.map_or_else(String::new, |attacked| format!(", attacked {:.1} %", attacked * 100.0));
        job.report(*step, &format!("loss {loss:.3}, held out {:.1} %{attacked}", clean * 100.0), progress)
    })?;
    job.finish(&checkpoint)?;
    let clean = accuracy(&classifier.backbone, &validation.values(), &validation.labels)?;
    let figures = format!("{:.2} % of {} validation images", clean * 100.0, validation.len());
    let how = [("options", serde_json::to_string(&options)?), ("figures", figures.clone())];
    classifier.save(&arguments.output, &how)?;
    Job::forget(&checkpoint)?;
    crate::console::print(&format!("wrote {}: {figures} are classified rightly\n", arguments.output.display()))
}

fn checkpoint(output: &Path) -> PathBuf {
    output.with_extension("checkpoint")
}

fn options(arguments: &ClassifierArguments) -> ClassifierOptions {
    let ClassifierArguments { epochs, batch, rate, weight_decay, smoothing, validate_every, seed, .. } = *arguments;
    ClassifierOptions {
        epochs,
        batch,
        rate,
        weight_decay,
        smoothing,
        validate_every,
        seed,
        adversary: arguments.adversarial.then_some(Adversary::PGD_7),
        precision: match arguments.precision {
            PrecisionName::Single => Precision::Single,
            PrecisionName::Brain => Precision::Brain,
        },
        checkpoint: Some(checkpoint(&arguments.output)),
        ..ClassifierOptions::default()
    }
}
