//! Completes the unobserved joints of a human body from a learned prior.
//!
//! F is the decoder of a variational autoencoder of poses; L compares rotations on the joints
//! that were seen. See the README beside this crate for model, units, source and limits.

mod angles;
mod body;
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "motion capture, for training; the task itself opens no file"
)]
pub mod dataset;
mod free_root;
pub mod keypoints;
pub mod kinematics;
mod numeric;
mod objective;
pub mod prior;
mod rep155;
pub mod rotation;
mod shape;
mod sight;
pub mod skeleton;
mod task;
pub mod urdf;

pub use body::Body;
pub use objective::LossKind;
pub use shape::limbs;
pub use task::{BodyPose, ENTRY, joint_angles, rotations_from_angles};
