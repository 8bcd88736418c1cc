//! From the bytes of a message to the intake.

use r2r::WrappedTypesupport;
use r2r::builtin_interfaces::msg::Time;
use r2r::sensor_msgs::msg::{Image, JointState, PointCloud2};

use crate::intake::{Cause, CloudMessage, Field, ImageMessage, Input, Intake, JointMessage, Refusal, Stamp, Taken};

/// Decodes a message and hands it to the intake.
///
/// # Errors
/// [`Cause::Undecodable`] when the bytes are no message of the type.
pub(super) fn take(intake: &mut Intake, input: Input, bytes: &[u8], now_nanos: i64) -> Result<Taken, Refusal> {
    Ok(match input {
        Input::Joints => take_joints(intake, &decode(bytes)?, now_nanos),
        Input::Image => take_image(intake, &decode(bytes)?, now_nanos),
        Input::Points => take_points(intake, &decode(bytes)?, now_nanos),
    })
}

/// Four bytes are the header of every CDR payload; Fast CDR reads beyond the end of less.
const HEADER: usize = 4;

fn decode<M: WrappedTypesupport>(bytes: &[u8]) -> Result<M, Refusal> {
    let refuse = |_error| {
        let text = format!("got {} bytes that do not decode; expected a serialized message", bytes.len());
        Refusal::new(Cause::Undecodable, text)
    };
    if bytes.len() < HEADER {
        return Err(refuse(r2r::Error::RCL_RET_INVALID_ARGUMENT));
    }
    M::from_serialized_bytes(bytes).map_err(refuse)
}

fn take_joints(intake: &mut Intake, message: &JointState, now_nanos: i64) -> Taken {
    let message = JointMessage {
        stamp: stamp(&message.header.stamp),
        frame_id: &message.header.frame_id,
        names: &message.name,
        positions: &message.position,
        has_other_fields: !(message.velocity.is_empty() && message.effort.is_empty()),
    };
    intake.take_joints(&message, now_nanos)
}

fn take_image(intake: &mut Intake, message: &Image, now_nanos: i64) -> Taken {
    let message = ImageMessage {
        stamp: stamp(&message.header.stamp),
        frame_id: &message.header.frame_id,
        height: message.height,
        width: message.width,
        encoding: &message.encoding,
        is_bigendian: message.is_bigendian,
        step: message.step,
        data: &message.data,
    };
    intake.take_image(&message, now_nanos)
}

fn take_points(intake: &mut Intake, message: &PointCloud2, now_nanos: i64) -> Taken {
    let fields: Vec<Field<'_>> = message
        .fields
        .iter()
        .map(|field| Field { name: &field.name, offset: field.offset, datatype: field.datatype, count: field.count })
        .collect();
    let message = CloudMessage {
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
    intake.take_points(&message, now_nanos)
}

fn stamp(time: &Time) -> Stamp {
    Stamp { sec: time.sec, nanosec: time.nanosec }
}
