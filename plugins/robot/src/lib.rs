//! Completes the joints of any robot, from its URDF and a prior learned from its recordings.
//!
//! F is a decoder from a latent to the positions of all joints; L compares them with those that were seen. A model is a
//! folder, which `thalweg adopt` writes: `robot.urdf`, `robot.safetensors` and `robot_theta.safetensors`.

mod decoder;
pub mod kinematics;
pub mod layout;
mod links;
pub mod mirror;
pub mod model;
mod parameters;
mod places;
pub mod prior;
mod reduced;
pub mod shapes;
mod task;
pub mod urdf;

pub use layout::Layout;
pub use model::Model;
pub use task::{ENTRY, RobotTask, within_limits};
pub use urdf::{Robot, UrdfError};
