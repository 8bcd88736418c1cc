//! A robot's body: links, joints and shapes, from any URDF; and where they are.

mod kinematics;
mod model;
mod shapes;

pub use kinematics::Posture;
pub use model::{Model, ModelError};
pub use shapes::{Form, Shape};
