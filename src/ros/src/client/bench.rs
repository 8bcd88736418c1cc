//! What a benchmark of the node needs of ROS: an echo to compare with, and round trips.

mod route;

use std::os::unix::process::parent_id;
use std::thread::sleep;
use std::time::Duration;

use r2r::QosProfile;
use r2r::sensor_msgs::msg::JointState;

use super::peer::Link;

pub use route::{RoundTrips, Route, Turn};

/// Where the echo listens.
pub const ECHO_INPUT: &str = "/bench/joint_states";

/// Where the echo answers.
pub const ECHO_OUTPUT: &str = "/bench/echo";

/// How often the echo looks whether it is still wanted.
const WATCH: Duration = Duration::from_millis(200);

/// Sends every message back as it came, with the node's quality of service, until whoever started
/// this program has gone.
///
/// # Errors
/// What rcl says.
pub fn echo() -> anyhow::Result<()> {
    let parent = parent_id();
    let link = Link::join("thalweg_echo")?;
    let writer = link.writer(ECHO_OUTPUT)?;
    link.subscribe(ECHO_INPUT, QosProfile::sensor_data(), move |message: JointState| {
        // A message that does not go out counts as missed on the other side.
        drop(writer.send(&message));
    })?;
    while parent_id() == parent {
        sleep(WATCH);
    }
    Ok(())
}
