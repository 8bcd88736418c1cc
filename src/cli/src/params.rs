//! `thalweg params`.

use clap::Args;
use thalweg::{Registry, defaults};
use thalweg_node::parameters;

use crate::console;

/// Options of `thalweg params`.
#[derive(Args)]
#[command(after_help = "The node takes the file with --ros-args --params-file FILE.")]
pub(crate) struct ParamsArguments {
    /// Task that the file chooses
    #[arg(long, value_name = "TASK", default_value = defaults::TASK)]
    task: String,
    /// Print the parameters of the node and of all tasks as a table in Markdown instead
    #[arg(long, conflicts_with = "task")]
    markdown: bool,
}

/// Prints a parameter file for the node: all parameters, their defaults and what they mean.
pub(crate) fn run(arguments: &ParamsArguments, registry: &Registry) -> anyhow::Result<()> {
    if arguments.markdown {
        return console::print(&parameters::markdown(registry));
    }
    console::print(&parameters::dump(registry, &arguments.task)?)
}
