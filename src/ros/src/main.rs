//! `thalweg_node`: the ROS 2 node.

use std::process::ExitCode;

fn main() -> ExitCode {
    thalweg_ros::run(thalweg::Registry::shipped())
}
