//! From the bytes of a message to the intake.

use r2r::WrappedTypesupport;
use r2r::builtin_interfaces::msg::Time;
use r2r::sensor_msgs::msg::{JointState, PointCloud2};

use thalweg_node::intake::{
    Cause, CloudMessage, CompressedMessage, Field, ImageMessage, Input, Intake, JointMessage, Refusal, Stamp, Taken,
};
use thalweg_record::cdr::Decoder;

/// Decodes a message and hands it to the intake; images and masks go through [`super::frames`].
///
/// # Errors
/// [`Cause::Undecodable`] when the bytes are no message of the type.
pub(super) fn take(intake: &mut Intake, input: Input, bytes: &[u8], now_nanos: i64) -> Result<Taken, Refusal> {
    Ok(match input {
        Input::Joints => take_joints(intake, &decode(bytes)?, now_nanos),
        Input::Image | Input::Compressed | Input::Mask => Taken::default(),
        Input::Points => take_points(intake, &decode(bytes)?, now_nanos),
    })
}

/// Four bytes are the header of every CDR payload; Fast CDR reads beyond the end of less.
const HEADER: usize = 4;

fn decode<M: WrappedTypesupport>(bytes: &[u8]) -> Result<M, Refusal> {
    if bytes.len() < HEADER {
        return Err(undecodable(bytes));
    }
    M::from_serialized_bytes(bytes).map_err(|_error| undecodable(bytes))
}

fn undecodable(bytes: &[u8]) -> Refusal {
    let text = format!("got {} bytes that do not decode; expected a serialized message", bytes.len());
    Refusal::new(Cause::Undecodable, text)
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

/// A `std_msgs/Header`, read from CDR where it lies: a frame of 4K must not be copied to be judged.
fn read_header(decoder: &mut Decoder<'_>) -> Option<(Stamp, String)> {
    Some((Stamp { sec: decoder.i32()?, nanosec: decoder.u32()? }, decoder.text()?))
}

/// The stamp of a message that begins with a header.
///
/// # Errors
/// [`Cause::Undecodable`].
pub(super) fn stamp_of(bytes: &[u8]) -> Result<Stamp, Refusal> {
    let header = Decoder::new(bytes).and_then(|mut decoder| read_header(&mut decoder));
    header.map(|(stamp, _)| stamp).ok_or_else(|| undecodable(bytes))
}

/// Reads a `sensor_msgs/Image` and hands it on, its pixels not copied.
///
/// # Errors
/// [`Cause::Undecodable`].
pub(super) fn with_image<T>(bytes: &[u8], work: impl FnOnce(&ImageMessage<'_>) -> T) -> Result<T, Refusal> {
    let read = || {
        let mut decoder = Decoder::new(bytes)?;
        let (stamp, frame_id) = read_header(&mut decoder)?;
        let (height, width, encoding) = (decoder.u32()?, decoder.u32()?, decoder.text()?);
        let (is_bigendian, step, data) = (decoder.u8()?, decoder.u32()?, decoder.bytes()?);
        let (frame_id, encoding) = (frame_id.as_str(), encoding.as_str());
        Some(work(&ImageMessage { stamp, frame_id, height, width, encoding, is_bigendian, step, data }))
    };
    read().ok_or_else(|| undecodable(bytes))
}

/// Reads a `sensor_msgs/CompressedImage` and hands it on.
///
/// # Errors
/// [`Cause::Undecodable`].
pub(super) fn with_compressed<T>(bytes: &[u8], work: impl FnOnce(&CompressedMessage<'_>) -> T) -> Result<T, Refusal> {
    let read = || {
        let mut decoder = Decoder::new(bytes)?;
        let ((stamp, frame_id), format, data) = (read_header(&mut decoder)?, decoder.text()?, decoder.bytes()?);
        Some(work(&CompressedMessage { stamp, frame_id: &frame_id, format: &format, data }))
    };
    read().ok_or_else(|| undecodable(bytes))
}

fn take_points(intake: &mut Intake, message: &PointCloud2, now_nanos: i64) -> Taken {
    with_cloud(message, |cloud| intake.take_points(cloud, now_nanos))
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
