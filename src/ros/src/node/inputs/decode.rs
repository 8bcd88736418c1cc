//! From messages to the intake: as bytes, and as r2r has them.

use r2r::builtin_interfaces::msg::Time;
use r2r::sensor_msgs::msg::{JointState, PointCloud2};

use super::topic::{MARKERS, OBJECTS, POSES, SKELETON};
use thalweg_node::intake::wire::{self, with_camera, with_joints, with_points};
use thalweg_node::intake::{
    CloudMessage, Field, Input, Intake, JointMessage, PixelUnit, Refusal, Stamp, Taken, read_objects, read_skeleton,
};

/// Decodes a message and hands it to the intake; images and masks go through [`super::frames`].
///
/// # Errors
/// [`thalweg_node::intake::Cause::Undecodable`] when the bytes are no message of the type.
pub(super) fn take(
    intake: &mut Intake,
    (input, type_name): (Input, &str),
    bytes: &[u8],
    now_nanos: i64,
) -> Result<Taken, Refusal> {
    let keypoints = |intake: &mut Intake, (stamp, frame_id, readings): wire::Keypoints| {
        intake.take_keypoints(stamp, &frame_id, &readings, now_nanos)
    };
    match input {
        Input::Joints => with_joints(bytes, |message| intake.take_joints(message, now_nanos)),
        Input::Image | Input::Compressed | Input::Mask => Ok(Taken::default()),
        Input::Points if type_name == MARKERS => Ok(keypoints(intake, wire::read_markers(bytes)?)),
        Input::Points if type_name == POSES => Ok(keypoints(intake, wire::read_poses(bytes)?)),
        Input::Points if type_name == OBJECTS => {
            let objects = read_objects(bytes, intake.keypoints().unwrap_or_default())?;
            Ok(keypoints(intake, objects))
        }
        Input::Points if type_name == SKELETON => {
            let (stamp, frame_id, readings) = read_skeleton(bytes)?;
            Ok(intake.take_pixels((stamp, &frame_id), &readings, PixelUnit::Shares, now_nanos))
        }
        Input::Camera => with_camera(bytes, |message| intake.take_camera(message, now_nanos)),
        Input::Points => with_points(bytes, |message| intake.take_points(message, now_nanos)),
        Input::Cloud => with_points(bytes, |message| intake.take_cloud(message, now_nanos)),
    }
}

/// Hands joints to an intake.
pub(crate) fn take_joints(intake: &mut Intake, message: &JointState, now_nanos: i64) -> Taken {
    let message = JointMessage {
        stamp: stamp(&message.header.stamp),
        frame_id: &message.header.frame_id,
        names: &message.name,
        positions: &message.position,
        has_other_fields: !(message.velocity.is_empty() && message.effort.is_empty()),
    };
    intake.take_joints(&message, now_nanos)
}

/// Reads a `rosgraph_msgs/Clock`; none where the bytes are no such message, or its time is none.
pub(crate) fn clock_of(bytes: &[u8]) -> Option<Time> {
    wire::clock_of(bytes).map(|Stamp { sec, nanosec }| Time { sec, nanosec })
}

