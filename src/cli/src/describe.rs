//! `thalweg describe`: what is in a recording.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use thalweg_record::{Summary, recordings};

use crate::console::print;

/// Options of `thalweg describe`.
#[derive(Args)]
pub struct DescribeArguments {
    /// Recording, or a folder of them
    recording: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One or more recordings, in numbers.
#[derive(Serialize)]
struct Description {
    files: usize,
    #[serde(flatten)]
    summary: Summary,
}

/// Counts what is there.
pub fn run(arguments: &DescribeArguments) -> anyhow::Result<()> {
    let files = files(&arguments.recording)?;
    let mut summary = Summary::default();
    for file in &files {
        summary.add(file).with_context(|| file.display().to_string())?;
    }
    if arguments.json {
        let description = Description { files: files.len(), summary };
        return print(&format!("{:#}\n", serde_json::to_value(description)?));
    }
    print(&words(files.len(), &summary))
}

/// The file itself, or all complete ones of a folder.
pub fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let files = if path.is_dir() { recordings(path)? } else { vec![path.to_owned()] };
    anyhow::ensure!(!files.is_empty(), "{}: expected at least one recording (.mcap), found none", path.display());
    Ok(files)
}

fn words(files: usize, summary: &Summary) -> String {
    let Summary { setup, solves, start, end, thetas, topics, damage, bytes, .. } = summary;
    let seconds = (end - start).max(0.0);
    let rate = if seconds > 0.0 { (solves.saturating_sub(1)) as f64 / seconds } else { 0.0 };
    let mut text = format!(
        "{files} file(s), {:.1} MB, {seconds:.1} s, {solves} solves, {rate:.1} Hz, {damage} damaged pieces\n",
        *bytes as f64 / 1e6
    );
    text += &format!("task {}, model {}, node {}, seed {}, ", setup.task, setup.fingerprint, setup.node, setup.seed);
    text += &format!("{} ({}), thalweg {}\n", setup.optimizer, setup.backend, setup.version);
    for (id, count) in thetas {
        text += &format!("theta {id}: {count} solves\n");
    }
    for (topic, count) in topics {
        text += &format!("{count:>9}  {topic}\n");
    }
    text
}
