//! A person in an image as ros4hri has them: `hri_msgs/Skeleton2D`, by the texts in `launch/msgs`.

use std::sync::LazyLock;

use super::keypoints::Reading;
use super::objects::header;
use super::refusal::Refusal;
use super::text_type::{Part, Types};
use super::wire::{Keypoints, undecodable};

/// The message's type, in the texts.
const SKELETON: &str = "hri_msgs/Skeleton2D";

macro_rules! text {
    ($name:literal) => {
        (concat!("hri_msgs/", $name), include_str!(concat!("../../../../launch/msgs/hri_msgs/msg/", $name, ".msg")))
    };
}

static TYPES: LazyLock<Option<Types>> =
    LazyLock::new(|| Types::of(&[text!("NormalizedPointOfInterest2D"), text!("Skeleton2D")]));

/// Reads the keypoints of a message, each under its number: shares of the image's width and height, and a third number that
/// says nothing.
///
/// # Errors
/// [`super::Cause::Undecodable`].
pub fn read_skeleton(bytes: &[u8]) -> Result<Keypoints, Refusal> {
    let read = || {
        let message = TYPES.as_ref()?.read(SKELETON, bytes)?;
        let (stamp, frame_id) = header(&message)?;
        let reading = |(number, point): (usize, &Part)| {
            let place = [point.number("x")?, point.number("y")?, 0.0];
            let (id, confidence) = (i64::try_from(number).ok(), Some(point.number("c")?));
            Some(Reading { id, body: None, place, confidence, is_ray: false })
        };
        let readings = message.parts("skeleton")?.iter().enumerate().map(reading).collect::<Option<_>>()?;
        Some((stamp, frame_id, readings))
    };
    read().ok_or_else(|| undecodable(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_types() {
        assert!(TYPES.is_some());
    }
}
