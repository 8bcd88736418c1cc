//! The table as a ROS parameter file.

use std::borrow::Cow;

use thalweg_task::{Entry, ParameterSpec, ParameterValue};

use super::constraints::{change, range};
use super::table::{node_table, task_table};
use thalweg::Registry;

/// Spaces by which each level is indented.
const INDENT: usize = 2;

/// Writes a parameter file for one task: every parameter with its default and a comment.
///
/// Parameters of other tasks and overrides of quality of service are left out, and so is `use_sim_time`: a file would
/// overrule what a launch file says for all of its nodes.
///
/// # Errors
/// [`thalweg_task::TaskError::UnknownName`] when there is no such task, with the nearest name.
pub fn dump(registry: &Registry, task: &str) -> thalweg_task::Result<String> {
    let entry = registry.find(task)?;
    let specs = table_for(registry, entry);
    let mut text = format!(
        "# Parameters of thalweg for the task {task}: {}.\n\
         # Made by `thalweg params --task {task}`. In brackets: type and unit; range; when it can be changed.\n\
         /**:\n  ros__parameters:\n",
        entry.summary
    );
    let rows: Vec<Row<'_>> = specs.iter().map(|spec| (split(&spec.name), spec)).collect();
    write_level(&rows, 2, &mut text);
    Ok(text)
}

/// The table with a task chosen, and what suits it, with that task's parameters only.
fn table_for(registry: &Registry, entry: &Entry) -> Vec<ParameterSpec> {
    let mut specs = node_table(registry);
    let mut suited = (entry.suited)();
    suited.push(("task", ParameterValue::String(entry.name.to_owned())));
    for (name, value) in suited {
        specs.iter_mut().filter(|spec| spec.name == name).for_each(|spec| spec.default = value.clone());
    }
    specs.extend(task_table(entry));
    specs.retain(|spec| spec.name != "use_sim_time");
    specs
}

/// What is left of a name at some depth, and what it describes.
type Row<'a> = (Vec<&'a str>, &'a ParameterSpec);

fn split(name: &str) -> Vec<&str> {
    name.split('.').collect()
}

/// Writes rows of one depth, each group where its first member stands.
fn write_level(rows: &[Row<'_>], depth: usize, text: &mut String) {
    let mut written: Vec<&str> = Vec::new();
    for (path, spec) in rows {
        let Some((first, rest)) = path.split_first() else { continue };
        if written.contains(first) {
            continue;
        }
        written.push(first);
        if rest.is_empty() {
            write_leaf(first, spec, depth, text);
            continue;
        }
        let is_member = |(path, _): &&Row<'_>| path.first() == Some(first);
        let below: Vec<Row<'_>> =
            rows.iter().filter(is_member).map(|(path, spec)| (path[1..].to_vec(), *spec)).collect();
        text.push_str(&format!("{}{}:\n", " ".repeat(INDENT * depth), key(first)));
        write_level(&below, depth + 1, text);
    }
}

fn write_leaf(name: &str, spec: &ParameterSpec, depth: usize, text: &mut String) {
    let indent = " ".repeat(INDENT * depth);
    text.push_str(&format!("{indent}# {}\n{indent}{}: {}\n", comment(spec), key(name), spec.default));
}

fn comment(spec: &ParameterSpec) -> String {
    let unit = if spec.unit.is_empty() { String::new() } else { format!(", {}", spec.unit) };
    let range = Some(range(spec)).filter(|range| !range.is_empty());
    let range = range.map_or_else(String::new, |range| format!("; {range}"));
    format!("{} [{}{unit}{range}; {}]", spec.description, spec.kind(), change(spec))
}

/// A key, in quotes where it is no plain word.
fn key(name: &str) -> Cow<'_, str> {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { Cow::Borrowed(name) } else { Cow::Owned(format!("\"{name}\"")) }
}
