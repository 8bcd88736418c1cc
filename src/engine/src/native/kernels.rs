//! Products of some rows with packed weights, as wide as the processor has vectors.

pub(super) mod buffer;
pub(super) mod dots;
pub(super) mod fetch;
pub(super) mod finish;
pub(super) mod lane;
pub(super) mod layer;
pub(super) mod panels;
pub(super) mod product;
pub(super) mod real;
pub(super) mod spread;
pub(super) mod sums;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod vectors;
