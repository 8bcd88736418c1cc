//! From the bytes of a message to its fields: what arrives is judged here first, and nothing of it is believed.
//!
//! Decoded here and not by the middleware: its decoder writes lines of its own on standard error for bytes that are no
//! message, and nobody can throttle them.

use thalweg_record::cdr::Decoder;

use super::camera::CameraMessage;
use super::compressed::CompressedMessage;
use super::image::ImageMessage;
use super::joints::JointMessage;
use super::keypoints::Reading;
use super::points::{CloudMessage, Field};
use super::refusal::{Cause, Refusal};
use super::stamp::Stamp;

/// Most names of joints that are read of a message: the greatest value of `input.max_joints`.
const NAMES: u32 = 1_000_000;

pub(super) fn undecodable(bytes: &[u8]) -> Refusal {
    let text = format!("got {} bytes that do not decode; expected a serialized message", bytes.len());
    Refusal::new(Cause::Undecodable, text)
}

/// Reads a `sensor_msgs/JointState` and hands it on.
///
/// # Errors
/// [`Cause::Undecodable`].
pub fn with_joints<T>(bytes: &[u8], work: impl FnOnce(&JointMessage<'_>) -> T) -> Result<T, Refusal> {
    let read = || {
        let mut decoder = Decoder::new(bytes)?;
        let (stamp, frame_id) = read_header(&mut decoder)?;
        let (names, positions) = (decoder.texts(NAMES)?, decoder.f64s()?);
        let (velocities, efforts) = (decoder.f64s()?, decoder.f64s()?);
        let has_other_fields = !(velocities.is_empty() && efforts.is_empty());
        let (frame_id, names, positions) = (frame_id.as_str(), &names, &positions);
        Some(work(&JointMessage { stamp, frame_id, names, positions, has_other_fields }))
    };
    read().ok_or_else(|| undecodable(bytes))
}

/// Reads a `std_msgs/String`; none where the bytes are no such message.
#[must_use]
pub fn text_of(bytes: &[u8]) -> Option<String> {
    Decoder::new(bytes)?.text()
}

/// Reads a `sensor_msgs/PointCloud2` and hands it on, its points not copied.
///
/// # Errors
/// [`Cause::Undecodable`].
pub fn with_points<T>(bytes: &[u8], work: impl FnOnce(&CloudMessage<'_>) -> T) -> Result<T, Refusal> {
    let read = || {
        let mut decoder = Decoder::new(bytes)?;
        let (stamp, frame_id) = read_header(&mut decoder)?;
        let (height, width) = (decoder.u32()?, decoder.u32()?);
        let count = decoder.length()?;
        // In the order in which they stand: each reads where the one before it ended.
        let mut field = || Some((decoder.text()?, decoder.u32()?, decoder.u8()?, decoder.u32()?));
        let fields = (0..count).map(|_| field()).collect::<Option<Vec<_>>>()?;
        let (is_bigendian, point_step, row_step) = (decoder.u8()? != 0, decoder.u32()?, decoder.u32()?);
        let (data, _is_dense) = (decoder.bytes()?, decoder.u8()?);
        let fields: Vec<Field<'_>> = fields
            .iter()
            .map(|(name, offset, datatype, count)| Field { name, offset: *offset, datatype: *datatype, count: *count })
            .collect();
        let (frame_id, fields) = (frame_id.as_str(), fields.as_slice());
        Some(work(&CloudMessage { stamp, frame_id, height, width, fields, is_bigendian, point_step, row_step, data }))
    };
    read().ok_or_else(|| undecodable(bytes))
}

/// Reads a `sensor_msgs/CameraInfo` and hands it on.
///
/// # Errors
/// [`Cause::Undecodable`].
pub fn with_camera<T>(bytes: &[u8], work: impl FnOnce(&CameraMessage<'_>) -> T) -> Result<T, Refusal> {
    let read = || {
        let mut decoder = Decoder::new(bytes)?;
        let (stamp, frame_id) = read_header(&mut decoder)?;
        let (height, width, distortion_model) = (decoder.u32()?, decoder.u32()?, decoder.text()?);
        let d = decoder.f64s()?;
        let (k, r, p) = (read_doubles(&mut decoder)?, read_doubles(&mut decoder)?, read_doubles(&mut decoder)?);
        let binning = [decoder.u32()?, decoder.u32()?];
        let [x, y, rows, columns] = [decoder.u32()?, decoder.u32()?, decoder.u32()?, decoder.u32()?];
        let _do_rectify = decoder.u8()?;
        let (frame_id, distortion_model, d) = (frame_id.as_str(), distortion_model.as_str(), d.as_slice());
        let roi = [x, y, columns, rows];
        Some(work(&CameraMessage { stamp, frame_id, height, width, distortion_model, d, k, r, p, binning, roi }))
    };
    read().ok_or_else(|| undecodable(bytes))
}

/// Markers or poses that are read of a message, at most: those of many people.
const READINGS: usize = 4096;

/// Keypoints of a message: stamp and frame of its first one, and all of them.
pub type Keypoints = (Stamp, String, Vec<Reading>);

/// Reads a `visualization_msgs/MarkerArray` as trackers of bodies send it: a marker a joint, by its `id`.
///
/// Markers that take others away are left out.
///
/// # Errors
/// [`Cause::Undecodable`].
pub fn read_markers(bytes: &[u8]) -> Result<Keypoints, Refusal> {
    let read = || {
        let mut decoder = Decoder::new(bytes)?;
        let count = decoder.length().filter(|count| *count <= READINGS)?;
        let (mut header, mut readings) = (None, Vec::new());
        for _ in 0..count {
            let (own, reading) = read_marker(&mut decoder)?;
            if let Some(reading) = reading {
                header.get_or_insert(own);
                readings.push(reading);
            }
        }
        let (stamp, frame_id) = header.unwrap_or((Stamp { sec: 0, nanosec: 0 }, String::new()));
        Some((stamp, frame_id, readings))
    };
    read().ok_or_else(|| undecodable(bytes))
}

/// Reads a `visualization_msgs/Marker`, of which the point is none where it takes another away.
fn read_marker(decoder: &mut Decoder<'_>) -> Option<((Stamp, String), Option<Reading>)> {
    let header = read_header(decoder)?;
    decoder.text()?;
    let (id, _kind, action) = (decoder.i32()?, decoder.i32()?, decoder.i32()?);
    let [x, y, z, ..] = read_doubles::<7>(decoder)?;
    // Size, colour, lifetime, whether it is locked to its frame.
    read_doubles::<3>(decoder)?;
    (0..4).try_for_each(|_| decoder.u32().map(drop))?;
    decoder.i32()?;
    decoder.u32()?;
    decoder.u8()?;
    for _ in 0..decoder.length()? {
        read_doubles::<3>(decoder)?;
    }
    for _ in 0..decoder.length()? {
        (0..4).try_for_each(|_| decoder.u32().map(drop))?;
    }
    // Texture: a name, a compressed image, and where its corners go; a text; a mesh: a name, a file.
    decoder.text()?;
    read_header(decoder)?;
    decoder.text()?;
    decoder.bytes()?;
    for _ in 0..decoder.length()? {
        (0..2).try_for_each(|_| decoder.u32().map(drop))?;
    }
    decoder.text()?;
    decoder.text()?;
    decoder.text()?;
    decoder.bytes()?;
    decoder.u8()?;
    let reading = Reading { id: Some(i64::from(id)), body: None, place: [x, y, z], confidence: None, is_ray: false };
    Some((header, (action == ADD).then_some(reading)))
}

/// `visualization_msgs/Marker.ADD`.
const ADD: i32 = 0;

/// Reads a `geometry_msgs/PoseArray` whose poses are the keypoints of a table in its order.
///
/// # Errors
/// [`Cause::Undecodable`].
pub fn read_poses(bytes: &[u8]) -> Result<Keypoints, Refusal> {
    let read = || {
        let mut decoder = Decoder::new(bytes)?;
        let (stamp, frame_id) = read_header(&mut decoder)?;
        let count = decoder.length().filter(|count| *count <= READINGS)?;
        let pose = |_| {
            let [x, y, z, ..] = read_doubles::<7>(&mut decoder)?;
            Some(Reading { id: None, body: None, place: [x, y, z], confidence: None, is_ray: false })
        };
        Some((stamp, frame_id, (0..count).map(pose).collect::<Option<Vec<_>>>()?))
    };
    read().ok_or_else(|| undecodable(bytes))
}

fn read_doubles<const N: usize>(decoder: &mut Decoder<'_>) -> Option<[f64; N]> {
    let mut values = [0.0; N];
    for value in &mut values {
        *value = f64::from_bits(decoder.u64()?);
    }
    Some(values)
}

/// Reads a `rosgraph_msgs/Clock`; none where the bytes are no such message, or its time is none.
#[must_use]
pub fn clock_of(bytes: &[u8]) -> Option<Stamp> {
    let mut decoder = Decoder::new(bytes)?;
    let stamp = Stamp { sec: decoder.i32()?, nanosec: decoder.u32()? };
    stamp.nanos().is_ok().then_some(stamp)
}

/// A `std_msgs/Header`, read from CDR where it lies: a frame of 4K must not be copied to be judged.
fn read_header(decoder: &mut Decoder<'_>) -> Option<(Stamp, String)> {
    Some((Stamp { sec: decoder.i32()?, nanosec: decoder.u32()? }, decoder.text()?))
}

/// The stamp of a message that begins with a header.
///
/// # Errors
/// [`Cause::Undecodable`].
pub fn stamp_of(bytes: &[u8]) -> Result<Stamp, Refusal> {
    let header = Decoder::new(bytes).and_then(|mut decoder| read_header(&mut decoder));
    header.map(|(stamp, _)| stamp).ok_or_else(|| undecodable(bytes))
}

/// Reads a `sensor_msgs/Image` and hands it on, its pixels not copied.
///
/// # Errors
/// [`Cause::Undecodable`].
pub fn with_image<T>(bytes: &[u8], work: impl FnOnce(&ImageMessage<'_>) -> T) -> Result<T, Refusal> {
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
pub fn with_compressed<T>(bytes: &[u8], work: impl FnOnce(&CompressedMessage<'_>) -> T) -> Result<T, Refusal> {
    let read = || {
        let mut decoder = Decoder::new(bytes)?;
        let ((stamp, frame_id), format, data) = (read_header(&mut decoder)?, decoder.text()?, decoder.bytes()?);
        Some(work(&CompressedMessage { stamp, frame_id: &frame_id, format: &format, data }))
    };
    read().ok_or_else(|| undecodable(bytes))
}