/// Does something with a cloud as the intake reads it.
pub(crate) fn with_cloud<T>(message: &PointCloud2, work: impl FnOnce(&CloudMessage<'_>) -> T) -> T {
    let fields: Vec<Field<'_>> = message
        .fields
        .iter()
        .map(|field| Field { name: &field.name, offset: field.offset, datatype: field.datatype, count: field.count })
        .collect();
    let cloud = CloudMessage {
        stamp: stamp(&message.header.stamp),
        frame_id: &message.header.frame_id,
        height: message.height,
        width: message.width,
        fields: &fields,
        is_bigendian: message.is_bigendian,
        point_step: message.point_step,
        row_step: message.row_step,
        data: &message.data,
    };
    work(&cloud)
}

fn stamp(time: &Time) -> Stamp {
    Stamp { sec: time.sec, nanosec: time.nanosec }
}

#[cfg(test)]
mod tests {
    use r2r::WrappedTypesupport;
    use r2r::geometry_msgs::msg::{Point, Pose, PoseArray, Quaternion};
    use r2r::rosgraph_msgs::msg::Clock;
    use r2r::sensor_msgs::msg::{JointState, PointField};
    use r2r::std_msgs::msg::{ColorRGBA, Header};
    use r2r::visualization_msgs::msg::{Marker, MarkerArray, UVCoordinate};

    use super::*;

    fn header() -> Header {
        Header { stamp: Time { sec: 7, nanosec: 8 }, frame_id: "base".to_owned() }
    }

    /// As the middleware writes it.
    #[test]
    fn joints_are_read_as_the_middleware_writes_them() {
        let (name, position) = (vec!["a".to_owned(), "bcd".to_owned(), "κ".to_owned()], vec![0.5, -1.0, 2.0]);
        let message = JointState { header: header(), name, position, velocity: vec![1.0], effort: Vec::new() };
        let bytes = message.to_serialized_bytes().expect("serialized");
        let read = with_joints(&bytes, |read| {
            assert_eq!((read.stamp.sec, read.stamp.nanosec, read.frame_id), (7, 8, "base"));
            assert_eq!((read.names, read.positions), (&message.name[..], &message.position[..]));
            read.has_other_fields
        });
        assert_eq!(read.ok(), Some(true));
        for length in (0..bytes.len()).rev().skip(4) {
            assert!(with_joints(&bytes[..length], |_| ()).is_err(), "cut at {length} of {}", bytes.len());
        }
    }

    #[test]
    fn points_are_read_as_the_middleware_writes_them() {
        let field = |name: &str, offset| PointField { name: name.to_owned(), offset, datatype: 7, count: 1 };
        let message = PointCloud2 {
            header: header(),
            height: 1,
            width: 2,
            fields: vec![field("x", 0), field("yy", 4), field("z", 8)],
            is_bigendian: true,
            point_step: 12,
            row_step: 24,
            data: (0..24).collect(),
            is_dense: true,
        };
        let bytes = message.to_serialized_bytes().expect("serialized");
        let told = |read: &CloudMessage<'_>| format!("{read:?}");
        let expected = with_cloud(&message, told);
        assert_eq!(with_points(&bytes, told).ok(), Some(expected));
        for length in (0..bytes.len()).rev().skip(4) {
            assert!(with_points(&bytes[..length], |_| ()).is_err(), "cut at {length} of {}", bytes.len());
        }
    }

    #[test]
    fn markers_and_poses_are_read_as_the_middleware_writes_them() {
        let pose = |x: f64| {
            let (position, orientation) = (Point { x, y: 2.0, z: 3.0 }, Quaternion { x: 0.0, y: 0.0, z: 0.0, w: 1.0 });
            Pose { position, orientation }
        };
        let marker = |id, action, x| Marker {
            header: header(),
            ns: "body".to_owned(),
            id,
            action,
            pose: pose(x),
            points: vec![Point { x: 9.0, y: 9.0, z: 9.0 }; 2],
            colors: vec![ColorRGBA { r: 1.0, g: 0.5, b: 0.25, a: 1.0 }],
            texture_resource: "texture".to_owned(),
            uv_coordinates: vec![UVCoordinate { u: 0.5, v: 0.5 }; 3],
            text: "joint".to_owned(),
            mesh_resource: "mesh".to_owned(),
            ..Marker::default()
        };
        let message = MarkerArray { markers: vec![marker(7, 0, 1.0), marker(8, 2, 5.0), marker(9, 0, 4.0)] };
        let bytes = message.to_serialized_bytes().expect("serialized");
        let (stamp, frame_id, readings) = wire::read_markers(&bytes).expect("markers");
        assert_eq!((stamp.sec, stamp.nanosec, frame_id.as_str()), (7, 8, "base"));
        let read: Vec<_> = readings.iter().map(|reading| (reading.id, reading.place)).collect();
        assert_eq!(read, [(Some(7), [1.0, 2.0, 3.0]), (Some(9), [4.0, 2.0, 3.0])]);
        for length in (0..bytes.len()).rev().skip(4) {
            assert!(wire::read_markers(&bytes[..length]).is_err(), "cut at {length} of {}", bytes.len());
        }
        let message = PoseArray { header: header(), poses: vec![pose(1.0), pose(4.0)] };
        let bytes = message.to_serialized_bytes().expect("serialized");
        let (stamp, frame_id, readings) = wire::read_poses(&bytes).expect("poses");
        assert_eq!((stamp.sec, frame_id.as_str(), readings.len()), (7, "base", 2));
        assert_eq!((readings[1].id, readings[1].place), (None, [4.0, 2.0, 3.0]));
        for length in (0..bytes.len()).rev().skip(4) {
            assert!(wire::read_poses(&bytes[..length]).is_err(), "cut at {length} of {}", bytes.len());
        }
    }

    #[test]
    fn a_clock_is_a_time() {
        let of = |sec, nanosec| {
            let clock = Clock { clock: Time { sec, nanosec } };
            clock_of(&clock.to_serialized_bytes().expect("serialized"))
        };
        assert_eq!(of(5, 999_999_999), Some(Time { sec: 5, nanosec: 999_999_999 }));
        assert_eq!((of(-1, 0), of(5, 1_000_000_000), of(5, u32::MAX), clock_of(b"clock")), (None, None, None, None));
    }
}
