//! Attacks on classifiers of images, and what a defence is worth under them.

pub mod attacks;
pub mod repair;
