//! The contract between thalweg and a task: F, L and what they read and write.
//!
//! A task describes one inverse problem. It maps a latent `x` to an output `y_hat` (the forward
//! model F) and scores that output against an [`Observation`] (the objective L). The engine
//! descends L; it knows nothing else about the task. Tensors in, tensors out: no ROS, no clock,
//! no file after loading.
//!
//! Axis letters, the same in the whole project: `K` hypotheses, `Z` latent of the landscape,
//! `X` latent of the task, `Y` output of F, `M` residuals, `B` replay batch, and `O` the rows of
//! an observation: one row shared by all hypotheses, or one row for each of them (`O = 1` or
//! `O = K`). Axis 0 of everything the engine touches is `K`, and rows never interact.
//!
//! `plugins/planar_arm` is the example to copy; [`conformance::check`] tells whether a task keeps
//! the contract.

mod cloud;
mod cloud_parameters;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dense;
pub mod draws;
mod error;
mod expected;
mod guard;
mod joint_convention;
pub mod library;
pub mod limits;
mod links;
mod masked;
mod models_folder;
mod numbers;
mod observation;
mod parameter;
mod pixels;
mod printable;
mod reconstruction;
mod root;
mod sampled;
mod seen;
mod spec;
mod surface;
mod surface_fit;
mod task;

pub use cloud::{CLOUD_POINTS, thinned};
pub use cloud_parameters::CloudParameters;
pub use dense::{DenseForm, DenseHead, KinematicTree, RotationFeatures, RotationHead, SerialAngles};
pub use error::TaskError;
pub use expected::Expected;
pub use guard::{first_line, guarded, is_guarded, lock, panic_line, panic_text};
pub use joint_convention::JointConvention;
pub use links::{Body, Capsule, Link, LinkHead, LinkMotion, LinkPosition, Reading};
pub use masked::Masked;
pub use models_folder::{models_folder, shipped};
pub use numbers::{mean, numbers, percentile};
pub use observation::Observation;
pub use parameter::{
    Change, PRECISION, ParameterKind, ParameterRange, ParameterRefusal, ParameterSpec, ParameterValue,
};
pub use pixels::Pixels;
pub use printable::printable;
pub use reconstruction::Reconstruction;
pub use root::{LEAST_DEPTH, Pair, Root, Similarity, tell_turn};
pub use sampled::sampled;
pub use seen::{ExpectedNumbers, Seen};
pub use spec::{
    Bone, Entry, ImageSpec, JointGroup, JointSpec, Keypoint, Kinds, LoadOptions, PointsSpec, SkeletonSpec, TaskSpec,
    Tracker, edit_distance, nearest,
};
pub use surface::{BLOCK, Block, Capsules, Coordinate, LEAST_DISTANCE, Nearest};
pub use surface_fit::{Moments, PULLS, Pull, SIZE, SurfaceFit, TreeCapsule, TreeSurface};
pub use task::{Objective, Target, Task};

/// The result of a call to a task.
pub type Result<T> = std::result::Result<T, TaskError>;
