//! Parameters, the task's weights, the landscape.

use std::path::Path;

use thalweg::Registry;
use thalweg_engine::landscape::Landscape;
use thalweg_node::parameters::{ParameterError, Settings, Store, check_file, full_table};
use thalweg_task::{LoadOptions, TaskSpec};

use super::DoctorArguments;
use super::finding::Finding;

const PARAMETERS: &str = "parameters";

/// The node's name unless it is remapped.
const NODE: &str = "/thalweg";

/// Whether the table holds together, and a parameter file with it.
pub(super) fn parameters(file: Option<&Path>, registry: &Registry) -> Finding {
    match declare(registry) {
        Err(error) => Finding::fail(PARAMETERS, error.to_string(), "this build is broken; build it again"),
        Ok(count) => match file {
            None => Finding::ok(PARAMETERS, format!("{count} declared, all at their defaults")),
            Some(file) => parameter_file(file),
        },
    }
}

fn declare(registry: &Registry) -> Result<usize, ParameterError> {
    let store = Store::declare(full_table(registry, &[]), &[])?;
    Settings::read(&store, 0)?;
    Ok(store.names().count())
}

fn parameter_file(file: &Path) -> Finding {
    let cure = "compare with what `thalweg params` prints";
    match check_file(file, NODE).map_err(anyhow::Error::from).and_then(|()| parse(file)) {
        Ok(how) => Finding::ok(PARAMETERS, format!("{} {how}", file.display())),
        Err(error) => Finding::fail(PARAMETERS, format!("{error:#}"), cure),
    }
}

#[cfg(feature = "ros")]
fn parse(file: &Path) -> anyhow::Result<&'static str> {
    super::ros::parse_parameters(file)?;
    Ok("is what the node takes")
}

#[cfg(not(feature = "ros"))]
fn parse(_file: &Path) -> anyhow::Result<&'static str> {
    Ok("addresses the node; its values are read by builds with ROS only")
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
            vec![Finding::ok("task", found), landscape(arguments, spec)]
        }
    }
}

fn landscape(arguments: &DoctorArguments, spec: &TaskSpec) -> Finding {
    let beside = arguments.models.join(format!("{}_theta.safetensors", spec.name));
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
