//! Products of some rows with packed weights, as wide as the processor has vectors.

pub(crate) mod buffer;
pub(crate) mod dots;
pub(crate) mod fetch;
pub(crate) mod finish;
pub(crate) mod lane;
pub(crate) mod layer;
pub(crate) mod panels;
pub(crate) mod product;
pub(crate) mod real;
pub(crate) mod spread;
pub(crate) mod sums;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod vectors;
