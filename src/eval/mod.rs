//! Measures of what the engine found, and pictures of it.

pub mod metrics;
pub mod percentile;
pub mod plot;
pub mod skeleton;
