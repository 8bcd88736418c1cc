//! Peers written in Python: tools and tests, never needed by the node.

use std::process::Command;

use super::finding::Finding;

/// Prints the version, then whether rclpy is there.
const SCRIPT: &str = "import importlib.util as u, sys\n\
                      print('Python %d.%d.%d,' % sys.version_info[:3], 'rclpy' if u.find_spec('rclpy') else 'no rclpy')";

/// Notes which Python there is; ROS 2 Jazzy's is 3.12.
pub(super) fn peers() -> Finding {
    let output = Command::new("python3").args(["-c", SCRIPT]).output();
    let found = output.ok().filter(|output| output.status.success());
    let found = found.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let found = found.unwrap_or_else(|| "no Python".to_owned());
    let note = if found.starts_with("Python 3.12.") && found.ends_with(", rclpy") {
        "peers of ROS 2 Jazzy run here"
    } else {
        "peers of ROS 2 Jazzy want Python 3.12 and rclpy; the node needs neither"
    };
    Finding::ok("python", format!("{found}; {note}"))
}
