//! Training on several processes: the process groups of libtorch (c10d, on Gloo), which PyTorch users already run.
//!
//! [`Rendezvous::from_env`] reads the variables that torchrun, Slurm scripts and Kubeflow set; [`join`] meets the others
//! there and gives [`thalweg_nn::Ranks`], with which trainings share their work. docs/training.md is for users.

mod environment;
mod error;
mod ffi;
mod group;

pub use environment::Rendezvous;
pub use error::RendezvousError;
pub use group::{ProcessGroup, join};
