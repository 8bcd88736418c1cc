//! `thalweg tasks`.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;
use thalweg::Registry;
use thalweg_task::Entry;

use crate::console;

/// Options of `thalweg tasks`.
#[derive(Args)]
#[command(after_help = "Nothing is loaded: the list is the same when weights are missing. `thalweg check TASK` loads.")]
pub(crate) struct TasksArguments {
    /// Print a JSON list of {name, observes, summary}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    observes: Vec<String>,
    summary: &'static str,
}

impl Listed {
    fn new(entry: &Entry) -> Self {
        let observes = entry.observes.to_string().split(", ").map(str::to_owned).collect();
        Self { name: entry.name, observes, summary: entry.summary }
    }
}

/// Lists the tasks without loading any.
pub(crate) fn run(arguments: &TasksArguments, registry: &Registry) -> anyhow::Result<()> {
    let listed: Vec<Listed> = registry.entries().iter().map(Listed::new).collect();
    if arguments.json {
        return console::print(&(serde_json::to_string_pretty(&listed)? + "\n"));
    }
    console::print(&table(&listed)?)
}

fn table(listed: &[Listed]) -> anyhow::Result<String> {
    let mut text = String::new();
    let observes: Vec<String> = listed.iter().map(|task| task.observes.join(", ")).collect();
    let name_width = listed.iter().map(|task| task.name.len()).max().unwrap_or(0);
    let width = observes.iter().map(String::len).max().unwrap_or(0).max("observes".len());
    writeln!(text, "{:name_width$}  {:width$}  summary", "task", "observes")?;
    for (task, observes) in listed.iter().zip(&observes) {
        writeln!(text, "{:name_width$}  {observes:width$}  {}", task.name, task.summary)?;
    }
    Ok(text)
}
