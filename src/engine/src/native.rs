//! Dense layers under a sum of squares, evaluated and differentiated without libtorch.
//!
//! ```text
//! z [K, Z] ──theta──> x [K, X] ──layers of F──> raw ──head──> y_hat ──Comparison──> loss [K]
//!   <───────────────── the same layers, transposed ────────────────  dL/draw
//! ```
//!
//! libtorch's autograd spends most of a small step on bookkeeping. Here a step is a few products of
//! some rows with packed weights ([`kernels::panels`]), with biases and rectifiers applied before a result leaves
//! the registers, and rows go through all layers in tiles that stay in the cache. Weights are kept once for both
//! directions, or twice, whichever the processor does better with ([`kernels::layer`]). Vectors are as wide
//! as the processor at hand has them: AVX-512, AVX2, NEON or none, chosen when a model is built. A row's result has
//! the same bits whatever rows go with it, so that rows may be dealt out to threads ([`team`]). Nothing is
//! allocated while evaluating.
//!
//! Residuals may follow from rotations, or from where joints are ([`heads::places`]).
//!
//! ```text
//! kernels   products of some rows with packed weights, for each kind of vectors
//! heads     what follows the layers: rotations, places of joints, how they are compared
//! model     theta, F and a head as one chain; gradients, and Jacobians for damped least squares
//! descent   moves rows on a model: the double of what the engine does with tensors
//! team      the threads that share the rows
//! ```
//!
//! Plain numbers in and out: no observation, and no clock that decides a result. In options and reports this is the
//! backend `fused`.

mod descent;
mod heads;
mod kernels;
mod model;
#[expect(
    clippy::disallowed_types,
    reason = "the only threads of the engine; their clock bounds how long one waits awake, never a result"
)]
mod sync;
#[expect(clippy::disallowed_types, reason = "as above")]
mod team;

#[cfg(feature = "gpu")]
pub(crate) use descent::prior_term;
pub(crate) use descent::{Native, NativeDescent};
#[cfg(feature = "gpu")]
pub(crate) use heads::comparison::Comparison;
pub(crate) use heads::comparison::{EncodedTarget, PriorTerm, read};
pub(crate) use kernels::real::Real;
#[cfg(test)]
pub(crate) use kernels::tests::arches;
pub use kernels::vectors::vectors;
pub(crate) use model::chain::Chain;
pub(crate) use model::normal::NormalSpace;
use model::{Batch, Model, Workspace};
use team::Team;
