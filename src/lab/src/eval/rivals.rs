//! Rivals that do not descend: they complete a pose from training poses, in closed form.
//!
//! `P` poses to complete, `N` training poses, `S` hypotheses. Which joints are hidden is a boolean
//! `[P, 21]`, pose by pose. Seen joints are not put back.

mod gaussian;
mod nearest;

pub use gaussian::ConditionalGaussian;
pub use nearest::{NearestPose, mean_pose};
