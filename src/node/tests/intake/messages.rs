//! Messages that own their parts, and specifications to take them for.

use thalweg_node::intake::{Cause, CloudMessage, Field, ImageMessage, JointMessage, Stamp, Taken};
use thalweg_task::{ImageSpec, JointSpec, PointsSpec, TaskSpec};

/// The time of most tests, nanoseconds.
pub(crate) const NOW: i64 = 1_700_000_000_000_000_000;

/// Nanoseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000_000;

pub(crate) fn at(nanos: i64) -> Stamp {
    Stamp { sec: i32::try_from(nanos / SECOND).unwrap(), nanosec: u32::try_from(nanos % SECOND).unwrap() }
}

/// The causes of what was refused.
pub(crate) fn causes(taken: &Taken) -> Vec<Cause> {
    taken.refusals.iter().map(|refusal| refusal.cause).collect()
}

/// A joint message that owns its parts.
#[derive(Clone, Debug)]
pub(crate) struct Joints {
    pub(crate) stamp: Stamp,
    pub(crate) frame_id: String,
    pub(crate) names: Vec<String>,
    pub(crate) positions: Vec<f64>,
    pub(crate) has_other_fields: bool,
}

impl Joints {
    pub(crate) fn new(names: &[&str], positions: &[f64]) -> Self {
        let names = names.iter().map(ToString::to_string).collect();
        Self { stamp: at(NOW), frame_id: "base".into(), names, positions: positions.into(), has_other_fields: false }
    }

    pub(crate) fn stamped(mut self, stamp: Stamp) -> Self {
        self.stamp = stamp;
        self
    }

    pub(crate) fn message(&self) -> JointMessage<'_> {
        JointMessage {
            stamp: self.stamp,
            frame_id: &self.frame_id,
            names: &self.names,
            positions: &self.positions,
            has_other_fields: self.has_other_fields,
        }
    }
}

/// Three joints: two angles and one length.
pub(crate) fn joint_specs() -> Vec<JointSpec> {
    let joint = |name: &str, unit: &str, lower, upper| JointSpec { name: name.into(), unit: unit.into(), lower, upper };
    vec![joint("hip", "rad", -1.0, 1.0), joint("knee", "rad", 0.0, 2.5), joint("lift", "m", 0.0, 0.5)]
}

/// An image message that owns its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) stamp: Stamp,
    pub(crate) frame_id: String,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) encoding: String,
    pub(crate) is_bigendian: u8,
    pub(crate) step: u32,
    pub(crate) data: Vec<u8>,
}

impl Picture {
    /// Rows without padding.
    pub(crate) fn new(encoding: &str, height: u32, width: u32, data: &[u8]) -> Self {
        let step = u32::try_from(data.len()).unwrap() / height.max(1);
        let (encoding, data) = (encoding.to_owned(), data.to_vec());
        Self { stamp: at(NOW), frame_id: "camera".into(), height, width, encoding, is_bigendian: 0, step, data }
    }

    pub(crate) fn message(&self) -> ImageMessage<'_> {
        let &Self { stamp, height, width, is_bigendian, step, .. } = self;
        let (frame_id, encoding, data) = (self.frame_id.as_str(), self.encoding.as_str(), self.data.as_slice());
        ImageMessage { stamp, frame_id, height, width, encoding, is_bigendian, step, data }
    }
}

pub(crate) fn image_spec(channels: i64, height: i64, width: i64) -> ImageSpec {
    ImageSpec { channels, height, width }
}

/// A cloud message that owns its parts.
#[derive(Clone, Debug)]
pub(crate) struct Cloud {
    pub(crate) stamp: Stamp,
    pub(crate) frame_id: String,
    pub(crate) height: u32,
    pub(crate) width: u32,
    /// Name, offset, datatype, count.
    pub(crate) fields: Vec<(String, u32, u8, u32)>,
    pub(crate) is_bigendian: bool,
    pub(crate) point_step: u32,
    pub(crate) row_step: u32,
    pub(crate) data: Vec<u8>,
}

impl Cloud {
    /// One row of FLOAT32 x, y, z without padding.
    pub(crate) fn new(points: &[[f32; 3]]) -> Self {
        let width = u32::try_from(points.len()).unwrap();
        Self {
            stamp: at(NOW),
            frame_id: "world".into(),
            height: 1,
            width,
            fields: ["x", "y", "z"].iter().zip([0, 4, 8]).map(|(name, at)| (name.to_string(), at, 7, 1)).collect(),
            is_bigendian: false,
            point_step: 12,
            row_step: 12 * width,
            data: points.iter().flatten().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    /// The fields, borrowed.
    pub(crate) fn fields(&self) -> Vec<Field<'_>> {
        let fields = self.fields.iter();
        fields.map(|&(ref name, offset, datatype, count)| Field { name, offset, datatype, count }).collect()
    }

    pub(crate) fn message<'a>(&'a self, fields: &'a [Field<'a>]) -> CloudMessage<'a> {
        let &Self { stamp, height, width, is_bigendian, point_step, row_step, .. } = self;
        let (frame_id, data) = (self.frame_id.as_str(), self.data.as_slice());
        CloudMessage { stamp, frame_id, height, width, fields, is_bigendian, point_step, row_step, data }
    }
}

pub(crate) fn points_spec(count: usize) -> PointsSpec {
    let names = (0..count).map(|point| format!("point_{point}")).collect();
    PointsSpec { names, frame: "world".into(), tracker: None, cloud: 0, rays: false }
}

/// A task that observes everything: three joints, a 4 x 4 gray image, two points.
pub(crate) fn task_spec() -> TaskSpec {
    TaskSpec {
        name: "everything".into(),
        latent: 3,
        output: vec![3],
        joints: joint_specs(),
        groups: Vec::new(),
        reads_joints: true,
        image: Some(image_spec(1, 4, 4)),
        points: Some(points_spec(2)),
        skeleton: None,
        classes: Vec::new(),
        convention: None,
        residual: false,
        fingerprint: "none".into(),
        device: tch::Device::Cpu,
        kind: tch::Kind::Float,
    }
}
