//! Numbered points on the way out, and where the root stands on the way back.

use std::sync::Mutex;

use r2r::Publisher;
use r2r::geometry_msgs::msg::PoseStamped;
use r2r::sensor_msgs::msg::{PointCloud2, PointField};
use r2r::std_msgs::msg::Header;
use thalweg_task::lock;

use super::joints::nanos;
use crate::node::time::stamp;

/// Types of fields of `sensor_msgs/msg/PointField`.
const UINT32: u8 = 6;
const FLOAT32: u8 = 7;
/// Bytes of a point: three coordinates, its number, how sure the tracker is.
const STEP: u32 = 20;

/// A point as a tracker of bodies sends it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberedPoint {
    /// In the tracker's axes and unit.
    pub place: [f64; 3],
    /// The tracker's number of it.
    pub id: u32,
    /// How sure the tracker is, in its own unit.
    pub confidence: f64,
}

/// Where the root of a body stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedPose {
    /// Stamp in the header.
    pub stamp_nanos: i64,
    /// Frame in the header.
    pub frame: String,
    /// Metres.
    pub position: [f64; 3],
    /// Quaternion x, y, z, w.
    pub rotation: [f64; 4],
}

impl From<PoseStamped> for ReceivedPose {
    fn from(message: PoseStamped) -> Self {
        let (at, turn) = (message.pose.position, message.pose.orientation);
        Self {
            stamp_nanos: nanos(&message.header.stamp),
            frame: message.header.frame_id,
            position: [at.x, at.y, at.z],
            rotation: [turn.x, turn.y, turn.z, turn.w],
        }
    }
}

/// Publishes numbered points on one topic, from any thread.
#[derive(Debug)]
pub struct PointWriter {
    publisher: Mutex<Publisher<PointCloud2>>,
    /// The field that says how sure the tracker is.
    confidence: String,
}

impl PointWriter {
    pub(super) fn new(publisher: Publisher<PointCloud2>, confidence: &str) -> Self {
        Self { publisher: Mutex::new(publisher), confidence: confidence.to_owned() }
    }

    /// Publishes points that were seen in a frame.
    ///
    /// # Errors
    /// What rcl says.
    pub fn publish(&self, stamp_nanos: i64, frame: &str, points: &[NumberedPoint]) -> anyhow::Result<()> {
        let names = ["x", "y", "z", "id", &self.confidence];
        let field = |(index, name): (usize, &str)| PointField {
            name: name.to_owned(),
            offset: 4 * index as u32,
            datatype: if name == "id" { UINT32 } else { FLOAT32 },
            count: 1,
        };
        let bytes = |point: &NumberedPoint| {
            let [x, y, z] = point.place.map(|number| (number as f32).to_le_bytes());
            [x, y, z, point.id.to_le_bytes(), (point.confidence as f32).to_le_bytes()].concat()
        };
        let message = PointCloud2 {
            header: Header { stamp: stamp(stamp_nanos), frame_id: frame.to_owned() },
            height: 1,
            width: points.len() as u32,
            fields: names.into_iter().enumerate().map(field).collect(),
            is_bigendian: false,
            point_step: STEP,
            row_step: STEP * points.len() as u32,
            data: points.iter().flat_map(bytes).collect(),
            is_dense: false,
        };
        Ok(lock(&self.publisher).publish(&message)?)
    }

    /// How many subscribers there are in other processes.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        lock(&self.publisher).get_inter_process_subscription_count().unwrap_or(0)
    }
}
