//! The inputs of the node and what each has seen.

use super::refusal::Tally;

/// An input of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Joint positions.
    Joints,
    /// An image.
    Image,
    /// The same as JPEG or PNG.
    Compressed,
    /// Which pixels of an image were seen.
    Mask,
    /// Points.
    Points,
    /// Points without names.
    Cloud,
    /// The camera in whose image points are.
    Camera,
}

impl Input {
    /// Every input.
    pub const ALL: [Self; 7] =
        [Self::Joints, Self::Image, Self::Compressed, Self::Mask, Self::Points, Self::Cloud, Self::Camera];

    /// The topic, relative.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Joints => "joint_states",
            Self::Image => "image",
            Self::Compressed => "image/compressed",
            Self::Mask => "mask",
            Self::Points => "points",
            Self::Cloud => "cloud",
            Self::Camera => "camera_info",
        }
    }
}

/// What an input has seen since the start.
#[derive(Clone, Debug, Default)]
pub struct Channel {
    /// Messages that came.
    pub seen: u64,
    /// Messages of which something was used.
    pub used: u64,
    /// Messages that were used although something was worth a word.
    pub noticed: u64,
    /// When the last message came, nanoseconds.
    pub last_nanos: Option<i64>,
    /// What was refused, and what was noticed.
    pub tally: Tally,
}
