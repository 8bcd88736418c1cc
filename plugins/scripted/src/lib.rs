//! Inverts any PyTorch model, without a line of Rust.
//!
//! A task is a folder: `task.yaml` says what is read and written, `forward.ts` is F in TorchScript, and `objective.ts`,
//! where it is there, is L. `python -m thalweg_export` (`tools/thalweg_export`) writes one from an `nn.Module`. What is
//! trained for it, `scripted_theta.safetensors`, lies in the folder, too.

mod description;
mod module;
mod task;

pub use description::{Compare, Description, FILE};
pub use module::{FORWARD, OBJECTIVE};
pub use task::{ENTRY, PARAMETER};
