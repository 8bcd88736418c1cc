//! Parameters, the task's weights, the landscape.

use std::path::Path;

use thalweg::{LandscapeSource, Plan, Registry};
use thalweg_engine::landscape::Landscape;
use thalweg_node::parameters::{Notice, ParameterError, Settings, Store, full_name, full_table, given};
use thalweg_task::{LoadOptions, TaskSpec};

use super::DoctorArguments;
use super::finding::Finding;

const PARAMETERS: &str = "parameters";

/// The node's name unless it is remapped.
const NODE: &str = "thalweg";

/// Whether the table holds together, and what files and arguments give the node with it.
pub(super) fn parameters(arguments: &[String], registry: &Registry) -> Vec<Finding> {
    match declare(registry) {
        Err(error) => vec![Finding::fail(PARAMETERS, error.to_string(), "this build is broken; build it again")],
        Ok(count) if arguments.is_empty() => {
            vec![Finding::ok(PARAMETERS, format!("{count} declared, all at their defaults"))]
        }
        Ok(_) => of_arguments(arguments),
    }
}

fn declare(registry: &Registry) -> Result<usize, ParameterError> {
    let store = Store::declare(full_table(registry, &[]), &[])?;
    Settings::read(&store, 0)?;
    Ok(store.names().count())
}

fn of_arguments(arguments: &[String]) -> Vec<Finding> {
    let cure = "compare with what `thalweg params` prints";
    let node = full_name(arguments, NODE);
    let read = given(arguments, &node).map_err(anyhow::Error::from);
    match read.and_then(|given| Ok((parse(arguments)?, given))) {
        Err(error) => vec![Finding::fail(PARAMETERS, format!("{error:#}"), cure)],
        Ok((how, given)) => {
            let found = format!("{} given to {node}, {how}", given.values.len());
            let notice = |notice: &Notice| {
                let tell = if notice.is_all { Finding::fail } else { Finding::warn };
                tell(PARAMETERS, &notice.text, cure)
            };
            let mut findings = vec![Finding::ok(PARAMETERS, found)];
            findings.extend(given.notices.iter().map(notice));
            findings
        }
    }
}

#[cfg(feature = "ros")]
fn parse(arguments: &[String]) -> anyhow::Result<&'static str> {
    super::ros::parse_parameters(arguments)?;
    Ok("as the node takes them")
}

#[cfg(not(feature = "ros"))]
fn parse(_arguments: &[String]) -> anyhow::Result<&'static str> {
    Ok("whose values are judged by builds with ROS only")
}

/// Everything at its default but what the arguments name.
pub(super) fn plan(arguments: &DoctorArguments, registry: &Registry) -> Plan {
    let mut plan = Plan::of(registry.clone(), &arguments.task);
    plan.options.models.clone_from(&arguments.models);
    if let Some(file) = &arguments.landscape {
        plan.landscape = LandscapeSource::File(file.clone());
    }
    plan
}

/// Whether the task loads, and a landscape fits it.
pub(super) fn task_and_landscape(arguments: &DoctorArguments, registry: &Registry) -> Vec<Finding> {
    let options = LoadOptions { models: arguments.models.clone(), ..LoadOptions::default() };
    match registry.load(&arguments.task, &options) {
        Err(error) => {
            let cure = format!(
                "give the folder that has the weights of the task by --models (and the parameter `models`); looked in {}",
                arguments.models.display()
            );
            vec![Finding::fail("task", error.to_string(), cure)]
        }
        Ok(task) => {
            let spec = task.spec();
            let found = format!("{} loads, model {}", spec.name, spec.fingerprint);
            let folder = task.folder().unwrap_or(&arguments.models);
            vec![Finding::ok("task", found), landscape(arguments, folder, spec)]
        }
    }
}

fn landscape(arguments: &DoctorArguments, folder: &Path, spec: &TaskSpec) -> Finding {
    let beside = folder.join(format!("{}_theta.safetensors", spec.name));
    let path = match &arguments.landscape {
        Some(path) => path,
        None if beside.exists() => &beside,
        None => {
            let found = format!("task {} has none, the node descends in the latent itself", spec.name);
            return Finding::warn("landscape", found, "train one with `thalweg train theta`");
        }
    };
    match Landscape::trained(path, spec) {
        Ok(landscape) => Finding::ok("landscape", format!("{} fits, {}", path.display(), landscape.id())),
        Err(error) => Finding::fail(
            "landscape",
            error.to_string(),
            "take the file that was trained for these weights, or train it again with `thalweg train theta`",
        ),
    }
}
