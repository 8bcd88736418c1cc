//! `thalweg tasks`.

use std::fmt::Write;
use std::path::Path;

use clap::Args;
use serde::Serialize;
use thalweg::{Registry, plugins};
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
    name: String,
    observes: Vec<String>,
    summary: String,
}

impl Listed {
    fn new(entry: &Entry) -> Self {
        let observes = entry.observes.to_string().split(", ").map(str::to_owned).collect();
        Self { name: entry.name.to_owned(), observes, summary: entry.summary.to_owned() }
    }

    /// A library, which would have to be opened to say more.
    fn of_library(name: String, file: &Path) -> Self {
        Self { name, observes: vec!["?".to_owned()], summary: format!("library {}, not opened", file.display()) }
    }
}

/// Lists the tasks without loading any.
///
/// Libraries are those that are named, and those of the ament index, which are opened where they are named.
pub(crate) fn run(arguments: &TasksArguments, named: &[String], registry: &Registry) -> anyhow::Result<()> {
    let mut listed: Vec<Listed> = registry.entries().iter().map(Listed::new).collect();
    for name in named {
        match plugins::find(name) {
            Ok(found) => listed.extend(found.into_iter().map(|found| Listed::of_library(found.task, &found.file))),
            Err(error) => console::note(&error.to_string()),
        }
    }
    let indexed = plugins::indexed().into_iter();
    listed.extend(indexed.map(|(package, found)| Listed::of_library(format!("{package}/{}", found.task), &found.file)));
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
