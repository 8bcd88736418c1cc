//! From messages to observations: validates what arrives, merges it, counts what was refused.
//!
//! ```text
//! JointMessage --> JointBoard   names -> joints, one slot each, newest position wins ---+
//! ImageMessage, CompressedMessage, Mask --> FrameQueue, by stamps, newest wins
//!              --> ImageReader  encoding, size -> [C, H, W] --> Latest, newest wins ----+--> Observation
//! CloudMessage --> decode_points fields -> [P, 3] ------------> Latest, newest wins ----+    + Provenance
//! Reading      --> judge_keypoints, by the table of a tracker --> the same
//! Reading in pixels --> Camera, by the last CameraMessage: rays --> judge_keypoints
//! several people: each message is divided by whose it is; each has an Intake (`people.rs`)
//!                        |
//!                        +--> Refusal {cause, "got .. expected .."} --> Tally, one per input
//! ```
//!
//! The good part of a message is used and the bad part refused with a reason; a message whose
//! structure does not fit together is refused as a whole. Nothing here reads a clock: ROS time is
//! handed in, nanoseconds, and may jump. Memory is bounded whatever comes, and no value that
//! leaves is infinite or larger than anything can be (`bounds.rs`).

mod average;
mod bayer;
mod bounds;
mod camera;
mod channel;
mod clouds;
mod compressed;
mod contradiction;
mod convention;
mod encoding;
mod findings;
mod frames;
mod huffman;
mod image;
#[expect(clippy::module_inception, reason = "the file is named after the type it holds")]
mod intake;
mod joints;
mod keypoints;
mod latest;
mod layout;
mod mask;
mod objects;
mod people;
mod pixels;
mod places;
mod points;
mod position;
mod provenance;
mod raster;
mod refusal;
mod resize;
mod skeleton;
mod sources;
mod stamp;
mod store;
mod text;
mod text_type;
pub mod wire;
mod yuv;

pub use bounds::{BOUNDS, Bound};
pub use camera::{Camera, CameraMessage};
pub use channel::{Channel, Input};
pub use clouds::{CloudBox, WHOLE, decode_cloud};
pub use compressed::CompressedMessage;
pub use frames::{Frame, FrameQueue, MaskUse, Pair, Pairing};
pub use image::{Fit, ImageConfig, ImageMessage, ImageReader, MAX_PIXELS, decode_image};
pub use intake::{Intake, IntakeConfig};
pub use joints::{JointBoard, JointConfig, JointMessage, Snapshot};
pub use keypoints::{Reading, judge_keypoints};
pub use mask::{ColourKey, Mask, MaskMarks};
pub use objects::read_objects;
pub use people::{People, PeopleConfig, Person, identity};
pub use pixels::PixelUnit;
pub use points::{CloudMessage, Field, decode_points};
pub use provenance::Provenance;
pub use refusal::{Cause, Refusal, Since, Tally};
pub use skeleton::read_skeleton;
pub use stamp::{Judged, Stamp, judge};
pub use text::{NAME_BYTES, escaped, is_acceptable_name};

/// What became of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many joints, pixels times channels, or coordinates were used.
    pub used: usize,
    /// What was wrong, at most one for each cause; some of it was used nevertheless.
    pub refusals: Vec<Refusal>,
    /// Names that are no joints of the task and were not told before; 256 are told in all.
    pub unknown: Vec<String>,
    /// Whether the message says that its source lives and nothing else.
    pub is_heartbeat: bool,
}

/// Values that were decoded, NaN where unobserved.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Row-major values.
    pub values: Vec<f32>,
    /// How much each point counts, from 0 to 1; empty is 1 for all.
    pub confidence: Vec<f32>,
    /// What is worth a word although the message is used.
    pub notices: Vec<Refusal>,
}

/// Takes a frame that is empty or a name.
fn judge_frame(frame_id: &str) -> Result<&str, Refusal> {
    if frame_id.is_empty() || is_acceptable_name(frame_id) {
        return Ok(frame_id);
    }
    let text = format!("got frame '{}'; expected at most 256 bytes of printable text; left out", escaped(frame_id));
    Err(Refusal::new(Cause::BadName, text))
}
