//! Inputs from which others are made: each sound, or with one thing about it that is not, and small.

mod messages;
mod motion;
mod recordings;
mod texts;

pub(crate) use messages::{camera, clock, compressed, image, joints, mask, picture, points};
pub(crate) use motion::{AMC_MARK, amc, asf, bvh, npz, npz_files};
pub(crate) use recordings::{bag, recording, replay, weights};
#[cfg(feature = "view")]
pub(crate) use texts::urdf;
pub(crate) use texts::{description, metadata, observation, parameters};

/// Names and bytes.
pub type Seeds = Vec<(&'static str, Vec<u8>)>;
