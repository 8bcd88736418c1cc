//! `thalweg doctor`: looks at everything that the node depends on, and says what to do.

mod auto;
mod finding;
mod machine;
mod model;
mod python;
#[cfg(feature = "ros")]
mod ros;
mod space;

use std::path::PathBuf;

use clap::Args;
use thalweg::{Registry, defaults};
use thalweg_task::models_folder;

use crate::console;
use crate::params::RosArguments;
use finding::{Finding, Level};

/// What `--help` prints below the options.
const HELP: &str = "\
One line for each check: ok, warn or FAIL, what was looked at, what was found, and what to do.
Where there is a GPU, it is compared with the processor, which takes about a second.
A build with ROS also looks at the graph for a second, in the ROS domain of the environment.
Nothing is changed. Exit code 5 when a check fails.

Examples:
  thalweg doctor
  thalweg doctor --params-file node.yaml
  thalweg doctor --ros-args -r __ns:=/robot1 -r joint_states:=/arm/joint_states --params-file fleet.yaml
  thalweg doctor --task planar_arm --models weights";

/// Options of `thalweg doctor`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct DoctorArguments {
    /// Task to load
    #[arg(long, value_name = "TASK", default_value = defaults::TASK)]
    task: String,
    /// Folder of the weights of tasks [default: the shipped ones]
    #[arg(long, value_name = "DIR", default_value_os_t = models_folder(), hide_default_value = true)]
    models: PathBuf,
    /// The learned landscape [default: MODELS/TASK_theta.safetensors]
    #[arg(long, value_name = "FILE")]
    landscape: Option<PathBuf>,
    /// Parameter file of the node
    #[arg(long, value_name = "FILE")]
    params_file: Option<PathBuf>,
    #[command(flatten)]
    ros: RosArguments,
}

impl DoctorArguments {
    /// The arguments that the node would be given, between `--ros-args` and `--`.
    fn of_node(&self) -> Vec<String> {
        let mut arguments = self.ros.of_node();
        if let Some(file) = &self.params_file {
            arguments.extend(["--ros-args".to_owned(), "--params-file".to_owned(), file.display().to_string()]);
        }
        arguments
    }
}

/// Some checks failed.
#[derive(Debug, thiserror::Error)]
#[error("{} failed: {}", if names.len() == 1 { "one check".to_owned() } else { format!("{} checks", names.len()) }, names.join(", "))]
pub(crate) struct ChecksFailed {
    /// What was looked at.
    names: Vec<&'static str>,
}

/// Checks everything, telling each finding as it comes.
pub(crate) fn run(arguments: &DoctorArguments, registry: &Registry) -> anyhow::Result<()> {
    if let Err(error) = thalweg_node::drivers::keep_quiet() {
        console::note(&format!("drivers may complain, for this program could not be started anew: {error}"));
    }
    let mut failed = Vec::new();
    let mut tell = |finding: Finding| {
        if finding.level == Level::Fail {
            failed.push(finding.what);
        }
        console::print(&format!("{finding}\n"))
    };
    let of_node = arguments.of_node();
    model::parameters(&of_node, registry).into_iter().try_for_each(&mut tell)?;
    model::task_and_landscape(arguments, registry).into_iter().try_for_each(&mut tell)?;
    machine::CHECKS.iter().try_for_each(|check| tell(check()))?;
    tell(auto::automatic(arguments, registry))?;
    tell(python::peers())?;
    ros_checks(&of_node).into_iter().try_for_each(&mut tell)?;
    failed.dedup();
    if failed.is_empty() { Ok(()) } else { Err(ChecksFailed { names: failed }.into()) }
}

#[cfg(feature = "ros")]
fn ros_checks(arguments: &[String]) -> Vec<Finding> {
    ros::checks(arguments)
}

#[cfg(not(feature = "ros"))]
fn ros_checks(_arguments: &[String]) -> Vec<Finding> {
    vec![Finding::ok("ROS", "this build has no ROS; the node needs one with --features ros")]
}

/// Declares the node's parameters from this program's arguments, as the node does, and ends: what
/// `doctor` runs in a process of its own, for rcl reads the arguments of a process.
#[cfg(feature = "ros")]
pub(crate) fn declare_parameters(registry: &Registry) -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    thalweg_ros::client::survey::declare_parameters(&arguments, registry)
}
