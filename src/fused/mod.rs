//! Dense layers under a sum of squares, evaluated and differentiated without libtorch.
//!
//! ```text
//! z [K, Z] ──theta──> x [K, X] ──layers of F──> raw ──head──> y_hat ──Comparison──> loss [K]
//!   <───────────────── the same layers, transposed ────────────────  dL/draw
//! ```
//!
//! libtorch's autograd spends most of a small step on bookkeeping. Here a step is a few products of
//! some rows with packed weights ([`panels`]), with biases and rectifiers applied before a result leaves
//! the registers, and rows go through all layers in tiles that stay in the cache. Weights are kept once for both
//! directions, or twice, whichever the processor does better with ([`layer`]). Vectors are as wide
//! as the processor at hand has them: AVX-512, AVX2, NEON or none, chosen when a model is built. A row's result has
//! the same bits whatever rows go with it, so that rows may be dealt out to threads ([`team`]). Nothing is
//! allocated while evaluating.
//!
//! Residuals may follow from rotations, or from where joints are ([`places`]).
//!
//! Plain numbers in and out: no optimizer, no observation, no clock. The engine (`engine::native`)
//! descends on it.

mod buffer;
mod chain;
mod chord;
mod comparison;
mod dots;
mod fetch;
mod finish;
mod lane;
mod layer;
mod model;
mod normal;
mod panels;
mod places;
mod product;
mod real;
mod rotation;
mod seat;
mod spread;
mod sums;
mod tangents;
mod team;
#[cfg(test)]
mod tests;
mod vectors;

pub(crate) use chain::Chain;
pub(crate) use comparison::{Aim, Pull, numbers, read};
pub(crate) use model::{Batch, Model, Workspace};
pub(crate) use normal::NormalSpace;
pub(crate) use real::Real;
pub(crate) use team::Team;
#[cfg(test)]
pub(crate) use tests::arches;
pub use vectors::vectors;
