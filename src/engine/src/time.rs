//! What time makes likely of joints that have fallen silent.
//!
//! ```text
//! readings ──Timeline──> observation: joints that are seen, and those expected, each with a weight that falls with age
//!               │
//!          MotionModel: how far joints move within a time, alone and with each other (learned)
//! ```
//!
//! Beside it a [`Watch`] compares each joint that is seen with what the others say, by a [`SurpriseModel`], and tells which
//! one lies.
//!
//! No clock: the stamps of observations are all the time there is.

mod alpha_beta;
mod cholesky;
mod model;
mod predictor;
mod surprise;
mod timeline;
mod watch;

pub use model::{MotionModel, VELOCITY_SMOOTHING, angles, displacement, turned};
pub use predictor::{Gaps, LONGEST_GAP, MotionPredictor, Usual};
pub use surprise::{Poses, SurpriseModel};
pub use timeline::Timeline;
pub(crate) use timeline::variance_of_weight;
pub use watch::{Evidence, Oddity, Suspect, Watch};
