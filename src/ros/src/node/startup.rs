//! From arguments to a node and its parameters.

use std::panic::catch_unwind;

use anyhow::Context as _;
use r2r::{Context, Node};
use thalweg::Registry;
use thalweg_node::intake::{Input, escaped};
use thalweg_node::parameters::{
    ParameterError, Store, check_file, full_table, own_parameters, parameter_files, read_file,
};
use thalweg_task::panic_line;

use super::names::{Names, full_name};
use super::parameters;
use super::process::{check_surroundings, recordings_folder};

/// The node's name unless it is remapped.
pub(crate) const NAME: &str = "thalweg";

/// Checks parameter files and makes the node; rcl's own refusals come as panics of r2r.
pub(crate) fn prepare(arguments: &[String]) -> anyhow::Result<Node> {
    check_surroundings()?;
    let name = full_name(arguments, NAME);
    for file in parameter_files(arguments) {
        match check_file(&file, &name) {
            // It may be meant for the other nodes of a launch file.
            Err(error @ ParameterError::OtherNode { .. }) => tracing::warn!("{error}"),
            checked => checked?,
        }
    }
    let context = quietly(Context::create).map_err(|error| explained(error, "bad ROS arguments"))??;
    let node = quietly(move || Node::create(context, NAME, ""));
    let node = node.map_err(|error| explained(error, "bad name or namespace"))?;
    node.with_context(|| format!("cannot create node {name}: its name or a remapping is not valid"))
}

/// Says what rcl refuses: what it is usually, or that SROS 2 finds nothing for this node.
fn explained(error: anyhow::Error, usual: &'static str) -> anyhow::Error {
    if error.to_string().contains("SECURITY ERROR") {
        let text = "SROS 2 is switched on by ROS_SECURITY_ENABLE, and ROS_SECURITY_KEYSTORE holds no enclave for this node; \
                    make one with ros2 security create_enclave, or unset the variable";
        return error.context(text);
    }
    error.context(usual)
}

/// Turns a panic of r2r into an error; its text is rcl's.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T + std::panic::UnwindSafe) -> anyhow::Result<T> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_panic| {}));
    let result = catch_unwind(work);
    std::panic::set_hook(hook);
    result.map_err(|panic| anyhow::anyhow!("{}", panic_line(panic.as_ref())))
}

/// Declares the parameters of a node, with the values that rcl found for it.
///
/// What is given to all nodes and is unlike ours is told and passed over, as rclcpp passes it over.
///
/// # Errors
/// One sentence about the first value that is refused.
pub(crate) fn declare(registry: &Registry, node: &Node, names: &Names, arguments: &[String]) -> anyhow::Result<Store> {
    let topics = Input::ALL.map(|input| names.of_input(input));
    let full_name = node.fully_qualified_name()?;
    let texts =
        parameter_files(arguments).into_iter().filter_map(|file| String::from_utf8(read_file(&file).ok()?).ok());
    let ours: Vec<String> = texts.flat_map(|text| own_parameters(&text, &full_name)).collect();
    let is_ours = |name: &str| ours.iter().any(|own| own == name);
    let given = parameters::overrides(node)?;
    let (mut store, others) = Store::declare_given(full_table(registry, &topics), &given, is_ours)?;
    store.confine(&recordings_folder())?;
    for name in others {
        tracing::warn!("parameter '{}' is none of this node's, and is ignored", escaped(&name));
    }
    Ok(store)
}
