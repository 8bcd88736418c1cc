//! Joint positions on the way out and back.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;
use thalweg_task::lock;

use r2r::Publisher;
use r2r::builtin_interfaces::msg::Time;
use r2r::sensor_msgs::msg::JointState;
use r2r::std_msgs::msg::Header;

use crate::node::time::stamp;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Joints that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Stamp in the header.
    pub stamp_nanos: i64,
    /// When the message was taken from the middleware.
    pub received: Instant,
    /// Names of joints.
    pub names: Vec<String>,
    /// Position of each, rad.
    pub positions: Vec<f64>,
}

impl From<JointState> for Received {
    fn from(message: JointState) -> Self {
        let stamp_nanos = nanos(&message.header.stamp);
        Self { stamp_nanos, received: Instant::now(), names: message.name, positions: message.position }
    }
}

/// A stamp in nanoseconds.
pub(super) fn nanos(stamp: &Time) -> i64 {
    i64::from(stamp.sec) * SECOND + i64::from(stamp.nanosec)
}

/// Publishes joints on one topic, from any thread.
#[derive(Debug)]
pub struct JointWriter {
    publisher: Mutex<Publisher<JointState>>,
}

impl JointWriter {
    pub(super) fn new(publisher: Publisher<JointState>) -> Self {
        Self { publisher: Mutex::new(publisher) }
    }

    /// Publishes positions; names that are not given are unobserved.
    ///
    /// `positions`: one for each name, rad.
    ///
    /// # Errors
    /// What rcl says.
    pub fn publish(&self, stamp_nanos: i64, names: &[String], positions: &[f64]) -> anyhow::Result<()> {
        let message = JointState {
            header: Header { stamp: stamp(stamp_nanos), frame_id: String::new() },
            name: names.to_vec(),
            position: positions.to_vec(),
            ..JointState::default()
        };
        Ok(self.send(&message)?)
    }

    pub(crate) fn send(&self, message: &JointState) -> r2r::Result<()> {
        self.lock().publish(message)
    }

    /// How many subscribers there are in other processes.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.lock().get_inter_process_subscription_count().unwrap_or(0)
    }

    /// A panic while publishing leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Publisher<JointState>> {
        lock(&self.publisher)
    }
}
