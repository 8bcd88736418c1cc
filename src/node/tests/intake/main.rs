//! What the intake promises for each kind of bad input: one test per row of the fault catalogue,
//! named after it, and properties that hold for any input.
#![allow(clippy::unwrap_used, reason = "tests")]

mod beginnings;
mod bounds;
mod cameras;
mod cloud_rows;
mod compressed_rows;
mod frame_queue;
mod image_rows;
mod joined;
mod joint_rows;
mod joint_streams;
mod masks;
mod messages;
mod pixel_rows;
mod point_rows;
mod properties;
