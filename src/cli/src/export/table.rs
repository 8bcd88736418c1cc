//! Solves as lines of CSV (RFC 4180).

use std::io::{BufWriter, IntoInnerError, Write};
use std::path::Path;

use thalweg_engine::Answer;
use thalweg_nn::files::NewFile;
use thalweg_record::Solve;

use super::shape::Shape;

/// Writes one line for each solve, each with as many fields as the first line.
pub(super) fn write(path: &Path, shape: &Shape) -> anyhow::Result<()> {
    let mut file = BufWriter::new(NewFile::create(path)?);
    let names = shape.names.iter().flat_map(|name| [quoted(name), quoted(&format!("{name} observed"))]);
    let who: &[&str] = if shape.person > 0 { &["person", "arrival"] } else { &[] };
    let head = ["stamp_nanos", "steps", "loss", "took_ms", "theta"].iter().chain(who).map(|name| (*name).to_owned());
    writeln!(file, "{}", head.chain(names).collect::<Vec<_>>().join(","))?;
    shape.each(|solve| line(&mut file, solve, shape))?;
    Ok(file.into_inner().map_err(IntoInnerError::into_error)?.replace()?)
}

fn line(file: &mut impl Write, solve: &Solve, shape: &Shape) -> anyhow::Result<()> {
    let Solve { stamp_nanos, answer, seen, .. } = solve;
    let Answer { statistics, landscape, took, .. } = answer;
    let loss = answer.losses.first().copied().unwrap_or(f64::NAN);
    write!(file, "{stamp_nanos},{},{loss},{},{}", statistics.steps, took.as_secs_f64() * 1e3, quoted(landscape))?;
    if shape.person > 0 {
        match &solve.person {
            Some(person) => write!(file, ",{},{}", quoted(&person.id), person.arrival)?,
            None => write!(file, ",,")?,
        }
    }
    let best = answer.joints.first();
    for joint in 0..shape.names.len() {
        // Nothing of the joints was seen in a while: their number is zero, and none is observed.
        let is_seen = seen.joints.get(joint).is_some_and(|position| !position.is_nan());
        match best.and_then(|best| best.get(joint)) {
            Some(position) => write!(file, ",{position},{}", u8::from(is_seen))?,
            None => write!(file, ",,{}", u8::from(is_seen))?,
        }
    }
    Ok(writeln!(file)?)
}

/// A text as CSV has it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
