//! The command line: everything of thalweg that needs no ROS.

mod adopt;
mod arrays;
mod check;
pub mod console;
pub mod describe;
mod doctor;
mod export;
pub mod failure;
mod generate;
pub mod job;
mod motion;
mod new;
pub mod observation;
mod params;
pub mod recordings;
mod recover;
mod replay;
mod solve;
mod task_options;
mod tasks;
pub mod train;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use thalweg::Registry;
use thalweg_node::options::bounded;

/// Real-time inversion of neural networks on learned landscapes.
///
/// Exit codes: 0 success, 1 failure, 2 wrong usage, 3 bad input (observation, recording,
/// parameter), 4 weights missing, damaged or made for something else, 5 a check failed.
#[derive(Parser)]
#[command(name = "thalweg", version, about, verbatim_doc_comment)]
struct Arguments {
    /// Library with a task of others: a file, a folder of files, or PACKAGE/TASK of the ament index; may be repeated.
    /// It runs with all rights of this program
    #[arg(long = "plugin", global = true, value_name = "LIBRARY")]
    plugins: Vec<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the tasks and what they observe
    Tasks(tasks::TasksArguments),
    /// Check that a task keeps the contract
    Check(check::CheckArguments),
    /// Begin a task of your own: a PyTorch model, a crate or a shared library
    New(new::NewArguments),
    /// Solve one observation, from JSON or from a recorded motion
    Solve(solve::SolveArguments),
    /// Make a model of a robot from its URDF and its recordings
    Adopt(Box<adopt::AdoptArguments>),
    /// Train weights
    #[command(subcommand)]
    Train(train::Train),
    /// Keep clips of motion capture as latents of the body_pose task
    Motion(motion::MotionArguments),
    /// Tell what is in a recording
    Describe(describe::DescribeArguments),
    /// Write a recording as NumPy arrays or CSV
    Export(export::ExportArguments),
    /// Make a whole file of a recording that was cut off or damaged
    Recover(recover::RecoverArguments),
    /// Solve a recording again and compare bit for bit
    Replay(replay::ReplayArguments),
    /// Print a parameter file for the ROS 2 node
    Params(params::ParamsArguments),
    /// Look at everything that the node depends on, and say what to do
    Doctor(doctor::DoctorArguments),
    /// Write shell completions and man pages
    #[command(hide = true)]
    Generate(generate::GenerateArguments),
    /// Declare the node's parameters and end; doctor starts it
    #[cfg(feature = "ros")]
    #[command(hide = true)]
    RosParameters {
        /// What rcl reads
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _arguments: Vec<String>,
    },
}

/// Runs the program for the tasks of a registry: reads the command line, and ends as its exit codes say.
///
/// A program of one's own is `thalweg_cli::run(Registry::shipped().with(my_task::ENTRY))`.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "as thalweg_ros::run has it")]
pub fn run(registry: Registry) -> ExitCode {
    let matches = program().get_matches();
    let Arguments { command, plugins } = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    failure::guarded(|| obey(&command, &plugins, &registry))
}

/// The command line, its numbers bounded.
#[must_use]
pub fn program() -> clap::Command {
    bounded(Arguments::command())
}

/// Runs a command; most have one way to succeed.
fn obey(command: &Command, plugins: &[String], registry: &Registry) -> anyhow::Result<ExitCode> {
    // Lists libraries without opening them.
    if let Command::Tasks(arguments) = command {
        return tasks::run(arguments, plugins, registry).map(|()| ExitCode::SUCCESS);
    }
    let (registry, refused) = registry.clone().with_plugins(plugins);
    let registry = &registry;
    refused.iter().for_each(|error| console::note(&error.to_string()));
    let done = match command {
        Command::Tasks(_) => Ok(()),
        Command::Check(arguments) => check::run(arguments, registry),
        Command::New(arguments) => new::run(arguments),
        Command::Solve(arguments) => solve::run(arguments, registry),
        Command::Adopt(arguments) => adopt::run(arguments, registry),
        Command::Train(arguments) => train::run(arguments, registry),
        Command::Motion(arguments) => motion::run(arguments),
        Command::Describe(arguments) => describe::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Recover(arguments) => return recover::run(arguments),
        Command::Replay(arguments) => replay::run(arguments, registry),
        Command::Params(arguments) => params::run(arguments, registry),
        Command::Doctor(arguments) => doctor::run(arguments, registry),
        Command::Generate(arguments) => generate::run(arguments, program().name("thalweg")),
        #[cfg(feature = "ros")]
        Command::RosParameters { .. } => doctor::declare_parameters(registry),
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_option_that_is_a_number_is_bounded() {
        thalweg_tests::options::assert_bounded(&super::program());
    }
}
