//! Learns a landscape theta for a task, by coordinate descent with a replay buffer, and an amortised start.
//!
//! Algorithm 1 of Liu et al., "Landscape Learning for Neural Network Inversion" (2023):
//!
//! ```text
//! repeat `buffers` times (B in the paper)
//!   collect   N descents z_0 .. z_T with theta fixed, by the engine itself, into a replay buffer
//!   update    theta, z fixed, to lower L(F(theta(z_t)), y) at every point of the buffer
//! ```
//!
//! Beside it, each an option: observations with gaps ([`MaskOptions`]: the descents see less than
//! the update does, so that theta learns where the hidden parts belong), several descents for each
//! observation of which the best bears the loss, an average of theta, a falling rate, validation
//! with early stopping, and the ablation without coordinate descent and buffer.

mod augmented;
pub mod ball;
mod buffer;
mod checkpoint;
mod classifier;
mod descents;
mod error;
mod exemplars;
mod head;
mod labelled_images;
mod logged;
mod masks;
mod motion_model;
mod motion_predictor;
mod observations;
mod online;
mod options;
mod own_steps;
mod patch;
mod preset;
mod promotion;
mod start;
mod surprise_model;
mod theta;
mod validation;
mod whitening;

pub use classifier::{
    Adversary, Classifier, ClassifierOptions, ClassifierProgress, Precision, accuracy, train_classifier,
};
pub use error::TrainError;
pub use exemplars::with_exemplars;
pub use head::{HeadOptions, HeadProgress, train_head};
pub use labelled_images::{ImageSplit, ImagesError, LabelledImages};
pub use logged::{Habits, Logbook, Logged, LoggedCounts, LoggedOptions, Page, Room};
pub use masks::{Masks, Visible};
pub use motion_model::{MotionFit, fit_motion_model};
pub use motion_predictor::{PredictorOptions, PredictorProgress, train_motion_predictor};
pub use observations::{Data, PseudoTruth, Visited, hide};
pub use options::{CollectionOptions, MaskOptions, OwnStepsOptions, ThetaOptions, UpdateOptions, ValidationOptions};
pub use patch::Patch;
pub use preset::Preset;
pub use promotion::{Comparison, Judged, PromotionReport, promote, temper};
pub use start::{StartOptions, StartProgress, train_start};
pub use surprise_model::{RivalLimits, SurpriseFit, fit_surprise_model};
pub use theta::{LoadTask, ThetaProgress, train};
