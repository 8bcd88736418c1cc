//! From arguments to a node and its parameters.

use std::panic::catch_unwind;

use anyhow::Context as _;
use r2r::{Context, Node};
use thalweg::{Registry, defaults, plugins};
use thalweg_node::intake::Input;
use thalweg_node::parameters::{
    Given, GivenValue, PLUGINS, PointsType, Store, Word, clock_qos_table, full_name, full_table, given,
    publisher_qos_table,
};
use thalweg_task::{Kinds, ParameterSpec, ParameterValue, panic_line};

use super::names::Names;
use super::process::{check_surroundings, recordings_folder};

/// The node's name unless it is remapped.
pub(crate) const NAME: &str = "thalweg";

/// Checks parameter files and makes the node; rcl's own refusals come as panics of r2r.
pub(crate) fn prepare(arguments: &[String]) -> anyhow::Result<Node> {
    check_surroundings()?;
    let name = full_name(arguments, NAME);
    // Before rcl, which says less about what it refuses.
    given(arguments, &name)?;
    let context = quietly(Context::create).map_err(|error| explained(error, "bad ROS arguments"))??;
    let node = quietly(move || Node::create(context, NAME, ""));
    let node = node.map_err(|error| explained(error, "bad name or namespace"))?;
    node.with_context(|| {
        format!(
            "cannot create node {name}: rcl or the middleware refused it; see their lines above, and \
             ROS_DOMAIN_ID, RMW_IMPLEMENTATION and the variables ROS_SECURITY_*"
        )
    })
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

/// Opens the libraries that the arguments name, and adds their tasks; says which cannot be used.
pub(crate) fn with_plugins(registry: Registry, arguments: &[String]) -> anyhow::Result<Registry> {
    let given = given(arguments, &full_name(arguments, NAME))?;
    let named = given.values.iter().find_map(|given| match (given.name.as_str(), &given.value) {
        (PLUGINS, ParameterValue::String(text)) => Some(plugins::listed(text)),
        _ => None,
    });
    let (registry, refused) = registry.with_plugins(&named.unwrap_or_default());
    for error in refused {
        tracing::error!("{error}");
    }
    Ok(registry)
}

/// Declares the parameters of a node, with the values that files and arguments give it.
///
/// What is given to all nodes and is unlike ours is told and passed over, as rclcpp passes it over.
///
/// # Errors
/// One sentence about the first value that is refused.
pub(crate) fn declare(registry: &Registry, node: &Node, names: &Names, arguments: &[String]) -> anyhow::Result<Store> {
    let given = given(arguments, &node.fully_qualified_name()?)?;
    for notice in &given.notices {
        if notice.is_all {
            tracing::warn!("{}", notice.text);
        } else {
            tracing::info!("{}", notice.text);
        }
    }
    let (mut store, others) = Store::declare_given(table(registry, names, &given), &given.values)?;
    store.confine(&recordings_folder())?;
    for unknown in others {
        tracing::warn!("{unknown}; given to all nodes, and ignored by this one");
    }
    Ok(store)
}

/// Outputs whose quality of service can be chosen; those of each hypothesis go with `~/hypotheses`.
const OUTPUTS: [&str; 10] = [
    "~/reconstruction",
    "~/joint_states",
    "~/completed",
    "~/hypotheses",
    "~/ghosts",
    "~/weights",
    "~/losses",
    "~/statistics",
    "/diagnostics",
    "/parameter_events",
];

/// Those of a task that renders images; the last one only where it tells classes, which its weights say.
const IMAGE_OUTPUTS: [&str; 3] = ["~/reconstruction/image", "~/uncertainty", "~/label"];

/// Everything that can be set, with the topics that the task has which the node starts with.
fn table(registry: &Registry, names: &Names, given: &Given) -> Vec<ParameterSpec> {
    let task = given.values.iter().find_map(|given| match (given.name.as_str(), &given.value) {
        ("task", ParameterValue::String(task)) => Some(task.as_str()),
        _ => None,
    });
    // An unknown task is refused with its value.
    let entry = registry.find(task.unwrap_or(defaults::TASK)).ok();
    let kinds = entry.map_or_else(Kinds::default, |entry| entry.observes);
    // A task may observe points only where they have a weight.
    let weight = format!("{}.point_weight", task.unwrap_or(defaults::TASK));
    let has_weight = |given: &GivenValue| given.name == weight && given.value != ParameterValue::Double(0.0);
    let table = format!("{}.keypoints", task.unwrap_or(defaults::TASK));
    let has_table = |given: &GivenValue| given.name == table && given.value != ParameterValue::String(String::new());
    let has_tracker = given.values.iter().any(has_table);
    let cloud = format!("{}.cloud_weight", task.unwrap_or(defaults::TASK));
    let has_cloud = given.values.iter().any(|given| given.name == cloud && given.value != ParameterValue::Double(0.0));
    let has_points = kinds.points || has_tracker || has_cloud || given.values.iter().any(has_weight);
    let is_image = |text: &str| PointsType::named(text).is_some_and(PointsType::has_camera);
    let has_camera = has_tracker
        && given.values.iter().any(|given| match &given.value {
            ParameterValue::String(text) => given.name == "input.points_type" && is_image(text),
            _ => false,
        });
    let is_read = |input: &Input| match input {
        Input::Joints => kinds.joints,
        Input::Image | Input::Compressed | Input::Mask => kinds.image,
        Input::Points => has_points,
        Input::Cloud => has_cloud,
        Input::Camera => has_camera,
    };
    let inputs: Vec<String> = Input::ALL.into_iter().filter(is_read).map(|input| names.of_input(input)).collect();
    let images: &[&str] = if kinds.image { &IMAGE_OUTPUTS } else { &[] };
    // A task that may read a tracker finds a root in a cloud, too.
    let reads_trackers = || entry.is_some_and(|entry| (entry.parameters)().iter().any(|row| row.name == "keypoints"));
    let poses: &[&str] = if has_tracker || has_cloud && reads_trackers() { &["~/pose"] } else { &[] };
    let outputs =
        OUTPUTS.iter().chain(images).chain(poses).flat_map(|output| publisher_qos_table(&names.resolve(output)));
    full_table(registry, &inputs).into_iter().chain(clock_qos_table()).chain(outputs).collect()
}
