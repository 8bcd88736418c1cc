//! Completes damaged images of faces: finds the latents of a generator whose images agree with what was seen.
//!
//! F is a DCGAN for 64 x 64 pixels, L is LPIPS plus squared error on the pixels that were seen (Liu et al., 2023,
//! eq. 5). See the README beside this crate for models, units, sources and limits.

mod generator;
mod lpips;
mod provision;
mod task;

pub use generator::{Generator, LATENT, SIDE};
pub use lpips::{FEATURES, Lpips};
pub use task::{ENTRY, GanInversion};
