//! Real-time inversion of neural networks on learned landscapes.
//!
//! ```text
//! observation --> Engine: begin   z [K, Z], warm or drawn
//!                         refine  x = theta(z), y_hat = F(x), L [K], dL/dz, one step
//!                         solve   .. until the budget ends --> Solution, ranked
//! ```
//!
//! [`registry`] knows the tasks (F and L), [`landscape`] is theta, [`engine`] descends, [`train`]
//! learns theta with the same engine, [`motion`] keeps latents of recorded motions, [`eval`] measures.

pub mod clock;
pub mod engine;
pub mod eval;
pub mod landscape;
pub mod motion;
pub mod registry;
pub mod train;
