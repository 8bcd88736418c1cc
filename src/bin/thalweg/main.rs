//! The command line: everything of thalweg that needs no ROS.

mod bench_gan;
mod bench_node;
mod bench_pose;
mod check;
mod console;
mod demo;
mod demo_images;
#[cfg(feature = "ros")]
mod demo_retrain;
mod describe;
mod doctor;
mod export;
mod failure;
mod job;
mod motion;
mod observation;
mod params;
mod recover;
mod replay;
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
    /// Repair damaged images of faces, eight ways each
    DemoImages(demo_images::DemoImagesArguments),
    /// Show a running node getting better from what it has recorded
    #[cfg(feature = "ros")]
    DemoRetrain(demo_retrain::DemoRetrainArguments),
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
    /// Measure methods against each other on held-out data
    #[command(subcommand)]
    Bench(bench_pose::Bench),
    /// Measure the ROS 2 node: round trips, age of data, memory
    BenchNode(bench_node::BenchNodeArguments),
    /// Send joints back as they come; bench-node starts it
    #[cfg(feature = "ros")]
    #[command(hide = true)]
    RosEcho,
    /// Declare the node's parameters and end; doctor starts it
    #[cfg(feature = "ros")]
    #[command(hide = true)]
    RosParameters {
        /// What rcl reads
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    failure::shorten_panics();
    // Unwind safe: nothing is looked at afterwards; the hook has told what happened.
    match catch_unwind(AssertUnwindSafe(|| run(&command))) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => failure::print(&error),
        Err(_) => failure::panicked(),
    }
}

/// Runs a command; most have one way to succeed.
fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let done = match command {
        Command::Tasks(arguments) => tasks::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Solve(arguments) => solve::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::DemoImages(arguments) => demo_images::run(arguments),
        #[cfg(feature = "ros")]
        Command::DemoRetrain(arguments) => demo_retrain::run(arguments),
        Command::Train(arguments) => train::run(arguments),
        Command::Motion(arguments) => motion::run(arguments),
        Command::Describe(arguments) => describe::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Recover(arguments) => return recover::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Params(arguments) => params::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Bench(bench) => bench_pose::run(bench),
        Command::BenchNode(arguments) => bench_node::run(arguments),
        #[cfg(feature = "ros")]
        Command::RosEcho => bench_node::echo(),
        #[cfg(feature = "ros")]
        Command::RosParameters { .. } => doctor::declare_parameters(),
    };
    done.map(|()| ExitCode::SUCCESS)
}
