//! A three-link planar arm: the reference task, and the example to copy.
//!
//! The latent `x` gives three joint angles; F adds the positions of the three link tips. Joints,
//! tips or any part of them can be observed. What the parts of a plugin are for:
//!
//! - `parameters`: what the user may set, checked once, at load.
//! - `arm`: the model in plain numbers, with its closed-form inverse; no tensors. Most tasks have
//!   no such file, this one does so that the engine can be held against the truth.
//! - `task`: F and L on tensors, and the description that the engine reads.
//! - [`ENTRY`]: what the registry lists.

mod arm;
mod parameters;
mod task;

pub use arm::Arm;
pub use parameters::Parameters;

use task::PlanarArm;
use thalweg_task::{Entry, Kinds};

/// What the registry lists and how it loads the task.
pub const ENTRY: Entry = Entry {
    name: "planar_arm",
    summary: "three-link planar arm: joint angles and link tips, any part of them observed",
    observes: Kinds { joints: true, image: false, points: true },
    parameters: Parameters::describe,
    suited: Vec::new,
    load: |options| Ok(Box::new(PlanarArm::load(options)?)),
};
