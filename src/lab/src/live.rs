//! What demos over the middleware have in common: a graph of their own, a node that listens, stamps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use thalweg_ros::client::peer::{NodeProcess, Peer, enter_domain, find_node, wait_until};

/// Longest wait for the node to be there, or to answer a service.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Joins a ROS graph of this demo's own; the first time, the program starts anew and does not return.
///
/// # Errors
/// Why there is no ROS here.
pub(crate) fn connect(name: &str) -> anyhow::Result<Peer> {
    find_node()?;
    enter_domain(None)?;
    Peer::connect(name)
}

/// Waits until the node is among the `subscribers`.
///
/// # Errors
/// When it ends, or does not listen in time: what it said last.
pub(crate) fn wait_until_heard(node: &mut NodeProcess, subscribers: impl Fn() -> usize) -> anyhow::Result<()> {
    let is_heard = wait_until(PATIENCE, || node.check().is_err() || subscribers() > 0);
    node.check()?;
    ensure!(is_heard, "the node does not listen; it said last: {}", node.last_lines());
    Ok(())
}

/// The system's time; messages are stamped with it.
///
/// # Errors
/// When the clock stands before 1970 or after 2262.
pub(crate) fn now_nanos() -> anyhow::Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the system's clock stands before 1970")?;
    Ok(i64::try_from(since.as_nanos())?)
}
