//! Everything that a task, an engine or a trainer allocates goes to the device of the task.
//!
//! Where there is no card, a double takes CUDA's place in libtorch (`another_device.cpp`): it computes as the processor does,
//! and refuses tensors that lie there. It must be loaded before libtorch is used, so each test starts itself anew.
#![allow(clippy::unwrap_used, missing_docs)]

mod double;
mod engines;
mod trainers;
