//! Arrays of NumPy, and tables of text.

use std::io::{BufRead, BufReader};
use std::path::Path;

use thalweg_nn::files::open_regular;

use super::frames::Frames;
use super::{AdoptArguments, AdoptError};
use crate::arrays::{Archive, Numbers};

/// Names under which an archive has positions `[N, J]`.
const POSITIONS: [&str; 6] = ["positions", "joint_positions", "position", "q", "dof", "joints"];
/// Names under which an archive, or a table, has times in seconds.
const TIMES: [&str; 5] = ["time", "times", "t", "stamp", "timestamp"];
/// Names under which an archive names joints `[J]`.
const NAMES: [&str; 3] = ["joint_names", "names", "columns"];
/// Frames a second where nothing tells.
const FPS: f64 = 50.0;
/// Longest line of a table, bytes.
const MOST_LINE: usize = 1 << 20;

/// Reads an archive: positions `[N, J]`, names of joints `[J]`, and, where they are there, times, or frames a second,
/// and numbers and names of clips.
pub(super) fn read_npz(path: &Path, arguments: &AdoptArguments, frames: &mut Frames) -> anyhow::Result<()> {
    let refuse = |why: String| AdoptError::data(path, why);
    let numbers = |archive: &mut Archive, name: &str| {
        archive.numbers(name).map_err(|error| AdoptError::data(path, error.to_string()))
    };
    let mut archive = Archive::open(path).map_err(|error| refuse(error.to_string()))?;
    let have = archive.names().join(", ");
    let array = POSITIONS.into_iter().find(|name| archive.has(name) && archive.texts(name).is_none());
    let Some(array) = array else {
        return Err(refuse(format!("expected an array {}; it has {have}", POSITIONS.join(", "))).into());
    };
    let Numbers { shape, values } = numbers(&mut archive, array)?;
    let [rows, columns] = shape[..] else {
        return Err(refuse(format!("array {array}: expected frames and joints [N, J], got {shape:?}")).into());
    };
    let (rows, columns) = (rows as usize, columns as usize);
    let named = NAMES.into_iter().filter_map(|name| archive.texts(name)).find(|names| names.len() == columns);
    let names = column_names(path, named, arguments, columns)?;
    let column = |archive: &mut Archive, name: &str| -> Result<Option<Vec<f64>>, AdoptError> {
        if !archive.has(name) {
            return Ok(None);
        }
        let Numbers { shape, values } = numbers(archive, name)?;
        Ok(Some(values).filter(|values| shape == [rows as u64] && values.len() == rows))
    };
    let mut times = None;
    for name in TIMES {
        times = times.or(column(&mut archive, name)?);
    }
    let fps =
        arguments.fps.or(if archive.has("fps") { numbers(&mut archive, "fps")?.values.first().copied() } else { None });
    let fps = fps.filter(|fps| fps.is_finite() && *fps > 0.0).unwrap_or(FPS);
    let clip = column(&mut archive, "clip")?;
    let clips = archive.texts("names").filter(|_| clip.is_some());
    let places: Vec<Option<usize>> = names.iter().map(|name| frames.place(name)).collect();
    frames.cut();
    let mut last = None;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut name = stem.clone();
    for (row, positions) in values.chunks_exact(columns.max(1)).enumerate() {
        let number = clip.as_ref().map(|clip| clip[row]);
        if number != last {
            frames.cut();
            last = number;
            let named = number.and_then(|number| clips.as_ref()?.get(number as usize));
            name = named.map_or_else(|| stem.clone(), |named| format!("{stem}/{named}"));
        }
        let seconds = times.as_ref().map_or(row as f64 / fps, |times| times[row]);
        take(frames, seconds, &places, positions.iter().copied(), &name);
    }
    frames.cut();
    Ok(())
}

