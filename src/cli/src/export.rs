//! `thalweg export`: a recording as arrays or as a table.

mod arrays;
mod shape;
mod table;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use self::shape::Shape;
use crate::console::print;
use crate::recordings;

/// Options of `thalweg export`.
#[derive(Args)]
pub(crate) struct ExportArguments {
    /// Recording, or a folder of them
    recording: PathBuf,
    /// Kind of file
    #[arg(long, value_enum, default_value_t = Format::Npz)]
    format: Format,
    /// Where it goes
    #[arg(long)]
    output: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// NumPy arrays: stamp, observed [N, J], joints [N, K, J], z [N, K, Z], losses [N, K], weights [N, K], steps,
    /// theta; where people are told apart, person and arrival; NaN where a solve had no such number: of what was not
    /// observed, and of hypotheses beyond its own
    Npz,
    /// One line for each solve: whose it is where people are told apart, the best hypothesis, and which joints were
    /// observed
    Csv,
}

/// Writes the solves of all files, one at a time.
pub(crate) fn run(arguments: &ExportArguments) -> anyhow::Result<()> {
    let mut shape = Shape::default();
    let gathered = recordings::each(&arguments.recording, |file| shape.add(file))?;
    shape.expect_solves(&arguments.recording)?;
    let output = &arguments.output;
    match arguments.format {
        Format::Npz => arrays::write(output, &shape),
        Format::Csv => table::write(output, &shape),
    }
    .with_context(|| output.display().to_string())?;
    print(&format!("{}: {} solves\n", output.display(), shape.solves))?;
    gathered.outcome()
}
