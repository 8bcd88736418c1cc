//! A robot's body: links, joints and shapes, from any URDF; and where they are.

mod element;
mod file;
mod kinematics;
mod model;
mod shapes;
mod tree;
mod urdf;

pub use kinematics::Posture;
pub use model::{Model, ModelError};
pub use shapes::{Form, Shape};
