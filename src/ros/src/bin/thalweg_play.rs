//! `thalweg_play`: plays the bundled motion into the input of a node.

use std::process::ExitCode;

fn main() -> ExitCode {
    thalweg_ros::client::play::run()
}
