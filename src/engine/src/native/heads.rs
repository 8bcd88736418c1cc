//! What follows the layers: rotations and places of joints, how they are compared, and the derivatives.

pub(super) mod chord;
pub(super) mod circles;
pub(super) mod cloud;
pub(super) mod comparison;
mod encoded;
pub(super) mod links;
pub(super) mod places;
pub(super) mod root;
pub(super) mod rotation;
mod searched;
