//! Trains the pose prior: a variational autoencoder whose decoder is F.
//!
//! After VPoser (Pavlakos et al., "Expressive Body Capture", 2019, sec. 3.3), with weights and
//! data of our own.

mod figures;
mod poses;
mod train;
mod vae;

pub use figures::{Figures, measure};
pub use poses::{PoseSet, mirrored, training_poses};
pub use train::{Progress, TrainError, TrainOptions, train};
pub use vae::{ENCODER_HIDDEN, HIDDEN, LATENT, SLOPE, Vae};
pub(crate) use vae::{decoder_widths, rotations};
