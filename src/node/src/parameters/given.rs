//! What parameter files and arguments give a node, read as rcl reads them and addressed as rclcpp addresses them.
//!
//! ```text
//! --params-file, -p ──> file (events of YAML) ──> sections, in their order ──[name of the node]──> Given
//! ```
//!
//! The node, `thalweg doctor` and `thalweg params` all read through this. rcl reads the same arguments when the node is
//! made, and what it refuses is refused; `tests/ros/test_parameter_files.py` holds the two against each other.

mod address;
mod file;
mod scalar;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use thalweg_nn::files::read_limited;
use thalweg_task::ParameterValue;

use super::error::ParameterError;
use crate::intake::escaped;
use address::{Sections, matches};

pub use address::full_name;

/// Largest parameter file that is read, bytes: all parameters with their comments have 10 kB, those of a fleet in one
/// file some hundred.
const LARGEST: u64 = 4 << 20;

/// What gave a parameter its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A section under the node's own name: it can be meant for nobody else.
    Own,
    /// A section with wildcards, perhaps for several nodes.
    Shared,
    /// `-p name:=value`: launch gives it to all of its nodes.
    Argument,
}

/// One parameter that a node is given.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenValue {
    /// Its name, groups joined by dots.
    pub name: String,
    /// Its value, in the type that rcl gives it.
    pub value: ParameterValue,
    /// Where it comes from.
    pub origin: Origin,
}

/// What files and arguments give a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Each name once, with the value that counts.
    pub values: Vec<GivenValue>,
    /// One for each file of which something was passed over.
    pub notices: Vec<Notice>,
}

/// Sections of a file that were passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// One sentence.
    pub text: String,
    /// Whether nothing of the file is for this node.
    pub is_all: bool,
}

impl Given {
    /// As JSON: each value with its type, numbers that JSON does not have as YAML writes them.
    #[must_use]
    pub fn to_json(&self, node: &str) -> Value {
        let values = self.values.iter().map(|given| {
            let value = match &given.value {
                ParameterValue::Double(value) if !value.is_finite() => Value::from(given.value.to_string()),
                value => value.to_json(),
            };
            (given.name.clone(), json!([given.value.kind().name(), value]))
        });
        let notices: Vec<&str> = self.notices.iter().map(|notice| notice.text.as_str()).collect();
        json!({"node": node, "values": values.collect::<Map<_, _>>(), "notices": notices})
    }
}

/// Reads what the arguments of a program give a node.
///
/// `node`: its full name, as `/left/thalweg`.
///
/// # Errors
/// [`ParameterError`] about the first file or argument that cannot be read, with its line.
pub fn given(arguments: &[String], node: &str) -> Result<Given, ParameterError> {
    let mut sections = Sections::default();
    let mut notices = Vec::new();
    for source in sources(arguments) {
        match source {
            Source::File(path) => {
                let names = file::read(&path, &read_text(&path)?, &mut sections)?;
                notices.extend(passed_over(&path, &names, node));
            }
            Source::Rule(rule) => file::read_rule(rule, &mut sections)?,
        }
    }
    let mut values: Vec<GivenValue> = Vec::new();
    for section in sections.all().filter(|section| matches(&section.name, node)) {
        for entry in &section.entries {
            let value = entry.value().ok_or_else(|| ParameterError::no_value(&entry.name, "an empty list"))?;
            let given = GivenValue { name: entry.name.clone(), value: value.clone(), origin: entry.origin };
            match values.iter_mut().find(|known| known.name == given.name) {
                Some(known) => *known = given,
                None => values.push(given),
            }
        }
    }
    Ok(Given { values, notices })
}

/// Says which sections of a file are not for this node.
fn passed_over(path: &Path, names: &[String], node: &str) -> Option<Notice> {
    let path = path.display();
    if names.is_empty() {
        return Some(Notice { text: format!("{path}: no parameters in it"), is_all: true });
    }
    let others: Vec<&String> = names.iter().filter(|name| !matches(name, node)).collect();
    others.first()?;
    let is_all = others.len() == names.len();
    let list = others.iter().map(|name| escaped(name)).collect::<Vec<_>>().join(", ");
    let what = if is_all { "has parameters only for" } else { "has parameters also for" };
    let short = node.rsplit('/').next().unwrap_or(node);
    let namesake = others.iter().find(|name| name.rsplit('/').next() == Some(short));
    let hint = namesake.map_or_else(String::new, |name| {
        let name = escaped(&format!("/{}", name.trim_start_matches('/')));
        format!("; '{name}' is another, write '{node}' or '/**/{short}'")
    });
    Some(Notice { text: format!("{path}: {what} {list}; this node is {node}{hint}"), is_all })
}

/// An argument that gives parameters.
enum Source<'a> {
    File(PathBuf),
    /// `[node:]name:=value`
    Rule(&'a str),
}

/// The arguments between `--ros-args` and `--`, each with what follows it.
fn ros_arguments(arguments: &[String]) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut is_ros = false;
    arguments.iter().enumerate().filter_map(move |(place, argument)| {
        match argument.as_str() {
            "--ros-args" => is_ros = true,
            "--" => is_ros = false,
            argument if is_ros => return Some((argument, arguments.get(place + 1).map(String::as_str))),
            _ => {}
        }
        None
    })
}

fn sources(arguments: &[String]) -> impl Iterator<Item = Source<'_>> {
    ros_arguments(arguments).filter_map(|(argument, value)| match argument {
        "--params-file" => value.map(|path| Source::File(PathBuf::from(path))),
        "-p" | "--param" => value.map(Source::Rule),
        _ => None,
    })
}

/// Reads a file whole, as UTF-8, or UTF-16 where it begins with that mark; a mark is dropped.
fn read_text(path: &Path) -> Result<String, ParameterError> {
    let bytes = read_limited(path, LARGEST).map_err(|source| ParameterError::File { path: path.to_owned(), source })?;
    let text = match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => None,
    };
    let text = match text {
        Some(text) => text,
        None => String::from_utf8(bytes).map_err(|error| {
            let line = line_of(error.as_bytes(), error.utf8_error().valid_up_to());
            ParameterError::NotUtf8 { path: path.to_owned(), line }
        })?,
    };
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    match text.lines().position(is_indented_by_tab) {
        Some(line) => Err(ParameterError::Tab { path: path.to_owned(), line: line + 1 }),
        None => Ok(text),
    }
}

fn utf16(bytes: &[u8], number: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks();
    let units: Vec<u16> = pairs.iter().copied().map(number).collect();
    String::from_utf16(&units).ok().filter(|_| rest.is_empty())
}

fn line_of(bytes: &[u8], place: usize) -> usize {
    1 + bytes[..place].iter().filter(|byte| **byte == b'\n').count()
}

fn is_indented_by_tab(line: &str) -> bool {
    let content = line.trim_start();
    let indent = &line[..line.len() - content.len()];
    indent.contains('\t') && !content.is_empty() && !content.starts_with('#')
}
