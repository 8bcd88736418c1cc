//! Measures of what the engine found, what it is compared with, and pictures of it.

pub mod completion;
pub mod lbfgs;
pub mod metrics;
pub mod plain;
pub mod plot;
pub mod rivals;
pub mod skeleton;
