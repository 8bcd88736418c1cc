//! Real-time inversion of neural networks on learned landscapes.
//!
//! ```text
//! observation --> engine: begin   z [K, Z], warm or drawn
//!                         refine  x = theta(z), y_hat = F(x), L [K], dL/dz, one step
//!                         solve   .. until the budget ends --> hypotheses, ranked
//! ```
//!
//! [`load`] opens a task by name, [`Registry`] knows the tasks (F and L) and takes others, [`Plan`] says what to load,
//! [`motion`] keeps latents of recorded motions. `examples/` has each of it in a page.

mod builder;
mod choice;
pub mod clock;
pub mod defaults;
mod error;
mod gpu_trial;
mod inverter;
pub mod motion;
mod observed;
mod plan;
pub mod plugins;
mod position;
mod registry;
mod solved;
mod source;

pub use builder::{Builder, load};
pub use choice::Choice;
pub use error::Error;
pub use gpu_trial::{GpuTrial, GpuTrialError, Measured};
pub use inverter::Inverter;
pub use observed::Observed;
pub use plan::{LoadError, Loaded, Plan};
pub use position::{
    BRIGHTNESS, BadPosition, GREATEST_ANGLE, GREATEST_COORDINATE, GREATEST_LENGTH, GREATEST_SLOPE, JointRange, Position,
};
pub use registry::Registry;
pub use solved::{Hypothesis, Solved};
pub use source::{DeviceChoice, LandscapeSource, NoDevice, StartSource};
pub use tch;
pub use thalweg_engine as engine;
pub use thalweg_task as task;
