//! The command line: everything of thalweg that needs no ROS.

mod check;
mod console;
mod demo;
mod failure;
mod job;
mod measure;
mod motion;
mod observation;
mod params;
mod solve;
mod task_options;
mod tasks;
mod train;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Real-time inversion of neural networks on learned landscapes.
///
/// Exit codes: 0 success, 1 failure, 2 wrong usage, 3 bad input (observation, recording,
/// parameter), 4 weights missing, damaged or made for something else, 5 a check failed.
#[derive(Parser)]
#[command(version, about, verbatim_doc_comment)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the tasks and what they observe
    Tasks(tasks::TasksArguments),
    /// Check that a task keeps the contract
    Check(check::CheckArguments),
    /// Solve one observation, from JSON or from a recorded motion
    Solve(solve::SolveArguments),
    /// Show missing joints of a moving body being completed
    Demo(demo::DemoArguments),
    /// Train weights
    #[command(subcommand)]
    Train(train::Train),
    /// Measure landscapes on held-out poses: loss and hidden joints against steps
    Measure(measure::MeasureArguments),
    /// Keep clips of motion capture as latents of the body_pose task
    Motion(motion::MotionArguments),
    /// Print the node's parameters as a parameter file
    Params(params::ParamsArguments),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    failure::shorten_panics();
    // Unwind safe: nothing is looked at afterwards; the hook has told what happened.
    match catch_unwind(AssertUnwindSafe(|| run(&command))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failure::print(&error),
        Err(_) => failure::panicked(),
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Tasks(arguments) => tasks::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Solve(arguments) => solve::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Train(arguments) => train::run(arguments),
        Command::Measure(arguments) => measure::run(arguments),
        Command::Motion(arguments) => motion::run(arguments),
        Command::Params(arguments) => params::run(arguments),
    }
}
