//! Evaluation, benches and demonstrations: what the program `thalweg-lab` does.

mod bench_clouds;
mod bench_defence;
mod bench_gan;
mod bench_gradient;
mod bench_node;
mod bench_pose;
mod bench_scaling;
mod bench_streams;
mod bench_trackers;
mod clips;
pub mod defence;
mod demo;
mod demo_defence;
mod demo_images;
#[cfg(feature = "ros")]
mod demo_retrain;
mod demo_robot;
#[cfg(feature = "ros")]
mod demo_tracker;
pub mod eval;
#[cfg(feature = "ros")]
mod live;
mod one_of;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use thalweg_node::options::bounded;

/// Evaluation, benches and demonstrations of thalweg.
///
/// Exit codes are those of `thalweg`.
#[derive(Parser)]
#[command(name = "thalweg-lab", version, about, verbatim_doc_comment)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show missing joints of a moving body being completed
    Demo(demo::DemoArguments),
    /// Repair damaged images of faces, eight ways each
    DemoImages(demo_images::DemoImagesArguments),
    /// Attack eight pictures, repair them, and tell their classes
    DemoDefence(demo_defence::DemoDefenceArguments),
    /// Show a robot whose arm falls silent and whose knee lies
    DemoRobot(demo_robot::DemoRobotArguments),
    /// Show a running node getting better from what it has recorded
    #[cfg(feature = "ros")]
    DemoRetrain(demo_retrain::DemoRetrainArguments),
    /// Show people as a tracker of bodies sees them being completed
    #[cfg(feature = "ros")]
    DemoTracker(demo_tracker::DemoTrackerArguments),
    /// Measure methods against each other on held-out data
    #[command(subcommand)]
    Bench(bench_pose::Bench),
    /// Measure the ROS 2 node: round trips, age of data, memory
    BenchNode(bench_node::BenchNodeArguments),
    /// Send joints back as they come; bench-node starts it
    #[cfg(feature = "ros")]
    #[command(hide = true)]
    RosEcho,
}

/// The command line, its numbers bounded.
#[must_use]
pub fn program() -> clap::Command {
    bounded(Arguments::command())
}

/// Runs the program: reads the command line, and ends as its exit codes say.
#[must_use]
pub fn main() -> ExitCode {
    let matches = program().get_matches();
    let command = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()).command;
    thalweg_cli::failure::guarded(|| run(&command).map(|()| ExitCode::SUCCESS))
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::DemoImages(arguments) => demo_images::run(arguments),
        Command::DemoDefence(arguments) => demo_defence::run(arguments),
        Command::DemoRobot(arguments) => demo_robot::run(arguments),
        #[cfg(feature = "ros")]
        Command::DemoRetrain(arguments) => demo_retrain::run(arguments),
        #[cfg(feature = "ros")]
        Command::DemoTracker(arguments) => demo_tracker::run(arguments),
        Command::Bench(bench) => bench_pose::run(bench),
        Command::BenchNode(arguments) => bench_node::run(arguments),
        #[cfg(feature = "ros")]
        Command::RosEcho => bench_node::echo(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_option_that_is_a_number_is_bounded() {
        thalweg_tests::options::assert_bounded(&super::program());
    }
}
