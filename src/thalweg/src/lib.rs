//! Real-time inversion of neural networks on learned landscapes.
//!
//! ```text
//! observation --> engine: begin   z [K, Z], warm or drawn
//!                         refine  x = theta(z), y_hat = F(x), L [K], dL/dz, one step
//!                         solve   .. until the budget ends --> hypotheses, ranked
//! ```
//!
//! [`Registry`] knows the tasks (F and L), [`Plan`] says what to load, [`motion`] keeps latents of recorded motions.

mod choice;
pub mod clock;
pub mod motion;
mod plan;
mod registry;
mod source;

pub use choice::Choice;
pub use plan::{LoadError, Loaded, Plan};
pub use registry::Registry;
pub use source::{DeviceChoice, LandscapeSource, NoDevice, StartSource};
pub use thalweg_engine as engine;
pub use thalweg_task as task;