/// Seconds become nanoseconds; what is far too large for seconds since 1970 is in nanoseconds already.
fn take(frames: &mut Frames, seconds: f64, places: &[Option<usize>], positions: impl Iterator<Item = f64>, clip: &str) {
    /// The year 5138, as seconds.
    const LATEST: f64 = 1e11;
    if !seconds.is_finite() {
        return;
    }
    let nanos = if seconds.abs() > LATEST { seconds as i64 } else { (seconds * 1e9).round() as i64 };
    let known = places.iter().zip(positions).filter_map(|(place, position)| Some(((*place)?, position)));
    frames.take(nanos, known, clip);
}

fn column_names(
    path: &Path,
    named: Option<Vec<String>>,
    arguments: &AdoptArguments,
    columns: usize,
) -> Result<Vec<String>, AdoptError> {
    let given = &arguments.joints;
    if let Some(named) = named.filter(|_| given.is_empty()) {
        return Ok(named);
    }
    if given.is_empty() {
        let why = format!("does not name its {columns} columns; name them with --joints, or in an array joint_names");
        return Err(AdoptError::data(path, why));
    }
    if given.len() != columns {
        let why = format!("--joints has {} names, expected one for each of {columns} columns", given.len());
        return Err(AdoptError::data(path, why));
    }
    Ok(given.clone())
}

/// Reads a table: a line of names, then numbers; a column named time has seconds, or nanoseconds.
pub(super) fn read_csv(path: &Path, arguments: &AdoptArguments, frames: &mut Frames) -> anyhow::Result<()> {
    let refuse = |why: String| AdoptError::data(path, why);
    let file = open_regular(path).map_err(|error| refuse(error.to_string()))?;
    let mut lines = BufReader::new(file);
    let Some(header) = next_line(&mut lines, path)? else {
        return Err(refuse("is empty; expected a line of joint names, then numbers".to_owned()).into());
    };
    let separator = [',', ';', '\t'].into_iter().find(|separator| header.contains(*separator)).unwrap_or(',');
    let header: Vec<&str> = header.split(separator).map(|name| name.trim().trim_matches('"')).collect();
    if header.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(refuse("begins with numbers; expected a line of joint names".to_owned()).into());
    }
    let is_time = |name: &&str| TIMES.iter().any(|time| name.eq_ignore_ascii_case(time));
    let time = header.iter().position(is_time);
    let places: Vec<Option<usize>> =
        header.iter().map(|name| if is_time(name) { None } else { frames.place(name) }).collect();
    let fps = arguments.fps.unwrap_or(FPS);
    let clip = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    frames.cut();
    let mut row = 0_usize;
    while let Some(line) = next_line(&mut lines, path)? {
        if line.trim().is_empty() {
            continue;
        }
        let fields: Vec<f64> = line.split(separator).map(|field| field.trim().parse().unwrap_or(f64::NAN)).collect();
        if fields.len() != header.len() {
            let (got, expected, number) = (fields.len(), header.len(), row + 2);
            return Err(refuse(format!("line {number}: {got} fields, expected {expected} as in the first line")).into());
        }
        let seconds = time.map_or(row as f64 / fps, |time| fields[time]);
        take(frames, seconds, &places, fields.iter().copied(), &clip);
        row += 1;
    }
    frames.cut();
    Ok(())
}

/// The next line, of a length that a line of numbers can have.
fn next_line(lines: &mut impl BufRead, path: &Path) -> Result<Option<String>, AdoptError> {
    let refuse = |why: String| AdoptError::data(path, why);
    let mut bytes = Vec::new();
    let mut limited = std::io::Read::take(lines, MOST_LINE as u64);
    if limited.read_until(b'\n', &mut bytes).map_err(|error| refuse(error.to_string()))? == 0 {
        return Ok(None);
    }
    if bytes.len() == MOST_LINE {
        return Err(refuse(format!("has a line of more than {MOST_LINE} bytes; expected a table of numbers")));
    }
    let text =
        String::from_utf8(bytes).map_err(|_invalid| refuse("is no text; expected a table of numbers".to_owned()))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).trim_start_matches('\u{feff}').to_owned()))
}
