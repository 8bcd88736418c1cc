//! `thalweg describe`: what is in a recording.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use thalweg_record::Summary;

use crate::console::{line, print};
use crate::recordings;

/// Options of `thalweg describe`.
#[derive(Args)]
pub struct DescribeArguments {
    /// Recording, or a folder of them; what is none of ours in a folder is passed over
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
    let mut summary = Summary::default();
    let gathered = recordings::each(&arguments.recording, |file| Ok(summary.add(file)?))?;
    let files = gathered.files;
    summary.damage = gathered.damage.pieces();
    if arguments.json {
        let description = Description { files, summary };
        print(&format!("{:#}\n", serde_json::to_value(description)?))?;
    } else {
        print(&words(files, &summary))?;
    }
    gathered.outcome()
}

fn words(files: usize, summary: &Summary) -> String {
    let Summary { setup, solves, start, end, thetas, people, topics, damage, bytes, .. } = summary;
    let seconds = (end - start).max(0.0);
    let rate = if seconds > 0.0 { (solves.saturating_sub(1)) as f64 / seconds } else { 0.0 };
    let mut text = format!(
        "{files} file(s), {:.1} MB, {seconds:.1} s, {solves} solves, {rate:.1} Hz, {damage} damaged pieces\n",
        *bytes as f64 / 1e6
    );
    let [task, model, node] = [&setup.task, &setup.fingerprint, &setup.node].map(|text| line(text));
    let [optimizer, backend, version] = [&setup.optimizer, &setup.backend, &setup.version].map(|text| line(text));
    text += &format!("task {task}, model {model}, node {node}, seed {}, ", setup.seed);
    text += &format!("{optimizer} ({backend}), thalweg {version}\n");
    for (id, count) in thetas {
        text += &format!("theta {}: {count} solves\n", line(id));
    }
    for (person, count) in people {
        text += &format!("person {}: {count} solves\n", line(person));
    }
    for (topic, count) in topics {
        text += &format!("{count:>9}  {}\n", line(topic));
    }
    text
}
