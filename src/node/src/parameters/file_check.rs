//! A look at parameter files before rcl reads them.
//!
//! rcl reads the values; here only what it and its callers pass over in silence, or answer with
//! less than a sentence: no such file, no text, tabs, and parameters for another node.

use std::path::{Path, PathBuf};

use thalweg_nn::files::read_limited;

use super::error::ParameterError;

/// The key below which parameters stand.
const PARAMETERS: &str = "ros__parameters";

/// Largest parameter file that is read, bytes: all parameters with their comments have 10 kB, those of a fleet in one
/// file some hundred.
const SIZE_LIMIT: u64 = 4 << 20;

/// Reads a parameter file, which is a regular one of a moderate size.
///
/// # Errors
/// [`ParameterError::File`].
pub fn read_file(path: &Path) -> Result<Vec<u8>, ParameterError> {
    read_limited(path, SIZE_LIMIT).map_err(|source| ParameterError::File { path: path.to_owned(), source })
}

/// Finds the parameter files among the arguments of a program, in their order.
#[must_use]
pub fn parameter_files(arguments: &[String]) -> Vec<PathBuf> {
    let (mut files, mut is_ros) = (Vec::new(), false);
    for (place, argument) in arguments.iter().enumerate() {
        match argument.as_str() {
            "--ros-args" => is_ros = true,
            "--" => is_ros = false,
            "--params-file" if is_ros => files.extend(arguments.get(place + 1).map(PathBuf::from)),
            _ => {}
        }
    }
    files
}

/// Checks a parameter file for a node.
///
/// `node`: its full name, as `/left/thalweg`.
///
/// # Errors
/// [`ParameterError`] when the file cannot be read, is no UTF-8, is indented by tabs, or has
/// parameters for other nodes only.
pub fn check_file(path: &Path, node: &str) -> Result<(), ParameterError> {
    let text = String::from_utf8(read_file(path)?).map_err(|error| {
        let line = line_of(error.as_bytes(), error.utf8_error().valid_up_to());
        ParameterError::NotUtf8 { path: path.to_owned(), line }
    })?;
    check_text(path, &text, node)
}

fn line_of(bytes: &[u8], place: usize) -> usize {
    1 + bytes[..place].iter().filter(|byte| **byte == b'\n').count()
}

/// Checks the text of a parameter file, as [`check_file`] does.
///
/// # Errors
/// As [`check_file`], less those about reading.
pub fn check_text(path: &Path, text: &str, node: &str) -> Result<(), ParameterError> {
    let path = || path.to_owned();
    if let Some(line) = text.lines().position(is_indented_by_tab) {
        return Err(ParameterError::Tab { path: path(), line: line + 1 });
    }
    if !text.contains(PARAMETERS) {
        return Err(ParameterError::NoParameters { path: path() });
    }
    let addressed = addressed_names(text);
    // None found: written in a way that only a parser of YAML sees through, as {a: {..}}.
    if addressed.is_empty() || addressed.iter().any(|name| addresses(name, node)) {
        return Ok(());
    }
    Err(ParameterError::OtherNode { path: path(), addressed: addressed.join(", "), node: node.to_owned() })
}

fn is_indented_by_tab(line: &str) -> bool {
    let content = line.trim_start();
    let indent = &line[..line.len() - content.len()];
    indent.contains('\t') && !content.is_empty() && !content.starts_with('#')
}

/// Names of the nodes that a parameter file addresses, as they are written.
///
/// Namespaces may stand on lines of their own; they are joined by slashes, as rcl joins them.
#[must_use]
pub fn addressed_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    // Keys above the present line, with their indents.
    let mut above: Vec<(usize, String)> = Vec::new();
    // Indent of the last ros__parameters: what lies deeper are values.
    let mut values_below: Option<usize> = None;
    for line in text.lines() {
        let Some((indent, key)) = key_of(line) else { continue };
        if values_below.is_some_and(|values| indent > values) {
            continue;
        }
        values_below = None;
        above.retain(|(other, _)| *other < indent);
        if key == PARAMETERS {
            values_below = Some(indent);
            names.push(join(&above));
        }
        above.push((indent, key));
    }
    names
}

/// Names of parameters that a file gives to this node by its name, not to all: those of groups, too.
///
/// `node`: its full name, as `/left/thalweg`. What only a parser of YAML sees through is left out.
#[must_use]
pub fn own_parameters(text: &str, node: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut above: Vec<(usize, String)> = Vec::new();
    // Place of ros__parameters among the keys above, and whether the node is meant.
    let mut section: Option<(usize, bool)> = None;
    for line in text.lines() {
        let Some((indent, key)) = key_of(line) else { continue };
        above.retain(|(other, _)| *other < indent);
        section = section.filter(|(place, _)| *place < above.len());
        match section {
            Some((place, true)) => {
                let path = above[place + 1..].iter().map(|(_, key)| key.as_str()).chain([key.as_str()]);
                names.push(path.collect::<Vec<_>>().join("."));
            }
            None if key == PARAMETERS => {
                let name = join(&above);
                section = Some((above.len(), addresses(&name, node) && !name.ends_with("**")));
            }
            _ => {}
        }
        above.push((indent, key));
    }
    names
}

/// The indent and the key of a line that has one.
fn key_of(line: &str) -> Option<(usize, String)> {
    let content = line.trim_start();
    if content.is_empty() || content.starts_with(['#', '-', '%']) {
        return None;
    }
    let indent = line.len() - content.len();
    let quote = content.chars().next().filter(|c| matches!(c, '"' | '\''));
    let key = match quote {
        Some(quote) => {
            let (key, rest) = content[1..].split_once(quote)?;
            rest.trim_start().starts_with(':').then_some(key)?
        }
        None => content.split_once(':')?.0.trim_end(),
    };
    Some((indent, key.to_owned()))
}

fn join(above: &[(usize, String)]) -> String {
    let mut name = String::new();
    for (_, key) in above {
        if !name.is_empty() && !name.ends_with('/') && !key.starts_with('/') {
            name.push('/');
        }
        name.push_str(key);
    }
    name
}

/// Whether a name in a file means this node, by the rules of r2r: wildcards `/**` and `**`, the
/// full name, or the name without its namespace.
fn addresses(name: &str, node: &str) -> bool {
    let last = node.rsplit('/').next().unwrap_or(node);
    matches!(name, "/**" | "**") || name == node || name == last
}
