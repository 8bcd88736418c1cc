//! What follows the layers: rotations and places of joints, how they are compared, and the derivatives.

pub(crate) mod chord;
pub(crate) mod comparison;
pub(crate) mod places;
pub(crate) mod rotation;
