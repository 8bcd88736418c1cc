//! `thalweg train theta --from-recordings`: a landscape for what a node has met, and whether it is promoted.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use thalweg_engine::landscape::Landscape;
use thalweg_nn::files::write_atomically;
use thalweg_task::{Observation, Task, shipped};
use thalweg_train::{
    Comparison, Data, Habits, Judged, LoadTask, Logbook, Logged, LoggedCounts, LoggedOptions, PromotionReport,
    ThetaOptions, ThetaProgress,
};

use super::approved::Approved;
use super::data::{self, DataSource};
use super::reading;
use super::theta::checkpoint;
use crate::console;
use crate::job::Job;
use crate::recordings::{self, Gathered};

/// Steps to which curves are drawn.
const CURVE: u32 = 50;
/// Most observations in a comparison: the mean is known to some hundredths, in seconds.
const ROWS: usize = 340;
/// Most steps of a training's descents, however many the node has time for: they cost as much as all else.
const MOST_STEPS: u32 = 20;
/// The shipped validation set of body_pose.
pub const VALIDATION: &str = "assets/motion.safetensors";
/// What is mixed in, of body_pose.
pub const REHEARSAL: &str = "assets/rehearsal.safetensors";
/// What is called so in the verdict.
pub const RECORDED: &str = "held-out recordings";
const SHIPPED: &str = "the shipped validation set";

/// Options of a retraining.
#[derive(Args)]
pub struct RetrainArguments {
    /// Recordings, folders of recordings, or patterns of their names, to retrain on: from the current landscape, promoted
    /// only when it is no worse than that one on held-out recordings and on the shipped validation set, and better on one
    #[arg(long, value_name = "RECORDINGS", num_args = 1.., conflicts_with = "data")]
    pub from_recordings: Vec<PathBuf>,
    /// Most memory for recorded solves, MiB; those beyond it are left out and counted [default: by the sizes of the files]
    #[arg(long, value_name = "MIB", requires = "from_recordings")]
    pub memory: Option<u32>,
    /// List of recordings that may be trained on, as `sha256sum` writes it; others are passed over
    #[arg(long, value_name = "LIST", requires = "from_recordings")]
    pub approved: Option<PathBuf>,
    /// Motion that is mixed in, for body_pose, as --data names it [default: --rehearsal]
    #[arg(long, value_name = "MOTION", num_args = 1.., requires = "from_recordings")]
    pub mix: Vec<PathBuf>,
    /// Bundled training poses that are mixed in, for body_pose; other tasks draw from their prior
    #[arg(long, value_name = "MOTION", default_value_os_t = shipped(REHEARSAL), hide_default_value = true)]
    pub rehearsal: PathBuf,
    /// Weight of what settled solves say of unseen parts, against what was seen; 0 for none
    #[arg(long, default_value_t = 0.1)]
    pub pseudo_weight: f64,
    /// The shipped validation set of body_pose; other tasks draw theirs
    #[arg(long, value_name = "MOTION", default_value_os_t = shipped(VALIDATION), hide_default_value = true)]
    pub validation: PathBuf,
    /// Folder for retrain.json: figures and curves of loss against steps
    #[arg(long, requires = "from_recordings")]
    pub report: Option<PathBuf>,
}

/// The new landscape was not promoted: the command fails with code 5.
#[derive(Debug, thiserror::Error)]
#[error("not promoted: {reason}; the current landscape stays, the new one is {}", path.display())]
pub struct NotPromoted {
    reason: String,
    path: PathBuf,
}

/// A retraining, its files and its data.
pub struct Retraining<'a> {
    /// What the command line asks for.
    pub arguments: &'a RetrainArguments,
    /// Recordings, folders of recordings, or patterns.
    pub recordings: &'a [PathBuf],
    /// The current landscape.
    pub current: &'a Path,
    /// Where the new one goes when it is promoted.
    pub output: &'a Path,
    /// Observations drawn from the task's own prior, beside the others.
    pub drawn: Option<usize>,
    /// How theta is trained.
    pub options: ThetaOptions,
    /// Step size and steps of descents where they are given; else they are those of the node that recorded.
    pub descent: (Option<f64>, Option<u32>),
}

/// What came of it.
#[derive(Serialize)]
pub struct Report {
    recordings: LoggedCounts,
    /// Identity of the landscape of before.
    pub current: String,
    /// Identity of the new one.
    pub new: String,
    /// Share of the way from the one to the other that was taken.
    share: f64,
    /// Whether the new one takes the place of the other.
    pub promoted: bool,
    reason: String,
    /// How both fare, on each set of observations.
    pub verdict: PromotionReport,
}

