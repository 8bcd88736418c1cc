//! People as ZED cameras send them: `zed_msgs/ObjectsStamped`, by the texts in `launch/msgs`.

use std::sync::LazyLock;

use super::keypoints::Reading;
use super::refusal::{Cause, Refusal};
use super::stamp::Stamp;
use super::text_type::{Part, Types};
use super::wire::{Keypoints, undecodable};

/// The message's type, in the texts.
const OBJECTS: &str = "zed_msgs/ObjectsStamped";
/// Objects that are read of a message, at most.
const MOST: usize = 64;
/// Keypoints of each format of a skeleton, by its number, and its name.
const FORMATS: [(usize, &str); 4] = [(18, "BODY_18"), (34, "BODY_34"), (38, "BODY_38"), (70, "BODY_70")];

macro_rules! text {
    ($name:literal) => {
        (concat!("zed_msgs/", $name), include_str!(concat!("../../../../launch/msgs/zed_msgs/msg/", $name, ".msg")))
    };
}

/// The types as they are, and as they were before there was a confidence of each keypoint.
static VERSIONS: LazyLock<Option<[Types; 2]>> = LazyLock::new(|| {
    let types = Types::of(&[
        text!("BoundingBox2Df"),
        text!("BoundingBox2Di"),
        text!("BoundingBox3D"),
        text!("Keypoint2Df"),
        text!("Keypoint2Di"),
        text!("Keypoint3D"),
        text!("Object"),
        text!("ObjectsStamped"),
        text!("Skeleton2D"),
        text!("Skeleton3D"),
    ])?;
    let before = types.clone().without("zed_msgs/Object", "skeleton_keypoint_confidence");
    Some([types, before])
});

/// Reads the skeletons of a message, each under the number that the tracker gives the person, which is negative as long as it
/// does not know them; `keypoints`: how many the table has.
///
/// # Errors
/// [`Cause::Undecodable`]; [`Cause::WrongCount`] for skeletons of another format than the table's.
pub fn read_objects(bytes: &[u8], keypoints: usize) -> Result<Keypoints, Refusal> {
    let versions = VERSIONS.as_ref().ok_or_else(|| undecodable(bytes))?;
    let message = versions.iter().find_map(|types| types.read(OBJECTS, bytes)).ok_or_else(|| undecodable(bytes))?;
    let (stamp, frame_id) = header(&message).ok_or_else(|| undecodable(bytes))?;
    let mut readings = Vec::new();
    for object in message.parts("objects").unwrap_or_default().iter().take(MOST).filter(|object| is_body(object)) {
        let format = object.number("body_format").unwrap_or(-1.0);
        let (count, name) = FORMATS.get(format as usize).filter(|_| format >= 0.0).copied().unwrap_or((0, "unknown"));
        if count != keypoints {
            let text = format!(
                "got skeletons of format {name}, {count} keypoints; expected {keypoints}, those of the table \
                 (body_pose.keypoints: zed_body_18, zed_body_34 or zed_body_38)"
            );
            return Err(Refusal::new(Cause::WrongCount, text));
        }
        readings.extend(skeleton(object, count).ok_or_else(|| undecodable(bytes))?);
    }
    Ok((stamp, frame_id, readings))
}

pub(super) fn header(message: &Part) -> Option<(Stamp, String)> {
    let header = message.get("header")?;
    let stamp = header.get("stamp")?;
    let (sec, nanosec) = (stamp.number("sec")? as i32, stamp.number("nanosec")? as u32);
    Some((Stamp { sec, nanosec }, header.text("frame_id")?.to_owned()))
}

/// Whether an object has a skeleton, and the tracker has not lost it.
fn is_body(object: &Part) -> bool {
    let is = |name: &str| object.number(name).is_some_and(|value| value != 0.0);
    is("skeleton_available") && (is("tracking_state") || !is("tracking_available"))
}

/// The keypoints of a person, in the order of the format.
fn skeleton(object: &Part, count: usize) -> Option<Vec<Reading>> {
    let body = object.number("label_id")? as i64;
    let confidence = object.numbers("skeleton_keypoint_confidence");
    let keypoints = object.get("skeleton_3d")?.parts("keypoints")?;
    let reading = |(number, keypoint): (usize, &Part)| {
        let place: [f64; 3] = keypoint.numbers("kp")?.try_into().ok()?;
        let confidence = confidence.and_then(|all| all.get(number)).copied();
        Some(Reading { id: i64::try_from(number).ok(), body: Some(body), place, confidence, is_ray: false })
    };
    keypoints.iter().enumerate().take(count).map(reading).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_types() {
        assert!(VERSIONS.is_some());
    }
}
