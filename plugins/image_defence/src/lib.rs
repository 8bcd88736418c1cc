//! Repairs an attacked image before it is classified: descends a contrastive loss over a correction that is added to it.
//!
//! Liu et al. (2023), section 4.3, after Mao et al., "Adversarial Attacks are Reversible with Natural Supervision", 2021.
//! See the README beside this crate for models, units, sources and limits.

mod backbone;
mod head;
mod task;
mod views;
mod weights;

pub use backbone::{Backbone, BackboneConfig, CHANNELS, Stage, Stem};
pub use head::{Head, HeadConfig, contrast, unit};
pub use task::{ENTRY, ImageDefence, Settings};
pub use views::{Views, ViewsConfig};
pub use weights::{Defence, LossConfig};