impl Retraining<'_> {
    /// Trains, or resumes, compares, and promotes or not. Of several ranks the first compares; for the others there is no
    /// report.
    pub fn run(&self, load: &LoadTask) -> anyhow::Result<Option<Report>> {
        let task = load()?;
        let spec = task.spec();
        let current = Landscape::trained(self.current, spec)?;
        let mut approved = Approved::load(self.arguments.approved.as_deref())?;
        let logged = self.read(task.as_ref(), &current, &mut approved)?;
        let options = self.options_for(&logged.habits);
        let rehearsed = self.rehearsed(task.as_ref())?;
        let data = logged.mixed_with(&rehearsed);
        let shipped = data::shipped(task.as_ref(), &self.arguments.validation)?;
        let trained = self.train(load, &data, &options)?;
        if !options.ranks.is_first() {
            return Ok(None);
        }
        let terms = Comparison { habits: logged.habits, curve: CURVE, rows: ROWS, masks: options.masks };
        let choice = [&logged.validation, rehearsed.held_out.as_ref().unwrap_or(&rehearsed.training)];
        let (new, share) = thalweg_train::temper(&terms, load, [&current, &trained], choice)?;
        console::print(&format!("taken: {share} of the way from the current landscape to what was trained\n"))?;
        let sets: [(&str, &Observation); 2] = [(RECORDED, &logged.held_out), (SHIPPED, &shipped)];
        let verdict = thalweg_train::promote(&terms, load, [&current, &new], &sets)?;
        let (promoted, reason) = (verdict.is_promoted(), verdict.reason());
        console::print(&table(&verdict))?;
        let path = if promoted { self.output.to_owned() } else { rejected(self.output) };
        let how = [
            ("options", serde_json::to_string(&options)?),
            ("data", data.fingerprint()),
            ("retrained_from", current.id().to_owned()),
            ("share", share.to_string()),
            ("recordings", approved.told()),
        ];
        new.save(&path, spec, &how)?;
        Job::forget(&checkpoint(self.output))?;
        let (current, new) = (current.id().to_owned(), new.id().to_owned());
        let report = Report { recordings: logged.counts, current, new, share, promoted, reason, verdict };
        if let Some(folder) = &self.arguments.report {
            report.save(folder)?;
        }
        Ok(Some(report))
    }

    /// Descents of the training are as the node's: a landscape is good for the steps that it was trained with.
    fn options_for(&self, habits: &Habits) -> ThetaOptions {
        let mut options = self.options.clone();
        options.collection.rate_z = self.descent.0.unwrap_or(habits.rate);
        options.collection.steps = self.descent.1.unwrap_or(habits.steps.min(MOST_STEPS));
        options
    }

    fn read(&self, task: &dyn Task, current: &Landscape, approved: &mut Approved) -> anyhow::Result<Logged> {
        let memory = self.arguments.memory.map_or(u64::MAX, |mebibytes| u64::from(mebibytes) << 20);
        let paths = recordings::matching(self.recordings)?;
        let files = recordings::files(&paths)?;
        let book = Logbook::new(task.spec(), (current.id(), current.dim()));
        let mut book = book.with_files(&files).with_memory(memory);
        let gathered = reading::read((&paths, &files), approved, &mut book, &self.options.ranks)?;
        approved.expect_some()?;
        let collection = &self.options.collection;
        let points = collection.descents * (collection.steps as usize + 1);
        let (pseudo_weight, seed) = (self.arguments.pseudo_weight, self.options.seed);
        let logged = book.close(&LoggedOptions { pseudo_weight, points, seed })?;
        if self.options.ranks.is_first() {
            console::print(&words(&logged, &gathered, approved))?;
        }
        Ok(logged)
    }

    fn rehearsed(&self, task: &dyn Task) -> anyhow::Result<Data> {
        let source = DataSource {
            motion: &self.arguments.mix,
            drawn: self.drawn,
            seed: self.options.seed,
            held_out: Some(self.options.validation.rows),
            ..DataSource::default()
        };
        data::rehearsal(&source, &self.arguments.rehearsal, task, &self.options.ranks)
    }

    fn train(&self, load: &LoadTask, data: &Data, options: &ThetaOptions) -> anyhow::Result<Landscape> {
        let mut job =
            Job::on(&self.options.ranks, "retrain", u64::from(options.buffers), &self.output.with_extension("log"))?;
        let options = ThetaOptions {
            start: Some(self.current.to_owned()),
            checkpoint: Some(checkpoint(self.output)),
            ..options.clone()
        };
        let report = |progress: &ThetaProgress| super::theta::report(&mut job, progress, &self.options.ranks);
        let new = thalweg_train::train(&options, load, data, &mut { report })?;
        job.agree(&self.options.ranks)?;
        job.finish(&checkpoint(self.output))?;
        Ok(new)
    }
}

impl Report {
    /// Tells a refusal as an error.
    pub fn outcome(self, output: &Path) -> anyhow::Result<()> {
        if !self.promoted {
            return Err(NotPromoted { reason: self.reason, path: rejected(output) }.into());
        }
        console::print(&format!("promoted, for {}: wrote {}\n", self.reason, output.display()))
    }

    fn save(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        write_atomically(&folder.join("retrain.json"), serde_json::to_string_pretty(self)?.as_bytes())?;
        Ok(())
    }
}

fn rejected(output: &Path) -> PathBuf {
    output.with_extension("rejected.safetensors")
}

fn words(logged: &Logged, gathered: &Gathered, approved: &Approved) -> String {
    let LoggedCounts { files, foreign, solves, damaged, blind, beyond, visited, guessed } = logged.counts;
    let mut text = format!("{files} recordings, {solves} solves: ");
    text += &format!("{} to train on, {} to validate, ", logged.training.rows(), logged.validation.rows());
    text += &format!("{} held out\n", logged.held_out.rows());
    text += &format!("points of {visited} descents on the current landscape, {guessed} solves with pseudo-truth\n");
    for (count, what) in [
        (foreign, "recordings of another task or model"),
        (damaged, "damaged pieces, or solves with numbers that are not finite"),
        (blind, "solves that saw nothing"),
        (beyond, "solves beyond --memory, or of files that hold far more of them than their size lets expect"),
        (approved.passed_over() as u64, "recordings that are not approved"),
        (gathered.damage.files, "files that are missing or cannot be read"),
    ] {
        if count > 0 {
            text += &format!("left out: {count} {what}\n");
        }
    }
    text
}

fn table(verdict: &PromotionReport) -> String {
    let mut text = "loss after  steps   current       new   2 s.e.   on\n".to_owned();
    for judged in &verdict.sets {
        let (current, new) = judged.losses();
        let Judged { set, observations, steps, margin, .. } = judged;
        text += &format!("{steps:>17} {current:>9.4} {new:>9.4} {margin:>8.4}   {set} ({observations})\n");
    }
    text
}
