//! `thalweg params`.

use clap::Args;
use thalweg::{Registry, defaults};
use thalweg_node::parameters;

use crate::console;

/// What `--help` prints below the options.
const HELP: &str = "\
The node takes the file with --ros-args --params-file FILE.

Examples:
  thalweg params --task planar_arm > arm.yaml
  thalweg params --given --ros-args -r __ns:=/robot1 --params-file fleet.yaml   what reaches /robot1/thalweg";

/// The node's name unless it is remapped.
const NODE: &str = "thalweg";

/// The arguments of a node, given to another program.
#[derive(Args)]
pub(crate) struct RosArguments {
    /// Arguments of the node: -r FROM:=TO, -p NAME:=VALUE, --params-file FILE, up to `--`
    #[arg(long, value_name = "ARGUMENT", num_args = 0.., allow_hyphen_values = true, value_terminator = "--")]
    ros_args: Vec<String>,
}

impl RosArguments {
    /// These arguments, as the node would get them.
    pub(crate) fn of_node(&self) -> Vec<String> {
        match self.ros_args.as_slice() {
            [] => Vec::new(),
            some => [&["--ros-args".to_owned()], some, &["--".to_owned()]].concat(),
        }
    }
}

/// Options of `thalweg params`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct ParamsArguments {
    /// Task that the file chooses
    #[arg(long, value_name = "TASK", default_value = defaults::TASK)]
    task: String,
    /// Print the parameters of the node and of all tasks as a table in Markdown instead
    #[arg(long, conflicts_with = "task")]
    markdown: bool,
    /// Print what the arguments of the node give it, and which sections of files are not for it, as JSON instead
    #[arg(long, conflicts_with_all = ["task", "markdown"])]
    given: bool,
    #[command(flatten)]
    ros: RosArguments,
}

/// Prints a parameter file for the node: all parameters, their defaults and what they mean.
pub(crate) fn run(arguments: &ParamsArguments, registry: &Registry) -> anyhow::Result<()> {
    if arguments.markdown {
        return console::print(&parameters::markdown(registry));
    }
    if arguments.given {
        return tell_given(&arguments.ros.of_node());
    }
    console::print(&parameters::dump(registry, &arguments.task)?)
}

fn tell_given(arguments: &[String]) -> anyhow::Result<()> {
    let node = parameters::full_name(arguments, NODE);
    let given = parameters::given(arguments, &node)?;
    console::print(&format!("{:#}\n", given.to_json(&node)))
}
