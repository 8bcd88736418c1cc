//! Real-time inversion of neural networks on learned landscapes.
//!
//! ```text
//! observation --> Engine: begin   z [K, Z], warm or drawn
//!                         refine  x = theta(z), y_hat = F(x), L [K], dL/dz, one step
//!                         solve   .. until the budget ends --> Solution, ranked
//! ```
//!
//! [`registry`] knows the tasks (F and L), [`landscape`] is theta, [`engine`] descends, [`start`]
//! proposes where to begin, [`train`] learns both with the same engine, [`motion`] keeps latents of recorded motions, [`eval`] measures.

pub mod clock;
pub mod diagnostics;
pub mod engine;
pub mod eval;
mod fused;
pub mod intake;
pub mod landscape;
pub mod lifecycle;
pub mod motion;
pub mod parameters;
pub mod record;
pub mod registry;
#[cfg(feature = "ros")]
pub mod ros;
pub mod solver;
pub mod start;
pub mod train;
pub mod watch;
