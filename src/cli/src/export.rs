//! `thalweg export`: a recording as arrays or as a table.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use thalweg_engine::Answer;
use thalweg_record::{Reader, Setup, Solve};

use super::describe::files;
use crate::console::print;

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
    /// NumPy arrays: stamp, observed [N, J], joints [N, K, J], z [N, K, Z], losses [N, K], weights [N, K], steps, theta
    Npz,
    /// One line for each solve: the best hypothesis, and which joints were observed
    Csv,
}

/// Writes the solves of all files.
pub(crate) fn run(arguments: &ExportArguments) -> anyhow::Result<()> {
    let (mut solves, mut setup) = (Vec::new(), Setup::default());
    for file in files(&arguments.recording)? {
        let mut reader = Reader::open(&file)?;
        setup = reader.setup().clone();
        for solve in reader.solves() {
            solves.push(solve?);
        }
    }
    anyhow::ensure!(!solves.is_empty(), "{}: holds no solve", arguments.recording.display());
    let output = &arguments.output;
    match arguments.format {
        Format::Npz => npz(output, &solves),
        Format::Csv => csv(output, &setup, &solves),
    }
    .with_context(|| output.display().to_string())?;
    print(&format!("{}: {} solves\n", output.display(), solves.len()))
}

fn npz(path: &Path, solves: &[Solve]) -> anyhow::Result<()> {
    let first = &solves[0];
    let (n, k) = (solves.len() as u64, first.answer.losses.len() as u64);
    let same = solves.iter().all(|solve| solve.answer.losses.len() as u64 == k && solve.z.len() == first.z.len());
    anyhow::ensure!(same, "the number of hypotheses or latents changes: arrays need one; export files apart");
    let mut writer = NpzWriter::new(BufWriter::new(File::create(path)?));
    let (j, z) = (first.seen.joints.len() as u64, first.z.len() as u64 / k.max(1));
    let thetas: Vec<&str> = solves.iter().map(|solve| solve.answer.landscape.as_str()).collect();
    array(&mut writer, "stamp_nanos", &[n], solves.iter().map(|solve| solve.stamp_nanos))?;
    array(&mut writer, "observed", &[n, j], solves.iter().flat_map(|solve| solve.seen.joints.iter().copied()))?;
    let of_joints = |solve: &Solve| solve.answer.joints.first().map_or(0, Vec::len) as u64;
    array(
        &mut writer,
        "joints",
        &[n, k, of_joints(first)],
        solves.iter().flat_map(|s| s.answer.joints.iter().flatten().copied()),
    )?;
    array(&mut writer, "z", &[n, k, z], solves.iter().flat_map(|solve| solve.z.iter().copied()))?;
    array(&mut writer, "losses", &[n, k], solves.iter().flat_map(|solve| solve.answer.losses.iter().copied()))?;
    array(&mut writer, "weights", &[n, k], solves.iter().flat_map(|solve| solve.answer.weights.iter().copied()))?;
    array(&mut writer, "steps", &[n], solves.iter().map(|solve| solve.answer.statistics.steps))?;
    array(&mut writer, "took_nanos", &[n], solves.iter().map(|solve| solve.answer.took.as_nanos() as u64))?;
    // Identities are short texts; as bytes, padded with zeros, NumPy reads them with .view("S16").
    let width = thetas.iter().map(|id| id.len()).max().unwrap_or(0);
    let padded = thetas.iter().flat_map(|id| id.bytes().chain(std::iter::repeat_n(0, width - id.len())));
    array(&mut writer, "theta", &[n, width as u64], padded)
}

fn array<T: npyz::AutoSerialize>(
    writer: &mut NpzWriter<BufWriter<File>>,
    name: &str,
    shape: &[u64],
    values: impl Iterator<Item = T>,
) -> anyhow::Result<()> {
    let array = writer.array(name, npyz::zip::write::FileOptions::default())?;
    let mut array = array.default_dtype().shape(shape).begin_nd()?;
    array.extend(values)?;
    Ok(array.finish()?)
}

fn csv(path: &Path, setup: &Setup, solves: &[Solve]) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let names = setup.joints.iter().flat_map(|name| [quoted(name), quoted(&format!("{name} observed"))]);
    let head = ["stamp_nanos", "steps", "loss", "took_ms", "theta"].map(str::to_owned);
    writeln!(file, "{}", head.into_iter().chain(names).collect::<Vec<_>>().join(","))?;
    for solve in solves {
        let Solve { stamp_nanos, answer, .. } = solve;
        let Answer { statistics, landscape, took, joints, .. } = answer;
        let loss = solve.answer.losses.first().copied().unwrap_or(f64::NAN);
        write!(file, "{stamp_nanos},{},{loss},{},{}", statistics.steps, took.as_secs_f64() * 1e3, quoted(landscape))?;
        for (position, seen) in joints.iter().flatten().zip(&solve.seen.joints) {
            write!(file, ",{position},{}", u8::from(!seen.is_nan()))?;
        }
        writeln!(file)?;
    }
    Ok(file.flush()?)
}

/// A text as CSV has it (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
